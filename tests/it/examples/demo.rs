use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use super::{alike, blocks};
use crate::lab;
use crate::support::tools::checkout;

/// What is the same each time: of a bar only whose it is, and for a folder or a port of the moment a word.
fn steady(text: &str) -> String {
    let line = |line: &str| {
        if line.contains('%') && line.starts_with("  v") {
            return line[..4].to_owned();
        }
        let words = line.split_inclusive(' ').map(|word| {
            let word = match word.split_once("/cutwater-demo-") {
                Some((_, rest)) => format!("<folder>{}", &rest[rest.find('/').unwrap_or(0)..]),
                None => word.to_owned(),
            };
            match word
                .split_once("localhost:")
                .or(word.split_once("127.0.0.1:"))
            {
                Some((_, rest)) => rest
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .to_owned(),
                None => word,
            }
        });
        words.collect()
    };
    text.lines().map(line).collect::<Vec<String>>().join("\n")
}

/// Runs the demo once with this program, in this folder for all that it writes.
fn demo(program: &Path, folder: &Path) -> Output {
    // Two that look at the usual ports at the same moment find them free, and one of them fails.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=20", "400", "python3"])
        .arg(checkout().join("examples/demo.py"))
        .env("CUTWATER", program)
        .env("DEMO_ONCE", "1")
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C.UTF-8");
    command.output().unwrap()
}

#[test]
fn the_demo_ends_well_and_prints_what_the_readme_shows() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(lab::cutwater(), home.path());
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{said}");
    assert_eq!(said, "");
    let wide = printed.lines().find(|line| {
        let folder = home.path().to_string_lossy();
        line.replace(&*folder, "/tmp").chars().count() > 100
    });
    assert_eq!(wide, None, "it fits 100 columns");
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    let shown = blocks.iter().find(|block| block.script == "make demo");
    let shown = shown.unwrap().shown.as_deref().unwrap();
    assert!(
        alike(&steady(shown), &steady(&printed)),
        "README.md shows\n{shown}\nbut it prints\n{printed}"
    );
    // It takes everything away: its folder, with the checkouts in it that nobody may write.
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_fails_where_a_split_is_not_what_it_was_to_be() {
    let home = tempfile::tempdir().unwrap();
    let wrong = home.path().join("bin/cutwater");
    std::fs::create_dir(wrong.parent().unwrap()).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $* in *v2=10*) set -- deploy checkout v1 v2=60;; esac\nexec '{}' \"$@\"\n",
        lab::cutwater().display()
    );
    std::fs::write(&wrong, script).unwrap();
    let may_run = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&wrong, may_run).unwrap();
    let folder = home.path().join("tmp");
    std::fs::create_dir(&folder).unwrap();
    let output = demo(&wrong, &folder);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains("The demo failed: v"), "{printed}");
    assert!(printed.contains("requests, and was to have "), "{printed}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}
