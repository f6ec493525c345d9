use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cutwater::api::AffinityKey;
use cutwater::gateway::{Overrides, Route, Table, Upstream};
use cutwater::plan::slots::slots;
use cutwater::words::Share;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::stage::{Stage, backend, nobody, number, route};

const ASK_8: (&str, &str) = ("cutwater-version-checkout", "8");

/// How many of these requests each version answers, over eight connections that are kept.
async fn counted(stage: &Stage, requests: u32) -> BTreeMap<String, u32> {
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.client().await);
    }
    let all = clients.into_iter().map(|mut client| async move {
        let mut answers = Vec::new();
        for _ in 0..requests / 8 {
            let (status, body) = client.get("/", &[]).await.unwrap();
            assert_eq!(status, 200, "{body}");
            answers.push(body);
        }
        answers
    });
    let mut counts = BTreeMap::new();
    for body in futures::future::join_all(all).await.into_iter().flatten() {
        *counts.entry(body).or_default() += 1;
    }
    counts
}

#[track_caller]
fn within_four_deviations(counts: &BTreeMap<String, u32>, version: &str, share: f64) {
    let total = f64::from(counts.values().sum::<u32>());
    let got = f64::from(counts.get(version).copied().unwrap_or(0));
    let deviation = (total * share * (1.0 - share)).sqrt();
    assert!(
        (got - total * share).abs() <= 4.0 * deviation,
        "{version} is to have {share} of {counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_split_by_share_and_none_goes_to_0_percent() {
    let (v7, v8, v9) = (
        backend("v7").await,
        backend("v8").await,
        backend("v9").await,
    );
    let entries = [
        (7, 8_750, Some(&v7)),
        (8, 1_250, Some(&v8)),
        (9, 0, Some(&v9)),
    ];
    let stage = Stage::new(vec![route(&entries)]).await;
    let counts = counted(&stage, 20_000).await;
    within_four_deviations(&counts, "v7", 0.875);
    within_four_deviations(&counts, "v8", 0.125);
    assert_eq!(counts.get("v9"), None);

    let metrics = stage.printed_metrics();
    let line = format!(
        r#"gateway_requests_total{{app="checkout",version="8",function="web",class="2xx"}} {}"#,
        counts["v8"]
    );
    assert!(
        metrics.lines().any(|printed| printed == line),
        "{line} in {metrics}"
    );
    for line in [
        r#"gateway_in_flight{app="checkout",version="7",function="web"} 0"#.to_owned(),
        format!(
            r#"gateway_sent_bytes_total{{app="checkout",version="7",function="web"}} {}"#,
            2 * counts["v7"]
        ),
        format!(
            r#"gateway_latency_seconds_count{{app="checkout",version="7",function="web"}} {}"#,
            counts["v7"]
        ),
    ] {
        assert!(
            metrics.lines().any(|printed| printed == line),
            "{line} in {metrics}"
        );
    }
}

#[tokio::test]
async fn a_version_without_a_process_gives_its_share_to_the_others_in_proportion() {
    let (v7, v8, v9) = (
        backend("v7").await,
        backend("v8").await,
        backend("v9").await,
    );
    v9.drain().await;
    let entries = [
        (6, 5_000, None),
        (7, 3_000, Some(&v7)),
        (8, 1_000, Some(&v8)),
        (9, 1_000, Some(&v9)),
    ];
    let stage = Stage::new(vec![route(&entries)]).await;
    let counts = counted(&stage, 2_000).await;
    assert_eq!(counts.len(), 2, "{counts:?}");
    within_four_deviations(&counts, "v7", 0.75);
    within_four_deviations(&counts, "v8", 0.25);
}

#[tokio::test]
async fn an_override_reaches_a_listed_version_and_else_falls_back() {
    let (v7, v8) = (backend("v7").await, backend("v8").await);
    let entries = [(7, 10_000, Some(&v7)), (8, 0, Some(&v8)), (9, 0, None)];
    let stage = Stage::new(vec![route(&entries)]).await;
    let mut client = stage.client().await;
    for (value, answer) in [
        ("8", "v8"),
        ("7", "v7"),
        ("9", "v7"),
        ("10", "v7"),
        ("v8", "v7"),
        ("x", "v7"),
    ] {
        let got = client
            .get("/", &[("cutwater-version-checkout", value)])
            .await
            .unwrap();
        assert_eq!(got.1, answer, "{value}");
    }
    let other = client
        .get("/", &[("cutwater-version-other", "8")])
        .await
        .unwrap();
    assert_eq!(other.1, "v7");

    let with = |overrides| {
        vec![Route {
            overrides,
            ..route(&entries)
        }]
    };
    stage.swap(with(Overrides::Nobody));
    assert_eq!(client.get("/", &[ASK_8]).await.unwrap().1, "v7");
    stage.swap(with(Overrides::Key {
        header: "X-Preview-Key".into(),
        key: "secret".into(),
    }));
    for (key, answer) in [("secret", "v8"), ("guess", "v7"), ("", "v7")] {
        let got = client
            .get("/", &[ASK_8, ("x-preview-key", key)])
            .await
            .unwrap();
        assert_eq!(got.1, answer, "{key}");
    }
    // The key itself reaches no program; what only has its name does.
    for (key, passes) in [("secret", false), ("guess", true)] {
        let got = client.get("/head", &[ASK_8, ("x-preview-key", key)]).await;
        let head = got.unwrap().1;
        assert_eq!(head.contains("x-preview-key"), passes, "{head}");
    }
    assert_eq!(client.get("/", &[ASK_8]).await.unwrap().1, "v7");
}

#[tokio::test]
async fn a_user_stays_on_a_version_and_moves_only_where_shares_move() {
    let (v7, v8, v9) = (
        backend("v7").await,
        backend("v8").await,
        backend("v9").await,
    );
    let shares = |list: [u32; 3]| {
        let versions = [7, 8, 9].into_iter().zip(list);
        versions
            .map(|(version, points)| (number(version), Share::from_basis_points(points)))
            .collect::<Vec<_>>()
    };
    let first = slots(None, &shares([5_000, 3_000, 2_000])).unwrap();
    let second = slots(Some(&first), &shares([2_000, 6_000, 2_000])).unwrap();
    let routes = |list: [u32; 3], key: AffinityKey, slots: &_, v9| {
        let entries = [
            (7, list[0], Some(&v7)),
            (8, list[1], Some(&v8)),
            (9, list[2], v9),
        ];
        let affinity = Some((key, Arc::new(Clone::clone(slots))));
        vec![Route {
            affinity,
            ..route(&entries)
        }]
    };
    let header = || AffinityKey::Header("X-User".into());
    let stage = Stage::new(routes([5_000, 3_000, 2_000], header(), &first, Some(&v9))).await;
    let mut client = stage.client().await;
    let mut met = async || {
        let mut met = Vec::new();
        for user in 0..300 {
            let user = format!("user-{user}");
            let cookie = format!("theme=dark; sid={user}");
            let headers = [("x-user", user.as_str()), ("cookie", cookie.as_str())];
            met.push(client.get("/", &headers).await.unwrap().1);
        }
        met
    };
    let before = met().await;
    assert_eq!(before, met().await, "the same user meets the same version");
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);

    stage.swap(routes(
        [2_000, 6_000, 2_000],
        AffinityKey::Cookie("sid".into()),
        &second,
        Some(&v9),
    ));
    let after = met().await;
    let moved: BTreeSet<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
    let (from, to) = ("v7".to_owned(), "v8".to_owned());
    assert_eq!(moved, BTreeSet::from([(&from, &to)]));

    // Only the users of the version that is lost move, each to one of the others.
    stage.swap(routes([2_000, 6_000, 2_000], header(), &second, None));
    let without = met().await;
    assert_eq!(without, met().await);
    for (before, now) in after.iter().zip(&without) {
        assert!(before == now || before == "v9", "{before} became {now}");
        assert_ne!(now, "v9");
    }
}

