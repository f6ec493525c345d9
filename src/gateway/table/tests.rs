//! Which rule takes a request, and which version of it.

use std::collections::BTreeMap;

use super::*;
use crate::plan::slots::slots;

/// Requests of each split.
const REQUESTS: u32 = 100_000;

/// A rule for versions 1, 2, 3 and so on with these shares, all of them ready.
fn rule(points: &[u32]) -> Rule {
    Rule::new(route(points), &Metrics::default())
}

fn route(points: &[u32]) -> Route {
    let entry = |(index, points): (usize, &u32)| Entry {
        version: VersionNumber::new(u32::try_from(index).unwrap() + 1).unwrap(),
        share: Share::from_basis_points(*points),
        upstream: Some(Arc::new(Upstream::new("127.0.0.1:9".parse().unwrap()))),
    };
    Route {
        hostnames: vec!["shop.test".to_owned()],
        path: "/".to_owned(),
        owner: "Deployment checkout".to_owned(),
        app: "checkout".parse().unwrap(),
        function: Some("web".parse().unwrap()),
        entries: points.iter().enumerate().map(entry).collect(),
        overrides: Overrides::Anyone,
        rules: Vec::new(),
        affinity: None,
        holds: false,
        since: 0,
        waits: false,
    }
}

#[test]
fn one_that_waits_leaves_its_requests_to_who_was_there_first() {
    let at = |app: &str, hostname: &str, path: &str, since: u64, waits: bool| Route {
        app: app.parse().unwrap(),
        hostnames: vec![hostname.to_owned()],
        path: path.to_owned(),
        since,
        waits,
        ..route(&[10_000])
    };
    let shop = || at("shop", "shop.test", "/", 1, false);
    let all = || at("all", "*.test", "/", 2, false);
    for (routes, path, takes) in [
        // The same place, in either order; a part of it; a hostname below a wildcard.
        (
            vec![at("new", "shop.test", "/", 3, true), shop()],
            "/",
            "shop",
        ),
        (
            vec![shop(), at("new", "shop.test", "/", 3, true)],
            "/",
            "shop",
        ),
        (
            vec![at("new", "shop.test", "/a", 3, true), shop()],
            "/a/b",
            "shop",
        ),
        (
            vec![at("new", "shop.test", "/", 3, true), all()],
            "/",
            "all",
        ),
        // It has answered; both came together; nobody else is there, or they wait too.
        (
            vec![at("new", "shop.test", "/a", 3, false), shop()],
            "/a",
            "new",
        ),
        (
            vec![at("new", "shop.test", "/a", 1, true), shop()],
            "/a",
            "new",
        ),
        (vec![at("new", "shop.test", "/a", 3, true)], "/a", "new"),
        (
            vec![
                at("new", "shop.test", "/a", 3, true),
                at("old", "shop.test", "/", 1, true),
            ],
            "/a",
            "new",
        ),
        (
            vec![at("new", "shop.test", "/a", 3, true), shop()],
            "/b",
            "shop",
        ),
    ] {
        let table = Table::new(routes, &Metrics::default());
        let found = table.find("shop.test", path).unwrap();
        assert_eq!(found.app.as_str(), takes, "{path}: {table:?}");
    }
}

#[test]
fn no_program_gets_the_key_of_anybody() {
    let keyed = |header: &str, key: &str| Route {
        overrides: Overrides::Key {
            header: header.to_owned(),
            key: key.to_owned(),
        },
        ..route(&[10_000])
    };
    let routes = vec![
        keyed("X-Key", "sesame"),
        keyed("x-key", "mellon"),
        route(&[10_000]),
    ];
    let table = Table::new(routes, &Metrics::default());
    let left = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-key", value.parse().unwrap());
        }
        table.conceal(&mut headers);
        let left = headers.get_all("x-key").iter();
        let left = left.map(|value| value.to_str().unwrap().to_owned());
        left.collect::<Vec<_>>()
    };
    // Twice, of another route, beside something else: what is no key is nobody's secret.
    assert_eq!(left(&["sesame"]), [""; 0]);
    assert_eq!(left(&["sesame", "sesame"]), [""; 0]);
    assert_eq!(left(&["mellon", "other", "sesame"]), ["other"]);
    assert_eq!(left(&["other"]), ["other"]);
}

