//! `cutwater versions diff`: what changes for a running app, and the code, byte for byte as `git diff` shows it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::shop::{Shop, app_with_image, digest, text};

/// The commits of versions as tags of the clone, so that plain git can be asked there.
fn fetch_tags(shop: &Shop) {
    let all = "refs/tags/*:refs/tags/*";
    shop.git(&shop.clone_dir(), &["fetch", "-q", "origin", all]);
}

fn app_file(shop: &Shop, name: &str) -> std::path::PathBuf {
    shop.clone_dir().join("apps/checkout").join(name)
}

/// Lines that look like a program, some of them other ones in the second version.
fn program(changed: bool) -> String {
    (0..400)
        .map(|i: u32| match (i % 10, changed && i.is_multiple_of(37)) {
            (0, _) => format!("fn part_{i}() {{\n"),
            (9, _) => "}\n\n".to_owned(),
            (_, false) => format!("    if x == {} {{\n        y();\n    }}\n", i % 7),
            (_, true) => format!("    if x == {i} {{\n        z();\n    }}\n\n"),
        })
        .collect()
}

/// Two versions that differ in every way that git tells apart.
fn two_versions() -> Shop {
    let shop = Shop::new();
    shop.write("apps/checkout/app.yaml", app_with_image("1"));
    shop.write("apps/checkout/program.rs", program(false));
    shop.write("apps/checkout/moved/before.rs", program(false));
    shop.write("apps/checkout/same.txt", "the same\n".repeat(30));
    shop.write("apps/checkout/gone with space.txt", "gone\n");
    shop.write("apps/checkout/grüße.txt", "a\nb\nc\n");
    shop.write("apps/checkout/\"quoted\".txt", "a\n");
    shop.write("apps/checkout/image.png", b"\x89PNG\0\x01\x02");
    shop.write("apps/checkout/run.sh", "#!/bin/sh\n");
    shop.write("apps/checkout/turns", "was a file\n");
    shop.write("apps/checkout/no-newline", "a\nb");
    shop.write("apps/checkout/empty-gone", "");
    symlink("same.txt", app_file(&shop, "link")).unwrap();
    shop.commit_all();
    shop.publish(&[]);
    shop.write("apps/checkout/app.yaml", app_with_image("2"));
    shop.write("apps/checkout/program.rs", program(true));
    fs::remove_file(app_file(&shop, "moved/before.rs")).unwrap();
    shop.write("apps/checkout/moved/after.rs", program(true) + "// more\n");
    fs::rename(app_file(&shop, "same.txt"), app_file(&shop, "renamed.txt")).unwrap();
    fs::remove_file(app_file(&shop, "gone with space.txt")).unwrap();
    shop.write("apps/checkout/grüße.txt", "a\nB\nc\n");
    shop.write("apps/checkout/\"quoted\".txt", "b\n");
    shop.write("apps/checkout/image.png", b"\x89PNG\0\x03\x04\x05");
    fs::set_permissions(app_file(&shop, "run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(app_file(&shop, "turns")).unwrap();
    symlink("renamed.txt", app_file(&shop, "turns")).unwrap();
    shop.write("apps/checkout/no-newline", "a\nc");
    fs::remove_file(app_file(&shop, "empty-gone")).unwrap();
    shop.write("apps/checkout/empty-new", "");
    shop.write("apps/checkout/fresh.txt", "fresh\n");
    fs::remove_file(app_file(&shop, "link")).unwrap();
    symlink("renamed.txt", app_file(&shop, "link")).unwrap();
    shop.commit_all();
    shop.publish(&[]);
    fetch_tags(&shop);
    shop
}

/// What a command prints behind its first paragraph, which is about the running app.
fn code(shop: &Shop, args: &[&str]) -> Vec<u8> {
    let output = shop.run(&[&["versions", "diff", "v1", "v2"], args].concat());
    assert_eq!(text(&output.stderr), "");
    let at = output.stdout.windows(2).position(|pair| pair == b"\n\n");
    output.stdout[at.unwrap() + 2..].to_vec()
}

#[test]
fn the_code_is_shown_as_git_shows_it_whatever_a_person_has_configured() {
    let shop = two_versions();
    let clone = shop.clone_dir();
    let git = |args: &[&str]| {
        let output = shop.sealed("git", &clone).arg("diff").args(args).output();
        output.unwrap().stdout
    };
    let versions = ["checkout/v1", "checkout/v2"];
    let patch = git(&versions);
    for part in [
        "similarity index",
        "rename to",
        "new mode 100755",
        "Binary files",
    ] {
        assert!(text(&patch).contains(part), "{part}:\n{}", text(&patch));
    }
    let stat = git(&["--stat", versions[0], versions[1]]);
    let names = git(&["--name-only", versions[0], versions[1]]);
    let check = || {
        assert_eq!(text(&code(&shop, &[])), text(&patch));
        assert_eq!(code(&shop, &[]), patch);
        assert_eq!(text(&code(&shop, &["--stat"])), text(&stat));
        let listed = shop.ok(&["versions", "diff", "v1", "v2", "--name-only"]);
        assert_eq!(listed, text(&names));
    };
    check();
    for (name, value) in [
        ("diff.algorithm", "patience"),
        ("diff.noprefix", "true"),
        ("diff.context", "9"),
        ("diff.renames", "false"),
        ("diff.external", "/bin/false"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.indentHeuristic", "false"),
        ("diff.renameLimit", "1"),
        ("color.ui", "always"),
        ("core.abbrev", "20"),
        ("core.quotePath", "false"),
        ("core.pager", "/bin/false"),
    ] {
        shop.git(&clone, &["config", name, value]);
    }
    let other = shop.dir.path().join("attributes");
    fs::write(&other, "*.rs binary\n").unwrap();
    let other = other.to_str().unwrap();
    shop.git(&clone, &["config", "core.attributesFile", other]);
    check();
    let mut command = shop.command_in(&clone, &["versions", "diff", "v1", "v2"]);
    command.env("GIT_DIFF_OPTS", "-u0");
    command.env("GIT_EXTERNAL_DIFF", "/bin/false");
    let output = command.output().unwrap();
    assert!(output.stdout.ends_with(&patch), "{}", text(&output.stderr));
}

#[test]
fn json_says_what_happened_to_each_file() {
    let shop = two_versions();
    let diff = shop.ok(&["versions", "diff", "v1", "v2", "--json"]);
    let diff: Json = serde_json::from_str(&diff).unwrap();
    assert_eq!(diff["from"]["name"], "v1");
    assert_eq!(
        diff["to"]["commit"],
        shop.rev(&shop.remote(), "checkout/v2")
    );
    assert_eq!(
        diff["app"],
        json!([{"function": "web", "field": "image", "from": digest("1"), "to": digest("2")}])
    );
    assert_eq!(diff["patch"], Json::Null);
    let file = |path: &str| {
        let mut files = diff["files"].as_array().unwrap().iter();
        let found = files.find(|file| file["path"] == path);
        found.unwrap_or_else(|| panic!("{path}: {diff}")).clone()
    };
    let is = |path: &str, status: &str, modes: [Json; 2], lines: [Json; 2]| {
        let file = file(path);
        assert_eq!(file["status"], status, "{file}");
        assert_eq!([&file["oldMode"], &file["mode"]], [&modes[0], &modes[1]]);
        assert_eq!([&file["added"], &file["removed"]], [&lines[0], &lines[1]]);
        assert_eq!(file["binary"], lines[0].is_null());
    };
    let plain = || json!("100644");
    is(
        "grüße.txt",
        "modified",
        [plain(), plain()],
        [json!(1), json!(1)],
    );
    is(
        "run.sh",
        "modified",
        [plain(), json!("100755")],
        [json!(0), json!(0)],
    );
    is(
        "image.png",
        "modified",
        [plain(), plain()],
        [Json::Null, Json::Null],
    );
    is(
        "fresh.txt",
        "added",
        [Json::Null, plain()],
        [json!(1), json!(0)],
    );
    is(
        "gone with space.txt",
        "deleted",
        [plain(), Json::Null],
        [json!(0), json!(1)],
    );
    is(
        "turns",
        "typeChanged",
        [plain(), json!("120000")],
        [json!(1), json!(1)],
    );
    is(
        "renamed.txt",
        "renamed",
        [plain(), plain()],
        [json!(0), json!(0)],
    );
    assert_eq!(file("renamed.txt")["oldPath"], "same.txt");
    assert_eq!(file("moved/after.rs")["oldPath"], "moved/before.rs");
    let with = shop.ok(&["versions", "diff", "v1", "v2", "--json", "--patch"]);
    let with: Json = serde_json::from_str(&with).unwrap();
    let patch = shop.git(&shop.clone_dir(), &["diff", "checkout/v1", "checkout/v2"]);
    assert_eq!(with["patch"], patch);
}

#[test]
fn what_changes_for_a_running_app_comes_first() {
    let shop = Shop::new();
    let env = "    env:\n    - {name: LOG_LEVEL, value: info}\n    - {name: OLD, value: \"a\\nb\\e[2J\"}\n";
    let files = "    files: {mountPath: /app, include: [public/**]}\n";
    shop.write("apps/checkout/public/a", "1");
    shop.commit("apps/checkout/app.yaml", app_with_image("1") + env + files);
    shop.publish(&["--label", "spring"]);
    let env = "    env:\n    - {name: LOG_LEVEL, value: debug}\n    - {name: DB, valueFrom: {secretKeyRef: {name: db, key: url}}}\n";
    let api = format!("  - {{name: api, port: 9090, image: {}}}\n", digest("3"));
    shop.write("apps/checkout/public/a", "2");
    shop.commit(
        "apps/checkout/app.yaml",
        app_with_image("2") + env + files + &api,
    );
    // Without TO, with what the branch holds.
    let latest = shop.ok(&["versions", "diff", "spring", "--no-code"]);
    let lines: Vec<&str> = latest.lines().collect();
    assert_eq!(lines[0], "For a running app, from checkout v1 to LATEST:");
    assert_eq!(
        lines[1..5],
        [
            format!("  ~ web image: {} -> {}", digest("1"), digest("2")).as_str(),
            "  ~ web env.LOG_LEVEL: info -> debug",
            "  + web env.DB: key url of Secret db",
            "  - web env.OLD: a\\nb\\u{1b}[2J",
        ]
    );
    assert_eq!(
        lines[5..8],
        [
            "  + function api",
            &format!("  + api image: {}", digest("3")),
            "  + api port: 9090"
        ]
    );
    assert!(
        lines[8].starts_with("  ~ web files.content: 1 files, "),
        "{latest}"
    );
    assert_eq!(lines.len(), 9);
    shop.publish(&[]);
    let published = shop.ok(&["versions", "diff", "checkout", "v1", "v2", "--no-code"]);
    assert_eq!(published, latest.replace("LATEST", "v2"));
    let back = shop.ok(&["versions", "diff", "checkout", "LATEST", "v1", "--no-code"]);
    assert!(back.contains("  - function api\n"), "{back}");
    let code_only = shop.ok(&["versions", "diff", "v2", "--ref", "HEAD~1"]);
    assert!(
        code_only.contains("from checkout v2 to LATEST:"),
        "{code_only}"
    );
    shop.commit("apps/checkout/readme.md", "x\n");
    let code_only = shop.ok(&["versions", "diff", "v2"]);
    let head =
        "app.yaml asks for the same from checkout v2 to LATEST; one file differs.\n\ndiff --git ";
    assert!(code_only.starts_with(head), "{code_only}");
}

#[test]
fn the_exit_code_tells_of_differences_where_that_is_asked() {
    let shop = Shop::new();
    shop.publish(&[]);
    let same = shop.run(&["versions", "diff", "v1", "--exit-code"]);
    assert_eq!(same.status.code(), Some(0));
    assert_eq!(text(&same.stdout), "");
    assert!(text(&same.stderr).contains("v1 and LATEST of checkout hold the same"));
    shop.commit("apps/checkout/x", "x");
    for (args, code) in [
        (&["--exit-code"][..], 1),
        (&[], 0),
        (&["--exit-code", "--json"], 1),
    ] {
        let output = shop.run(&[&["versions", "diff", "v1"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(text(&output.stderr), "");
    }
    // What failed is told apart by its message.
    let error = shop.refused(&["versions", "diff", "v9", "--exit-code"]);
    assert!(
        error.contains("has no version `v9`; there are: v1"),
        "{error}"
    );
    for wrong in [
        &["v1", "v2", "v3", "v4"][..],
        &["checkout", "1.5"],
        &["v1", "--name-only", "--stat"],
    ] {
        let output = shop.run(&[&["versions", "diff"], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn an_unreadable_app_yaml_hides_no_code() {
    let shop = Shop::new();
    shop.publish(&[]);
    let bad = "apiVersion: cutwater.dev/v1alpha1\nkind: App\nmetadata: {name: checkout}\nspec: {funktions: []}\n";
    shop.commit("apps/checkout/app.yaml", bad);
    let tree = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let message =
        "checkout v2\n\nCutwater-App: checkout\nCutwater-Version: 2\nCutwater-Source: cli";
    let commit = shop.git(&shop.clone_dir(), &["commit-tree", &tree, "-m", message]);
    let spec = format!("{}:refs/tags/checkout/v2", commit.trim());
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", &spec]);
    let output = shop.run(&["versions", "diff", "v1", "v2"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("+spec: {funktions: []}"));
    let error = text(&output.stderr);
    assert!(error.contains("cannot be told: v2: app.yaml:4:"), "{error}");
    let diff = shop.ok(&["versions", "diff", "v1", "v2", "--json"]);
    let diff: Json = serde_json::from_str(&diff).unwrap();
    assert_eq!(diff["app"], Json::Null);
    assert!(
        diff["appProblem"]
            .as_str()
            .unwrap()
            .starts_with("v2: app.yaml:4:")
    );
    assert_eq!(diff["files"][0]["path"], "app.yaml");
}

#[test]
fn what_may_be_too_much_is_said_and_not_shown() {
    let shop = Shop::new();
    shop.write("apps/checkout/large.txt", "x\n".repeat(9 << 20));
    shop.commit_all();
    shop.publish(&[]);
    shop.commit("apps/checkout/large.txt", "y\n".repeat(9 << 20));
    let output = shop.run(&["versions", "diff", "v1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("Binary files a/large.txt and b/large.txt differ\n"));
    assert!(text(&output.stderr).contains("`large.txt` has 18874368 bytes, and is not compared"));
    // A tree of trees of trees has more files than anybody can list.
    let blob = shop.git(&shop.clone_dir(), &["hash-object", "-w", "--stdin"]);
    let mut entry = format!("100644 blob {}", blob.trim());
    for _ in 0..8 {
        let lines: String = (0..10).map(|i| format!("{entry}\tn{i}\n")).collect();
        let file = shop.dir.path().join("tree");
        fs::write(&file, lines).unwrap();
        let mut command = shop.sealed("git", &shop.clone_dir());
        command.arg("mktree").stdin(fs::File::open(&file).unwrap());
        entry = format!(
            "040000 tree {}",
            text(&command.output().unwrap().stdout).trim()
        );
    }
    let tree = entry.rsplit(' ').next().unwrap();
    let message =
        "checkout v2\n\nCutwater-App: checkout\nCutwater-Version: 2\nCutwater-Source: cli";
    let commit = shop.git(&shop.clone_dir(), &["commit-tree", tree, "-m", message]);
    let spec = format!("{}:refs/tags/checkout/v2", commit.trim());
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", &spec]);
    let error = shop.refused(&["versions", "diff", "v1", "v2"]);
    assert!(
        error.contains("v2 of `checkout`: ") && error.contains("at most 100000 files"),
        "{error}"
    );
}

/// `script` gives a command a terminal; its output goes to a file.
#[test]
fn at_a_terminal_there_are_colours_and_nothing_that_drives_it() {
    let shop = Shop::new();
    shop.publish(&[]);
    shop.commit("apps/checkout/evil.txt", "a\u{1b}]0;owned\u{7}b\n");
    let output = shop.dir.path().join("typescript");
    let program = env!("CARGO_BIN_EXE_cutwater");
    let mut command: Command = shop.sealed("script", &shop.clone_dir());
    command
        .args(["-qec", &format!("'{program}' versions diff v1")])
        .arg(&output)
        .stdout(Stdio::null());
    let status = command.status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "`script` is missing or failed; it is in util-linux (apt-get install util-linux, bsdutils)"
    );
    let shown = fs::read_to_string(&output).unwrap().replace('\r', "");
    assert!(
        shown.contains("\u{1b}[32m+a\\u{1b}]0;owned\\u{7}b\u{1b}[0m\n"),
        "{shown:?}"
    );
    assert!(
        shown.contains("\u{1b}[1mdiff --git a/evil.txt"),
        "{shown:?}"
    );
    // Elsewhere it is what it is.
    let raw = shop.ok(&["versions", "diff", "v1"]);
    assert!(raw.contains("+a\u{1b}]0;owned\u{7}b\n"), "{raw:?}");
}

#[test]
fn files_that_pods_see_otherwise_change_a_running_app() {
    let shop = Shop::new();
    let files = "    files: {mountPath: /app, include: [public/**]}\n";
    shop.write("apps/checkout/app.yaml", app_with_image("1") + files);
    shop.write("apps/checkout/public/a", "a");
    shop.write("apps/checkout/public/b", "b");
    shop.commit_all();
    shop.publish(&[]);
    let changed = |what: &str, version: u32| {
        shop.commit_all();
        shop.publish(&[]);
        let (before, now) = (format!("v{}", version - 1), format!("v{version}"));
        let json = shop.ok(&["versions", "diff", "checkout", &before, &now, "--json"]);
        let json: Json = serde_json::from_str(&json).unwrap();
        assert_eq!(json["app"].as_array().unwrap().len(), 1, "{what}: {json}");
    };
    shop.write("apps/checkout/public/a", "b");
    shop.write("apps/checkout/public/b", "a");
    changed("contents that are swapped", 2);
    fs::rename(app_file(&shop, "public/b"), app_file(&shop, "public/c")).unwrap();
    changed("a new name", 3);
    fs::set_permissions(
        app_file(&shop, "public/c"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    changed("a right to run", 4);
}
