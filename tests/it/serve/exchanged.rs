use super::{Standalone, app, until};

impl Standalone {
    /// Waits until version 1 answers.
    async fn answers(&self) {
        until("v1 answers", async || {
            (self.get(&[]).await == (200, "v1".to_owned())).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_repository_at_the_same_address_counts() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let commit = standalone.status().await["commit"].clone();
    // Its app has the same name, and its versions the same numbers.
    let other = Standalone::with(&app("[python3, -u, server.py]"), 2);
    other.deploy(&[(2, "100")]);
    let away = standalone.shop.dir.path().join("away.git");
    let remote = standalone.shop.remote();
    std::fs::rename(&remote, &away).unwrap();
    std::fs::rename(other.shop.remote(), &remote).unwrap();
    for again in [false, true] {
        if again {
            standalone.serving.take().unwrap().kill();
            standalone.start().await;
            standalone.answers().await;
        }
        standalone.says("was exchanged for another one").await;
        standalone.says("the tag of v1 points to commit").await;
        let status = standalone.status().await;
        assert_eq!(status["commit"], commit);
        let split = &status["apps"]["checkout"]["splits"]["cwd/checkout"];
        assert_eq!(split["complete"], false, "{status}");
        assert_eq!(standalone.get(&[]).await, (200, "v1".to_owned()));
    }
    // It is put back.
    std::fs::rename(&remote, other.shop.remote()).unwrap();
    std::fs::rename(&away, &remote).unwrap();
    standalone.serves(&[(1, "100")]).await;
    until("nothing is said any more", async || {
        let status = standalone.status().await;
        (status["problems"] == serde_json::json!([])).then_some(())
    })
    .await;
}
