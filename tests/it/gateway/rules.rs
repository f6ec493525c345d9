use std::sync::Arc;

use cutwater::api::{AffinityKey, RequestMatch};
use cutwater::gateway::Route;
use cutwater::plan::slots::slots;
use cutwater::words::Share;

use super::stage::{Stage, backend, number, route};

fn header(name: &str, value: &str) -> RequestMatch {
    let (name, value) = (name.to_owned(), value.to_owned());
    RequestMatch::Header { name, value }
}

fn cookie(name: &str, value: &str) -> RequestMatch {
    let (name, value) = (name.to_owned(), value.to_owned());
    RequestMatch::Cookie { name, value }
}

fn query(name: &str, value: &str) -> RequestMatch {
    let (name, value) = (name.to_owned(), value.to_owned());
    RequestMatch::Query { name, value }
}

#[tokio::test]
async fn the_first_rule_that_fits_picks_the_version() {
    let (v7, v8, v9) = (
        backend("v7").await,
        backend("v8").await,
        backend("v9").await,
    );
    let entries = [
        (7, 10_000, Some(&v7)),
        (8, 0, Some(&v8)),
        (9, 0, Some(&v9)),
        (10, 0, None),
    ];
    let rules = [
        (header("X-Beta", "yes please"), 8),
        (cookie("beta", "1"), 9),
        (query("beta", "1 ä"), 8),
        (query("plain", ""), 9),
        (header("X-Gone", "1"), 10),
        (header("X-Not-Listed", "1"), 11),
        (header("not a header", "1"), 9),
    ];
    let rules = rules.map(|(requests, version)| (requests, number(version)));
    // Every user of the key is one of version 7.
    let all = slots(None, &[(number(7), Share::ALL)]).unwrap();
    let affinity = (AffinityKey::Header("X-User".into()), Arc::new(all));
    let stage = Stage::new(vec![Route {
        rules: rules.to_vec(),
        affinity: Some(affinity),
        ..route(&entries)
    }])
    .await;
    let mut client = stage.client().await;
    for (path, headers, answer) in [
        ("/", &[][..], "v7"),
        ("/", &[("x-beta", "yes please")], "v8"),
        ("/", &[("X-BETA", "Yes please")], "v7"),
        ("/", &[("x-beta", "yes please, no")], "v7"),
        // Said twice is not said.
        (
            "/",
            &[("x-beta", "yes please"), ("x-beta", "yes please")],
            "v7",
        ),
        ("/", &[("cookie", "a=b; beta=1;c=d")], "v9"),
        ("/", &[("cookie", "a=b"), ("cookie", "beta=1")], "v9"),
        ("/", &[("cookie", "alphabeta=1; beta=10")], "v7"),
        // The first cookie of a name counts, and so does the first parameter.
        ("/", &[("cookie", "beta=0; beta=1")], "v7"),
        ("/a?x=1&beta=1+%C3%A4", &[], "v8"),
        ("/a?beta=0&beta=1+%C3%A4", &[], "v7"),
        ("/a?%62eta=1%20%c3%a4", &[], "v8"),
        ("/a?Beta=1+%C3%A4", &[], "v7"),
        ("/?plain", &[], "v9"),
        ("/?plain=", &[], "v9"),
        ("/?plain=1", &[], "v7"),
        // The first rule of several, in the order of the list.
        (
            "/?plain",
            &[("x-beta", "yes please"), ("cookie", "beta=1")],
            "v8",
        ),
        // One that is not ready, and one that is not there: the split.
        ("/", &[("x-gone", "1")], "v7"),
        ("/", &[("x-not-listed", "1")], "v7"),
        // Before affinity, and behind the override.
        ("/", &[("x-user", "anna"), ("cookie", "beta=1")], "v9"),
        (
            "/",
            &[("cutwater-version-checkout", "8"), ("cookie", "beta=1")],
            "v8",
        ),
        (
            "/",
            &[("cutwater-version-checkout", "10"), ("cookie", "beta=1")],
            "v9",
        ),
    ] {
        let got = client.get(path, headers).await.unwrap();
        assert_eq!(got.1, answer, "{path} {headers:?}");
    }
    // A rule gives nobody to a version that has gone, and nothing is left: the page says so as ever.
    v9.drain().await;
    assert_eq!(client.get("/?plain", &[]).await.unwrap().1, "v7");
}
