//! Changes of the split under load: nothing fails, nothing is cut, and nobody answers who is not listed.
//!
//! What is not cut: a plain request and a stream have their whole answer, however many changes there are meanwhile. A WebSocket
//! goes on until its client ends it, if that is within `--drain-delay` of its version's end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::clients::{Client, Done, Listed};
use super::{Standalone, deployment, until, upstream};

/// How many changes, where `CUTWATER_CHANGES` does not say another number.
const CHANGES: u32 = 150;
/// So often a version is new, and one has left.
const TENTH: u32 = 10;

/// What change `index` lists: from one version to the next in ten steps.
fn split(index: u32) -> [(u32, u32); 2] {
    let (version, step) = (1 + index / TENTH, index % TENTH);
    [(version, 100 - 10 * step), (version + 1, 10 * step)]
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_under_load_fail_and_cut_no_request() {
    let mut standalone = Standalone::with(&upstream::app(), 2);
    standalone.drain = "60s";
    let remote = standalone.shop.remote();
    let changes = changes();
    let commits = write_commits(&remote, changes);
    advance(&remote, commits[0]);
    standalone.start().await;
    standalone.served(commits[0]).await;

    let carries = |index| {
        let split = split(index).into_iter().filter(|(_, share)| *share > 0);
        split.map(|(version, _)| version).collect::<BTreeSet<u32>>()
    };
    let client = Client {
        gateway: standalone.gateway,
        listed: Arc::new(Listed {
            changes: (0..changes).map(carries).collect(),
            served: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
        }),
        done: Arc::new(Done::default()),
    };
    let mut load = Vec::new();
    for number in 0..64 {
        let client = client.clone();
        load.push(match number % 8 {
            0 => tokio::spawn(client.talks()),
            1 => tokio::spawn(client.streams("GET", "/down")),
            2 => tokio::spawn(client.streams("POST", "/up")),
            3 => tokio::spawn(client.streams("POST", "/both")),
            _ => tokio::spawn(client.asks()),
        });
    }

    let (listed, done) = (Arc::clone(&client.listed), Arc::clone(&client.done));
    let standalone = Arc::new(standalone);
    let publish = || {
        let standalone = Arc::clone(&standalone);
        tokio::task::spawn_blocking(move || {
            let number = fastrand::u64(..).to_string();
            standalone.shop.commit("apps/checkout/number", number);
            standalone.shop.publish(&[]);
        })
    };
    let began = Instant::now();
    // Always one version ahead of what is listed.
    let mut publishing = publish();
    for (index, commit) in commits.iter().enumerate().skip(1) {
        if index % TENTH as usize == 0 {
            publishing.await.unwrap();
            publishing = publish();
        }
        listed.committed.store(index, Ordering::SeqCst);
        advance(&remote, *commit);
        // Now and then the next one comes before this one is served.
        if index % 3 == 1 && index + 1 < commits.len() {
            continue;
        }
        standalone.served(*commit).await;
        listed.served.store(index, Ordering::SeqCst);
        assert!(
            !load.iter().any(tokio::task::JoinHandle::is_finished),
            "a client gave up at change {index}"
        );
    }
    let took = began.elapsed();
    done.stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    publishing.await.unwrap();
    let count = |counter: &std::sync::atomic::AtomicU32| counter.load(Ordering::Relaxed);
    println!(
        "{changes} changes in {took:.1?}: {} plain requests, {} streams, {} WebSockets",
        count(&done.plain),
        count(&done.streams),
        count(&done.sockets)
    );
    assert!(count(&done.plain) > changes && count(&done.streams) > 64 && count(&done.sockets) > 8);

    // The last split is what is served, and what runs.
    let last = split(changes - 1);
    let counts = standalone.counts(500).await;
    for (version, share) in last {
        let (wanted, got) = (5.0 * f64::from(share), counts[&format!("v{version}")]);
        let deviation = (wanted * (1.0 - f64::from(share) / 100.0)).sqrt();
        assert!(
            (f64::from(got) - wanted).abs() <= 4.0 * deviation,
            "{counts:?}"
        );
    }
    until("two versions are left, each with its guard", async || {
        (standalone.programs().len() == 4).then_some(())
    })
    .await;
    // Many versions have come and gone, and the disk does not fill with what they left.
    until("old checkouts are removed", async || {
        let snapshots = std::fs::read_dir(standalone.state().join("snapshots"));
        (snapshots.unwrap().count() <= 12).then_some(())
    })
    .await;
    let metrics = standalone.metrics().await;
    let failed = (metrics.lines())
        .filter(|line| line.contains("class=\"5xx\"") && !line.ends_with(" 0"))
        .collect::<Vec<_>>();
    assert!(failed.is_empty(), "{failed:?}");
}

fn changes() -> u32 {
    std::env::var("CUTWATER_CHANGES").map_or(CHANGES, |changes| changes.parse().unwrap())
}

/// A commit for each change, on top of the branch, which stays where it is.
fn write_commits(remote: &Path, changes: u32) -> Vec<git2::Oid> {
    let repository = git2::Repository::open(remote).unwrap();
    let signature = git2::Signature::now("Ada Lovelace", "ada@example.com").unwrap();
    let mut parent = repository.revparse_single("refs/heads/main").unwrap().id();
    (0..changes)
        .map(|index| {
            let entries = split(index).map(|(version, share)| (version, share.to_string()));
            let entries: Vec<_> = entries
                .iter()
                .map(|(v, share)| (*v, share.as_str()))
                .collect();
            let blob = repository.blob(deployment(&entries).as_bytes()).unwrap();
            let before = repository.find_commit(parent).unwrap();
            let tree = git2::build::TreeUpdateBuilder::new()
                .upsert("releases/checkout.yaml", blob, git2::FileMode::Blob)
                .create_updated(&repository, &before.tree().unwrap())
                .unwrap();
            let tree = repository.find_tree(tree).unwrap();
            let message = format!("Change {index}");
            parent = repository
                .commit(None, &signature, &signature, &message, &tree, &[&before])
                .unwrap();
            parent
        })
        .collect()
}

fn advance(remote: &Path, commit: git2::Oid) {
    let repository = git2::Repository::open(remote).unwrap();
    repository
        .reference("refs/heads/main", commit, true, "advance")
        .unwrap();
}
