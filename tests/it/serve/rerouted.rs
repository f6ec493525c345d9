use super::{SERVER, Standalone, app, deployment, push, until};
use crate::support::http;

const RUNS: &str = "[python3, server.py]";

impl Standalone {
    /// A version whose function is called `site`.
    fn publish_site(&self, server: &str) {
        let site = app(RUNS).replace("name: web", "name: site");
        self.shop.write("apps/checkout/app.yaml", site);
        self.shop.commit("apps/checkout/server.py", server);
        self.shop.publish(&[]);
    }

    /// Commits a Deployment of a version, whose route names this function and this hostname.
    fn route(&self, version: u32, function: &str, hostname: &str) {
        let named = format!("- hostnames: [{hostname}]\n    function: {function}\n");
        let text = deployment(&[(version, "100")]);
        let text = text.replace("- hostnames: [shop.localhost]\n", &named);
        self.shop.commit("releases/checkout.yaml", text);
        push(&self.shop);
    }

    async fn at_host(&self, hostname: &str) -> (u16, String) {
        let answer = http::get(&self.gateway.to_string(), hostname, "/", &[]).await;
        let answer = answer.unwrap();
        (answer.status, answer.body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_come_with_the_version_that_they_were_written_for() {
    let mut standalone = Standalone::of(1);
    standalone.publish_site("raise SystemExit(1)");
    standalone.publish_site(SERVER);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.route(2, "site", "new.localhost");
    standalone.says("v2").await;
    let goes_on = async |standalone: &Standalone| {
        assert_eq!(
            standalone.at_host("shop.localhost").await,
            (200, "v1".to_owned())
        );
        assert_eq!(standalone.at_host("new.localhost").await.0, 503);
    };
    goes_on(&standalone).await;
    // Also where the shares move no more, and through a crash.
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    until("v1 is served again", async || {
        (standalone.at_host("shop.localhost").await.0 == 200).then_some(())
    })
    .await;
    standalone.says("v2").await;
    goes_on(&standalone).await;
    // With a version that runs they come, and the old ones go.
    standalone.route(3, "site", "new.localhost");
    standalone.serves(&[(3, "100")]).await;
    assert_eq!(
        standalone.at_host("new.localhost").await,
        (200, "v3".to_owned())
    );
    assert_eq!(standalone.at_host("shop.localhost").await.0, 404);
    // Where the versions stay, a route changes at once.
    standalone.route(3, "site", "shop.localhost");
    until("the hostname is back", async || {
        (standalone.at_host("shop.localhost").await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(standalone.at_host("new.localhost").await.0, 404);
}
