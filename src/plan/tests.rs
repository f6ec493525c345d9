//! Plans as a story: a world, what is decided, and the world after it was carried out.

use jiff::SignedDuration;

use super::*;
use crate::words::Share;

pub(super) fn v(number: u32) -> VersionNumber {
    VersionNumber::new(number).unwrap()
}

pub(super) fn web() -> FunctionName {
    "web".parse().unwrap()
}

pub(super) fn shares(list: &[(u32, u32)]) -> Shares {
    list.iter()
        .map(|(number, percent)| (v(*number), Share::from_basis_points(*percent * 100)))
        .collect()
}

/// A split in basis points.
pub(super) fn shares_of(list: &[(u32, u32)]) -> Shares {
    list.iter()
        .map(|(number, points)| (v(*number), Share::from_basis_points(*points)))
        .collect()
}

fn owner() -> Owner {
    Owner {
        kind: OwnerKind::Deployment,
        name: "checkout".to_owned(),
    }
}

/// A world with one Deployment, in which time passes only when told to.
pub(super) struct Story {
    pub(super) world: World,
    last: Option<Plan>,
}

impl Story {
    pub(super) fn new() -> Self {
        let split = Split {
            owner: owner(),
            wanted: None,
            leaving: false,
            on_loss: OnLoss::Shift,
            rollback_window: SignedDuration::from_secs(3600),
            drain: SignedDuration::from_secs(30),
            progress_deadline: SignedDuration::from_mins(10),
            protects: BTreeSet::new(),
            holds: BTreeSet::new(),
            functions: [web()].into(),
            last: Shares::new(),
            routes: RouteFacts::default(),
        };
        Self {
            world: World {
                now: Timestamp::UNIX_EPOCH,
                settle: SignedDuration::from_secs(1),
                splits: vec![split],
                versions: BTreeMap::new(),
                sent_by_others: BTreeSet::new(),
                memory: Memory::default(),
            },
            last: None,
        }
    }

    pub(super) fn version(&mut self, number: u32, min: u32, max: u32) -> &mut Self {
        let function = FunctionState {
            min,
            max,
            autoscaled: max > min,
            asked: min,
            placed: 0,
            ready: 0,
            no_room: false,
            starting: false,
        };
        let version = Version {
            materialised: false,
            functions: [(web(), function)].into(),
            ready_since: None,
            awaited: false,
        };
        self.world.versions.insert(v(number), version);
        self
    }

    pub(super) fn want(&mut self, list: &[(u32, u32)]) -> &mut Self {
        let wanted = shares(list);
        // As a status does.
        self.world.splits[0].protects = wanted.iter().map(|(version, _)| *version).collect();
        self.world.splits[0].wanted = Some(wanted);
        self
    }

    pub(super) fn ready(&mut self, number: u32, pods: u32) -> &mut Self {
        let now = self.world.now;
        let version = self.world.versions.get_mut(&v(number)).unwrap();
        let function = version.functions.get_mut(&web()).unwrap();
        function.ready = pods;
        function.placed = function.placed.max(pods);
        function.asked = function.asked.max(pods);
        version.ready_since = (pods > 0).then_some(version.ready_since.unwrap_or(now));
        self
    }

    pub(super) fn pass(&mut self, seconds: i64) -> &mut Self {
        self.world.now += SignedDuration::from_secs(seconds);
        self
    }

    /// Plans, carries it out as a perfect cluster would, and checks that a second plan has nothing more to do.
    pub(super) fn act(&mut self) -> &mut Self {
        for _ in 0..6 {
            let plan = plan(&self.world);
            let again = self.carry_out(&plan);
            self.last = Some(plan);
            if !again {
                return self;
            }
        }
        panic!("the plan does not come to rest: {:?}", self.last);
    }

    /// True when the world changed.
    pub(super) fn carry_out(&mut self, plan: &Plan) -> bool {
        let before = format!("{:?}", self.world);
        self.world.memory = plan.memory.clone();
        for version in &plan.remove {
            self.world.versions.remove(version);
        }
        for (version, scales) in &plan.run {
            let state = self.world.versions.get_mut(version).unwrap();
            state.materialised = true;
            for (name, scale) in scales {
                let asked = &mut state.functions.get_mut(name).unwrap().asked;
                *asked = match *scale {
                    Scale::Fixed(pods) => pods,
                    Scale::Auto { min, max } => (*asked).clamp(min, max),
                };
            }
        }
        let split = &mut self.world.splits[0];
        match &plan.splits[0].route {
            RoutePlan::Keep => {}
            RoutePlan::Off => {
                split.last = Shares::new();
                split.routes = RouteFacts::default();
            }
            RoutePlan::Serve {
                shares,
                idle,
                overrides,
            } => {
                let names: BTreeSet<VersionNumber> = (shares.iter().map(|(version, _)| *version))
                    .chain(idle.iter().copied())
                    .collect();
                assert_eq!(names.len(), shares.len() + idle.len(), "named twice");
                assert!(names.len() <= BACKENDS_MAX);
                for (version, _) in &split.last {
                    assert!(
                        names.contains(version),
                        "{version} had a share, and its name is gone"
                    );
                }
                let routes = &mut split.routes;
                for version in shares.iter().map(|(version, _)| version).chain(overrides) {
                    let known = !routes.exist || routes.named.contains(version);
                    assert!(known, "{version} is named and sent to in one write");
                }
                if split.last != *shares || !names.is_subset(&routes.named) {
                    routes.written = Some(self.world.now);
                }
                split.last.clone_from(shares);
                routes.exist = true;
                routes.accepted = true;
                routes.silent = false;
                routes.ruled = overrides.iter().copied().collect();
                routes.held = names.union(&routes.ruled).copied().collect();
                routes.sent = shares.iter().map(|(version, _)| *version).collect();
                routes.named = names;
            }
        }
        before != format!("{:?}", self.world)
    }

