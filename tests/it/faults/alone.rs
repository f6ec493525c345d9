//! A controller that is started while git is away, and one that lacks a right.

use std::time::Duration;

use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::json;

use crate::lab::{Lab, SOON, Scope};
use crate::support::apiserver::succeed;
use crate::support::{User, wait_for};

/// Folders of mirrors below the state folder.
fn mirrors(lab: &Lab) -> Vec<String> {
    let entries = std::fs::read_dir(lab.controller.state()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mirrors = paths.filter(|path| path.extension().is_some_and(|end| end == "git"));
    mirrors.map(|path| path.display().to_string()).collect()
}

async fn until_mirrors(lab: &Lab, count: usize) {
    wait_for(&format!("{count} mirrors"), SOON, async || {
        match mirrors(lab) {
            there if there.len() == count => Ok(()),
            there => Err(format!("{there:?}")),
        }
    })
    .await;
}

async fn read_from(scope: &Scope, url: &str) {
    scope
        .apply(json!({
            "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository", "metadata": {"name": "main"},
            "spec": {"url": url, "interval": "5s"},
        }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_git_or_without_a_right_is_said_and_costs_no_more() {
    let mut lab = Lab::own();
    let scope = lab.scope("restart").await;
    let gone = lab.scope("restart-gone").await;
    for number in 1..=2 {
        scope.releases.publish("shop", "");
        scope.deploy("shop", &[(number, 100.0)]).await;
        scope.until_ready("shop").await;
    }
    scope.until_workloads("shop", &["shop-v2-web"]).await;
    gone.until_repository_is("main", "True", "Succeeded").await;
    until_mirrors(&lab, 2).await;

    // git goes away, and so does the controller; it comes back alone, and without a right. Meanwhile a Repository is deleted.
    let (remote, away) = (
        scope.releases.remote(),
        scope.releases.remote().with_extension("away"),
    );
    std::fs::rename(&remote, &away).unwrap();
    scope
        .until_repository_is("main", "False", "NotARepository")
        .await;
    lab.controller.kill();
    let repositories = gone.api::<cutwater::api::Repository>();
    repositories
        .delete("main", &DeleteParams::default())
        .await
        .unwrap();
    lab.grant(|rule| !rule.contains("gateways]"));
    let asked = [
        "auth",
        "can-i",
        "list",
        "gateways.gateway.networking.k8s.io",
        "-A",
        "--as=cutwater",
    ];
    wait_for("the right to be taken away", SOON, async || {
        let said = lab.server.kubectl(&asked);
        if said.status.success() {
            Err("it is there")
        } else {
            Ok(())
        }
    })
    .await;
    let since = Timestamp::now();
    lab.controller.again();
    wait_for("what is missing to be said", SOON, async || {
        let said = lab.controller.whole_log();
        if said.contains("gateways.gateway.networking.k8s.io is forbidden") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    until_unready(&lab, "Gateway cannot be watched").await;
    let log = lab.controller.whole_log();
    let lines = log
        .lines()
        .filter(|line| line.contains("this kind cannot be watched"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("https://127.0.0.1:"), "{lines:?}");
    let asked = lab.server.audit_requests(User::Cutwater, since);
    let asked = asked.iter().filter(|asked| asked.code == Some(403)).count();
    assert!(asked < 20, "{asked} requests that were refused");
    lab.grant(|_| true);
    wait_for("the watch to go on", SOON, async || {
        let log = lab.controller.whole_log();
        if log.contains("the watch goes on") {
            Ok(())
        } else {
            Err(lab.controller.log())
        }
    })
    .await;

    // The way back is in the mirror.
    let message = scope
        .until_repository_is("main", "False", "NotARepository")
        .await;
    assert!(message.contains("versions are known as of 20"), "{message}");
    scope.deploy("shop", &[(1, 100.0)]).await;
    scope.until_weights("shop", &[(1, 10_000)]).await;
    scope.until_ready("shop").await;
    scope.deploy("shop", &[(3, 100.0)]).await;
    let message = scope
        .until_fault("shop", "VersionsResolved", "NotARepository")
        .await;
    assert!(
        message.contains("as of 20") && message.contains("there are: v2, v1"),
        "{message}"
    );
    until_mirrors(&lab, 1).await;

    // Another address: its mirror takes the place of the other.
    let moved = mirrors(&lab);
    read_from(&scope, &away.to_string_lossy()).await;
    scope.until_repository_is("main", "True", "Succeeded").await;
    wait_for("one mirror, of the new address", SOON, async || {
        let there = mirrors(&lab);
        if there.len() == 1 && there != moved {
            Ok(())
        } else {
            Err(format!("{there:?}"))
        }
    })
    .await;
}

/// Waits until the controller says that it is not ready, for this reason.
async fn until_unready(lab: &Lab, why: &str) {
    let url = format!("http://{}", lab.controller.health().await);
    let get = |path: &str| {
        let output = std::process::Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "5",
                &format!("{url}{path}"),
            ])
            .output()
            .unwrap();
        succeed(output)
    };
    wait_for(
        "an answer of 503",
        SOON + Duration::from_secs(20),
        async || {
            let said = get("/ready");
            if said.contains(why) {
                Ok(())
            } else {
                Err(said)
            }
        },
    )
    .await;
    let metrics = get("/metrics");
    assert!(
        metrics.contains("cutwater_watch_failing{kind=\"Gateway\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("cutwater_watch_failing{kind=\"Pod\"} 0"),
        "{metrics}"
    );
}