#[tokio::test]
async fn the_closest_route_takes_a_request() {
    let stage = Stage::new(Vec::new()).await;
    let at = async |hostname: &str, path: &str| {
        let upstream = backend(&format!("{hostname}{path}")).await;
        Route {
            hostnames: vec![hostname.into()],
            path: path.into(),
            ..route(&[(1, 10_000, Some(&upstream))])
        }
    };
    stage.swap(vec![
        at("*.test", "/").await,
        at("shop.test", "/").await,
        at("*.shop.test", "/").await,
        at("shop.test", "/cart/").await,
        at("shop.test", "/cart").await,
        at("only.test", "/only").await,
    ]);
    for (host, path, answer) in [
        ("shop.test", "/", "shop.test/"),
        ("SHOP.test.:8080", "/carts", "shop.test/"),
        ("shop.test", "/cart", "shop.test/cart/"),
        ("shop.test", "/cart/1?a=/", "shop.test/cart/"),
        ("a.shop.test", "/", "*.shop.test/"),
        ("a.b.shop.test", "/cart", "*.shop.test/"),
        ("x.test", "/", "*.test/"),
        ("only.test", "/only/1", "only.test/only"),
        ("only.test", "/else", "*.test/"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let got = stage.raw(request.as_bytes()).await;
        assert!(
            got.ends_with(&format!("\r\n\r\n{answer}")),
            "{host}{path}: {got}"
        );
    }
    for host in ["test", "shop.test.org", "xtest", "[::1]:80"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let got = stage.raw(request.as_bytes()).await;
        assert!(got.starts_with("HTTP/1.1 404 "), "{host}: {got}");
    }
}

#[tokio::test]
async fn a_page_says_what_is_missing_and_not_what_else_there_is() {
    let (v7, gone) = (backend("v7").await, nobody().await);
    let stage = Stage::new(vec![Route {
        path: "/secret-place".into(),
        ..route(&[(7, 0, Some(&v7)), (8, 10_000, None)])
    }])
    .await;
    let mut client = stage.client().await;
    let (status, page) = client.get("/else", &[]).await.unwrap();
    assert_eq!(
        (status.as_u16(), page.as_str()),
        (404, "No route takes shop.test/else.\n")
    );
    let (status, page) = client.get("/secret-place", &[]).await.unwrap();
    assert_eq!(status, 503);
    for part in [
        "Deployment checkout",
        "app checkout",
        "function web",
        "no version",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    stage.table.store(Arc::new(Table::starting()));
    let (status, page) = client.get("/", &[]).await.unwrap();
    assert_eq!(status, 503);
    assert!(page.contains("has just been started"), "{page}");
    stage.swap(vec![route(&[(8, 10_000, Some(&gone))])]);
    let (status, page) = client.get("/", &[]).await.unwrap();
    assert_eq!(status, 502);
    assert_eq!(page, "Function web of checkout v8 takes no connection.\n");
    let metrics = stage.printed_metrics();
    for line in [
        r#"gateway_refused_total{status="404"} 1"#,
        r#"gateway_requests_total{app="checkout",version="none",function="web",class="5xx"} 1"#,
        r#"gateway_requests_total{app="checkout",version="8",function="web",class="5xx"} 1"#,
    ] {
        assert!(
            metrics.lines().any(|printed| printed == line),
            "{line} in {metrics}"
        );
    }
}

#[tokio::test]
async fn a_process_that_takes_no_connection_is_not_ready_and_its_share_is_held_or_lent() {
    let (v8, gone) = (backend("v8").await, nobody().await);
    let entries = [(7, 5_000, Some(&gone)), (8, 5_000, Some(&v8))];
    let stage = Stage::new(vec![route(&entries)]).await;
    let mut client = stage.client().await;
    for _ in 0..50 {
        let (status, page) = client.get("/", &[]).await.unwrap();
        assert_eq!((status.as_u16(), page.as_str()), (200, "v8"));
    }
    // Who asks for it by name is answered by another one, as where it is not ready.
    let asked = ("cutwater-version-checkout", "7");
    assert_eq!(client.get("/", &[asked]).await.unwrap().1, "v8");
    stage.swap(vec![Route {
        holds: true,
        ..route(&entries)
    }]);
    let mut answered = 0;
    for _ in 0..200 {
        let (status, page) = client.get("/", &[]).await.unwrap();
        if status == 200 {
            answered += 1;
        } else {
            assert!(status == 503 && page.contains("onLoss: hold"), "{page}");
        }
    }
    assert!((60..=140).contains(&answered), "{answered}");
}

#[tokio::test]
async fn a_page_in_place_of_a_body_that_is_not_read_ends_the_connection_and_says_so() {
    let v7 = backend("v7").await;
    let stage = Stage::new(vec![route(&[(7, 10_000, Some(&v7))])]).await;
    let head = "Host: other.test\r\nContent-Length: 100000\r\n\r\n";
    let got = stage
        .raw(format!("POST / HTTP/1.1\r\n{head}x").as_bytes())
        .await;
    assert!(got.starts_with("HTTP/1.1 404 "), "{got}");
    assert!(got.contains("connection: close\r\n"), "{got}");
    let mut client = stage.client().await;
    client.get("/", &[("host", "other.test")]).await.unwrap();
    // One without a body goes on.
    let (status, _) = client.get("/", &[]).await.unwrap();
    assert_eq!(status, 200);
}

/// A process that answers one request, and ends when the next one comes over the same connection.
async fn dying() -> Arc<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut buffer = [0; 4096];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv7";
        stream.write_all(answer).await.unwrap();
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
    });
    Arc::new(Upstream::new(address))
}