    pub(super) fn serving(&self) -> Shares {
        self.world.splits[0].last.clone()
    }

    /// What the routes name with no share.
    pub(super) fn idle(&self) -> Vec<u32> {
        let split = &self.world.splits[0];
        let has = |version: &VersionNumber| split.last.iter().any(|(other, _)| other == version);
        let named = split.routes.named.iter().filter(|version| !has(version));
        named.map(|version| version.get()).collect()
    }

    pub(super) fn plan(&self) -> &Plan {
        self.last.as_ref().unwrap()
    }

    pub(super) fn running(&self) -> Vec<u32> {
        self.plan()
            .run
            .keys()
            .map(|version| version.get())
            .collect()
    }
}

/// v7 serves alone, with that many pods.
fn serving_v7(pods: u32) -> Story {
    let mut story = Story::new();
    story.version(7, pods.min(2), 10).want(&[(7, 100)]).act();
    assert_eq!(story.serving(), Shares::new());
    story.ready(7, pods).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story
}

#[test]
fn a_first_version_is_started_and_served_when_it_is_ready() {
    let mut story = Story::new();
    story.version(7, 1, 1).want(&[(7, 100)]).act();
    assert_eq!(story.running(), [7]);
    assert_eq!(story.plan().splits[0].route, RoutePlan::Keep);
    assert_eq!(
        story.plan().splits[0].waiting[0].cause,
        Cause::NotReady(vec![web()])
    );
    story.ready(7, 1).act();
    assert!(story.plan().splits[0].complete);
    assert!(!story.plan().settled);
    story.pass(1).act();
    assert!(story.plan().settled);
    assert_eq!(story.plan().wake, None);
}

#[test]
fn a_newcomer_gets_its_share_after_the_settle_delay() {
    let mut story = serving_v7(1);
    story.version(8, 1, 1).want(&[(7, 90), (8, 10)]).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    story.ready(8, 1).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
    assert_eq!(story.plan().splits[0].waiting[0].cause, Cause::Settling);
    assert_eq!(
        story.plan().wake,
        Some(story.world.now + story.world.settle)
    );
    story.pass(1).act();
    assert_eq!(story.serving(), shares(&[(7, 90), (8, 10)]));
}

