use std::path::Path;

use super::{SERVER, Standalone, app, deployment, push, until};

/// A server that listens once this file is there.
fn waits_for(file: &Path, says: &str) -> String {
    let wait = format!(
        "import os, time\nwhile not os.path.exists({:?}):\n    time.sleep(0.05)\n",
        file.display().to_string()
    );
    wait + &SERVER.replace("\"v\" +", &format!("\"{says}\" +"))
}

fn release(name: &str, version: u32, hostnames: &str) -> String {
    let text = deployment(&[(version, "100")]).replace("checkout", name);
    text.replace("shop.localhost", hostnames)
}

impl Standalone {
    /// Waits until `says` stands in the status while the shop's hostname answers `body` all the time.
    async fn stays(&self, body: &str, says: &str) {
        until(says, async || {
            let answer = self.at("shop.localhost").await;
            assert_eq!(answer, (200, body.to_owned()));
            let status = self.status().await.to_string();
            status.contains(says).then_some(())
        })
        .await;
    }

    /// Waits until the shop's hostname answers `body` at all.
    async fn begins(&self, body: &str) {
        until("the hostname is served", async || {
            let answer = self.at("shop.localhost").await;
            (answer == (200, body.to_owned())).then_some(())
        })
        .await;
    }

    /// Waits until the shop's hostname answers `after`, and `before` up to then.
    async fn moves(&self, before: &str, after: &str) {
        until("the hostname has moved", async || {
            let (status, body) = self.at("shop.localhost").await;
            assert!(
                status == 200 && (body == before || body == after),
                "{status}: {body}"
            );
            (body == after).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_place_that_goes_leaves_nobody_without_an_answer() {
    let mut standalone = Standalone::of(1);
    let shop = &standalone.shop;
    let blog_goes = shop.dir.path().join("blog");
    shop.write("apps/blog/server.py", waits_for(&blog_goes, "blog"));
    let yaml = app("[python3, server.py]").replace("name: checkout", "name: blog");
    shop.commit("apps/blog/app.yaml", yaml);
    shop.ok(&["versions", "publish", "blog"]);
    standalone.release("checkout", &release("checkout", 1, "'*.localhost'"));
    standalone.start().await;
    standalone.begins("v1").await;
    standalone.release("blog", &release("blog", 1, "shop.localhost"));
    standalone.stays("v1", "cwd/blog").await;
    // The wider one goes, and the other does not answer yet.
    let shop = &standalone.shop;
    let clone = shop.clone_dir();
    shop.git(&clone, &["rm", "-q", "releases/checkout.yaml"]);
    shop.git(&clone, &["commit", "-qm", "Remove the shop"]);
    push(shop);
    let says = "shop.localhost/ is answered by cwd/checkout of app checkout";
    standalone.stays("v1", says).await;
    assert_eq!(standalone.at("other.localhost").await.0, 404);
    std::fs::write(&blog_goes, "").unwrap();
    standalone.moves("v1", "blog1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostname_stays_with_who_had_it_until_who_wants_it_answers() {
    let mut standalone = Standalone::of(1);
    let shop = &standalone.shop;
    let (blog_goes, v2_goes) = (shop.dir.path().join("blog"), shop.dir.path().join("v2"));
    shop.write("apps/blog/server.py", waits_for(&blog_goes, "blog"));
    let yaml = app("[python3, server.py]").replace("name: checkout", "name: blog");
    shop.commit("apps/blog/app.yaml", yaml);
    shop.ok(&["versions", "publish", "blog"]);
    shop.commit("apps/checkout/server.py", waits_for(&v2_goes, "v"));
    shop.publish(&[]);
    push(shop);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    // To an app that is not ready.
    let shop = &standalone.shop;
    shop.write(
        "releases/checkout.yaml",
        release("checkout", 1, "old.localhost"),
    );
    standalone.release("blog", &release("blog", 1, "shop.localhost"));
    let says = "shop.localhost/ is answered by cwd/checkout of app checkout";
    standalone.stays("v1", says).await;
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    until("it is served again", async || {
        (standalone.at("shop.localhost").await.0 == 200).then_some(())
    })
    .await;
    standalone.stays("v1", says).await;
    std::fs::write(&blog_goes, "").unwrap();
    standalone.moves("v1", "blog1").await;
    // From an app that is removed, to a version that is not ready.
    let shop = &standalone.shop;
    std::fs::remove_file(shop.clone_dir().join("releases/blog.yaml")).unwrap();
    standalone.release(
        "checkout",
        &release("checkout", 2, "shop.localhost, old.localhost"),
    );
    standalone
        .stays(
            "blog1",
            "shop.localhost/ is answered by cwd/blog of app blog",
        )
        .await;
    std::fs::write(&v2_goes, "").unwrap();
    standalone.moves("blog1", "v2").await;
    until("the app is gone", async || {
        standalone.status().await["apps"]["blog"]
            .is_null()
            .then_some(())
    })
    .await;
    assert_eq!(standalone.at("old.localhost").await.1, "v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_a_place_of_another_app_leaves_who_moves_where_it_was() {
    let mut standalone = Standalone::of(1);
    let shop = &standalone.shop;
    shop.write(
        "apps/blog/server.py",
        SERVER.replace("\"v\" +", "\"blog\" +"),
    );
    let yaml = app("[python3, server.py]").replace("name: checkout", "name: blog");
    shop.commit("apps/blog/app.yaml", yaml);
    shop.ok(&["versions", "publish", "blog"]);
    standalone.release("blog", &release("blog", 1, "blog.localhost"));
    standalone.release("checkout", &release("checkout", 1, "shop.localhost"));
    standalone.start().await;
    standalone.begins("v1").await;
    let blog = (200, "blog1".to_owned());
    until("the blog is served", async || {
        (standalone.at("blog.localhost").await == blog).then_some(())
    })
    .await;
    // A slip: the hostname is that of the shop.
    standalone.release("blog", &release("blog", 1, "shop.localhost"));
    for says in ["RouteClaimed", "goes on at blog.localhost/"] {
        until(says, async || {
            assert_eq!(standalone.at("blog.localhost").await, blog);
            let status = standalone.status().await.to_string();
            status.contains(says).then_some(())
        })
        .await;
    }
    standalone.serving.take().unwrap().kill();
    standalone.start().await;
    until("the blog is served again", async || {
        (standalone.at("blog.localhost").await == blog).then_some(())
    })
    .await;
    // What was meant.
    standalone.release("blog", &release("blog", 1, "news.localhost"));
    until("it has moved", async || {
        let at = async |host: &str| standalone.at(host).await.0;
        let moved = at("news.localhost").await == 200 && at("blog.localhost").await == 404;
        moved.then_some(())
    })
    .await;
    assert_eq!(standalone.at("shop.localhost").await.1, "v1");
}
