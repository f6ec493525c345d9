use super::{SERVER, Standalone, app, deployment, push, until};
use crate::support::http;

impl Standalone {
    /// What a hostname answers: status and body.
    pub(super) async fn at(&self, host: &str) -> (u16, String) {
        let answer = http::get(&self.gateway.to_string(), host, "/", &[]).await;
        let answer = answer.unwrap();
        (answer.status, answer.body)
    }

    /// Commits the Deployment of another app, and pushes it.
    pub(super) fn release(&self, name: &str, text: &str) {
        self.shop.commit(&format!("releases/{name}.yaml"), text);
        push(&self.shop);
    }
}

/// The Deployment of another app, at a hostname of its own.
fn other(name: &str) -> String {
    let text = deployment(&[(1, "100")]).replace("checkout", name);
    text.replace("shop.localhost", &format!("{name}.localhost"))
}

/// Slips in the files of one app, beside another one that is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_slip_of_one_app_takes_no_traffic_from_it_or_from_another() {
    let mut standalone = Standalone::of(2);
    let shop = &standalone.shop;
    let named = |number: &str| SERVER.replace("\"v\" +", &format!("\"{number} v\" +"));
    shop.write("apps/blog/server.py", named("blog"));
    let yaml = app("[python3, server.py]").replace("name: checkout", "name: blog");
    shop.commit("apps/blog/app.yaml", yaml);
    shop.ok(&["versions", "publish", "blog"]);
    push(shop);
    standalone.deploy(&[(1, "100")]);
    standalone.release("blog", &other("blog"));
    standalone.start().await;
    let blog = (200, "blog v1".to_owned());
    // It is ready once both are served, and no sooner does anybody hear that there is no such place.
    until("it is ready", async || {
        for host in ["shop.localhost", "blog.localhost"] {
            let (status, page) = standalone.at(host).await;
            assert!(status == 200 || status == 503, "{status}: {page}");
        }
        let admin = standalone.admin.to_string();
        let ready = http::get(&admin, "localhost", "/ready", &[]).await.unwrap();
        (ready.status == 200).then_some(())
    })
    .await;
    assert_eq!(standalone.at("blog.localhost").await, blog);
    standalone.serves(&[(1, "100")]).await;
    let admin = standalone.admin.to_string();
    let rebound = http::get(&admin, "evil.example", "/status", &[]).await;
    assert_eq!(rebound.unwrap().status, 421);
    // The place of another app, that of a misspelt one, a function that is not there, a hostname with a port.
    let wrong = other("blog");
    for (slip, says) in [
        (
            wrong.replace("blog.localhost", "blog.localhost, shop.localhost"),
            "RouteClaimed: shop.localhost/ belongs to cwd/checkout of app checkout",
        ),
        (
            wrong.replace("app: blog", "app: blgo"),
            "spec.app: is `blgo` and was `blog`",
        ),
        (
            wrong.replace("gateway:", "function: webb\n    gateway:"),
            "wants function `webb`, which v1 does not have",
        ),
        (
            wrong.replace("blog.localhost", "blog.localhost:8080"),
            "a hostname is lower-case letters",
        ),
        ("spec: [".to_owned(), "releases/blog.yaml:1"),
        // A copy of the other one's file, of which the name was forgotten.
        (
            wrong.replace("name: blog", "name: checkout"),
            "spec.app: is `blog` and was `checkout`",
        ),
    ] {
        standalone.release("blog", &slip);
        until(says, async || {
            let status = standalone.status().await.to_string();
            status.contains(says).then_some(())
        })
        .await;
        assert_eq!(standalone.at("blog.localhost").await, blog, "{says}");
        assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()), "{says}");
    }
    // An object that gets another name keeps its places, though another app waits for one.
    let waits = wrong.replace("blog.localhost", "blog.localhost, shop.localhost");
    standalone.release("blog", &waits);
    until("the other app waits", async || {
        let status = standalone.status().await.to_string();
        status.contains("RouteClaimed").then_some(())
    })
    .await;
    let renamed = deployment(&[(1, "100")]).replace(
        "metadata: {name: checkout}",
        "metadata: {name: checkout-main}",
    );
    standalone.release("checkout", &renamed);
    until("the name is another one", async || {
        let status = standalone.status().await;
        let split = &status["apps"]["checkout"]["splits"]["cwd/checkout-main"];
        (split["complete"] == true).then_some(())
    })
    .await;
    assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()));
    // The other app moves on meanwhile, also through a start.
    standalone.deploy(&[(2, "100")]);
    standalone.serves(&[(2, "100")]).await;
    let mut served = 2;
    for (copy, next) in [(true, 1), (false, 2)] {
        drop(standalone.serving.take());
        if !copy {
            std::fs::remove_dir_all(standalone.state().join("mirror.git")).unwrap();
        }
        standalone.start().await;
        standalone.serves(&[(served, "100")]).await;
        served = next;
        standalone.deploy(&[(served, "100")]);
        standalone.serves(&[(served, "100")]).await;
    }
    until("the blog is served again", async || {
        (standalone.at("blog.localhost").await == blog).then_some(())
    })
    .await;
    // A hostname that moves to another app in one commit is at one of both at any time.
    let shop = &standalone.shop;
    let left = other("blog").replace("blog.localhost", "log.localhost");
    shop.write("releases/blog.yaml", left);
    let taken =
        deployment(&[(2, "100")]).replace("shop.localhost", "shop.localhost, blog.localhost");
    shop.commit("releases/checkout.yaml", taken);
    push(shop);
    until("the hostname has moved", async || {
        let answer = standalone.at("blog.localhost").await;
        assert_eq!(answer.0, 200, "{}", answer.1);
        (answer.1 == "v2").then_some(())
    })
    .await;
    // The tag of a version that serves goes: nothing but a word.
    shop.git(&shop.remote(), &["tag", "-d", "checkout/v2"]);
    standalone.release("blog", &wrong);
    standalone.says("what runs goes on").await;
    assert_eq!(standalone.get(&[]).await.1, "v2");
}
