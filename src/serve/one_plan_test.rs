//! The controller and standalone mode decide alike: random histories, told to both in their own ways, lead to the same plans.
//!
//! The controller sees objects of a cluster, this mode what it remembers and which programs are ready. What differs by design is
//! left out: an object in a cluster is let go of in steps, and a file that is gone is gone.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::app::App;
use super::versions;
use crate::branch;
use crate::controller::simulated::{Asks, Cluster};
use crate::plan::{self, FunctionState, Memory, Plan, RoutePlan, SplitPlan, Version};
use crate::record::VersionRecord;
use crate::releases::{self, Release};
use crate::resolve::Resolution;
use crate::words::{AppName, FunctionName, Shares, VersionNumber};

/// Something that happens.
#[derive(Debug, Clone)]
enum Happens {
    /// The Deployment changes: weights of versions, and its rollback window.
    Deploy(BTreeMap<u32, u32>, u32),
    /// The Alias is set, to a version with another one as its canary.
    Point(u32),
    /// The Alias goes.
    Unpoint,
    /// A program of a version that runs becomes ready, or is not any more: `web` or `api`.
    Turn(u32, bool, bool),
    /// Seconds pass.
    Pass(i64),
}

fn any_event() -> impl Strategy<Value = Happens> {
    let weights = || proptest::collection::btree_map(1..=5_u32, 0..=4_u32, 1..=4);
    let windows = prop_oneof![Just(0_u32), Just(60)];
    prop_oneof![
        3 => (weights(), windows).prop_map(|(w, s)| Happens::Deploy(w, s)),
        1 => (1..=4_u32).prop_map(Happens::Point),
        1 => Just(Happens::Unpoint),
        8 => (1..=5_u32, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(version, web, ready)| Happens::Turn(version, web, ready)),
        3 => prop_oneof![Just(1_i64), Just(30), Just(61), Just(4_000)].prop_map(Happens::Pass),
    ]
}

const ROUTES: &str =
    "  routes:\n  - {hostnames: [shop.test], function: web, gateway: {name: public}}\n";

fn deployment(weights: &BTreeMap<u32, u32>, window: u32, hold: bool) -> Release {
    let total: u32 = weights.values().sum();
    let mut left = 100;
    let mut entries = String::new();
    for (index, (version, weight)) in weights.iter().rev().enumerate() {
        let part = match (weight * 100).checked_div(total) {
            Some(part) if index + 1 < weights.len() => part,
            _ => left,
        };
        left -= part;
        entries += &[
            "  - {version: ",
            &version.to_string(),
            ", percentage: ",
            &part.to_string(),
            "}\n",
        ]
        .concat();
    }
    let on_loss = if hold { "hold" } else { "shift" };
    read(&format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  rollbackWindow: {window}s\n  onLoss: {on_loss}\n  versions:\n{entries}{ROUTES}"
    ))
}

fn alias(version: u32) -> Release {
    let routes = ROUTES.replace("shop.test", "staging.test");
    read(&format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {{name: staging}}\nspec:\n  app: checkout\n  repository: shop\n  version: {version}\n  canary: {{version: {}, percentage: 25}}\n{routes}",
        version + 1
    ))
}

fn read(text: &str) -> Release {
    releases::read("releases/one.yaml", text.as_bytes())
        .unwrap_or_else(|problems| panic!("{problems:?} in {text}"))
        .releases
        .remove(0)
}

fn number(version: u32) -> VersionNumber {
    VersionNumber::new(version).unwrap()
}

fn name(function: &str) -> FunctionName {
    function.parse().unwrap()
}

fn record(version: u32) -> VersionRecord {
    let function = |name: &str| json!({"name": name, "image": "shop@sha256:1", "port": 8080});
    serde_json::from_value(json!({
        "app": "checkout",
        "number": version,
        "tree": "1".repeat(40),
        "commit": "2".repeat(40),
        "publishedAt": "2026-01-01T00:00:00Z",
        "functions": [function("web"), function("api")],
    }))
    .unwrap()
}

fn shares(release: &Release) -> Shares {
    let entries = release.wanted.versions.iter();
    entries
        .map(|entry| (entry.version.to_string().parse().unwrap(), entry.percentage))
        .collect()
}

/// Both of them, and what they are told.
struct Pair {
    now: Timestamp,
    records: BTreeMap<VersionNumber, VersionRecord>,
    deployment: Release,
    /// A lost version keeps its share. In one change with new versions, the step in which a cluster is told their names would see the loss
    /// before the shares, and this mode both at once: that ends with other shares, and neither is wrong.
    hold: bool,
    alias: Option<Release>,
    /// The Alias is being deleted in the cluster.
    leaving: Option<Release>,
    cluster: Cluster,
    app: App,
    /// What runs here, and since when each function is ready.
    running: BTreeMap<VersionNumber, BTreeMap<FunctionName, Option<Timestamp>>>,
}

impl Pair {
    fn new(hold: bool) -> Self {
        let app: AppName = "checkout".parse().unwrap();
        let records: BTreeMap<_, _> = (1..=5).map(|n| (number(n), record(n))).collect();
        let mut here = App::default();
        here.remembered.records = records.clone();
        Self {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            records,
            deployment: deployment(&BTreeMap::from([(1, 1)]), 0, hold),
            hold,
            alias: None,
            leaving: None,
            cluster: Cluster::new(app),
            app: here,
            running: BTreeMap::new(),
        }
    }