#[tokio::test]
async fn a_request_on_its_way_to_a_process_that_ends_is_given_to_another_one() {
    let (v7, v8) = (dying().await, backend("v8").await);
    let stage = Stage::new(vec![route(&[(7, 9_999, Some(&v7)), (8, 1, Some(&v8))])]).await;
    let mut client = stage.client().await;
    assert_eq!(client.get("/", &[]).await.unwrap().1, "v7");
    let (status, page) = client.get("/", &[]).await.unwrap();
    assert_eq!((status.as_u16(), page.as_str()), (200, "v8"));
    let metrics = stage.printed_metrics();
    let line = r#"gateway_in_flight{app="checkout",version="7",function="web"} 0"#;
    assert!(metrics.lines().any(|printed| printed == line), "{metrics}");
}

#[tokio::test]
async fn a_request_for_one_version_that_may_have_ended_it_is_given_to_no_other() {
    let (v7, v8) = (dying().await, backend("v8").await);
    let stage = Stage::new(vec![route(&[(7, 0, Some(&v7)), (8, 10_000, Some(&v8))])]).await;
    let mut client = stage.client().await;
    let asked = ("cutwater-version-checkout", "7");
    assert_eq!(client.get("/", &[asked]).await.unwrap().1, "v7");
    let (status, page) = client.get("/", &[asked]).await.unwrap();
    assert_eq!(status.as_u16(), 502, "{page}");
}

#[tokio::test]
async fn a_request_that_may_have_been_done_is_given_to_no_other_process() {
    let (v7, v8) = (dying().await, backend("v8").await);
    let stage = Stage::new(vec![route(&[(7, 0, Some(&v7)), (8, 10_000, Some(&v8))])]).await;
    let mut client = stage.client().await;
    let asked = ("cutwater-version-checkout", "7");
    assert_eq!(client.get("/", &[asked]).await.unwrap().1, "v7");
    let head = "DELETE / HTTP/1.1\r\nHost: shop.test\r\nCutwater-Version-Checkout: 7\r\nConnection: close\r\n\r\n";
    let got = stage.raw(head.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
}
