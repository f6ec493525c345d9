//! What a pod sees of its version: variables and files.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::place::Place;

const APP: &str = "checkout";
const HEADER: &str = "Cutwater-Version-checkout";
const FILES: &str = "files: {mountPath: /srv/site, include: ['public/**', 'bin/*']}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_see_their_own_variables_and_files() {
    let place = Place::new("pods").await;
    let releases = &place.releases;
    releases.app(APP, FILES);
    let write = |path: &str, text: &str| releases.write(&format!("apps/{APP}/{path}"), text);
    write("public/index.html", "one\n");
    write("public/deep/er/page.html", "deep one\n");
    write("public/same.txt", "in both\n");
    write("bin/run", "#!/bin/true\n");
    write("bin/not/here", "`*` stays in its folder\n");
    write("private.txt", "not included\n");
    releases.git(&["add", "--all"]);
    let script = format!("apps/{APP}/bin/run");
    releases.git(&["update-index", "--chmod=+x", &script]);
    releases.git(&["checkout-index", "--force", &script]);
    releases.commit("The first");
    let first = releases.git(&["rev-parse", "HEAD"]);
    assert_eq!(releases.publish_with(APP, &["--label", "spring-sale"]), 1);

    write("public/index.html", "two, and longer\n");
    write("public/new.txt", "only in the second\n");
    std::fs::remove_file(
        releases
            .work()
            .join(format!("apps/{APP}/public/deep/er/page.html")),
    )
    .unwrap();
    releases.commit("The second");
    let second = releases.git(&["rev-parse", "HEAD"]);
    assert_eq!(releases.publish_with(APP, &[]), 2);

    place.deploy(APP, &[(1, 50.0), (2, 50.0)]).await;
    place.until_weights(APP, &[(1, 5_000), (2, 5_000)]).await;
    place.until_ready(APP).await;
    place.until_served(&place.hostname(APP)).await;

    assert_eq!(
        variables(&place, "1").await,
        wanted(&place, 1, &first, "spring-sale")
    );
    assert_eq!(variables(&place, "2").await, wanted(&place, 2, &second, ""));

    let files = async |version| modes(&place, version).await;
    assert_eq!(
        files("1").await,
        [
            ("bin/run", "0555"),
            ("public/deep/er/page.html", "0444"),
            ("public/index.html", "0444"),
            ("public/same.txt", "0444"),
        ]
        .map(|(path, mode)| (path.to_owned(), mode.to_owned()))
    );
    assert_eq!(
        files("2").await,
        [
            ("bin/run", "0555"),
            ("public/index.html", "0444"),
            ("public/new.txt", "0444"),
            ("public/same.txt", "0444"),
        ]
        .map(|(path, mode)| (path.to_owned(), mode.to_owned()))
    );
    for (version, path, content) in [
        ("1", "public/index.html", "one\n"),
        ("1", "public/deep/er/page.html", "deep one\n"),
        ("1", "bin/run", "#!/bin/true\n"),
        ("2", "public/index.html", "two, and longer\n"),
        ("2", "public/new.txt", "only in the second\n"),
        ("2", "public/same.txt", "in both\n"),
    ] {
        let path = format!("/file?path=/srv/site/{path}");
        let response = place.get(APP, &path, &[(HEADER, version)]).await;
        assert_eq!(response.body, content, "v{version} {path}");
    }
    place.end().await;
}

async fn variables(place: &Place, version: &str) -> BTreeMap<String, String> {
    let response = place.get(APP, "/env", &[(HEADER, version)]).await;
    serde_json::from_str(&response.body).unwrap()
}

/// What git says about a version.
fn wanted(place: &Place, number: u32, source: &str, labels: &str) -> BTreeMap<String, String> {
    let git = |arguments: &[&str]| place.releases.git(arguments);
    let tag = format!("refs/tags/{APP}/v{number}");
    let remote = place.releases.url();
    git(&["fetch", "--quiet", &remote, &format!("{tag}:{tag}")]);
    let published = git(&["log", "-1", "--format=%aI", &tag]);
    let published: Timestamp = published.parse().unwrap();
    let tree = git(&["rev-parse", &format!("{source}:apps/{APP}")]);
    let published = published.to_string();
    let number = number.to_string();
    [
        ("CUTWATER_APP", APP),
        ("CUTWATER_VERSION", number.as_str()),
        ("CUTWATER_SNAPSHOT", tree.as_str()),
        ("CUTWATER_LABELS", labels),
        ("CUTWATER_PUBLISHED_AT", published.as_str()),
        ("PORT", "8080"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Path and mode of each file below the mount.
async fn modes(place: &Place, version: &str) -> Vec<(String, String)> {
    let path = "/files?path=/srv/site";
    let response = place.get(APP, path, &[(HEADER, version)]).await;
    let files: Vec<Value> = serde_json::from_str(&response.body).unwrap();
    let text = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    (files.iter())
        .map(|file| (text(file, "path"), text(file, "mode")))
        .collect()
}

/// The namespaces of these tests take no other pods than restricted ones; this one shows that they do refuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_namespace_refuses_pods_that_are_not_restricted() {
    let place = Place::new("restricted").await;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plain"},
        "spec": {"containers": [{"name": "web", "image": place.cluster.image}]},
    });
    let refused = place.try_apply(pod).await.unwrap_err().to_string();
    assert!(refused.contains("violates PodSecurity"), "{refused}");
    place.end().await;
}
