use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::{Standalone, deployment, push, until};
use crate::support::http;

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_served_and_the_next_one_loses_no_request() {
    let mut standalone = Standalone::of(3);
    standalone.start().await;
    // Until the repository is read nobody knows whether there is a route.
    until("there is no route", async || {
        let (status, body) = standalone.get(&[]).await;
        let starting = status == 503 && body.contains("has just been started");
        let unknown = status == 404 && body.contains("shop.localhost");
        assert!(starting || unknown, "{status} {body}");
        unknown.then_some(())
    })
    .await;
    standalone.deploy(&[(1, "90"), (2, "10")]);
    standalone.serves(&[(1, "90"), (2, "10")]).await;
    let counts = standalone.counts(300).await;
    // Four standard deviations of 300 draws at 10 %.
    assert!((9..=51).contains(&counts["v2"]), "{counts:?}");
    let standalone = Arc::new(standalone);
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let load = (0..4).map(|_| {
        let (standalone, stop, asked) = (
            Arc::clone(&standalone),
            Arc::clone(&stop),
            Arc::clone(&asked),
        );
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let (status, body) = standalone.get(&[]).await;
                assert_eq!(status, 200, "{body}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let load: Vec<_> = load.collect();
    // Old versions leave, new ones come, and one comes back.
    for split in [
        &[(2, "100")][..],
        &[(3, "50"), (2, "50")],
        &[(3, "100")],
        &[(1, "100")],
        &[(3, "100"), (1, "0")],
    ] {
        standalone.deploy(split);
        standalone.serves(split).await;
        let before = asked.load(Ordering::Relaxed);
        until("some requests meet the split", async || {
            (asked.load(Ordering::Relaxed) > before + 20).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    // 0 % is reached by asking for it alone.
    assert_eq!(standalone.counts(50).await.len(), 1);
    let (_, body) = standalone.get(&[("Cutwater-Version-checkout", "1")]).await;
    assert_eq!(body, "v1");
    // What is not listed any more runs no more.
    until("version 2 is gone", async || {
        standalone.status().await["apps"]["checkout"]["versions"]["2"]
            .is_null()
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_routes_alone_is_served() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let shop = &standalone.shop;
    let moved = deployment(&[(1, "100")]).replace("shop.localhost", "store.localhost");
    shop.commit("releases/checkout.yaml", moved);
    push(shop);
    let address = standalone.gateway.to_string();
    let status = async |host: &str| http::get(&address, host, "/", &[]).await.unwrap().status;
    until("the new hostname is served", async || {
        (status("store.localhost").await == 200).then_some(())
    })
    .await;
    assert_eq!(status("shop.localhost").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_published_after_its_release_is_served_then() {
    let mut standalone = Standalone::of(1);
    standalone
        .more
        .extend(["--interval".to_owned(), "1h".to_owned()]);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.says("has no version `v2`").await;
    let publish = |standalone: &Standalone, number: &str| {
        standalone.shop.commit("apps/checkout/number", number);
        standalone.shop.publish(&[]);
    };
    publish(&standalone, "2");
    standalone.serves(&[(2, "100")]).await;
    // The same while it does not run.
    standalone.deploy(&[(3, "100")]);
    standalone.says("has no version `v3`").await;
    drop(standalone.serving.take());
    publish(&standalone, "3");
    standalone.start().await;
    standalone.serves(&[(3, "100")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn started_with_another_branch_it_keeps_nothing_of_the_one_before() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    drop(standalone.serving.take());
    let shop = &standalone.shop;
    shop.git(&shop.clone_dir(), &["checkout", "-q", "--orphan", "other"]);
    let other = deployment(&[(2, "100")]).replace("shop.localhost", "other.localhost");
    let other = other.replace("name: checkout}\nspec", "name: other}\nspec");
    shop.git(&shop.clone_dir(), &["rm", "-qf", "releases/checkout.yaml"]);
    shop.commit("releases/other.yaml", other);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/other"],
    );
    let named = ["--branch".to_owned(), "other".to_owned()];
    standalone.more.extend(named);
    standalone.start().await;
    let gateway = standalone.gateway.to_string();
    until("the other branch is served", async || {
        let answer = http::get(&gateway, "other.localhost", "/", &[])
            .await
            .unwrap();
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(standalone.get(&[]).await.0, 404);
    let problems = standalone.problems().await;
    assert!(!problems.contains("history was rewritten"), "{problems}");
}

/// As Python's programs do where nobody says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_http_1_0_is_asked_over_connections_that_stay() {
    let mut standalone = Standalone::of(1);
    let old = super::SERVER.replace("    protocol_version = \"HTTP/1.1\"\n", "");
    standalone.publish_program(&old);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let address = format!("http://{}/", standalone.gateway);
    let mut curl = (standalone.shop).sealed("curl", standalone.shop.dir.path());
    let host = ["--header", "Host: shop.localhost", "--noproxy", "*"];
    let says = ["--write-out", " %{http_version} %{num_connects}\n"];
    let output = (curl.args(["--silent", "--max-time", "60"]).args(host))
        .args(says)
        .args([&address, &address])
        .output()
        .expect("curl is there (apt-get install curl)");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "v2 1.1 1\nv2 1.1 0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_or_gone_changes_no_traffic() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    // A file that cannot be read.
    let shop = &standalone.shop;
    shop.commit("releases/checkout.yaml", "spec: [");
    push(shop);
    standalone.says("releases/checkout.yaml:1").await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // A start with that file serves what counted before it.
    drop(standalone.serving.take());
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.says("releases/checkout.yaml:1").await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    let shop = &standalone.shop;
    // The same under another name: it cannot be read, which is not the same as nothing being there.
    let renamed = ["mv", "releases/checkout.yaml", "releases/checkout.YAML"];
    shop.git(&shop.clone_dir(), &renamed);
    shop.git(&shop.clone_dir(), &["commit", "-qm", "Rename"]);
    push(shop);
    standalone.says("releases/checkout.YAML:1").await;
    let problems = standalone.problems().await;
    assert!(!problems.contains("absent or empty"), "{problems}");
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // Nobody says that it is as wished while the wish cannot be read, nor that nothing is served while the remote is away.
    let status = ["deployments", "status", "checkout"];
    let (done, said) = standalone.waits(&status).await;
    assert!(
        done && said.contains("Unknown (what is wanted cannot be read)"),
        "{said}"
    );
    let (remote, away) = (shop.remote(), shop.dir.path().join("away"));
    std::fs::rename(&remote, &away).unwrap();
    let (done, said) = standalone.waits(&status).await;
    std::fs::rename(&away, &remote).unwrap();
    let served = format!("serve {}", standalone.admin);
    assert!(
        !done && said.contains(&served) && said.contains("v1 100%"),
        "{said}"
    );
    assert!(
        said.contains("is not known while the repository cannot be read"),
        "{said}"
    );
    shop.git(&shop.clone_dir(), &["rm", "-q", "releases/checkout.YAML"]);
    // A version that is not there.
    shop.commit("releases/checkout.yaml", deployment(&[(9, "100")]));
    push(shop);
    standalone.says("has no version `v9`").await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // No releases at all.
    shop.git(&shop.clone_dir(), &["rm", "-rq", "releases"]);
    shop.git(&shop.clone_dir(), &["commit", "-qm", "Empty"]);
    push(shop);
    standalone
        .says("`releases` is absent or empty in commit")
        .await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // Another history, in which the object is missing.
    shop.git(&shop.clone_dir(), &["checkout", "-q", "--orphan", "other"]);
    let other = deployment(&[(1, "100")]).replace("name: checkout}\nspec", "name: other}\nspec");
    let other = other.replace("app: checkout", "app: other");
    shop.commit("releases/other.yaml", other);
    shop.git(
        &shop.clone_dir(),
        &["push", "-qf", "origin", "HEAD:refs/heads/main"],
    );
    standalone.says("history was rewritten").await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // So it is with the commits after that one.
    shop.commit("README.md", "goes on");
    let newest = shop.git(&shop.clone_dir(), &["rev-parse", "HEAD"]);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    until("the next commit counts", async || {
        (standalone.status().await["commit"] == newest.trim()).then_some(())
    })
    .await;
    standalone.says("history was rewritten").await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // What is kept though it is in no commit that is there is kept through a start: v9 is wanted still, and v1 serves.
    drop(standalone.serving.take());
    standalone.start().await;
    until("v1 answers again", async || {
        (standalone.get(&[]).await == (200, "v1".to_owned())).then_some(())
    })
    .await;
    standalone.says("history was rewritten").await;
    standalone.says("has no version `v9`").await;
    let shop = &standalone.shop;
    // The repository itself.
    let away = shop.dir.path().join("away.git");
    std::fs::rename(shop.remote(), &away).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(standalone.get(&[]).await.1, "v1");
    // It comes back, and is followed again.
    std::fs::rename(&away, shop.remote()).unwrap();
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_once_it_starts_where_it_was_and_leaves_no_program() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "70"), (2, "30")]);
    standalone.start().await;
    standalone.serves(&[(1, "70"), (2, "30")]).await;
    assert_eq!(
        standalone.programs().len(),
        4,
        "two programs, each with its guard"
    );
    standalone.serving.take().unwrap().kill();
    until("no program is left", async || {
        standalone.programs().is_empty().then_some(())
    })
    .await;
    // Also where the repository is away: what is remembered is enough.
    let away = standalone.shop.dir.path().join("away.git");
    std::fs::rename(standalone.shop.remote(), &away).unwrap();
    std::fs::create_dir(standalone.shop.remote()).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "70"), (2, "30")]).await;
    // A second one is refused, and told why.
    let output = standalone
        .shop
        .sealed(env!("CARGO_BIN_EXE_cutwater"), standalone.shop.dir.path())
        .args(standalone.arguments())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("another `cutwater serve` works in"),
        "{said}"
    );
    // Told to end, it ends its programs.
    standalone
        .serving
        .take()
        .unwrap()
        .stop(Duration::from_secs(20));
    assert_eq!(standalone.programs(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_twice_it_waits_for_no_request() {
    let mut standalone = Standalone::of(1);
    let slow = super::SERVER
        .replace("import http.server, os", "import http.server, os, time")
        .replace(
            "        body = (",
            "        time.sleep(600 if self.path == '/slow' else 0)\n        body = (",
        );
    standalone.publish_program(&slow);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    let gateway = standalone.gateway.to_string();
    let open = tokio::spawn(async move {
        http::get(&gateway, "shop.localhost", "/slow", &[])
            .await
            .is_ok_and(|answer| answer.status == 200)
    });
    until("the request is open", async || {
        let metrics = standalone.metrics().await;
        let mut lines = metrics.lines();
        lines
            .any(|line| line.starts_with("cutwater_gateway_in_flight{") && line.ends_with(" 1"))
            .then_some(())
    })
    .await;
    let mut serving = standalone.serving.take().unwrap();
    let tell = || {
        let id = serving.id().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-TERM", &id]).status().unwrap().success());
    };
    tell();
    until("it waits for the request", async || {
        serving
            .log()
            .contains("told to stop: open requests have")
            .then_some(())
    })
    .await;
    tell();
    let status = until("it ends", async || serving.ended()).await;
    assert!(status.success(), "{status}");
    assert!(
        serving.log().contains("told to stop again"),
        "{}",
        serving.log()
    );
    assert!(!open.await.unwrap(), "the request was cut");
    until("no program is left", async || {
        standalone.programs().is_empty().then_some(())
    })
    .await;
}
