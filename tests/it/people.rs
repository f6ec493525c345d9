//! What people see at a terminal, and what a script is told where nobody looks.

use std::fs::OpenOptions;
use std::process::Stdio;

use super::shop::{Shop, text};

/// What a terminal of so many columns gets of `cutwater ARGS`; `script` (util-linux) is the terminal.
fn at_a_terminal(shop: &Shop, columns: u32, args: &str) -> String {
    let line = format!(
        "stty cols {columns}; {} {args}",
        env!("CARGO_BIN_EXE_cutwater")
    );
    let output = shop
        .sealed("script", &shop.clone_dir())
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script is there (apt-get install util-linux)");
    assert!(output.status.success(), "{}", text(&output.stdout));
    text(&output.stdout).replace('\r', "")
}

#[test]
fn a_narrow_terminal_breaks_messages_and_never_an_id() {
    let shop = Shop::new();
    let long = "A new cart, which remembers what somebody took out of it and offers it again";
    shop.publish(&["--label", "spring-sale", "-m", long]);
    let id = shop.rev(&shop.clone_dir(), "HEAD:apps/checkout");
    let seen = at_a_terminal(&shop, 80, "versions list --no-live");
    let lines: Vec<&str> = seen
        .lines()
        .filter(|line| !line.contains('\u{1b}'))
        .collect();
    let row = lines.iter().find(|line| line.starts_with("v1 ")).unwrap();
    assert!(row.contains(&format!("g{}  20", &id[..12])), "{seen}");
    // The rest of a message stands below its beginning.
    let below = lines.iter().skip_while(|line| *line != row).nth(1).unwrap();
    assert!(
        below.starts_with("    ") && !below.trim().is_empty(),
        "{seen}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{seen}"
    );
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let shop = Shop::new();
    shop.publish(&[]);
    for args in [
        &["versions", "list"][..],
        &["crd"],
        &["versions", "view", "v1", "--json"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = shop.command_in(&shop.clone_dir(), args);
        let output = command.stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(
            said.contains("cannot be written to stdout"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_terminal_without_colours_gets_none() {
    let shop = Shop::new();
    let line = format!(
        "{} versions view v9 2>&1; true",
        env!("CARGO_BIN_EXE_cutwater")
    );
    let seen = |term: &str| {
        let output = shop
            .sealed("script", &shop.clone_dir())
            .env("TERM", term)
            .args(["--quiet", "--command", &line, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .expect("script is there (apt-get install util-linux)");
        text(&output.stdout)
    };
    assert!(seen("xterm").contains("\u{1b}[1;31mError:"));
    assert!(!seen("dumb").contains("\u{1b}[1;31m"));
}

#[test]
fn an_app_that_is_not_there_is_no_app_without_versions() {
    let shop = Shop::new();
    for command in [
        ["versions", "list"],
        ["deployments", "list"],
        ["deployments", "status"],
    ] {
        let said = shop.refused(&[command[0], command[1], "chekout"]);
        assert!(
            said.contains("there is no app `chekout`") && said.contains("did you mean checkout?"),
            "{said}"
        );
    }
}

#[test]
fn a_deleted_version_says_its_whole_reason() {
    let shop = Shop::new();
    shop.publish(&[]);
    let why = "It loses orders\nsince the new cart";
    shop.ok(&["versions", "delete", "v1", "--yes", "--message", why]);
    let shown = shop.ok(&["versions", "view", "v1"]);
    assert!(
        shown.contains("Reason:     It loses orders\n            since the new cart\n"),
        "{shown}"
    );
}

#[test]
fn a_place_of_the_settings_that_is_not_there_makes_nothing_unused() {
    let shop = Shop::new();
    shop.publish(&[]);
    let push = ["push", "-q", "origin", "HEAD:refs/heads/main"];
    shop.git(&shop.clone_dir(), &push);
    let settings = |line: &str| {
        let head = "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\n";
        shop.write("cutwater.yaml", format!("{head}{line}\n"));
    };
    for (line, said) in [
        ("releases: rel", "folder `rel` is in no branch that counts"),
        ("branch: prod", "branch `prod` is not at remote `origin`"),
    ] {
        settings(line);
        let output = shop.run(&["versions", "list", "--json"]);
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json["unread"][0].as_str().unwrap().contains(said), "{json}");
        let refused = shop.refused(&["versions", "delete", "v1", "--yes"]);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn a_default_branch_that_the_remote_does_not_have_is_said_where_it_has_others() {
    let shop = Shop::new();
    shop.publish(&[]);
    let commands = ["versions list", "versions view v1", "deployments list"];
    let commands = commands
        .into_iter()
        .chain(["deployments status", "alias list"]);
    let commands: Vec<Vec<&str>> = commands.map(|line| line.split(' ').collect()).collect();
    let missing = "branch `main` is not at remote `origin`";
    // A remote without branches is one that begins.
    for command in &commands {
        let said = text(&shop.run(command).stderr);
        assert!(!said.contains(missing), "{command:?}: {said}");
    }
    let release = super::delete::deployment(&[("1", "100")]);
    shop.commit("releases/checkout.yaml", release);
    let push = ["push", "-q", "origin", "HEAD:refs/heads/master"];
    shop.git(&shop.clone_dir(), &push);
    for command in &commands {
        let output = shop.run(command);
        let said = text(&output.stderr);
        assert!(
            output.status.success() && said.contains(missing),
            "{command:?}: {said}"
        );
        if command[0] == "alias" {
            continue;
        }
        let json = shop.ok(&[&command[..], &["--json"]].concat());
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let unread = json["unread"][0].as_str().unwrap();
        assert!(unread.contains(missing), "{command:?}: {json}");
    }
    // What is deleted is looked for in every branch.
    let refused = shop.refused(&["versions", "delete", "v1", "--yes"]);
    assert!(refused.contains("releases/checkout.yaml"), "{refused}");
}
