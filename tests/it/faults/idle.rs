//! An unchanged world costs no write to the API server, and no git traffic beyond the poll.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::lab::{Lab, SOON, Scope};
use crate::support::{User, wait_for};

/// Seconds between polls of each repository.
const INTERVAL: u64 = 5;

/// A number that the environment gives, or another one.
fn given(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_that_nobody_touches_cost_nothing() {
    let (namespaces, apps) = (4, given("CUTWATER_IDLE_APPS", 6));
    let mut lab = Lab::own();
    let first = lab.scope("idle").await;
    let calls = count_git(&mut lab);
    let apps: Vec<String> = (0..apps).map(|number| format!("app{number}")).collect();
    for app in &apps {
        first.releases.publish(app, "");
    }
    let url = first.releases.url();
    let mut scopes = vec![first];
    for _ in 1..namespaces {
        scopes.push(lab.scope("idle").await);
    }
    for scope in &scopes {
        scope
            .apply(json!({
                "apiVersion": "cutwater.dev/v1alpha1",
                "kind": "Repository",
                "metadata": {"name": "main"},
                "spec": {"url": url, "interval": format!("{INTERVAL}s")},
            }))
            .await;
        for app in &apps {
            scope.deploy(app, &[(1, 100.0)]).await;
        }
    }
    for scope in &scopes {
        all_ready(scope, &apps).await;
    }
    // The last of the pods may have become ready just now.
    wait_for("five seconds without a write", SOON * 4, async || {
        let since = Timestamp::now() - jiff::SignedDuration::from_secs(5);
        match writes(&lab, since) {
            written if written.is_empty() => Ok(()),
            written => Err(written.join("\n")),
        }
    })
    .await;

    let time = Duration::from_secs(given("CUTWATER_IDLE_SECONDS", 15));
    let start = Timestamp::now();
    let before = git_calls(&calls).len();
    tokio::time::sleep(time).await;
    let written = writes(&lab, start);
    assert!(
        written.is_empty(),
        "{} writes in {time:?}:\n{}",
        written.len(),
        written.join("\n")
    );

    let since = git_calls(&calls).split_off(before);
    let polls = namespaces * (time.as_secs() / INTERVAL + 1);
    let count = u64::try_from(since.len()).unwrap();
    assert!(
        count <= polls && count >= namespaces,
        "{count} calls of git in {time:?} for {polls} polls: {since:#?}"
    );
    let fetches = since.iter().filter(|call| call.contains(" fetch "));
    assert_eq!(fetches.count(), since.len(), "{since:#?}");
}

/// What the controller wrote, one line each.
fn writes(lab: &Lab, since: Timestamp) -> Vec<String> {
    let requests = lab.server.audit_requests(User::Cutwater, since);
    let writes = requests.iter().filter(|request| request.is_write());
    writes
        .map(|request| format!("{} {}", request.verb, request.uri))
        .collect()
}

/// Restarts the controller with a `git` that leaves a line for each call; the file of lines.
fn count_git(lab: &mut Lab) -> std::path::PathBuf {
    let folder = lab.server.directory().join("counted");
    std::fs::create_dir_all(&folder).unwrap();
    let calls = folder.join("calls");
    std::fs::write(&calls, "").unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\necho \" $* \" | tr '\\n' ' ' >> '{calls}'; echo >> '{calls}'\nPATH='{path}' exec git \"$@\"\n",
        calls = calls.display()
    );
    let program = folder.join("git");
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    lab.controller.stop();
    lab.controller.path = Some(format!("{}:{path}", folder.display()));
    lab.controller.again();
    calls
}

fn git_calls(calls: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(calls).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(str::to_owned).collect()
}

async fn all_ready(scope: &Scope, apps: &[String]) {
    for app in apps {
        wait_for(&format!("{app} ready"), SOON * 4, async || {
            match scope.condition(app, "Ready").await {
                Some(ready) if ready.status == "True" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}
