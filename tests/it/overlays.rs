//! What is laid over a commit: `--working-tree` and `--add`; and that the same content has the same id.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::shop::{Shop, app_with_image, text};

/// Mode, kind and path of everything in a version.
fn files(shop: &Shop, version: &str) -> Vec<String> {
    let format = "--format=%(objectmode) %(path)";
    let list = shop.git(&shop.remote(), &["ls-tree", "-r", format, version]);
    list.lines().map(str::to_owned).collect()
}

fn overlays(shop: &Shop, version: &str) -> String {
    let format = "--format=%(trailers:key=Cutwater-Overlay,valueonly,separator=|)";
    shop.git(&shop.remote(), &["log", "-1", format, version])
        .trim()
        .to_owned()
}

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Fills a folder.
type Make = Box<dyn Fn(&Path)>;

/// Published; the id that the line ends with.
fn id(line: &str) -> String {
    line.trim().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn a_work_tree_is_published_as_git_would_add_it() {
    let shop = Shop::new();
    shop.commit(".gitignore", "*.log\n/apps/checkout/dist/\n");
    shop.commit("apps/checkout/old", "x");
    shop.commit("apps/checkout/kept", "as it is");
    let main = ["push", "-q", "origin", "HEAD:main"];
    shop.git(&shop.clone_dir(), &main);
    shop.write("apps/checkout/new/deep", "y");
    shop.write("apps/checkout/noise.log", "ignored");
    shop.write("apps/checkout/dist/bundle", "ignored");
    shop.write("apps/checkout/run.sh", "#!/bin/sh\n");
    executable(&shop.clone_dir().join("apps/checkout/run.sh"));
    symlink("kept", shop.clone_dir().join("apps/checkout/link")).unwrap();
    fs::remove_file(shop.clone_dir().join("apps/checkout/old")).unwrap();
    shop.write("apps/checkout/staged", "one");
    shop.git(&shop.clone_dir(), &["add", "apps/checkout/staged"]);
    shop.write("apps/checkout/staged", "two");
    let status = shop.git(&shop.clone_dir(), &["status", "--porcelain"]);
    let head = shop.rev(&shop.clone_dir(), "HEAD");
    let output = shop.run(&["versions", "publish", "--working-tree", "--quiet"]);
    assert_eq!(text(&output.stderr), "");
    assert!(text(&output.stdout).starts_with("published checkout v1"));
    assert_eq!(
        files(&shop, "checkout/v1"),
        [
            "100644 app.yaml",
            "100644 kept",
            "120000 link",
            "100644 new/deep",
            "100755 run.sh",
            "100644 staged"
        ]
    );
    assert_eq!(
        shop.git(&shop.remote(), &["show", "checkout/v1:staged"]),
        "two"
    );
    assert_eq!(overlays(&shop, "checkout/v1"), "working-tree");
    let source = "--format=%(trailers:key=Cutwater-Source-Commit,valueonly)";
    let source = shop.git(&shop.remote(), &["log", "-1", source, "checkout/v1"]);
    assert_eq!(source.trim(), head);
    // The clone is as it was.
    assert_eq!(
        shop.git(&shop.clone_dir(), &["status", "--porcelain"]),
        status
    );
    assert_eq!(shop.rev(&shop.clone_dir(), "HEAD"), head);
    // Committed, it is the same content, whoever looks.
    shop.commit_all();
    assert!(shop.publish(&[]).starts_with("unchanged checkout v1"));
    assert!(
        shop.publish(&["--working-tree"])
            .starts_with("unchanged checkout v1")
    );
}

#[test]
fn the_index_on_the_disk_is_not_touched_and_a_change_of_the_same_size_is_seen() {
    let shop = Shop::new();
    shop.commit("apps/checkout/file", "one");
    let index = shop.clone_dir().join(".git/index");
    let before = (
        fs::read(&index).unwrap(),
        fs::metadata(&index).unwrap().modified().unwrap(),
    );
    // In the moment of the commit, with the same size: only the index's own time tells git to look.
    shop.write("apps/checkout/file", "two");
    shop.publish(&["--working-tree"]);
    assert_eq!(
        shop.git(&shop.remote(), &["show", "checkout/v1:file"]),
        "two"
    );
    let after = (
        fs::read(&index).unwrap(),
        fs::metadata(&index).unwrap().modified().unwrap(),
    );
    assert!(before == after, "the index is not touched");
}

#[test]
fn a_clean_work_tree_gives_the_committed_tree_whatever_git_is_set_to() {
    let shop = Shop::new();
    shop.write("apps/checkout/run.sh", "#!/bin/sh\necho hi\n");
    executable(&shop.clone_dir().join("apps/checkout/run.sh"));
    shop.write("apps/checkout/dos.txt", "a\r\nb\r\n");
    shop.write("apps/checkout/ü.txt", "unix\n");
    symlink("run.sh", shop.clone_dir().join("apps/checkout/link")).unwrap();
    shop.commit_all();
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", "HEAD:main"]);
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let expected = format!("(g{})", &tree[..12]);
    assert_eq!(id(&shop.publish(&["--working-tree"])), expected);
    assert_eq!(overlays(&shop, "checkout/v1"), "");
    for (index, (config, umask)) in [
        ("autocrlf = true\n\teol = crlf", "022"),
        ("fileMode = false", "077"),
        ("symlinks = false", "002"),
        (
            "autocrlf = input\n\tprecomposeUnicode = true\n\tquotePath = true",
            "027",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let global = shop.dir.path().join("gitconfig");
        fs::write(&global, format!("[core]\n\t{config}\n")).unwrap();
        let name = format!("other{index}");
        let other = shop.dir.path().join(&name);
        let script = format!(
            "umask {umask} && git clone -q -b main remote.git {name} && cd {name} && touch -d '2001-02-03 04:05' apps/checkout/* && chmod 600 apps/checkout/ü.txt && exec {} versions publish --working-tree",
            env!("CARGO_BIN_EXE_cutwater")
        );
        let output = shop
            .sealed("sh", shop.dir.path())
            .args(["-c", &script])
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "tr_TR.UTF-8")
            .output()
            .unwrap();
        let line = text(&output.stdout);
        assert!(
            line.starts_with("unchanged checkout v1"),
            "{config}: {line}{}",
            text(&output.stderr)
        );
        assert_eq!(id(&line), expected, "{config}");
        assert_eq!(shop.git(&other, &["diff", "--cached", "--stat"]), "");
    }
}

#[test]
fn a_work_tree_that_cannot_be_published_says_why() {
    let shop = Shop::new();
    let output = shop.run(&["versions", "publish", "--working-tree", "--ref", "HEAD"]);
    assert_eq!(output.status.code(), Some(2));
    shop.commit("apps/checkout/file", "base\n");
    let clone = shop.clone_dir();
    shop.git(&clone, &["checkout", "-q", "-b", "side"]);
    shop.commit("apps/checkout/file", "side\n");
    shop.git(&clone, &["checkout", "-q", "-"]);
    shop.commit("apps/checkout/file", "main\n");
    let merge = shop
        .sealed("git", &clone)
        .args(["merge", "-q", "side"])
        .output();
    assert!(!merge.unwrap().status.success());
    let error = shop.refused(&["versions", "publish", "--working-tree"]);
    assert!(error.contains("conflicts of a merge"), "{error}");
    shop.git(&clone, &["merge", "--abort"]);
    let error = shop.refused(&["versions", "publish", "nope", "--working-tree"]);
    assert!(error.contains("is not in the work tree"), "{error}");
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "--bare", "clone", "bare.git"],
    );
    let bare = shop.dir.path().join("bare.git");
    let mut command = shop.command_in(
        &bare,
        &["versions", "publish", "checkout", "--working-tree"],
    );
    let error = text(&command.output().unwrap().stderr);
    assert!(error.contains("without a work tree"), "{error}");
    assert!(shop.refs().is_empty());
}

