use serde_json::{Value as Json, json};

use super::{Standalone, until};
use crate::it::json::{schemas, wrong};
use crate::support::http;

impl Standalone {
    /// What the admin address answers: the status, and JSON where it is some.
    async fn tells(&self, path: &str) -> (u16, Json, String) {
        let answer = http::get(&self.admin.to_string(), "localhost", path, &[]).await;
        let answer = answer.unwrap();
        let value = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, value, answer.body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_admin_address_tells_is_what_its_schemas_say() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "90"), (2, "10")]);
    standalone.start().await;
    standalone.serves(&[(1, "90"), (2, "10")]).await;
    until("the ledger is written", async || {
        let (_, ledger, _) = standalone.tells("/ledger").await;
        (ledger["apps"]["checkout"][0]["sequence"] == 1 && ledger["waiting"] == 0).then_some(())
    })
    .await;
    let schemas = schemas();
    for (path, words) in [
        ("/status", "serve status"),
        ("/apps", "serve apps"),
        ("/apps/checkout", "serve app"),
        ("/ledger", "serve ledger"),
    ] {
        let (status, value, body) = standalone.tells(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(wrong(&schemas, words, &value), [""; 0], "{path}: {body}");
    }
    let (_, app, body) = standalone.tells("/apps/checkout").await;
    let split = &app["splits"][0];
    let shares = json!([{"version": 1, "percentage": 90}, {"version": 2, "percentage": 10}]);
    assert_eq!(split["wanted"], shares, "{body}");
    assert_eq!(split["versions"], shares, "{body}");
    let (shop, remote) = (&standalone.shop, standalone.shop.remote());
    assert_eq!(split["commit"], shop.rev(&remote, "main"));
    let second = &app["versions"][1];
    assert_eq!(second["id"], shop.rev(&remote, "checkout/v2^{tree}"));
    assert_eq!(second["percentage"], 10);
    let function = &second["functions"][0];
    assert_eq!(function["state"], "ready", "{body}");
    // The process itself is there.
    let address = function["address"].as_str().unwrap();
    let answer = http::get(address, "localhost", "/", &[]).await.unwrap();
    assert_eq!(answer.body, "v2");
    let (_, ledger, body) = standalone.tells("/ledger").await;
    let entry = &ledger["apps"]["checkout"][0];
    assert_eq!(entry["versions"], shares, "{body}");
    assert_eq!(entry["author"], "Ada Lovelace");
    let tip = "refs/cutwater/checkout/deployments/local";
    assert_eq!(entry["commit"], shop.rev(&remote, tip));
    let (status, _, body) = standalone.tells("/apps/pay").await;
    assert!(
        status == 404 && body.contains("there are: checkout"),
        "{body}"
    );
}
