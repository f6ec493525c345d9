use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use super::functions::{UPGRADE, ask, connect, receive, send};
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

/// Held by a demo: two that look at the usual ports at the same moment find them free, and one of them fails.
static ONE: Mutex<()> = Mutex::new(());

fn only() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The demo with this program, in this folder for all that it writes.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=20", "400", "python3"])
        .arg(checkout().join("examples/demo.py"))
        .env("CUTWATER", program)
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it once.
fn demo(program: &Path, folder: &Path) -> Output {
    let _one = only();
    let mut command = command(program, folder);
    command.env("DEMO_ONCE", "1").output().unwrap()
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

#[test]
fn it_serves_page_api_and_socket_until_it_is_interrupted() {
    let _one = only();
    let folder = tempfile::tempdir().unwrap();
    let mut demo = command(lab::cutwater(), folder.path());
    let mut demo = demo.stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = String::new();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        printed += &format!("{}\n", line.unwrap());
        if printed.contains("To try next") && printed.contains("/metrics") {
            break;
        }
    }
    let page = printed
        .split("http://shop.localhost:")
        .nth(1)
        .expect(&printed);
    let port = page.split('/').next().unwrap().parse().unwrap();
    for (request, words) in [
        ("GET / HTTP/1.1", "This page is of version 1,"),
        ("GET /api/cart HTTP/1.1", r#""version": 1"#),
        ("GET /nothing HTTP/1.1", "There is no such file."),
    ] {
        let (_, body) = ask(&mut connect(port), request);
        assert!(body.contains(words), "{body}");
    }
    let mut socket = connect(port);
    let (head, _) = ask(&mut socket, UPGRADE);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    send(&mut socket, 0x81, b"hello");
    let echo = r#"{"version": 1, "echo": "hello"}"#;
    assert_eq!(receive(&mut socket), (0x81, echo.as_bytes().to_vec()));
    let pid = Pid::from_raw(demo.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    // The socket is still open, and nobody waits for it.
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