#[test]
fn a_folder_is_laid_over_the_files_with_its_bytes_links_and_modes() {
    let shop = Shop::new();
    shop.commit(".gitignore", "dist/\n");
    shop.commit("apps/checkout/public/index.html", "from the branch");
    shop.commit("apps/checkout/public/kept.html", "kept");
    shop.write("apps/checkout/dist/js/app.js", "built\r\n");
    let outside = shop.dir.path().join("outside");
    fs::create_dir_all(outside.join("empty/er")).unwrap();
    fs::write(outside.join("index.html"), "from outside").unwrap();
    fs::write(outside.join("tool"), [0, 159, 146, 150]).unwrap();
    fs::set_permissions(outside.join("tool"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("tool", outside.join("alias")).unwrap();
    // Named through a link, it is the folder that is meant.
    symlink("outside", shop.dir.path().join("latest")).unwrap();
    fs::write(
        shop.dir.path().join("gitconfig"),
        "[core]\n\tautocrlf = input\n",
    )
    .unwrap();
    let args = ["--add", "apps/checkout/dist", "--add", "../latest=public"];
    let line = shop.publish(&args);
    assert_eq!(
        files(&shop, "checkout/v1"),
        [
            "100644 app.yaml",
            "100644 dist/js/app.js",
            "120000 public/alias",
            "100644 public/index.html",
            "100644 public/kept.html",
            "100755 public/tool"
        ]
    );
    let content = |path: &str| shop.git(&shop.remote(), &["show", &format!("checkout/v1:{path}")]);
    assert_eq!(content("dist/js/app.js"), "built\r\n");
    assert_eq!(content("public/index.html"), "from outside");
    assert_eq!(
        overlays(&shop, "checkout/v1"),
        "add apps/checkout/dist=dist|add ../latest=public"
    );
    assert_eq!(shop.git(&shop.clone_dir(), &["status", "--porcelain"]), "");
    // The same bytes from elsewhere, with other times and other rights for others: the same id.
    let copy = shop.dir.path().join("copy");
    let script =
        "umask 077 && cp -r outside copy && chmod 711 copy/tool && touch -d '2001-02-03' copy/*";
    let output = shop
        .sealed("sh", shop.dir.path())
        .args(["-c", script])
        .output();
    assert!(output.unwrap().status.success());
    let inside = shop.clone_dir().join("apps/checkout");
    let public = format!("{}=public/", copy.display());
    let output = shop
        .command_in(
            &inside,
            &[
                "versions",
                "publish",
                "--working-tree",
                "--add",
                "dist",
                "--add",
                &public,
            ],
        )
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stdout),
        line.replace("published", "unchanged"),
        "{}",
        text(&output.stderr)
    );
    // The root, and a name of its own.
    fs::create_dir(shop.dir.path().join("root")).unwrap();
    fs::write(shop.dir.path().join("root/app.yaml"), app_with_image("2")).unwrap();
    let absolute = outside.display().to_string();
    shop.publish(&["--add", "../root=.", "--add", &absolute]);
    assert!(files(&shop, "checkout/v2").contains(&"100755 outside/tool".to_owned()));
    assert_eq!(
        overlays(&shop, "checkout/v2"),
        "add ../root=.|add outside=outside",
        "where it was on the disk is not told"
    );
    shop.git(&shop.remote(), &["fsck", "--full", "--strict"]);
}

