//! `cutwater serve` as a reverse proxy beside Envoy and nginx: a split of 90 to 10 to the same two backends, in turns.
//!
//! Client, proxy and backends share the machine, so what a proxy can bear is counted by its processor time.

use std::time::Duration;

use crate::clients::{CONNECTIONS, Connection, Run, flood, pace};
use crate::proxies::{Proxy, Stage};
use crate::say;
use crate::table::{Row, Samples, load_average};

/// How often each is measured, and for how long each time.
const TURNS: usize = 5;
const TIME: Duration = Duration::from_secs(3);
const SHORT: Duration = Duration::from_secs(2);
const CHANGES: u32 = 100;
/// What is wanted beside Envoy: requests of a second of processor time, and added latency.
const LEAST: f64 = 0.8;
const MOST: f64 = 1.25;

pub fn measure() {
    let stage = Stage::start();
    // Connections and caches are warm then.
    for proxy in stage.proxies() {
        flood(proxy.address, "/", Duration::from_secs(1));
    }
    let rate = throughput(&stage);
    // At half of what the slowest bears the machine is all but full; at a tenth nobody waits for a processor.
    for rate in [rate / 2.0, rate / 10.0] {
        latency(&stage, rate);
    }
    memory(&stage);
    changes(&stage);
}

/// Bodies of two bytes, and of 1 MiB. Gives the requests a second that the slowest bears.
fn throughput(stage: &Stage) -> f64 {
    let proxies = stage.proxies();
    let load = load_average();
    say(&format!("{CONNECTIONS} connections (load {load:.1})"));
    let mut small: Vec<Vec<(Run, f64)>> = proxies.iter().map(|_| Vec::new()).collect();
    let mut large: Vec<Vec<(Run, f64)>> = proxies.iter().map(|_| Vec::new()).collect();
    let mut bare = Vec::new();
    let costs = |proxy: &Proxy, path: &str, time: Duration| {
        let before = proxy.processor();
        let run = flood(proxy.address, path, time);
        (run, proxy.processor() - before)
    };
    for _ in 0..TURNS {
        bare.push(flood(stage.backend(), "/", TIME).rate);
        for (proxy, runs) in proxies.iter().zip(&mut small) {
            runs.push(costs(proxy, "/", TIME));
        }
        for (proxy, runs) in proxies.iter().zip(&mut large) {
            runs.push(costs(proxy, "/large", SHORT));
        }
    }
    let of = |runs: &[(Run, f64)], what: fn(&(Run, f64)) -> f64| {
        Samples::of(runs.iter().map(what).collect()).median()
    };
    let rates: Vec<f64> = small
        .iter()
        .map(|runs| of(runs, |(run, _)| run.rate))
        .collect();
    for (other, proxy) in proxies.iter().enumerate().skip(1) {
        let name = &proxy.name;
        let least = (name == "Envoy").then_some(LEAST);
        let mut row = Row::least("small bodies", rates[0], rates[other], "/s", name, None);
        row.beside += &format!(
            "; direct {:.0}/s; load {load:.1}",
            Samples::of(bare.clone()).median()
        );
        row.leave();
        let per_core = |index: usize| of(&small[index], |(run, used)| run.done / used);
        let what = "small bodies for a second of its processor time";
        Row::least(what, per_core(0), per_core(other), "", name, least).leave();
        let mebibytes = |index: usize| of(&large[index], |(run, _)| run.mebibytes);
        let what = "bodies of 1 MiB";
        Row::least(what, mebibytes(0), mebibytes(other), "MiB/s", name, None).leave();
        let per_core = |index: usize| of(&large[index], |(run, used)| run.done / used);
        let what = "bodies of 1 MiB for a second of its processor time";
        Row::least(what, per_core(0), per_core(other), "", name, None).leave();
    }
    rates.into_iter().fold(f64::MAX, f64::min)
}

/// What each adds to the time of a request at that many a second.
fn latency(stage: &Stage, rate: f64) {
    let load = load_average();
    say(&format!(
        "latency at {rate:.0} requests a second (load {load:.1})"
    ));
    let proxies = stage.proxies();
    let mut bare = Vec::new();
    let mut times: Vec<Vec<Duration>> = proxies.iter().map(|_| Vec::new()).collect();
    for _ in 0..TURNS {
        bare.extend(pace(stage.backend(), rate, SHORT));
        for (proxy, times) in proxies.iter().zip(&mut times) {
            times.extend(pace(proxy.address, rate, SHORT));
        }
    }
    let bare = Samples::new(&bare);
    let times: Vec<Samples> = times.iter().map(|times| Samples::new(times)).collect();
    for (other, proxy) in proxies.iter().enumerate().skip(1) {
        for (name, percent) in [("median", 50), ("p99", 99)] {
            let direct = bare.at(percent);
            let added = |index: usize| times[index].at(percent) - direct;
            let (ours, theirs) = (added(0), added(other));
            let what = format!("added to the {name} at {rate:.0}/s");
            let mut row = Row::ratio(&what, ours, theirs, "ms", &proxy.name, MOST);
            row.figure = format!("{ours:.3} ms");
            row.beside = format!(
                "{}: {theirs:.3} ms; direct {direct:.3} ms; load {load:.1}",
                proxy.name
            );
            // Where the backend alone was no quicker, other work was measured.
            if ours <= 0.0 || theirs <= 0.0 {
                row.beside += "; nothing is shown by it";
                row.ratio = None;
            }
            if row.ratio.is_none() || proxy.name != "Envoy" {
                row.target = String::new();
                row.met = None;
            }
            row.leave();
        }
    }
}

/// Connections that have asked once, and say no more.
fn memory(stage: &Stage) {
    let idle = stage.idle();
    for proxy in stage.proxies() {
        let before = proxy.resident();
        let mut all = Vec::new();
        for _ in 0..idle {
            let mut connection = Connection::open(proxy.address);
            connection.ask();
            all.push(connection);
        }
        let after = proxy.resident();
        let open = all.iter().filter(|connection| connection.is_open()).count();
        assert_eq!(open, idle, "{} closed idle connections", proxy.name);
        let each = (after - before) * 1024.0 / idle as f64;
        Row::plain(
            &format!(
                "resident memory of {} at {idle} idle connections",
                proxy.name
            ),
            format!("{after:.1} MiB"),
            format!("before {before:.1} MiB; {each:.1} KiB each"),
        )
        .leave();
    }
}

fn changes(stage: &Stage) {
    let load = load_average();
    let times = Samples::new(&stage.changes(CHANGES));
    let what = format!(
        "from a commit on the branch to the first answer of the new split, median of {CHANGES}"
    );
    let mut row = Row::most(&what, times.median(), "ms", 100.0);
    row.beside = format!("p99 {:.1} ms; load {load:.1}", times.p99());
    row.leave();
}
