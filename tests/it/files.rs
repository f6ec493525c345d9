//! `cutwater versions files` and `export`: what is in a version, byte for byte, and nothing outside of the folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use super::shop::{Shop, app_with_image, text};

/// A version with every kind of file that may be in one.
fn shop_with_files() -> Shop {
    let shop = Shop::new();
    shop.write("apps/checkout/empty", "");
    shop.write("apps/checkout/public/with space.txt", "space\n");
    shop.write("apps/checkout/public/grüße ☃", "unicode\n");
    shop.write("apps/checkout/-n", "dash\n");
    shop.write("apps/checkout/*?[x]\"'$", "odd\n");
    shop.write("apps/checkout/binary", [0, 159, 146, 150, 10, 13, 27]);
    shop.write("apps/checkout/run.sh", "#!/bin/sh\n");
    shop.write("apps/checkout/app.yaml", app_with_image("1"));
    let app = shop.clone_dir().join("apps/checkout");
    fs::set_permissions(app.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("public/with space.txt", app.join("link")).unwrap();
    symlink("../run.sh", app.join("public/up")).unwrap();
    shop.commit_all();
    shop.publish(&[]);
    shop
}

/// A version whose tree is made of these entries by hand: mode, kind, content or object, name.
fn forge(shop: &Shop, number: u32, entries: &[(&str, &str)]) {
    let clone = shop.clone_dir();
    let feed = |args: &[&str], input: &[u8]| {
        let mut command = shop.sealed("git", &clone);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        text(&output.stdout).trim().to_owned()
    };
    let mut tree = Vec::new();
    for (head, content) in entries {
        let oid = if head.starts_with("40000 ") {
            (*content).to_owned()
        } else {
            feed(&["hash-object", "-w", "--stdin"], content.as_bytes())
        };
        tree.extend_from_slice(head.as_bytes());
        tree.push(0);
        tree.extend(hex::decode(oid).unwrap());
    }
    let tree = feed(
        &["hash-object", "-w", "-t", "tree", "--literally", "--stdin"],
        &tree,
    );
    let message = format!(
        "checkout v{number}\n\nCutwater-App: checkout\nCutwater-Version: {number}\nCutwater-Source: cli"
    );
    let commit = feed(&["commit-tree", &tree, "-m", &message], b"");
    let spec = format!("{commit}:refs/tags/checkout/v{number}");
    shop.git(&clone, &["push", "-q", "origin", &spec]);
}

#[test]
fn the_list_has_modes_sizes_paths_and_targets() {
    let shop = shop_with_files();
    let list = shop.ok(&["versions", "files", "checkout", "v1"]);
    let size = app_with_image("1").len();
    assert_eq!(
        list,
        format!(
            "100644   4 *?[x]\"'$\n100644   5 -n\n100644 {size} app.yaml\n100644   7 binary\n100644   0 empty\n120000  21 link -> public/with space.txt\n100644   8 public/grüße ☃\n120000   9 public/up -> ../run.sh\n100644   6 public/with space.txt\n100755  10 run.sh\n"
        )
    );
    for folder in ["public", "public/", "./public", "public//."] {
        let list = shop.ok(&["versions", "files", "v1", folder]);
        assert_eq!(list.lines().count(), 3, "{folder}: {list}");
    }
    let all = shop.ok(&["versions", "files", "v1", "."]);
    assert_eq!(all, list);
    let json: Json =
        serde_json::from_str(&shop.ok(&["versions", "files", "v1", "link", "--json"])).unwrap();
    assert_eq!(
        json["files"],
        json!([{"path": "link", "mode": "120000", "size": 21, "target": "public/with space.txt"}])
    );
}

#[test]
fn one_file_is_printed_byte_for_byte() {
    let shop = shop_with_files();
    for path in ["binary", "empty", "public/grüße ☃", "*?[x]\"'$", "run.sh"] {
        let output = shop.run(&["versions", "files", "checkout", "v1", path]);
        assert_eq!(text(&output.stderr), "");
        let there = fs::read(shop.clone_dir().join("apps/checkout").join(path)).unwrap();
        assert_eq!(output.stdout, there, "{path}");
    }
    let dash = shop.ok(&["versions", "files", "checkout", "v1", "--", "-n"]);
    assert_eq!(dash, "dash\n");
    let link = shop.run(&["versions", "files", "v1", "public/up"]);
    assert_eq!(text(&link.stdout), "../run.sh\n");
    assert!(text(&link.stderr).contains("`public/up` is a link"));
    let error = shop.refused(&["versions", "files", "v1", "publik/up"]);
    assert!(
        error.contains("there is no `publik/up` in v1 of `checkout`; there are: public/up"),
        "{error}"
    );
    let error = shop.refused(&["versions", "files", "v1", "public/../../../clone/x"]);
    assert!(error.contains("there is no `public/../"), "{error}");
    let error = shop.refused(&["versions", "files", "v7"]);
    assert!(error.contains("has no version `v7`"), "{error}");
    // A result that cannot be written is a failure.
    let mut full = shop.command_in(&shop.clone_dir(), &["versions", "files", "v1", "app.yaml"]);
    full.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let output = full.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be written to stdout"));
}

/// Path, kind and mode, and content of all that is below a folder.
fn listing(folder: &Path) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let shown = path
                .strip_prefix(folder)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            if meta.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.push((
                    shown,
                    "link".to_owned(),
                    target.to_string_lossy().as_bytes().to_vec(),
                ));
            } else if meta.is_dir() {
                todo.push(path);
            } else {
                let mode = format!("{:o}", meta.mode() & 0o111);
                found.push((shown, mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn an_export_is_what_was_published() {
    let shop = shop_with_files();
    let app = shop.clone_dir().join("apps/checkout");
    let target = shop.dir.path().join("out");
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    assert_eq!(
        shop.ok(&["versions", "export", "checkout", "v1", "../out"]),
        format!(
            "exported checkout v1 (g{}) to ../out: 10 files\n",
            &tree[..12]
        )
    );
    assert_eq!(listing(&target), listing(&app));
    let mode = |path: &str| fs::metadata(target.join(path)).unwrap().mode() & 0o777;
    let empty = shop.dir.path().join("by-mkdir");
    fs::create_dir(&empty).unwrap();
    assert_eq!(mode("."), fs::metadata(&empty).unwrap().mode() & 0o777);
    // Into an empty folder, which stays the one it is.
    let before = fs::metadata(&empty).unwrap().ino();
    let mut command = shop.command_in(&empty, &["-C", "../clone", "versions", "export", "v1", "."]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(listing(&empty), listing(&app));
    assert_eq!(fs::metadata(&empty).unwrap().ino(), before);
    let json = shop.ok(&["versions", "export", "v1", "../json", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"], 10);
    assert_eq!(
        json["folder"],
        shop.clone_dir().join("../json").to_str().unwrap()
    );
    nothing_beside(&shop, &["by-mkdir", "json", "out"]);
}

/// Nothing was left beside what these tests made.
fn nothing_beside(shop: &Shop, made: &[&str]) {
    let mut names: Vec<String> = fs::read_dir(shop.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut wanted = [&["clone", "remote.git"], made].concat();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

#[test]
fn a_folder_that_is_in_use_a_file_and_a_link_are_refused() {
    let shop = shop_with_files();
    let root = shop.dir.path();
    fs::create_dir(root.join("used")).unwrap();
    fs::write(root.join("used/mine"), "mine").unwrap();
    fs::create_dir(root.join("elsewhere")).unwrap();
    symlink("elsewhere", root.join("link")).unwrap();
    for (folder, why) in [
        ("../used", "is not empty"),
        ("../used/mine", "is a file"),
        ("../link", "is a link"),
        ("../used/mine/x", "cannot be written: Not a directory"),
        ("../no/where", "the folder that it would be in is missing"),
        ("/proc/cutwater-export", "/proc: cannot be written"),
    ] {
        let error = shop.refused(&["versions", "export", "v1", folder]);
        assert!(error.contains(why), "{folder}: {error}");
    }
    assert_eq!(fs::read(root.join("used/mine")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(root.join("elsewhere")).unwrap().count(), 0);
    nothing_beside(&shop, &["elsewhere", "link", "used"]);
}

/// A process that may write files of a few bytes only stands in for a disk that is full.
#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let shop = shop_with_files();
    shop.commit("apps/checkout/zz-large", vec![7; 2 << 20]);
    shop.publish(&[]);
    fs::create_dir(shop.dir.path().join("empty")).unwrap();
    let program = env!("CARGO_BIN_EXE_cutwater");
    for folder in ["new", "empty"] {
        let line = format!(
            "trap '' XFSZ; ulimit -f 1024; exec '{program}' versions export v2 ../{folder}"
        );
        let mut command = shop.sealed("sh", &shop.clone_dir());
        let output = command.args(["-c", &line]).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains(&format!(
                "{folder}/zz-large: cannot be written: File too large"
            )),
            "{error}"
        );
    }
    assert_eq!(
        fs::read_dir(shop.dir.path().join("empty")).unwrap().count(),
        0
    );
    nothing_beside(&shop, &["empty"]);
}

#[test]
fn a_hostile_snapshot_is_neither_listed_nor_written() {
    let shop = Shop::new();
    let inner = {
        shop.write("apps/other/passwd", "x");
        shop.commit_all();
        shop.rev(&shop.clone_dir(), "HEAD:apps/other")
    };
    let app = app_with_image("1");
    let file = ("100644 app.yaml", app.as_str());
    let link = ("120000 a", "/etc");
    let through = format!("40000 {}", "a");
    let cases: [(&str, Vec<(&str, &str)>); 9] = [
        ("is a link to `/etc`", vec![link, file]),
        (
            "leads out of the app's directory",
            vec![("120000 a", "../../x"), file],
        ),
        (
            "differ only in case",
            vec![("100644 A", "x"), ("100644 a", "y"), file],
        ),
        ("differ only in case", vec![link, (&through, &inner), file]),
        ("is not a file name", vec![("40000 ..", &inner), file]),
        (
            "is not a file name",
            vec![("100644 ../../escaped", "x"), file],
        ),
        (
            "is not a file name",
            vec![("100644 /tmp/escaped", "x"), file],
        ),
        ("git's own folder", vec![("40000 .GIT", &inner), file]),
        (
            "holds a control character",
            vec![("100644 a\nb", "x"), file],
        ),
    ];
    for (index, (why, entries)) in cases.iter().enumerate() {
        let number = u32::try_from(index).unwrap() + 1;
        forge(&shop, number, entries);
        let version = format!("v{number}");
        let error = shop.refused(&["versions", "export", "checkout", &version, "../out"]);
        assert!(error.contains(why), "{version}: {error}");
        assert!(
            error.contains(&format!("{version} of `checkout`: ")),
            "{error}"
        );
        // A link is only written where it leads somewhere, but it may be looked at.
        if index > 1 {
            let error = shop.refused(&["versions", "files", "checkout", &version]);
            assert!(error.contains(why), "{version}: {error}");
        }
    }
    nothing_beside(&shop, &[]);
    let limits = "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\nlimits: {file: 1Ki}\n";
    shop.commit("apps/checkout/large", vec![7; 2000]);
    shop.publish(&[]);
    shop.commit("cutwater.yaml", limits);
    let number = cases.len() + 1;
    for command in ["files", "export"] {
        let error = shop.refused(&[
            "versions",
            command,
            "checkout",
            &format!("v{number}"),
            "large",
        ]);
        assert!(error.contains("limits.file in cutwater.yaml"), "{error}");
    }
}
