use super::{Standalone, deployment, push, until};
use crate::support::http;

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_on_their_versions_through_a_crash() {
    let mut standalone = Standalone::of(2);
    let split = |first: &str, second: &str| {
        let affinity = "  affinity: {header: X-User}\n  versions:";
        deployment(&[(1, first), (2, second)]).replace("  versions:", affinity)
    };
    let commit = |standalone: &Standalone, text: String| {
        standalone.shop.commit("releases/checkout.yaml", text);
        push(&standalone.shop);
    };
    let met = async |standalone: &Standalone| {
        let users: Vec<String> = (0..200).map(|user| user.to_string()).collect();
        let met = users
            .iter()
            .map(async |user| standalone.get(&[("X-User", user)]).await.1);
        futures::future::join_all(met).await
    };
    // One after the other, so that it is known which slots each has.
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    commit(&standalone, split("50", "50"));
    standalone.serves(&[(1, "50"), (2, "50")]).await;
    let first = met(&standalone).await;
    // There and back: other users than at first, so the shares alone do not say who.
    for (one, two) in [("20", "80"), ("50", "50")] {
        commit(&standalone, split(one, two));
        standalone.serves(&[(1, one), (2, two)]).await;
    }
    let before = met(&standalone).await;
    assert_ne!(before, first);
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    standalone.serves(&[(1, "50"), (2, "50")]).await;
    assert_eq!(met(&standalone).await, before);
    // And the next change is made from there: users move to the version that gains, and nobody else does.
    commit(&standalone, split("60", "40"));
    standalone.serves(&[(1, "60"), (2, "40")]).await;
    let after = met(&standalone).await;
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || after == "v1", "{before} became {after}");
    }
    assert_ne!(after, before);

    // What is damaged is said, and the rest of what is remembered counts. Without its digest it is taken for what it says.
    standalone.serving.take().unwrap().kill();
    let file = standalone.state().join("apps/checkout.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.lines().next().unwrap();
    let (head, rest) = text.split_once("\"slots\":{\"cwd/checkout\":\"").unwrap();
    let damaged = format!("{head}\"slots\":{{\"cwd/checkout\":\"0{rest}");
    std::fs::write(&file, damaged).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "60"), (2, "40")]).await;
    let log = standalone.log();
    assert!(
        log.contains("cwd/checkout: which users meet which version is damaged"),
        "{log}"
    );
    assert_eq!(met(&standalone).await.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_picks_a_version_at_0_percent_by_the_word_that_lists_it() {
    let mut standalone = Standalone::of(2);
    standalone
        .shop
        .ok(&["versions", "label", "checkout", "2", "spring"]);
    let rules = "  rules:\n  - {version: spring, query: {name: beta, value: \"1\"}}\n  routes:";
    let text = deployment(&[(1, "100"), (2, "0")]).replace("version: 2", "version: spring");
    standalone
        .shop
        .commit("releases/checkout.yaml", text.replace("  routes:", rules));
    push(&standalone.shop);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let address = standalone.gateway.to_string();
    let body = async |path: &str| {
        let answer = http::get(&address, "shop.localhost", path, &[]).await;
        answer.unwrap().body
    };
    assert_eq!(body("/?beta=1").await, "v2");
    assert_eq!(body("/?beta=2").await, "v1");
    // Nobody is left to pick it for.
    let shop = &standalone.shop;
    let alone = deployment(&[(1, "100")]).replace("  routes:", rules);
    shop.commit("releases/checkout.yaml", alone);
    push(shop);
    standalone
        .says("rule 1 is for version spring, which is not listed")
        .await;
    assert_eq!(body("/?beta=1").await, "v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_holds_the_key_asks_for_a_version() {
    let mut standalone = Standalone::of(2);
    let secret = "  override: {mode: key, header: X-Preview-Key, secretRef: {name: checkout-preview, key: token}}\n  routes:";
    let text = deployment(&[(1, "100"), (2, "0")]).replace("  routes:", secret);
    standalone.shop.commit("releases/checkout.yaml", text);
    push(&standalone.shop);
    let asked = async |standalone: &Standalone, key: &str| {
        let headers = [("Cutwater-Version-checkout", "2"), ("X-Preview-Key", key)];
        standalone.get(&headers).await.1
    };
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone
        .says("is taken from the variable CUTWATER_SECRET_CHECKOUT_PREVIEW_TOKEN of serve")
        .await;
    assert_eq!(asked(&standalone, "open-sesame").await, "v1");
    assert_eq!(asked(&standalone, "").await, "v1");
    standalone.serving.take().unwrap().kill();

    standalone.environment = vec![("CUTWATER_SECRET_CHECKOUT_PREVIEW_TOKEN", "open-sesame")];
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    until("version 2 is reached", async || {
        (asked(&standalone, "open-sesame").await == "v2").then_some(())
    })
    .await;
    assert_eq!(asked(&standalone, "open-sesam").await, "v1");
    assert_eq!(
        standalone
            .get(&[("Cutwater-Version-checkout", "2")])
            .await
            .1,
        "v1"
    );
    // Nobody is told it: not the programs, not the log, not what is told.
    let told = format!("{}{}", standalone.log(), standalone.status().await);
    assert!(!told.contains("sesame"), "{told}");
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let here = std::fs::read_link(entry.path().join("cwd"));
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if here.is_ok_and(|here| here.starts_with(standalone.state())) {
            let own = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let own = String::from_utf8_lossy(&own);
            assert!(
                !own.contains("sesame") && !line.contains("sesame"),
                "{line}: {own}"
            );
            seen += usize::from(own.contains("PORT="));
        }
    }
    assert!(seen >= 2, "the programs were looked at");
}
