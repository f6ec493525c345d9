//! Faults of the machine and of the repository: what is said, what goes on, and how it recovers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Standalone, deployment, push, until, upstream};
use crate::it::shop::{Shop, text};
use crate::support::process::Process;

/// A server that first does something else.
fn server_after(first: &str) -> String {
    super::SERVER.replace(
        "import http.server, os",
        &format!("import http.server, os\n{first}"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_listens_on_another_port_is_told_which_one_is_meant() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let elsewhere = super::SERVER.replace("int(os.environ[\"PORT\"])", "0");
    standalone.publish_program(&elsewhere);
    standalone.deploy(&[(1, "50"), (2, "50")]);
    standalone
        .says("it must listen on the port of the variable PORT")
        .await;
    assert_eq!(
        standalone.counts(20).await.len(),
        1,
        "version 1 answers all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_output_leaves_eight_mebibytes_and_a_program_that_serves() {
    let mut standalone = Standalone::of(1);
    let first = "import subprocess\nsubprocess.run(['head', '-c', '1G', '/dev/zero'])\nprint('\\nthat was all', flush=True)";
    standalone.publish_program(&server_after(first));
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let log = standalone.state().join("logs/checkout-v2-web.log");
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    let whole = size(&log) + size(&log.with_extension("log.1"));
    assert!(whole <= 8 << 20, "{whole} bytes");
    until("the newest is kept", async || {
        let text = std::fs::read(&log).unwrap();
        text.ends_with(b"\nthat was all\n").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_in_use_is_named_with_the_flag_that_chooses_another() {
    let standalone = Standalone::of(1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    for flag in ["--listen", "--admin"] {
        let mut arguments = standalone.arguments();
        let at = arguments.iter().position(|argument| argument == flag);
        arguments[at.unwrap() + 1] = taken.to_string();
        let output = standalone
            .shop
            .sealed(env!("CARGO_BIN_EXE_cutwater"), standalone.shop.dir.path())
            .args(arguments)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in [&taken.to_string(), "in use", flag] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_away_is_waited_for_and_one_that_never_was_is_an_error() {
    let mut standalone = Standalone::of(2);
    standalone.source = Some("remote.git".to_owned());
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let remote = standalone.shop.remote();
    let away = remote.with_extension("away");
    std::fs::rename(&remote, &away).unwrap();
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    std::fs::rename(&away, &remote).unwrap();
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
    // What cannot be: a path where nothing ever was, and a branch that nobody can have.
    let named = format!("did you mean {}?", remote.canonicalize().unwrap().display());
    for (source, state, more, says) in [
        ("remot.git", "fresh", &[][..], named.as_str()),
        ("remote.git", "state", &["--branch", "a..b"], "--branch"),
    ] {
        let mut arguments = standalone.arguments();
        source.clone_into(&mut arguments[1]);
        arguments[3] = standalone.shop.dir.path().join(state).display().to_string();
        let output = (standalone.shop)
            .sealed(env!("CARGO_BIN_EXE_cutwater"), standalone.shop.dir.path())
            .args(arguments)
            .args(more)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(says) && !said.contains("spec."), "{said}");
    }
    assert!(!standalone.shop.dir.path().join("fresh").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_deleted_changes_nothing_also_through_a_restart() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "60"), (2, "40")]);
    standalone.start().await;
    standalone.serves(&[(1, "60"), (2, "40")]).await;
    // A folder in its place, so that the address stays one of this machine.
    let remote = standalone.shop.remote();
    std::fs::remove_dir_all(&remote).unwrap();
    assert_eq!(standalone.counts(50).await.len(), 2);
    let patience = Duration::from_secs(20);
    standalone.serving.take().unwrap().stop(patience);
    standalone.start().await;
    standalone.serves(&[(1, "60"), (2, "40")]).await;
    standalone.says("what was read before goes on").await;
    assert_eq!(standalone.counts(50).await.len(), 2);
    // A new one, with the same history and more, is followed.
    let clone = standalone.shop.clone_dir();
    let dir = standalone.shop.dir.path();
    (standalone.shop).git(dir, &["clone", "-q", "--bare", "clone", "remote.git"]);
    let tags = ["push", "-q", "origin", "refs/tags/*"];
    standalone.shop.git(&clone, &tags);
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_leaves_no_program_and_goes_on_where_it_was() {
    let mut standalone = Standalone::with(&upstream::app(), 3);
    let splits: [&[(u32, &str)]; 4] = [
        &[(1, "90"), (2, "10")],
        &[(2, "50"), (3, "50")],
        &[(3, "100")],
        &[(1, "30"), (3, "70")],
    ];
    standalone.deploy(splits[3]);
    standalone.start().await;
    standalone.serves(splits[3]).await;
    for round in 0..20 {
        let split = splits[round % 4];
        standalone.deploy(split);
        // Any moment: while the commit is read, versions start and leave, or all is done; now and then right after the start.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..400))).await;
        standalone.serving.take().unwrap().kill();
        until("no program is left", async || {
            standalone.programs().is_empty().then_some(())
        })
        .await;
        standalone.start().await;
        if round % 5 != 4 {
            standalone.serves(split).await;
            let counts = standalone.counts(20).await;
            for version in counts.keys() {
                let number = version.trim_start_matches('v');
                let listed = |(listed, _): &(u32, &str)| listed.to_string() == number;
                assert!(split.iter().any(listed), "{version} of {split:?}");
            }
        }
    }
    let last = splits[3];
    standalone.serves(last).await;
    until("only what is listed runs", async || {
        (standalone.programs().len() == 4).then_some(())
    })
    .await;
}

/// The folder of the state is a small disk of its own, which ends with `serve`.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_changes_no_traffic_and_is_waited_out() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    let state = standalone.state();
    std::fs::create_dir_all(&state).unwrap();
    let Some(namespace) = namespace() else {
        eprintln!(
            "not tested: a small disk takes a mount namespace, which this machine gives neither to root nor to others"
        );
        return;
    };
    let mount = format!(
        "mount -t tmpfs -o size=4m none {} && exec \"$@\"",
        state.display()
    );
    let words = namespace.iter().copied().chain(["sh", "-c", &mount, "sh"]);
    let mut arguments: Vec<String> = words.skip(1).map(str::to_owned).collect();
    arguments.push(env!("CARGO_BIN_EXE_cutwater").to_owned());
    arguments.extend(standalone.arguments());
    let serving = Process::start(
        "serve-full",
        &PathBuf::from(namespace[0]),
        &arguments,
        standalone.shop.dir.path(),
    );
    standalone.started(serving).await;
    standalone.serves(&[(1, "100")]).await;
    // Seen from outside, the disk is behind the root of the process.
    let id = standalone.serving.as_ref().unwrap().id();
    let disk = PathBuf::from(format!("/proc/{id}/root{}", state.display()));
    let filler = disk.join("filler");
    let fill = std::fs::write(&filler, vec![1; 8 << 20]);
    assert_eq!(
        fill.unwrap_err().kind(),
        std::io::ErrorKind::StorageFull,
        "the disk is full"
    );
    standalone.deploy(&[(1, "50"), (2, "50")]);
    standalone.says("No space left on device").await;
    assert_eq!(standalone.counts(20).await.len(), 1);
    std::fs::remove_file(&filler).unwrap();
    standalone.serves(&[(1, "50"), (2, "50")]).await;
    let problems = standalone.problems().await;
    assert!(!problems.contains("No space"), "{problems}");
}

#[test]
fn a_state_folder_that_is_read_only_is_said_with_what_to_do() {
    let standalone = Standalone::over(Shop::new());
    let state = standalone.state();
    std::fs::create_dir_all(&state).unwrap();
    let Some(namespace) = namespace() else {
        eprintln!("not tested: this machine gives no mount namespace");
        return;
    };
    let mount = format!(
        "mount -t tmpfs -o ro none {} && exec \"$@\"",
        state.display()
    );
    let output = (standalone.shop)
        .sealed(namespace[0], standalone.shop.dir.path())
        .args(&namespace[1..])
        .args(["sh", "-c", &mount, "sh", env!("CARGO_BIN_EXE_cutwater")])
        .args(standalone.arguments())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["read-only", state.to_str().unwrap(), "--state"] {
        assert!(said.contains(words), "{said}");
    }
}

/// What starts a program where it may mount: as root, or as root of its own.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [
        &["unshare", "--mount"],
        &["unshare", "--map-root-user", "--mount"],
    ];
    ways.into_iter().find(|way| {
        let mount = "mount -t tmpfs none /tmp";
        let tried = Command::new(way[0])
            .args(&way[1..])
            .args(["sh", "-c", mount])
            .output();
        tried.is_ok_and(|output| output.status.success())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_rewritten_still_says_what_is_served() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    // The same object, on a branch that has nothing in common with the one before.
    let shop = &standalone.shop;
    shop.git(&shop.clone_dir(), &["checkout", "-q", "--orphan", "other"]);
    shop.commit("releases/checkout.yaml", deployment(&[(2, "100")]));
    let force = ["push", "-qf", "origin", "HEAD:refs/heads/main"];
    shop.git(&shop.clone_dir(), &force);
    standalone.serves(&[(2, "100")]).await;
    shop.git(&shop.clone_dir(), &["checkout", "-q", "main"]);
    // And back again.
    let force = ["push", "-qf", "origin", "main:refs/heads/main"];
    shop.git(&shop.clone_dir(), &force);
    standalone.serves(&[(1, "100")]).await;
    push(shop);
}