#[test]
fn each_split_of_100_000_requests_is_within_four_standard_deviations() {
    for points in [
        &[10_000][..],
        &[9_000, 1_000],
        &[5_000, 5_000],
        &[3_334, 3_333, 3_333],
        &[9_999, 1],
        &[1, 0, 9_999],
        &[1_000; 10],
        &[5_000, 2_500, 1_000, 500, 400, 300, 197, 100, 2, 1],
    ] {
        let rule = rule(points);
        let (head, ()) = hyper::Request::new(()).into_parts();
        // The same numbers in each run: a chance of one in some thousand would fail now and then.
        let mut random = fastrand::Rng::with_seed(42);
        let mut counts = BTreeMap::<u32, u32>::new();
        for _ in 0..REQUESTS {
            let target = rule.pick(&rule.wish(&head), random.u64(..), &[]).unwrap();
            *counts.entry(target.version.get()).or_default() += 1;
        }
        for (version, points) in (1..).zip(points) {
            let share = f64::from(*points) / 10_000.0;
            let got = f64::from(counts.get(&version).copied().unwrap_or(0));
            let wanted = f64::from(REQUESTS) * share;
            let deviation = (wanted * (1.0 - share)).sqrt();
            assert!(
                (got - wanted).abs() <= 4.0 * deviation,
                "v{version} got {got} of {points:?}, and was to have {wanted}"
            );
        }
    }
}

#[test]
fn what_is_held_for_a_version_without_a_process_is_given_to_no_other() {
    let (head, ()) = hyper::Request::new(()).into_parts();
    for (holds, points, all) in [
        // Versions 1 to 3, of which version 2 has no process: out of 100 requests, how many each answers.
        (true, [5_000, 3_000, 2_000], [50, 0, 20]),
        (true, [0, 10_000, 0], [0, 0, 0]),
        (true, [10_000, 0, 0], [100, 0, 0]),
        (true, [0, 0, 10_000], [0, 0, 100]),
        (false, [5_000, 3_000, 5_000], [50, 0, 50]),
        (false, [10_000, 0, 0], [100, 0, 0]),
    ] {
        let mut route = Route {
            holds,
            ..route(&points)
        };
        route.entries[1].upstream = None;
        let rule = Rule::new(route, &Metrics::default());
        let mut counts = [0; 3];
        for point in 0..100 {
            if let Some(target) = rule.pick(&rule.wish(&head), point * 100, &[]) {
                counts[target.version.get() as usize - 1] += 1;
            }
        }
        assert_eq!(counts, all, "{holds} {points:?}");
    }
}

#[test]
fn a_user_of_a_version_whose_share_is_held_waits_for_it() {
    let slots = slots(
        None,
        &[1_u32, 2].map(|number| {
            (
                VersionNumber::new(number).unwrap(),
                Share::from_basis_points(5_000),
            )
        }),
    );
    let key = AffinityKey::Header("X-User".to_owned());
    let mut route = Route {
        holds: true,
        affinity: Some((key, Arc::new(slots.unwrap()))),
        ..route(&[5_000, 5_000])
    };
    route.entries[1].upstream = None;
    let rule = Rule::new(route, &Metrics::default());
    let answered = (0..100).filter(|user| {
        let head = hyper::Request::builder().header("x-user", user.to_string());
        let (head, ()) = head.body(()).unwrap().into_parts();
        rule.pick(&rule.wish(&head), fastrand::u64(..), &[])
            .is_some()
    });
    let answered = answered.count();
    assert!((25..=75).contains(&answered), "{answered}");
}
