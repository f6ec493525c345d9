use super::{Standalone, until};
use crate::support::far::far;
use crate::support::web::Web;

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_waits_for_no_version_that_is_being_fetched() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(2, "100")]);
    let root = standalone.shop.dir.path().to_owned();
    let web = Web::start(&root.join("web"), &root);
    standalone.source = Some(far(&web.http("/open/remote.git"), usize::MAX));
    standalone.more = vec!["--interval".to_owned(), "1s".to_owned()];
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;
    // Version 3 takes minutes, and the branch does not have what it has.
    let mut large = vec![0; 16 * 1024 * 1024];
    fastrand::fill(&mut large);
    standalone.shop.commit("apps/checkout/large", large);
    standalone.shop.publish(&[]);
    let clone = standalone.shop.clone_dir();
    (standalone.shop).git(&clone, &["reset", "-q", "--hard", "HEAD~1"]);
    let fetching = "fetching the versions of checkout began at ";
    standalone.says(fetching).await;
    // Whoever asks for it is not told that it is nowhere, and whoever goes back waits for nothing.
    standalone.deploy(&[(3, "100")]);
    let asked = standalone.shop.rev(&clone, "HEAD");
    until("version 3 is looked for", async || {
        let status = standalone.status().await;
        (status["commit"] == asked.trim()).then_some(())
    })
    .await;
    standalone.deploy(&[(1, "100")]);
    standalone.serves(&[(1, "100")]).await;
    let problems = standalone.problems().await;
    assert!(problems.contains(fetching), "{problems}");
    let log = standalone.log();
    assert_eq!(log.matches(fetching).count(), 1, "{log}");
    assert!(!log.contains("has no version"), "{log}");
}