#[test]
fn a_share_rises_pod_by_pod_and_the_autoscaler_is_told_first() {
    let mut story = serving_v7(10);
    story.version(8, 2, 10).want(&[(8, 100)]).act();
    let scale = story.plan().run[&v(8)][&web()];
    assert_eq!(scale, Scale::Auto { min: 10, max: 10 });
    story.ready(8, 1).act().pass(2).act();
    for pods in 1..10 {
        story.ready(8, pods).act();
        let got = shares(&[(8, pods * 10), (7, 100 - pods * 10)]);
        assert_eq!(story.serving(), got);
        let kept = story.plan().run[&v(7)][&web()];
        assert_eq!(kept, Scale::Auto { min: 10, max: 10 });
    }
    story.ready(8, 10).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    // Lowered after the drain, not before.
    story.pass(30).act();
    assert_eq!(
        story.plan().run[&v(8)][&web()],
        Scale::Auto { min: 10, max: 10 }
    );
    story.pass(1).act();
    assert_eq!(
        story.plan().run[&v(8)][&web()],
        Scale::Auto { min: 2, max: 10 }
    );
    // The old version keeps what going back takes.
    assert_eq!(
        story.plan().run[&v(7)][&web()],
        Scale::Auto { min: 10, max: 10 }
    );
    story.want(&[(7, 100)]).act();
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn the_old_version_leaves_after_the_rollback_window_and_never_before() {
    let mut story = serving_v7(1);
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act().pass(1).act();
    assert_eq!(story.serving(), shares(&[(8, 100)]));
    story.pass(3599).act();
    assert_eq!(story.running(), [7, 8]);
    story.pass(1).act();
    assert_eq!(story.running(), [8]);
    assert_eq!(story.plan().wake, None);
}

#[test]
fn without_a_rollback_window_it_leaves_after_the_drain_once_the_route_is_accepted() {
    let mut story = serving_v7(1);
    story.world.splits[0].rollback_window = SignedDuration::ZERO;
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act().pass(1);
    let decided = plan(&story.world);
    story.carry_out(&decided);
    story.world.splits[0].routes.accepted = false;
    story.pass(600);
    let waiting = plan(&story.world);
    assert!(waiting.run.contains_key(&v(7)), "not accepted yet");
    story.carry_out(&waiting);
    story.world.splits[0].routes.accepted = true;
    story.act();
    assert_eq!(story.running(), [7, 8]);
    story.pass(30).act();
    assert_eq!(story.running(), [7, 8]);
    story.pass(1).act();
    assert_eq!(story.running(), [8]);
}

#[test]
fn an_entry_at_zero_runs_without_a_share_and_is_reached_by_override() {
    let mut story = serving_v7(1);
    story.version(8, 1, 1).want(&[(7, 100), (8, 0)]).act();
    story.ready(8, 1).act().pass(1).act();
    let RoutePlan::Serve {
        shares: got,
        idle,
        overrides,
    } = &story.plan().splits[0].route
    else {
        panic!("no route");
    };
    assert_eq!(*got, shares(&[(7, 100)]));
    assert_eq!(*idle, [v(8)]);
    assert_eq!(*overrides, [v(7), v(8)]);
    story.pass(100_000).act();
    assert_eq!(story.running(), [7, 8]);
}

#[test]
fn an_unknown_wish_changes_nothing() {
    let mut story = serving_v7(1);
    story.world.splits[0].wanted = None;
    story.pass(100_000).act();
    assert_eq!(story.running(), [7]);
    assert_eq!(story.serving(), shares(&[(7, 100)]));
}

#[test]
fn a_deletion_takes_the_route_then_drains_then_the_workloads_then_the_owner() {
    let mut story = serving_v7(1);
    story.world.splits[0].leaving = true;
    story.act();
    assert_eq!(story.serving(), Shares::new());
    assert_eq!(story.running(), [7]);
    assert!(story.plan().release.is_empty());
    story.pass(30).act();
    assert_eq!(story.running(), [7]);
    story.pass(1);
    let last = plan(&story.world);
    assert_eq!(last.remove, [v(7)].into());
    assert!(!last.close && last.release.is_empty());
    story.carry_out(&last);
    story.act();
    assert!(story.plan().close);
    assert_eq!(story.plan().release, [owner()].into());
}

#[test]
fn a_plan_that_takes_the_last_share_of_a_version_is_not_settled_before_the_delay() {
    let mut story = serving_v7(1);
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act().pass(1);
    let decided = plan(&story.world);
    assert!(decided.splits[0].complete);
    assert!(!decided.settled, "the route is not written yet");
    story.carry_out(&decided);
    story.act();
    assert!(!story.plan().settled);
    story.pass(1).act();
    assert!(story.plan().settled);
}

#[test]
fn an_owner_of_whom_nothing_was_made_goes_at_once() {
    let mut story = Story::new();
    story.world.splits[0].leaving = true;
    let only = plan(&story.world);
    assert!(only.close);
    assert_eq!(only.release, [owner()].into());
    assert_eq!(only.wake, None);
}

#[test]
fn a_version_that_is_short_of_its_minimum_bears_a_part_and_is_said_to_be_stalled() {
    let mut story = serving_v7(1);
    story.version(8, 2, 2).want(&[(8, 100)]).act();
    story.pass(599).act();
    assert!(!story.plan().splits[0].stalled);
    // Progress: the deadline is counted anew.
    story.ready(8, 1).act().pass(2).act();
    assert_eq!(story.serving(), shares(&[(8, 50), (7, 50)]));
    story.pass(598).act();
    assert!(!story.plan().splits[0].stalled);
    story.pass(100_000).act();
    assert!(story.plan().splits[0].stalled);
    assert_eq!(story.plan().wake, None);
    assert_eq!(story.serving(), shares(&[(8, 50), (7, 50)]));
    let waiting = &story.plan().splits[0].waiting[0];
    assert_eq!(
        waiting.cause,
        Cause::Capacity {
            function: web(),
            ready: 1,
            needed: 2
        }
    );
}

#[test]
fn two_owners_share_the_pods_of_a_version_until_both_have_left_it() {
    let mut story = serving_v7(1);
    let mut alias = story.world.splits[0].clone();
    alias.owner = Owner {
        kind: OwnerKind::Alias,
        name: "staging".to_owned(),
    };
    story.world.splits.push(alias);
    story.version(8, 1, 1).want(&[(8, 100)]).act();
    story.ready(8, 1).act().pass(1).act();
    story.pass(100_000).act();
    assert_eq!(story.running(), [7, 8]);
}

#[test]
fn an_owner_without_routes_is_waited_for_by_nobody() {
    let mut story = serving_v7(1);
    let mut alias = story.world.splits[0].clone();
    alias.owner = Owner {
        kind: OwnerKind::Alias,
        name: "staging".to_owned(),
    };
    alias.last = Shares::new();
    alias.routes = RouteFacts::default();
    story.world.splits.push(alias);
    story.pass(100).act();
    assert!(story.plan().settled);
    assert_eq!(story.plan().wake, None);
}
