use std::time::{Duration, Instant};

use git2::{ObjectType, Oid, Repository};

use super::{
    Hostile, app_with_files, app_with_image, bounded, commit_text, fetch, refused, resolve,
    trailers, tree_text,
};

const UNREADABLE: &str = "SnapshotUnreadable";

#[test]
fn names_and_modes_that_no_snapshot_may_hold_are_named() {
    bounded(|| {
        let hostile = Hostile::new();
        let x = hostile.blob("x");
        let inner = hostile.tree(&[("100644", b"config", &x)]);
        let long = [b'n'; 300];
        let cases: &[(&str, &[u8], &str)] = &[
            ("40000", b"..", "`..` is not a file name"),
            ("40000", b".", "`.` is not a file name"),
            ("40000", b".git", "`.git` would be taken for git's own"),
            ("40000", b".GIT", "`.GIT` would be taken"),
            ("40000", b"git~1", "`git~1` would be taken"),
            ("40000", b".git ", "would be taken"),
            ("40000", b".git::$INDEX_ALLOCATION", "would be taken"),
            ("40000", ".g\u{200c}it".as_bytes(), "would be taken"),
            ("100644", b"/etc/passwd", "`/etc/passwd` is not a file name"),
            ("100644", b"a/../../x", "is not a file name"),
            ("100644", b"x\ny", "`x\\ny` holds a control character"),
            (
                "100644",
                b"\x1b[31m",
                "`\\u{1b}[31m` holds a control character",
            ),
            (
                "100644",
                "\u{9b}31m".as_bytes(),
                "holds a control character",
            ),
            ("100644", b"a\\b", "backslash"),
            ("100644", b"\xff\xfe", "is not UTF-8"),
            ("100644", &long, "is too long"),
            ("160000", b"sub", "is a submodule"),
            ("100600", b"odd", "has the mode 100600"),
            ("120777", b"odder", "has the mode 120777"),
            ("0", b"zero", "has the mode 0"),
        ];
        for (index, (mode, name, _)) in cases.iter().enumerate() {
            let oid = if *mode == "40000" { &inner } else { &x };
            hostile.version(number(index), &hostile.snapshot(&[(mode, name, oid)]));
        }
        let mirror = hostile.mirror();
        let listed = hostile.list();
        assert_eq!(listed.refs(), Vec::<&str>::new());
        for (index, (_, _, said)) in cases.iter().enumerate() {
            let word = format!("v{}", number(index));
            refused(&mirror, &word, UNREADABLE, &[&word, said]);
            assert_eq!(listed.state(number(index)), "living");
            assert!(hostile.view(&word).unwrap().contains("web on port 8080"));
        }
        hostile.goes_on(&mirror);
    });
}

/// The number of the case at `index`: 1 is the good one.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap() + 2
}

#[test]
fn two_entries_of_one_name_and_links_that_lead_out_are_named() {
    bounded(|| {
        let hostile = Hostile::new();
        let x = hostile.blob("x");
        let link = |target: &[u8]| hostile.blob(target);
        let (up, far, absolute) = (
            link(b".."),
            link(b"../../../etc/passwd"),
            link(b"/etc/passwd"),
        );
        let (own, other, empty) = (link(b"a"), link(b"b"), link(b""));
        let long = link(&[b'y'; 5000]);
        let app = hostile.blob(app_with_image("2"));
        let trees = [
            (
                hostile.snapshot(&[("100644", b"READ", &x), ("100644", b"read", &x)]),
                "differ only in case",
            ),
            (
                hostile.snapshot(&[
                    ("100644", "Ä".as_bytes(), &x),
                    ("100644", "ä".as_bytes(), &x),
                ]),
                "differ only in case",
            ),
            (
                hostile.snapshot(&[("100644", b"app.yaml", &app)]),
                "differ only in case",
            ),
            (hostile.snapshot(&[("120000", b"a", &up)]), "`a` is a link"),
            (hostile.snapshot(&[("120000", b"a", &far)]), "leads out"),
            (
                hostile.snapshot(&[("120000", b"a", &absolute)]),
                "not a relative path",
            ),
            (hostile.snapshot(&[("120000", b"a", &own)]), "in a circle"),
            (
                hostile.snapshot(&[("120000", b"a", &other), ("120000", b"b", &own)]),
                "in a circle",
            ),
            (
                hostile.snapshot(&[("120000", b"a", &empty)]),
                "not a relative path",
            ),
            (hostile.snapshot(&[("120000", b"a", &long)]), "5000 bytes"),
        ];
        for (index, (tree, _)) in trees.iter().enumerate() {
            hostile.version(number(index), tree);
        }
        let mirror = hostile.mirror();
        for (index, (_, said)) in trees.iter().enumerate() {
            let word = format!("v{}", number(index));
            refused(&mirror, &word, UNREADABLE, &[&word, said]);
            hostile.view(&word).unwrap();
        }
        hostile.goes_on(&mirror);
    });
}

