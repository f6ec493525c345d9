//! A restart while what is wanted cannot run, or not yet: what was served goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{SERVER, Standalone, push, until};
use crate::support::http;

/// A server of version 2, whose program starts once there is a file `go` in the folder.
async fn serving_moody() -> (Standalone, PathBuf) {
    let mut standalone = Standalone::of(1);
    let dir = standalone.shop.dir.path().to_owned();
    standalone.publish_program(&moody(&dir));
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    (standalone, dir)
}

/// A server that waits for the file `go`, and ends while there is a file `broken`; its folder is shared with the test.
fn moody(dir: &Path) -> String {
    let first = "import http.server, os, time\nif os.path.exists('DIR/broken'): raise SystemExit('it is broken')\nwhile not os.path.exists('DIR/go'): time.sleep(0.02)";
    let first = first.replace("DIR", dir.to_str().unwrap());
    SERVER.replace("import http.server, os", &first)
}

const ALIAS: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: staging}\nspec:\n  app: checkout\n  repository: shop\n  rollbackWindow: 0s\n  version: 1\n  routes:\n  - hostnames: [staging.localhost]\n    gateway: {name: any}\n";

impl Standalone {
    /// Ends `serve` at once, and starts it again when nothing of it is left.
    async fn killed_and_started(&mut self) {
        self.serving.take().unwrap().kill();
        until("no program is left", async || {
            self.programs().is_empty().then_some(())
        })
        .await;
        self.start().await;
    }

    /// What the admin address says of being ready: status and text.
    async fn ready(&self) -> (u16, String) {
        let answer = http::get(&self.admin.to_string(), "localhost", "/ready", &[]).await;
        let answer = answer.unwrap();
        (answer.status, answer.body)
    }

    async fn is_ready(&self) {
        until("it is ready", async || {
            (self.ready().await.0 == 200).then_some(())
        })
        .await;
    }

    /// What is served of the Deployment, as `/status` says it.
    async fn split(&self) -> serde_json::Value {
        self.status().await["apps"]["checkout"]["splits"]["cwd/checkout"].clone()
    }

