//! Progress: at a terminal, what takes longer than half a second is said in a line that is gone afterwards.

use std::process::{Command, Stdio};

use super::shop::{Shop, text};

/// A shop whose remote takes a while over each push.
fn slow() -> Shop {
    let shop = Shop::new();
    let hook = shop.remote().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nsleep 1.5\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, mode).unwrap();
    shop
}

/// Everything that a terminal gets of `cutwater ARGS`; `script` (util-linux) is the terminal.
fn at_a_terminal(shop: &Shop, args: &str) -> String {
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_cutwater"));
    let mut script: Command = shop.sealed("script", &shop.clone_dir());
    let output = script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script is there (apt-get install util-linux)");
    assert!(output.status.success(), "{}", text(&output.stdout));
    text(&output.stdout)
}

#[test]
fn what_takes_a_while_is_said_in_one_line_that_is_taken_away() {
    let shop = slow();
    let seen = at_a_terminal(&shop, "versions publish");
    let shown = seen.matches(" ...").count();
    assert!(shown >= 1, "{seen:?}");
    let (progress, result) = seen.rsplit_once("\r\u{1b}[K").unwrap();
    assert!(progress.contains(" ..."), "{seen:?}");
    // A hint may stand before it.
    let mut lines = result.lines();
    assert!(
        lines.any(|line| line.starts_with("published checkout v1")),
        "{seen:?}"
    );
    assert!(!progress.contains('\n'), "it stays in its line: {seen:?}");
}

#[test]
fn nothing_is_said_with_quiet_or_without_a_terminal() {
    let shop = slow();
    let main = ["push", "-q", "origin", "HEAD:main"];
    shop.git(&shop.clone_dir(), &main);
    let seen = at_a_terminal(&shop, "versions publish --quiet");
    assert!(seen.starts_with("published checkout v1"), "{seen:?}");
    shop.commit("apps/checkout/more", "more");
    shop.git(&shop.clone_dir(), &main);
    let output = shop.run(&["versions", "publish"]);
    assert!(text(&output.stdout).starts_with("published checkout v2"));
    assert_eq!(text(&output.stderr), "");
}