#[test]
fn what_may_not_be_in_a_snapshot_is_refused_in_a_folder_too() {
    let shop = Shop::new();
    shop.commit("apps/checkout/file", "x");
    shop.commit("apps/checkout/folder/file", "x");
    let dir = shop.dir.path().join("dist");
    let add = |make: &dyn Fn(&Path), place: &str| {
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        make(&dir);
        let add = format!("../dist={place}");
        shop.refused(&["versions", "publish", "--add", &add])
    };
    let file = |name: &'static str| {
        move |dir: &Path| {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    };
    let cases: [(Make, &str, &str); 13] = [
        (Box::new(|_| ()), "x", "holds no file"),
        (
            Box::new(file(".git/config")),
            "x",
            "`x/.git` would be taken for git's own folder",
        ),
        (Box::new(file("a\nb")), "x", "holds a control character"),
        (
            Box::new(file("workflow.yml")),
            ".github",
            "pipeline definition",
        ),
        (Box::new(file("FILE")), ".", "differ only in case"),
        (
            Box::new(file("file/x")),
            ".",
            "`file` is a folder in one and none in the other",
        ),
        (
            Box::new(file("folder")),
            ".",
            "`folder` is a folder in one and none in the other",
        ),
        (Box::new(file("x")), "../x", "is not a file name"),
        (Box::new(file("x")), "/x", "is not a file name"),
        (Box::new(file("x")), ".git", "git's own folder"),
        (
            Box::new(|dir| symlink("../../../etc/passwd", dir.join("out")).unwrap()),
            "x",
            "`x/out` is a link that leads out",
        ),
        (
            Box::new(|dir| drop(UnixListener::bind(dir.join("socket")).unwrap())),
            "x",
            "`x/socket` is neither a file nor a folder nor a link",
        ),
        (
            Box::new(|dir| {
                let big = fs::File::create(dir.join("big")).unwrap();
                big.set_len(65 << 20).unwrap();
            }),
            "x",
            "`x/big` has 68157440 bytes",
        ),
    ];
    for (make, place, expected) in cases {
        let error = add(&*make, place);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let error = shop.refused(&["versions", "publish", "--add", "../nothing"]);
    assert!(error.contains("`../nothing` cannot be read"), "{error}");
    for unset in ["", "=public", "apps="] {
        let error = shop.refused(&["versions", "publish", "--add", unset]);
        assert!(error.contains("a folder or its place is empty"), "{error}");
    }
    let error = shop.refused(&["versions", "publish", "--add", "README.md=../x"]);
    assert!(error.contains("--add README.md=../x:"), "{error}");
    // A folder is laid over a link of the branch: it does not go where the link leads.
    symlink("folder", shop.clone_dir().join("apps/checkout/link")).unwrap();
    shop.commit_all();
    let error = add(&file("x"), "link");
    assert!(
        error.contains("`link` is a folder in one and none in the other"),
        "{error}"
    );
    assert!(shop.refs().is_empty());
}

/// Two branches that changed one file, merged in a clone whose index is of another kind than most.
fn merging(shop: &Shop, prepare: &[&[&str]]) {
    let dir = shop.clone_dir();
    let git = |args: &[&str]| shop.git(&dir, args);
    shop.write("apps/other/app.yaml", "x");
    shop.commit("apps/checkout/page", "base");
    git(&["checkout", "-q", "-b", "theirs"]);
    shop.commit("apps/checkout/page", "theirs");
    git(&["checkout", "-q", "main"]);
    shop.commit("apps/checkout/page", "ours");
    for args in prepare {
        git(args);
    }
    let merge = shop
        .sealed("git", &dir)
        .args(["merge", "-q", "theirs"])
        .output();
    assert!(!merge.unwrap().status.success());
}

#[test]
fn conflicts_are_seen_in_every_kind_of_index_and_what_a_sparse_checkout_leaves_out_is_no_change() {
    let sparse: &[&[&str]] = &[&[
        "sparse-checkout",
        "set",
        "--cone",
        "--sparse-index",
        "apps/checkout",
    ]];
    let split: &[&[&str]] = &[&["update-index", "--split-index"]];
    for prepare in [sparse, split, &[]] {
        let shop = Shop::new();
        merging(&shop, prepare);
        let error = shop.refused(&["versions", "publish", "checkout", "--working-tree"]);
        assert!(
            error.contains("hold conflicts of a merge"),
            "{prepare:?}: {error}"
        );
        assert!(shop.refs().is_empty());
        let output = shop.run(&["versions", "publish", "checkout"]);
        assert!(
            text(&output.stderr).contains("changes that are not committed"),
            "{prepare:?}"
        );
    }
    let shop = Shop::new();
    shop.commit("apps/other/file", "x");
    let main = ["push", "-q", "origin", "HEAD:main"];
    shop.git(&shop.clone_dir(), &main);
    shop.git(&shop.clone_dir(), &["sparse-checkout", "set", "apps/other"]);
    assert!(!shop.clone_dir().join("apps/checkout").exists());
    let output = shop.run(&["versions", "publish", "checkout", "--quiet"]);
    assert!(text(&output.stdout).starts_with("published checkout v1 "));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn attributes_that_change_no_byte_are_taken_and_all_bad_names_are_told_at_once() {
    let shop = Shop::new();
    shop.commit(
        "apps/checkout/.gitattributes",
        "* text=auto eol=lf\n*.sh crlf=input\n",
    );
    assert!(
        shop.publish(&["--dry-run"])
            .starts_with("would publish checkout v1 ")
    );
    for name in ["a\\b", "README", "readme", "Jenkinsfile"] {
        shop.write(&format!("apps/checkout/{name}"), "x");
    }
    shop.commit_all();
    let error = shop.refused(&["versions", "publish"]);
    assert!(error.contains("pipeline definition"), "{error}");
    shop.git(
        &shop.clone_dir(),
        &["rm", "-q", "apps/checkout/Jenkinsfile"],
    );
    shop.commit_all();
    let error = shop.refused(&["versions", "publish"]);
    assert!(
        error.contains("backslash") && error.contains("`readme` and `README` differ only in case"),
        "{error}"
    );
}
