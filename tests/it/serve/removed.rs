use serde_json::json;

use super::{Standalone, deployment, push, until};
use crate::support::http;

const ALIAS: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: staging}\nspec:\n  app: checkout\n  repository: shop\n  version: 1\n  canary: {version: 2, percentage: 40}\n  routes:\n  - hostnames: [staging.localhost]\n    gateway: {name: any}\n";

impl Standalone {
    /// Waits until a hostname is answered with this status; never with another version than none.
    async fn comes_to(&self, host: &str, status: u16) {
        until(&format!("{host} answers {status}"), async || {
            (self.at(host).await.0 == status).then_some(())
        })
        .await;
    }

    /// Removes a file of releases, and waits until its hostname is nobody's.
    async fn remove(&self, file: &str, host: &str) {
        let shop = &self.shop;
        shop.git(&shop.clone_dir(), &["rm", "-q", file]);
        shop.git(&shop.clone_dir(), &["commit", "-qm", "Remove it"]);
        push(shop);
        self.comes_to(host, 404).await;
    }

    /// What is wanted of an owner, as the admin address says it.
    async fn wanted(&self, owner: &str) -> serde_json::Value {
        let admin = self.admin.to_string();
        let answer = http::get(&admin, "localhost", "/apps/checkout", &[]).await;
        let app: serde_json::Value = serde_json::from_str(&answer.unwrap().body).unwrap();
        app["splits"][owner]["wanted"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_and_is_made_again_does_not_come_back_with_its_old_versions() {
    let mut standalone = Standalone::of(2);
    let split = [(1, "60"), (2, "40")];
    // Its versions stay for a while, so that going back is instant.
    let deployed = deployment(&split).replace("rollbackWindow: 0s", "rollbackWindow: 1h");
    for (kind, file, host, first, other) in [
        (
            "cwd/checkout",
            "releases/checkout.yaml",
            "shop.localhost",
            deployed.as_str(),
            ALIAS,
        ),
        (
            "cwa/staging",
            "releases/staging.yaml",
            "staging.localhost",
            ALIAS,
            deployed.as_str(),
        ),
    ] {
        // The last object of the folder cannot be removed.
        let beside = if kind.starts_with("cwd") {
            "staging"
        } else {
            "checkout"
        };
        standalone.shop.write(file, first);
        standalone.release(beside, other);
        if standalone.serving.is_none() {
            standalone.start().await;
        }
        standalone.comes_to(host, 200).await;
        standalone.remove(file, host).await;
        // The version that it is made again with is not there.
        let new = format!("new-{host}");
        let again = first
            .replace("version: 1", "version: 99")
            .replace(host, &new);
        standalone.shop.commit(file, again);
        push(&standalone.shop);
        for restarted in [false, true] {
            if restarted {
                drop(standalone.serving.take());
                standalone.start().await;
            }
            standalone.says("has no version `v99`").await;
            for at in [new.as_str(), host] {
                let (status, body) = standalone.at(at).await;
                assert_eq!(status, if at == host { 404 } else { 503 }, "{at}: {body}");
            }
            let wanted = standalone.wanted(kind).await;
            assert!(wanted.is_null() || wanted == json!([]), "{wanted}");
        }
        // Once it is one that is there, it is served.
        standalone.shop.commit(file, first.replace(host, &new));
        push(&standalone.shop);
        standalone.comes_to(&new, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_while_nothing_ran_leaves_no_versions_either() {
    let mut standalone = Standalone::of(1);
    standalone.shop.commit(
        "releases/staging.yaml",
        ALIAS.replace("  canary: {version: 2, percentage: 40}\n", ""),
    );
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    drop(standalone.serving.take());
    let shop = &standalone.shop;
    shop.git(&shop.clone_dir(), &["rm", "-q", "releases/checkout.yaml"]);
    shop.git(&shop.clone_dir(), &["commit", "-qm", "Remove it"]);
    push(shop);
    standalone.start().await;
    standalone.comes_to("shop.localhost", 404).await;
    let again = deployment(&[(99, "100")]).replace("shop.localhost", "new.localhost");
    standalone.release("checkout", &again);
    standalone.says("has no version `v99`").await;
    let (status, body) = standalone.at("new.localhost").await;
    assert_eq!(status, 503, "{body}");
    // A slip in place of a removal keeps all of it.
    standalone.release("staging", "kind: [");
    standalone.says("releases/staging.yaml").await;
    assert_eq!(standalone.at("staging.localhost").await.0, 200);
}
