//! What of what is served is recorded, and when it may be written.

use super::super::state::Pinned;
use super::*;
use crate::git::{Caller, RemoteUrl};
use crate::record::VersionRecord;
use crate::releases;
use crate::words::{CommitId, Share, VersionNumber, VersionWord};

fn number(version: u32) -> VersionNumber {
    VersionNumber::new(version).unwrap()
}

fn shares(list: &[(u32, u32)]) -> Shares {
    let one = |(version, percent): &(u32, u32)| {
        (number(*version), Share::from_basis_points(percent * 100))
    };
    list.iter().map(one).collect()
}

fn owner() -> Owner {
    "cwd/shop".to_owned().try_into().unwrap()
}

/// What a server has whose commit wants these shares, resolved to `pinned`, and whose routes say `served`.
fn server(
    wanted: &[(u32, u32)],
    pinned: &[(u32, u32)],
    served: &[(u32, u32)],
) -> (Tip, BTreeMap<AppName, App>) {
    let entries = wanted.iter();
    let entries =
        entries.map(|(version, percent)| format!("{{version: {version}, percentage: {percent}}}"));
    let text = format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  app: shop\n  repository: shop\n  routes: [{{name: all, hostnames: [a.example, b.example], gateway: {{name: g}}}}]\n  versions: [{}]\n",
        entries.collect::<Vec<_>>().join(", ")
    );
    let content = releases::read("releases/shop.yaml", text.as_bytes()).unwrap();
    let mut tip = Tip::default();
    tip.commit = Some("c".repeat(40).parse().unwrap());
    tip.releases = content.releases.into_iter().map(Arc::new).collect();
    let mut app = App::default();
    app.complete.insert(owner(), false);
    let remembered = &mut app.remembered;
    for (version, share) in shares(pinned) {
        let word = VersionWord::Number(version);
        let entry = Pinned {
            word,
            number: version,
            share,
        };
        remembered.pinned.entry(owner()).or_default().push(entry);
        let record: VersionRecord = serde_json::from_value(serde_json::json!({
            "app": "shop", "number": version, "tree": "1".repeat(40), "commit": "2".repeat(40),
            "publishedAt": "2026-01-01T00:00:00Z", "functions": [],
        }))
        .unwrap();
        remembered.records.insert(version, record);
    }
    let served = super::super::state::Served {
        shares: shares(served),
        overrides: Vec::new(),
        since: Timestamp::UNIX_EPOCH,
    };
    remembered.served.insert(owner(), served);
    (tip, [("shop".parse().unwrap(), app)].into())
}

fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, "local".parse().unwrap()).unwrap()
}

/// Sequence and shares above 0 of all that waits.
fn told(ledger: &Ledger) -> Vec<(u64, Shares)> {
    let all = ledger.outbox.lock().waiting(usize::MAX);
    let all = all.into_iter().flat_map(|(_, waiting)| waiting);
    let record = |waiting: Waiting| {
        let versions = waiting.record.versions.iter();
        let shares = versions.map(|version| (version.version, version.percentage));
        let shares = shares.filter(|(_, share)| !share.is_zero()).collect();
        (waiting.record.sequence, shares)
    };
    all.map(record).collect()
}

#[test]
fn who_has_the_traffic_is_recorded_though_what_has_none_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let note = |wanted: &[(u32, u32)], pinned: &[(u32, u32)], served: &[(u32, u32)]| {
        let (tip, apps) = server(wanted, pinned, served);
        ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
    };
    note(&[(7, 100)], &[(7, 100)], &[(7, 100)]);
    // v8 has not got its share yet, and then it has; v3 never starts.
    note(&[(8, 100), (3, 0)], &[(8, 100), (3, 0)], &[(7, 100)]);
    note(&[(8, 100), (3, 0)], &[(8, 100), (3, 0)], &[(8, 100)]);
    let first = [(1, shares(&[(7, 100)])), (2, shares(&[(8, 100)]))];
    assert_eq!(told(&ledger), first);
    // Of two hostnames one is another's: who asks at the other one is served. Where both are, nobody is.
    for (refused, count) in [(2, 2), (1, 3)] {
        let (tip, mut apps) = server(&[(9, 100)], &[(9, 100)], &[(9, 100)]);
        for app in apps.values_mut() {
            let places = super::super::claims::places(&tip.releases[0].wanted.routes);
            let refusal = |place: String| {
                let text = format!("{place} is another's");
                (
                    place,
                    super::super::claims::Refusal {
                        is_left: false,
                        undecided: false,
                        text,
                    },
                )
            };
            let places = places.take(refused).map(refusal).collect();
            app.refused.insert(owner(), places);
        }
        ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
        assert_eq!(told(&ledger).len(), count);
    }
    // What is wanted cannot be resolved, and what was wanted before gets its share late: for whom is not known.
    note(&[(6, 100)], &[(5, 100)], &[(9, 100)]);
    note(&[(6, 100)], &[(5, 100)], &[(5, 100)]);
    note(&[(6, 100)], &[(5, 100)], &[(5, 100)]);
    note(&[(6, 100)], &[(6, 100)], &[(6, 100)]);
    let sequences: Vec<u64> = told(&ledger)
        .iter()
        .map(|(sequence, _)| *sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3, 5]);
}

