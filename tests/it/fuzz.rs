//! A short run of the fuzzers: the very targets that `make fuzz` gives hours to, over the committed inputs and mutations of
//! them. No coverage guides this one; an input that `make fuzz` found is kept in `tests/fuzz/corpus`, and is tried here first.
//!
//! `CUTWATER_FUZZ_SECONDS=60` makes each target's run that long.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::support::tools::checkout;

/// The targets themselves, which the fuzzers of `fuzz/` share.
#[path = "../fuzz/app_yaml.rs"]
mod app_yaml;
#[path = "../fuzz/repository.rs"]
mod repository;
#[path = "../fuzz/words.rs"]
mod words;

/// How long each target is run, beside the committed inputs.
const SECONDS: u64 = 7;
/// Longest time for one input, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn any_repository_is_read_or_refused() {
    run("repository", repository::check);
}

#[test]
fn any_app_yaml_is_read_or_refused() {
    run("app_yaml", app_yaml::check);
}

#[test]
fn any_word_is_read_or_refused() {
    run("words", words::check);
}

fn run(target: &'static str, check: fn(&[u8])) {
    let seconds = std::env::var("CUTWATER_FUZZ_SECONDS");
    let seconds = seconds.map_or(SECONDS, |text| text.parse().unwrap());
    let seeds = seeds(target);
    assert!(
        seeds.len() > 5,
        "the committed inputs of {target} are there"
    );
    let (sender, receiver) = channel();
    let inputs = seeds.clone();
    let worker = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut runner = TestRunner::new(Config::default());
        let mutated = mutations(seeds);
        let mutated = std::iter::from_fn(|| {
            let fresh = Instant::now() < deadline;
            fresh.then(|| mutated.new_tree(&mut runner).unwrap().current())
        });
        for input in inputs.into_iter().chain(mutated) {
            sender.send(input.clone()).unwrap();
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                return Some(input);
            }
        }
        None
    });
    let mut last = Vec::new();
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(input) => last = input,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{target} still works on {}", keep(target, &last));
            }
        }
    }
    if let Some(input) = worker.join().unwrap() {
        panic!(
            "{target} fails (see above) on {}; keep it in tests/fuzz/corpus/{target} when it is mended",
            keep(target, &input)
        );
    }
}

/// The committed inputs, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = checkout().join("tests/fuzz/corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Where an input is left for whoever looks into it.
fn keep(target: &str, input: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}"));
    fs::write(&path, input).unwrap();
    path.display().to_string()
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Put(prop::sample::Index, Vec<u8>),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Append(Vec<u8>),
}

/// A committed input with some changes: other bytes, bytes less, or a piece of another input.
fn mutations(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let index = any::<prop::sample::Index>;
    let own = prop::collection::vec(any::<u8>(), 1..4);
    let pieces = (prop::sample::select(seeds.clone()), index(), 0..64_usize);
    let piece = pieces.prop_map(|(seed, at, len)| {
        let at = at.index(seed.len() + 1);
        seed[at..].iter().take(len).copied().collect()
    });
    let bytes = prop_oneof![own, piece].boxed();
    let change = prop_oneof![
        4 => (index(), bytes.clone()).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        2 => (index(), bytes.clone()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (index(), 1..16_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => prop::sample::select(seeds.clone()).prop_map(Change::Append),
    ];
    let changes = prop::collection::vec(change, 1..6);
    (prop::sample::select(seeds), changes).prop_map(|(mut input, changes)| {
        for change in changes {
            match change {
                Change::Put(at, bytes) => {
                    let at = at.index(input.len() + 1);
                    let end = (at + bytes.len()).min(input.len());
                    input.splice(at..end, bytes);
                }
                Change::Insert(at, bytes) => {
                    let at = at.index(input.len() + 1);
                    input.splice(at..at, bytes);
                }
                Change::Remove(at, len) => {
                    let at = at.index(input.len() + 1);
                    let end = (at + len).min(input.len());
                    input.drain(at..end);
                }
                Change::Append(more) => input.extend(more),
            }
        }
        input
    })
}