#[test]
fn an_app_yaml_that_is_no_app_says_its_place() {
    bounded(|| {
        let hostile = Hostile::new();
        let bomb = (1..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
            let uses = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("{text}a{level}: &a{level} [{uses}]\n")
        });
        let braces = "{a,".repeat(40_000);
        let include = app_with_files().replace("'**'", &format!("'{braces}'"));
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (bomb.into(), "too large or too deep"),
            (
                b"kind: App\nkind: App\n".to_vec(),
                "app.yaml:2:1: the key `kind` is there twice",
            ),
            (
                b"kind: App\nname: caf\xe9\n".to_vec(),
                "app.yaml:2:10: is not UTF-8",
            ),
            ("[".repeat(100_000).into(), "too deep"),
            (format!("{}x", "- ".repeat(50_000)).into(), "too deep"),
            (b"kind: \"\\e[31m\"\n".to_vec(), "\\u{1b}[31m"),
            (
                format!("\"{}\": 1\n", "\\e[31m".repeat(100)).into(),
                "unknown field",
            ),
            (include.into(), "at most 256 are allowed"),
            (vec![b'#'; 300 * 1024], "at most 262144 are read"),
            (vec![b'#'; 2 << 20], "2097152 bytes"),
            (Vec::new(), "is empty"),
            (b"---\n---\n".to_vec(), "app.yaml"),
        ];
        for (index, (content, _)) in cases.iter().enumerate() {
            let app = hostile.blob(content);
            hostile.version(
                number(index),
                &hostile.tree(&[("100644", b"app.yaml", &app)]),
            );
        }
        let mirror = hostile.mirror();
        for (index, (_, said)) in cases.iter().enumerate() {
            let word = format!("v{}", number(index));
            refused(&mirror, &word, UNREADABLE, &[&word, "app.yaml", said]);
            let shown = hostile.view(&word).unwrap_err();
            assert!(shown.contains(said), "{word}: {shown}");
        }
        hostile.goes_on(&mirror);
    });
}

