//! The figures of `docs/benchmarks.md`. `make bench` runs all of them, on real parts, and prints one table.
//!
//! ```text
//! bench lab [weights|bulk|ready|memory|idle]...   on a control plane of its own; KWOK plays the pods
//! bench release                                   real pods and Envoy; inside the cluster that tests/bench/run.sh starts
//! bench store                                     versions by the hundred thousand, and publishing
//! bench serve                                     the gateway beside Envoy and nginx, no cluster
//! bench plan                                      the pure decision, no cluster at all
//! bench table FILE                                prints the rows that the others left in FILE
//! ```
//!
//! Each figure stands beside something real that was measured in the same run, and the ratio is what counts: another
//! machine has other times. Nothing is written but the rows, to the file that `CUTWATER_BENCH_ROWS` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    unreachable_pub,
    missing_docs,
    let_underscore_drop,
    reason = "a measurement that panics has said what it has to say, and nobody outside uses it"
)]

/// Many Deployments at once: all routes written, all pods ready.
mod bulk;
/// Clients of the proxies.
mod clients;
/// The release build of the controller, as a child process.
mod controller;
/// What is measured of the controller, in which order.
mod figures;
/// A client that asks a gateway on a fixed schedule and never retries.
mod load;
/// The pure decision.
mod plan;
/// Cutwater, Envoy and nginx in front of the same backends.
mod proxies;
/// Publishing from a warm clone.
mod publishing;
/// From new versions to all ready.
mod ready;
/// A whole release with real pods.
mod release;
/// What a watch has seen, and when.
mod seen;
/// `cutwater serve` under load.
mod serve;
/// The control plane that figures of the controller are measured on.
mod stage;
/// The store among 100,000 versions.
mod store;
/// Medians, percentiles and the table.
mod table;
/// From a change of percentages to the new weights.
mod weights;

#[path = "../tests/lab/mod.rs"]
mod lab;
#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = (std::env::args().skip(1))
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match words.as_slice() {
        ["table", file] => table::print(file),
        ["plan"] => plan::measure(),
        ["store"] => versions(),
        ["serve"] => serve::measure(),
        ["release"] => runtime.block_on(release::measure()),
        ["lab", parts @ ..] => runtime.block_on(figures::measure(parts)),
        [] => {
            plan::measure();
            versions();
            serve::measure();
            runtime.block_on(figures::measure(&[]));
        }
        _ => {
            eprintln!(
                "bench lab [weights|bulk|ready|memory|idle]... | release | store | serve | plan | table FILE"
            );
            std::process::exit(2);
        }
    }
    runtime.shutdown_background();
}

/// The store among many versions, and publishing from small and large apps.
fn versions() {
    store::measure();
    for files in [10, 10_000] {
        publishing::measure(files);
    }
}

/// Progress, on standard error.
pub fn say(text: &str) {
    eprintln!("bench: {text}");
}
