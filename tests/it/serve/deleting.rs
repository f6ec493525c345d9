use serde_json::Value as Json;

use super::{Standalone, deployment, until};
use crate::it::delete;
use crate::it::shop::Shop;

/// A server without a ledger that serves v1, while releases want v3, which cannot run.
async fn behind() -> Standalone {
    behind_on("main", None).await
}

/// The same, for a branch, and for the repository at this address.
async fn behind_on(branch: &str, source: Option<&str>) -> Standalone {
    let mut standalone = Standalone::of(2);
    standalone.source = source.map(|scheme| {
        let remote = standalone.shop.remote();
        format!("{scheme}{}", remote.display())
    });
    standalone
        .shop
        .commit("apps/checkout/server.py", "raise SystemExit(1)");
    standalone.shop.publish(&[]);
    standalone.more = ["--no-ledger", "--branch", branch]
        .map(str::to_owned)
        .into();
    let deploy = |shop: &Shop, version| {
        shop.commit("releases/checkout.yaml", deployment(&[(version, "100")]));
        delete::push(shop, branch);
    };
    deploy(&standalone.shop, 1);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    deploy(&standalone.shop, 3);
    until("v3 cannot run", async || {
        standalone.problems().await.contains("v3").then_some(())
    })
    .await;
    standalone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_server_serves_is_not_deleted_where_no_ledger_tells_of_it() {
    let standalone = behind().await;
    let delete = |version| ["versions", "delete", "checkout", version, "--yes"];
    let (done, said) = standalone.waits(&delete("v1")).await;
    let user = format!(
        "the server whose admin address is {} (100%)",
        standalone.admin
    );
    assert!(!done && said.contains(&user), "{said}");
    let live = ["versions", "list", "checkout", "--live", "--json"];
    let (done, said) = standalone.waits(&live).await;
    let list: Json = serde_json::from_str(said.lines().next().unwrap())
        .unwrap_or_else(|_| serde_json::from_str(&said).unwrap());
    let numbers: Vec<_> = (list["versions"].as_array().unwrap().iter())
        .map(|version| version["number"].as_u64().unwrap())
        .collect();
    assert!(done && numbers == [3, 1], "{said}");
    let (done, said) = standalone
        .waits(&["versions", "view", "checkout", "v1"])
        .await;
    assert!(done && said.contains(&user), "{said}");
    // What neither runs nor is wanted goes.
    let (done, said) = standalone.waits(&delete("v2")).await;
    assert!(done && said.contains("deleted checkout v2"), "{said}");
    let asked = format!(
        "what runs was asked of no cluster, and of the `cutwater serve` whose admin address is {}",
        standalone.admin
    );
    let not = "a server at another address was not asked";
    assert!(said.contains(&asked) && said.contains(not), "{said}");
    assert_eq!(standalone.get(&[]).await.1, "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_branch_keeps_what_it_serves() {
    let standalone = behind_on("prod", Some("file://")).await;
    let delete = |version| ["versions", "delete", "checkout", version, "--yes"];
    let (done, said) = standalone.waits(&delete("v1")).await;
    let user = format!(
        "the server whose admin address is {} (100%)",
        standalone.admin
    );
    assert!(!done && said.contains(&user), "{said}");
    let (done, said) = standalone.waits(&delete("v2")).await;
    assert!(done && said.contains("deleted checkout v2"), "{said}");
    // It is no server to wait for.
    let deploy = ["deployments", "status", "checkout"];
    let (_, said) = standalone.waits(&deploy).await;
    assert!(said.contains("follows branch prod, and not main"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_named_and_cannot_answer_keeps_every_version() {
    let standalone = behind().await;
    for (admin, problem) in [
        ("127.0.0.1:1".to_owned(), "no `cutwater serve` answers"),
        (standalone.gateway.to_string(), "is no `cutwater serve`"),
    ] {
        let delete = [
            "versions", "delete", "checkout", "v2", "--yes", "--admin", &admin,
        ];
        let (done, said) = standalone.waits(&delete).await;
        assert!(
            !done && said.contains(problem) && said.contains("none is deleted"),
            "{said}"
        );
        // Who only looks is told as well.
        let list = ["versions", "list", "checkout", "--admin", &admin];
        let (done, said) = standalone.waits(&list).await;
        assert!(done && said.contains("the server is left out"), "{said}");
    }
    let history = standalone
        .shop
        .ok(&["versions", "list", "checkout", "--no-live"]);
    assert!(!history.contains("deleted"), "{history}");
}