    fn happen(&mut self, event: &Happens) {
        match event {
            Happens::Deploy(weights, window) => {
                self.deployment = deployment(weights, *window, self.hold);
            }
            Happens::Point(version) => {
                self.alias = Some(alias(*version));
                self.leaving = None;
            }
            Happens::Unpoint => {
                self.leaving = self.alias.take().or(self.leaving.take());
            }
            Happens::Turn(version, web, ready) => {
                let function = name(if *web { "web" } else { "api" });
                // What does not run cannot be ready.
                let Some(functions) = self.running.get_mut(&number(*version)) else {
                    return;
                };
                let since = functions.entry(function.clone()).or_default();
                *since = ready.then(|| since.unwrap_or(self.now));
                self.cluster.pod(number(*version), &function, *since);
            }
            Happens::Pass(seconds) => self.now += SignedDuration::from_secs(*seconds),
        }
    }

    /// One step of the controller.
    fn there(&mut self) -> Plan {
        let ask = |release: &Release, leaving| Asks {
            owner: branch::owner(release),
            wanted: release.wanted.clone(),
            shares: shares(release),
            leaving,
        };
        let asks: Vec<Asks> = std::iter::once(ask(&self.deployment, false))
            .chain(self.alias.iter().map(|release| ask(release, false)))
            .chain(self.leaving.iter().map(|release| ask(release, true)))
            .collect();
        let plan = plan::plan(&self.cluster.world(&asks, &self.records, self.now));
        self.cluster
            .carry_out(&plan, &asks, &self.records, self.now);
        if let Some(release) = &self.leaving
            && plan.release.contains(&branch::owner(release))
        {
            self.leaving = None;
        }
        plan
    }

    /// One step of standalone mode.
    fn here(&mut self) -> Plan {
        let releases: Vec<&Release> = std::iter::once(&self.deployment)
            .chain(&self.alias)
            .collect();
        let resolutions: Vec<Resolution> = (releases.iter())
            .map(|release| Resolution {
                shares: Some(shares(release)),
                ..Resolution::default()
            })
            .collect();
        let state = |functions: &BTreeMap<FunctionName, Option<Timestamp>>| {
            Version::of(
                true,
                functions.iter().map(|(name, since)| {
                    let state = FunctionState {
                        min: 1,
                        max: 1,
                        autoscaled: false,
                        asked: 1,
                        placed: 1,
                        ready: u32::from(since.is_some()),
                        no_room: false,
                        starting: false,
                    };
                    (name.clone(), state, *since)
                }),
            )
        };
        let mut all: BTreeMap<VersionNumber, Version> = (self.running.iter())
            .map(|(version, functions)| (*version, state(functions)))
            .collect();
        for (version, _) in resolutions.iter().flat_map(|it| it.shares.iter().flatten()) {
            all.entry(*version)
                .or_insert_with(|| versions::absent(&self.records[version]));
        }
        let plan = plan::plan(&self.app.world(&releases, &resolutions, all, self.now));
        self.app.take_over(&plan, self.now);
        for version in &plan.remove {
            self.running.remove(version);
        }
        for version in plan.run.keys() {
            let functions = || ["web", "api"].map(|function| (name(function), None)).into();
            self.running.entry(*version).or_insert_with(functions);
        }
        plan
    }
}

/// Takes steps until one changes nothing. A gateway in a cluster is told of a version before it gets a share, and the one here
/// knows all that runs: that is some steps more for the same end.
fn at_rest(pair: &mut Pair, step: impl Fn(&mut Pair) -> Plan) -> Plan {
    let mut plan = step(pair);
    for _ in 0..10 {
        let next = step(pair);
        if next == plan {
            return plan;
        }
        plan = next;
    }
    panic!("no rest: {plan:?}");
}

/// What both decide: of owners that stay, and of all versions.
#[derive(Debug, PartialEq)]
struct Decided {
    run: BTreeMap<VersionNumber, BTreeMap<FunctionName, plan::Scale>>,
    splits: Vec<SplitPlan>,
    memory: Memory,
    settled: bool,
    wake: Option<Timestamp>,
}

fn decided(plan: Plan) -> Decided {
    let stays = |split: &SplitPlan| split.route != RoutePlan::Off;
    let mut splits: Vec<SplitPlan> = plan.splits.into_iter().filter(stays).collect();
    for split in &mut splits {
        split.stalled = false;
        if let RoutePlan::Serve { idle, .. } = &mut split.route {
            idle.clear();
        }
    }
    // How far a shift is, is noted at other steps by the two, and with it when it counts as stalled.
    let waits = !plan.memory.progress.is_empty();
    let progress = BTreeMap::new();
    Decided {
        run: plan.run,
        splits,
        memory: Memory {
            progress,
            gone: BTreeMap::new(),
            named: BTreeMap::new(),
            ..plan.memory
        },
        settled: plan.settled,
        wake: plan.wake.filter(|_| !waits),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_plan_alike(
        events in proptest::collection::vec(any_event(), 1..60),
        hold in any::<bool>(),
    ) {
        let mut pair = Pair::new(hold);
        let mut moves = 0;
        for event in &events {
            pair.happen(event);
            let there = at_rest(&mut pair, Pair::there);
            let names = (there.splits.iter()).any(|split| {
                matches!(&split.route, RoutePlan::Serve { idle, .. } if !idle.is_empty())
            });
            let (mut there, mut here) = (decided(there), decided(at_rest(&mut pair, Pair::here)));
            if names {
                // The gateway here has no names to be taken away when their time has come.
                (there.wake, here.wake) = (None, None);
            }
            moves += there.splits.len();
            // While a route in a cluster stays as it is, a version that it only names keeps its pods; the gateway here has no
            // such names. From there on the two have other pods.
            let stays = |split: &SplitPlan| {
                split.route == RoutePlan::Keep && there.memory.shares.contains_key(&split.owner)
            };
            if there.splits.iter().any(stays) {
                break;
            }
            prop_assert_eq!(&there, &here, "after {:?}", event);
        }
        prop_assert!(moves > 0);
    }
}
