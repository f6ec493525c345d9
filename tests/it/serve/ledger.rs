use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::{Standalone, until};
use crate::it::shop::text;
use crate::support::process::Process;

const REF: &str = "refs/cutwater/checkout/deployments/local";

impl Standalone {
    /// What `deployments list` says of the ledger: sequence and shares of each record, the newest first.
    fn ledger(&self) -> Vec<(u64, String)> {
        let list = ["deployments", "list", "checkout", "--json"];
        let list: Json = serde_json::from_str(&self.shop.ok(&list)).unwrap();
        let entries = list["deployments"].as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry["source"] == "ledger");
        let shares = |entry: &Json| {
            let shares = entry["versions"].as_array().unwrap().iter();
            let shares =
                shares.map(|share| format!("{} {}", share["version"], share["percentage"]));
            shares.collect::<Vec<_>>().join(", ")
        };
        entries
            .map(|entry| (entry["sequence"].as_u64().unwrap(), shares(entry)))
            .collect()
    }

    /// Waits until the ledger says exactly this, the newest first.
    pub(super) async fn ledger_says(&self, wanted: &[(u64, &str)]) {
        until(&format!("the ledger says {wanted:?}"), async || {
            let ledger = self.ledger();
            let ledger: Vec<(u64, &str)> = (ledger.iter())
                .map(|(sequence, shares)| (*sequence, shares.as_str()))
                .collect();
            (ledger == wanted).then_some(())
        })
        .await;
    }

    /// Waits until so many records wait and a problem says this.
    async fn waits_with(&self, count: u64, problem: &str) {
        until(&format!("{count} wait: {problem}"), async || {
            let ledger = self.status().await["ledger"].clone();
            let said = ledger["problems"].to_string();
            (ledger["waiting"] == count && said.contains(problem)).then_some(())
        })
        .await;
    }

    /// Changes what is served by a command.
    fn change(&self, args: &[&str]) {
        self.shop.ok(args);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_while_no_ledger_was_written_is_not_passed_over() {
    let mut standalone = Standalone::of(3);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.ledger_says(&[(1, "1 100")]).await;
    let stop = Duration::from_secs(20);
    standalone.serving.take().unwrap().stop(stop);
    standalone.more = vec!["--no-ledger".to_owned()];
    standalone.start().await;
    standalone.change(&["deploy", "checkout", "v2"]);
    standalone.serves(&[(2, "100")]).await;
    standalone.change(&["deploy", "checkout", "v3"]);
    standalone.serves(&[(3, "100")]).await;
    standalone.serving.take().unwrap().stop(stop);
    standalone.more.clear();
    standalone.start().await;
    standalone.ledger_says(&[(3, "3 100"), (1, "1 100")]).await;
    let said = standalone.shop.refused(&["rollback", "checkout"]);
    assert!(
        said.contains("no record of the ledger tells") && said.contains("checkout v1"),
        "{said}"
    );
    let listed = standalone.shop.ok(&["deployments", "list", "checkout"]);
    assert!(listed.contains("not recorded"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_written_once_through_restarts_and_crashes() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.ledger_says(&[(1, "1 100")]).await;
    standalone.change(&["deploy", "checkout", "v1=90", "v2=10"]);
    standalone
        .ledger_says(&[(2, "1 90, 2 10"), (1, "1 100")])
        .await;
    // Told to end, and killed: nothing is written again.
    standalone
        .serving
        .take()
        .unwrap()
        .stop(Duration::from_secs(20));
    standalone.start().await;
    standalone.serves(&[(1, "90"), (2, "10")]).await;
    standalone.change(&["deploy", "checkout", "v2"]);
    standalone.serves(&[(2, "100")]).await;
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    standalone.change(&["rollback", "checkout", "v1", "-m", "It loses orders"]);
    let all = [(4, "1 100"), (3, "2 100"), (2, "1 90, 2 10"), (1, "1 100")];
    standalone.ledger_says(&all).await;
    // What is in it can be read with git alone.
    let (shop, remote) = (&standalone.shop, standalone.shop.remote());
    let record = shop.git(&remote, &["show", &format!("{REF}:deployment.yaml")]);
    for line in [
        "environment: local",
        "sequence: 4",
        "author: Ada Lovelace",
        "source: cli",
        "message: It loses orders",
        "rolledBackFrom: 2",
        &format!("releaseCommit: {}", shop.rev(&remote, "main")),
        &format!("commit: {}", shop.rev(&remote, "checkout/v1")),
        &format!("tree: {}", shop.rev(&remote, "checkout/v1^{tree}")),
    ] {
        assert!(record.contains(line), "{line}\n{record}");
    }
    let first = shop.git(
        &remote,
        &["rev-list", "--max-parents=0", "--format=%B", REF],
    );
    assert!(first.contains("Cutwater-Writer: "), "{first}");
    // A commit that changes nothing of the split is no change.
    shop.git(
        &shop.clone_dir(),
        &["commit", "-q", "--allow-empty", "-m", "Nothing"],
    );
    super::push(shop);
    let tip = shop.rev(&remote, "main");
    until("the commit counts", async || {
        (standalone.status().await["commit"] == tip.as_str()).then_some(())
    })
    .await;
    assert_eq!(standalone.ledger().len(), all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_is_lost_in_a_crash_is_not_made_twice() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.ledger_says(&[(1, "1 100")]).await;
    // The ref has moved, and the server does not answer yet.
    let late = "grep -q deployments || exit 0\ntouch late\nsleep 3";
    standalone.shop.hook("post-receive", late);
    standalone.change(&["deploy", "checkout", "v2"]);
    let (remote, hook) = (standalone.shop.remote(), "hooks/post-receive");
    until("the record has arrived", async || {
        remote.join("late").exists().then_some(())
    })
    .await;
    assert_eq!(standalone.status().await["ledger"]["waiting"], 1);
    standalone.serving.take().unwrap().kill();
    std::fs::remove_file(remote.join(hook)).unwrap();
    standalone.start().await;
    standalone.waits_with(0, "[]").await;
    let twice = [(2, "2 100".to_owned()), (1, "1 100".to_owned())];
    assert_eq!(standalone.ledger(), twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_takes_no_push_holds_up_no_traffic_and_gets_all_later() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.ledger_says(&[(1, "1 100")]).await;
    // It refuses.
    let refuse = "grep -q deployments && { echo 'no ledgers here' >&2; exit 1; }\nexit 0";
    standalone.shop.hook("pre-receive", refuse);
    standalone.change(&["deploy", "checkout", "v2"]);
    standalone.serves(&[(2, "100")]).await;
    standalone.waits_with(1, "no ledgers here").await;
    assert!(standalone.log().contains("no ledgers here"));
    standalone.change(&["deploy", "checkout", "v1"]);
    standalone.serves(&[(1, "100")]).await;
    standalone.waits_with(2, "no ledgers here").await;
    // It is away, also through a crash.
    let remote = standalone.shop.remote();
    let away = standalone.shop.dir.path().join("away.git");
    std::fs::rename(&remote, &away).unwrap();
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone
        .waits_with(2, "cannot write the ledger of checkout")
        .await;
    std::fs::rename(&away, &remote).unwrap();
    std::fs::remove_file(remote.join("hooks/pre-receive")).unwrap();
    standalone
        .ledger_says(&[(3, "1 100"), (2, "2 100"), (1, "1 100")])
        .await;
    standalone.waits_with(0, "[]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_has_one_writer() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.ledger_says(&[(1, "1 100")]).await;
    // Another server of the same repository, which is called the same.
    let first = standalone.serving.take().unwrap();
    let moved = standalone.shop.dir.path().join("first");
    std::fs::rename(standalone.state(), moved).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone
        .waits_with(
            1,
            "environment `local` of checkout belongs to another writer",
        )
        .await;
    assert_eq!(standalone.ledger(), [(1, "1 100".to_owned())]);
    drop(first);
    // Called otherwise, it writes its own; with --no-ledger none.
    standalone.serving.take().unwrap().kill();
    let program = Path::new(env!("CARGO_BIN_EXE_cutwater"));
    let serve = |name: &str, more: &[&str]| {
        let mut arguments = standalone.arguments();
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        Process::start(name, program, &arguments, standalone.shop.dir.path())
    };
    let second = serve("second", &["--environment", "second"]);
    until("the second one has its own", async || {
        let name = "refs/cutwater/checkout/deployments/second";
        standalone
            .shop
            .refs()
            .iter()
            .any(|found| found == name)
            .then_some(())
    })
    .await;
    second.stop(Duration::from_secs(20));
    let before = standalone.shop.refs();
    let third = serve("third", &["--no-ledger"]);
    standalone.change(&["deploy", "checkout", "v2"]);
    let tip = standalone.shop.rev(&standalone.shop.remote(), "main");
    until("the commit counts", async || {
        third.log().contains(&tip).then_some(())
    })
    .await;
    third.stop(Duration::from_secs(20));
    assert_eq!(standalone.shop.refs(), before);
    // Refused, where both are said.
    let output = standalone
        .shop
        .run(&["serve", "--no-ledger", "--environment", "x"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}