/// Snapshots that are larger than any program should load. They are written straight into the controller's copy: no server
/// would send some of them.
#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_is_read() {
    bounded(|| {
        let hostile = Hostile::new();
        drop(hostile.mirror());
        let repo = Repository::open_bare(hostile.mirror_dir()).unwrap();
        repo.config()
            .unwrap()
            .set_i32("core.looseCompression", 1)
            .unwrap();
        let odb = repo.odb().unwrap();
        let write = |kind, content: &[u8]| odb.write(kind, content).unwrap().to_string();
        let tree = |entries: &[(&str, &[u8], &str)]| write(ObjectType::Tree, &tree_text(entries));
        let app = write(ObjectType::Blob, app_with_files().as_bytes());
        let x = write(ObjectType::Blob, b"x");
        let with =
            |mode: &str, oid: &str| tree(&[("100644", b"app.yaml", &app), (mode, b"big", oid)]);
        let deep = (0..10_000).fold(x.clone(), |inner, level| {
            tree(&[(if level == 0 { "100644" } else { "40000" }, b"d", &inner)])
        });
        let names: Vec<String> = (0..10).map(|digit| format!("d{digit}")).collect();
        let bomb = (0..40).fold(x.clone(), |inner, level| {
            let mode = if level == 0 { "100644" } else { "40000" };
            let entries: Vec<(&str, &[u8], &str)> = names
                .iter()
                .map(|name| (mode, name.as_bytes(), inner.as_str()))
                .collect();
            tree(&entries)
        });
        let wide: Vec<String> = (0..1_000_000)
            .map(|number| format!("f{number:07}"))
            .collect();
        let wide: Vec<(&str, &[u8], &str)> = wide
            .iter()
            .map(|name| ("100644", name.as_bytes(), x.as_str()))
            .collect();
        let wide = (tree(&wide[..110_000]), tree(&wide));
        let file = write(ObjectType::Blob, &vec![0; 64 << 20]);
        // One file of a megabyte under a hundred thousand names: read each time, it would be a hundred gigabytes.
        let names: Vec<String> = (0..1000).map(|number| format!("n{number:03}")).collect();
        let each = |mode, oid: &str, count| {
            let entries = names[..count]
                .iter()
                .map(|name| (mode, name.as_bytes(), oid));
            tree(&entries.collect::<Vec<_>>())
        };
        let megabyte = write(ObjectType::Blob, &vec![b'm'; 1_000_000]);
        let same = each("40000", &each("100644", &megabyte, 1000), 99);
        let long: Vec<Vec<u8>> = (0..70_000)
            .map(|number| format!("{number:0>250}").into_bytes())
            .collect();
        let long: Vec<(&str, &[u8], &str)> = long
            .iter()
            .map(|name| ("100644", name.as_slice(), x.as_str()))
            .collect();
        // A tree object of all of them would be too large by itself.
        let long = [tree(&long[..35_000]), tree(&long[35_000..])];
        let long = tree(&[
            ("40000", b"long-1", &long[0]),
            ("40000", b"long-2", &long[1]),
        ]);
        let cases = [
            (with("40000", &deep), "is deeper than 64 folders"),
            (
                with("40000", &bomb),
                "is one too many: a snapshot has at most 100000",
            ),
            (with("40000", &wide.0), "is one too many"),
            (with("40000", &wide.1), "bytes; at most 16777216 are read"),
            (
                with("100644", &file),
                "`big` brings the files of function `web` past",
            ),
            (wide.1.clone(), "bytes; at most 16777216 are read"),
            (with("40000", &same), "name fewer files"),
            (
                with("40000", &long),
                "is one too many: all paths together have at most 16777216 bytes",
            ),
            (with("40000", &file), "is a blob, not a tree"),
            (with("100644", &bomb), "is a tree, not a blob"),
        ];
        for (index, (tree, _)) in cases.iter().enumerate() {
            let number = number(index);
            let message = format!("checkout v{number}\n\n{}", trailers("checkout", number));
            let commit = write(ObjectType::Commit, commit_text(tree, &message).as_bytes());
            let oid = Oid::from_str(&commit).unwrap();
            repo.reference(&format!("refs/tags/checkout/v{number}"), oid, false, "")
                .unwrap();
        }
        let mirror = hostile.open();
        for (index, (_, said)) in cases.iter().enumerate() {
            let start = Instant::now();
            let word = format!("v{}", number(index));
            refused(&mirror, &word, UNREADABLE, &[&word, said]);
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{word}: {:?}",
                start.elapsed()
            );
        }
        assert!(resolve(&mirror, "first").is_ok());
        let history = mirror.history(&super::checkout()).unwrap();
        assert_eq!(history.living().count(), cases.len() + 1);
    });
}

#[test]
fn a_bomb_of_trees_is_fetched_listed_and_refused() {
    bounded(|| {
        let hostile = Hostile::new();
        let x = hostile.blob("x");
        let names: Vec<String> = (0..10).map(|digit| format!("d{digit}")).collect();
        let bomb = (0..30).fold(x, |inner, level| {
            let mode = if level == 0 { "100644" } else { "40000" };
            let entries: Vec<(&str, &[u8], &str)> = names
                .iter()
                .map(|name| (mode, name.as_bytes(), inner.as_str()))
                .collect();
            hostile.tree(&entries)
        });
        hostile.version(2, &hostile.snapshot(&[("40000", b"bomb", &bomb)]));
        let mirror = hostile.mirror();
        refused(&mirror, "v2", UNREADABLE, &["v2", "is one too many"]);
        // Whether the copy is the cause is looked at with the next fetch.
        fetch(&mirror).unwrap();
        refused(&mirror, "v2", UNREADABLE, &["v2", "is one too many"]);
        hostile.view("v2").unwrap();
        hostile.goes_on(&mirror);
    });
}

#[test]
fn settings_are_not_read_through_a_link_or_from_a_pipe() {
    bounded(|| {
        let hostile = Hostile::new();
        let place = hostile.shop.clone_dir().join("cutwater.yaml");
        std::os::unix::fs::symlink("/etc/passwd", &place).unwrap();
        let list = ["versions", "list", "checkout"];
        let error = hostile.shop.refused(&list);
        assert!(
            error.contains("cutwater.yaml: is not a regular file"),
            "{error}"
        );
        assert!(!error.contains("root:"), "{error}");
        std::fs::remove_file(&place).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&place).status();
        assert!(made.unwrap().success());
        let error = hostile.shop.refused(&list);
        assert!(error.contains("is not a regular file"), "{error}");
        std::fs::remove_file(&place).unwrap();
        std::fs::write(&place, vec![b'#'; 1 << 20]).unwrap();
        let error = hostile.shop.refused(&list);
        assert!(error.contains("at most 262144 are read"), "{error}");
    });
}