    async fn staging(&self) -> (u16, String) {
        let answer = http::get(&self.gateway.to_string(), "staging.localhost", "/", &[]).await;
        let answer = answer.unwrap();
        (answer.status, answer.body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_goes_on_where_what_is_wanted_cannot_run() {
    let mut standalone = Standalone::of(2);
    let split: &[(u32, &str)] = &[(1, "60"), (2, "40")];
    standalone.shop.commit("releases/staging.yaml", ALIAS);
    standalone.deploy(split);
    standalone.start().await;
    standalone.serves(split).await;
    // A version that ends at once, for the Deployment and the Alias; then a file that cannot be read, and the remote goes away.
    standalone.publish_program("raise SystemExit('no database')");
    let alias = ALIAS.replace("version: 1\n", "version: 3\n");
    standalone.shop.commit("releases/staging.yaml", alias);
    standalone.deploy(&[(3, "100")]);
    standalone.says("no database").await;
    standalone.shop.commit("releases/checkout.yaml", "kind: [");
    push(&standalone.shop);
    standalone.says("releases/checkout.yaml").await;
    let remote = standalone.shop.remote();
    let away = remote.with_extension("away");
    std::fs::rename(&remote, &away).unwrap();
    for copy in [true, false] {
        if !copy {
            // What is only a copy may be removed.
            std::fs::remove_dir_all(standalone.state().join("mirror.git")).unwrap();
        }
        standalone.killed_and_started().await;
        standalone.is_ready().await;
        assert_eq!(standalone.counts(40).await.len(), 2, "both answer");
        assert_eq!(standalone.staging().await, (200, "v1".to_owned()));
        standalone.says("no database").await;
        let told = standalone.split().await;
        let shares = serde_json::json!([
            {"version": 1, "percentage": 60}, {"version": 2, "percentage": 40}
        ]);
        assert_eq!(
            (&told["versions"], &told["complete"]),
            (&shares, &false.into())
        );
    }
    // It goes on to what is wanted, and what was served leaves.
    std::fs::rename(&away, &remote).unwrap();
    standalone.shop.commit(
        "releases/staging.yaml",
        ALIAS.replace("version: 1\n", "version: 2\n"),
    );
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
    until("only version 2 runs", async || {
        (standalone.programs().len() == 2).then_some(())
    })
    .await;
    // Where what is served is what is wanted, a restart starts nothing else.
    standalone.killed_and_started().await;
    standalone.serves(&[(2, "100")]).await;
    assert_eq!(standalone.programs().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_files_is_not_ready_before_it_serves_again() {
    let (mut standalone, dir) = serving_moody().await;
    std::fs::remove_file(dir.join("go")).unwrap();
    standalone.serving.take().unwrap().kill();
    until("no program is left", async || {
        standalone.programs().is_empty().then_some(())
    })
    .await;
    for lost in ["snapshots", "mirror.git"] {
        std::fs::remove_dir_all(standalone.state().join(lost)).unwrap();
    }
    standalone.start().await;
    // Its files could not be had for a moment; by now they are here.
    until("its program is started", async || {
        assert_ne!(standalone.ready().await.0, 200, "nobody is served");
        (!standalone.programs().is_empty()).then_some(())
    })
    .await;
    assert_ne!(standalone.ready().await.0, 200, "nobody is served");
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.is_ready().await;
    standalone.serves(&[(2, "100")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_does_not_wait_for_what_is_wanted() {
    let mut standalone = Standalone::of(1);
    let dir = standalone.shop.dir.path().to_owned();
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.publish_program(&moody(&dir));
    standalone.deploy(&[(2, "100")]);
    standalone.says("Connection refused").await;
    let began = Instant::now();
    standalone.killed_and_started().await;
    standalone.is_ready().await;
    assert!(began.elapsed() < Duration::from_secs(50), "it has waited");
    assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()));
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.serves(&[(2, "100")]).await;
    let began = Instant::now();
    until("only version 2 runs", async || {
        (standalone.programs().len() == 2).then_some(())
    })
    .await;
    // Its rollback window is no time at all: it does not stay until the next look, ten seconds later.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "it left after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_waits_for_what_served_where_both_are_to_have_a_share() {
    let (mut standalone, dir) = serving_moody().await;
    // What served is slow to start, and the new one is not.
    std::fs::remove_file(dir.join("go")).unwrap();
    standalone.serving.take().unwrap().kill();
    standalone.deploy(&[(1, "50"), (2, "50")]);
    until("no program is left", async || {
        standalone.programs().is_empty().then_some(())
    })
    .await;
    standalone.start().await;
    until("the new version is ready", async || {
        let status = standalone.status().await;
        (status["apps"]["checkout"]["versions"]["1"] == serde_json::json!([])).then_some(())
    })
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        let (status, body) = standalone.get(&[]).await;
        assert_eq!(status, 503, "{body}");
        assert_eq!(standalone.split().await["versions"], serde_json::json!([]));
    }
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.serves(&[(1, "50"), (2, "50")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_no_requests_is_not_said_to_be_served() {
    let (mut standalone, dir) = serving_moody().await;
    // The next one takes a variable that is not there.
    let lacks = super::app("[python3, server.py]").replace(
        "    local:",
        "    env: [{name: URL, valueFrom: {secretKeyRef: {name: db, key: url}}}]\n    local:",
    );
    standalone.shop.commit("apps/checkout/app.yaml", lacks);
    standalone.shop.publish(&[]);
    push(&standalone.shop);
    standalone.deploy(&[(3, "100")]);
    standalone
        .says("key `url` of Secret `db` is not here")
        .await;
    // Slow to come back, it is waited for; nobody is told that it is served meanwhile.
    std::fs::remove_file(dir.join("go")).unwrap();
    standalone.killed_and_started().await;
    standalone.says("v2, which was served before: web: ").await;
    assert_eq!(standalone.split().await["versions"], serde_json::json!([]));
    assert_eq!(standalone.ready().await.0, 503);
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.is_ready().await;
    assert_eq!(standalone.get(&[]).await, (200, "v2".to_owned()));
    // Where it fails as well, nothing is served, which is said; and nothing is forgotten.
    std::fs::write(dir.join("broken"), "").unwrap();
    standalone.killed_and_started().await;
    standalone.is_ready().await;
    until("nothing is served", async || {
        (standalone.split().await["versions"] == serde_json::json!([])).then_some(())
    })
    .await;
    std::fs::remove_file(dir.join("broken")).unwrap();
    until("version 2 answers again", async || {
        (standalone.get(&[]).await == (200, "v2".to_owned())).then_some(())
    })
    .await;
    let served = serde_json::json!([{"version": 2, "percentage": 100}]);
    assert_eq!(standalone.split().await["versions"], served);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_after_a_restart_gets_no_more_than_it_had() {
    let mut standalone = Standalone::of(1);
    let dir = standalone.shop.dir.path().to_owned();
    standalone.publish_program(&moody(&dir));
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.start().await;
    for (first, second) in [("100", "0"), ("90", "10")] {
        standalone.deploy(&[(1, first), (2, second)]);
        standalone.serves(&[(1, first), (2, second)]).await;
        let patience = Duration::from_secs(20);
        standalone.serving.take().unwrap().stop(patience);
        // All is wanted of the other one now, and it ends at once.
        standalone.deploy(&[(2, "100")]);
        std::fs::write(dir.join("broken"), "").unwrap();
        standalone.start().await;
        standalone.is_ready().await;
        standalone.says("it is broken").await;
        assert_eq!(standalone.counts(40).await["v1"], 40, "{first}");
        let split = standalone.split().await;
        assert_eq!(split["versions"][0]["version"], 1, "{split}");
        std::fs::remove_file(dir.join("broken")).unwrap();
        standalone.serves(&[(2, "100")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_a_while_after_a_restart_has_its_share_again() {
    let mut standalone = Standalone::of(0);
    let dir = standalone.shop.dir.path().to_owned();
    std::fs::write(dir.join("go"), "").unwrap();
    standalone.publish_program(&moody(&dir));
    // The second one ends later than the first.
    let late = moody(&dir).replacen("import", "import time; time.sleep(0.7)\nimport", 1);
    standalone.publish_program(&late);
    standalone.publish_program("raise SystemExit('no database')");
    let split: &[(u32, &str)] = &[(1, "90"), (2, "10")];
    standalone.deploy(split);
    standalone.start().await;
    standalone.serves(split).await;
    standalone.deploy(&[(3, "100")]);
    standalone.says("no database").await;
    std::fs::write(dir.join("broken"), "").unwrap();
    standalone.killed_and_started().await;
    // All have failed.
    standalone.is_ready().await;
    until("nothing is served", async || {
        (standalone.split().await["versions"] == serde_json::json!([])).then_some(())
    })
    .await;
    std::fs::remove_file(dir.join("broken")).unwrap();
    let shares = serde_json::json!([
        {"version": 1, "percentage": 90}, {"version": 2, "percentage": 10}
    ]);
    until("both answer as before", async || {
        (standalone.split().await["versions"] == shares).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_stays_where_nothing_says_that_it_may_go() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let clone = standalone.shop.clone_dir();
    let mirror = standalone.state().join("mirror.git");
    let other = super::deployment(&[(1, "100")]).replace("checkout", "blog");
    // The copy of the repository is lost with the commit that counted: first the folder is gone, then history is another one.
    for (words, orphan) in [
        ("is absent or empty", false),
        ("cannot be read any more, so what is missing", true),
    ] {
        standalone.serving.take().unwrap().kill();
        let shop = &standalone.shop;
        if orphan {
            shop.git(&clone, &["checkout", "-q", "--orphan", "other"]);
            shop.commit("releases/blog.yaml", &other);
        } else {
            shop.git(&clone, &["rm", "-qr", "releases"]);
            shop.commit("README.md", "nothing is released");
        }
        shop.git(&clone, &["push", "-qf", "origin", "HEAD:refs/heads/main"]);
        std::fs::remove_dir_all(&mirror).unwrap();
        // So it is also at the next start, which has a copy.
        for _ in 0..2 {
            drop(standalone.serving.take());
            standalone.start().await;
            standalone.says(words).await;
            until("version 1 answers", async || {
                (standalone.get(&[]).await == (200, "v1".to_owned())).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_that_cannot_read_releases_is_not_ready() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "99")]);
    standalone.start().await;
    until("the slip is said", async || {
        let (status, said) = standalone.ready().await;
        assert_eq!(status, 503, "{said}");
        said.contains("cannot be read as a whole").then_some(())
    })
    .await;
    standalone.deploy(&[(1, "100")]);
    standalone.is_ready().await;
    // One that serves goes on, and is ready.
    standalone.deploy(&[(1, "99")]);
    standalone.says("99").await;
    assert_eq!(standalone.ready().await.0, 200);
    assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()));
}