#[test]
fn a_split_is_recorded_in_whatever_order_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path());
    let note = |wanted: &[(u32, u32)], served: &[(u32, u32)]| {
        let (tip, apps) = server(wanted, wanted, served);
        ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
        let all = told(&ledger);
        all.iter()
            .map(|(sequence, _)| *sequence)
            .collect::<Vec<_>>()
    };
    let served = [(7, 50), (8, 50)];
    assert_eq!(note(&served, &served), [1]);
    // The routes keep the order that they have.
    assert_eq!(note(&[(8, 50), (7, 50)], &served), [1], "it is the same");
    assert_eq!(note(&[(8, 50), (7, 50), (9, 0)], &served), [1, 2]);
    assert_eq!(note(&[(9, 0), (7, 50), (8, 50)], &served), [1, 2]);
    assert_eq!(note(&[(8, 60), (7, 40)], &served), [1, 2]);
    assert_eq!(note(&[(8, 60), (7, 40)], &[(7, 40), (8, 60)]), [1, 2, 3]);
}

#[tokio::test]
async fn what_is_noted_waits_for_no_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(dir.path()));
    let file = || std::fs::read_to_string(dir.path().join("ledger-local.json")).unwrap();
    let before = file();
    let app: AppName = "shop".parse().unwrap();
    let (tip, apps) = server(&[(7, 100)], &[(7, 100)], &[(7, 100)]);
    {
        let _slow = ledger.outbox.hold();
        ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
        assert_eq!((file(), ledger.status().waiting), (before.clone(), 1));
    }
    ledger.keep().await;
    assert_eq!(told(&open(dir.path())), [(1, shares(&[(7, 100)]))]);
    let noted = file();
    {
        let _slow = ledger.outbox.hold();
        let recorded = Recorded {
            newest: 1,
            forgotten: false,
        };
        assert!(ledger.ended(&app, 1, Ok(recorded)));
        assert_eq!((file(), ledger.status().waiting), (noted, 0));
    }
    ledger.keep().await;
    assert_eq!(told(&open(dir.path())), []);
}

#[test]
fn nothing_is_pushed_that_is_not_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("nothing.git");
    let url = RemoteUrl::parse(&url.display().to_string(), true).unwrap();
    let mirror = dir.path().join("mirror.git");
    let mirror = Mirror::open_for(Caller::Server, &mirror, &url, None).unwrap();
    // As on a full disk, nothing can be made there.
    let state = dir.path().join("absent");
    let ledger = open(&state);
    let (tip, apps) = server(&[(7, 100)], &[(7, 100)], &[(7, 100)]);
    ledger.note(&tip, &apps, Timestamp::UNIX_EPOCH);
    ledger.admit(true);
    let tried = || {
        let (app, batch) = ledger.ready().remove(0);
        push(&ledger, &mirror, &app, batch, None).unwrap_err()
    };
    let failed = tried();
    assert!(matches!(failed, LedgerError::Local { .. }), "{failed}");
    assert!(failed.to_string().contains("ledger-local.json"), "{failed}");
    std::fs::create_dir(&state).unwrap();
    let failed = tried();
    assert!(matches!(failed, LedgerError::Git { .. }), "{failed}");
    assert_eq!(told(&open(&state)).len(), 1);
}

#[test]
fn records_wait_until_the_repository_is_known_to_be_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let environment: EnvironmentName = "local".parse().unwrap();
    let ledger = Ledger::open(dir.path(), environment.clone()).unwrap();
    let app: AppName = "shop".parse().unwrap();
    let version = ServedVersion {
        version: "1".parse().unwrap(),
        percentage: Share::ALL,
        commit: "1".repeat(40).parse().unwrap(),
        tree: "2".repeat(40).parse().unwrap(),
    };
    let now = Timestamp::UNIX_EPOCH;
    let place = (&app, "shop");
    ledger.outbox.lock().note(
        place,
        &environment,
        vec![version],
        (Some(&CommitId::from_bytes(&[3; 20])), now),
        9,
    );
    for own in [false, true, false, true] {
        ledger.admit(own);
        assert_eq!(!ledger.ready().is_empty(), own);
        let status = ledger.status();
        assert_eq!(status.waiting, 1);
        assert_eq!(status.apps, [(app.clone(), 1)].into());
    }
    // While a push runs, that is why they wait; of a moment nothing is said.
    ledger.admit(true);
    for (since, count) in [(Timestamp::now(), 0), (now, 1)] {
        *ledger.pushing.lock() = Some((app.clone(), since));
        let problems = ledger.status().problems;
        assert_eq!(problems.len(), count, "{problems:?}");
        let said = "the ledger of shop is being pushed since 1970-01-01T00:00:00Z";
        assert!(problems.iter().all(|problem| problem.starts_with(said)));
    }
}
