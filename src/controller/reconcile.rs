//! One reconcile of one app: wishes, resolve, observe, plan, apply, report, in this order, whatever fails on the way.
//!
//! The list of stages. What each decides is in its own module; this one only passes things on.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tracing::{debug, warn};

use super::acceptance::{Ages, Heard};
use super::answer::Gateways;
use super::apply::Applier;
use super::behind::Behind;
use super::carry_out::Doing;
use super::concerns::{Fault, Users};
use super::context::Context;
use super::failure::Failure;
use super::finalizer::Held;
use super::foreign_routes;
use super::key::AppKey;
use super::memory;
use super::moment::Moment;
use super::objects::AppObjects;
use super::observe::{self, Given};
use super::places::{self, Around, Obstacles, Routes};
use super::resolve::{self, Resolution};
use super::status::{self, Facts};
use super::wish::{self, Wish};
use crate::api::{OverrideRule, Reason, Trouble};
use crate::kubernetes::RouteSpec;
use crate::plan::{self, Memory, Owner, Plan, World, later};
use crate::resolve::Records;

/// How a reconcile ended.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// When to look again even if nothing happens.
    pub(super) wake: Option<Timestamp>,
    /// Something could not be written: try again soon.
    pub(super) failed: bool,
}

/// Makes of one app what its owners wish.
pub(super) async fn reconcile(context: &Context, key: &AppKey) -> Outcome {
    let objects = context.cache.app(key);
    let unreadable = context.cache.lock().unreadable_owners(&key.namespace);
    let unread = observe::unread(key, &objects, &unreadable);
    let mut wishes = wish::wishes(&objects, &unread);
    let counted = wishes.iter().any(|wish| wish.taken_by.is_none())
        || unread.values().any(|leaving| *leaving);
    if !counted && context.cache.lock().is_unclear(&key.namespace) {
        debug!(
            ?key,
            "left alone: an object in the namespace cannot be read, it may be the owner"
        );
        return Outcome::default();
    }
    if wishes.is_empty() && unread.is_empty() && !objects.has_made() {
        context.applier.forget(key);
        context.acceptance.forget(key);
        return Outcome::default();
    }
    // I/O: one write per new owner.
    let unheld = hold(context, key, &mut wishes).await;
    // I/O: reads of the local mirror, where nothing in the cluster answers.
    let mut records = observe::records(&objects);
    let resolutions = resolutions(context, key, &wishes, &mut records).await;
    let owners = observe::Owners {
        wishes: &wishes,
        unread: &unread,
    };
    let mut decision = decide(context, key, &objects, &owners, (&resolutions, &records));
    // I/O: only what differs.
    let unreadable_owners = unreadable.keys().cloned().collect();
    let doing = Doing {
        context,
        key,
        objects: &objects,
        wishes: &wishes,
        records: &records,
        plan: &decision.plan,
        before: &decision.before,
        unreadable: &unreadable_owners,
    };
    let begun = Moment::now();
    let done = doing.carry_out(&decision.routes).await;
    let settles = unsettle(context, key, &mut decision.plan, begun);
    let plan = &decision.plan;
    let decided = Decided {
        wishes: &wishes,
        resolutions: &resolutions,
        unreadable: &unreadable_owners,
        records: &records,
        decision: &decision,
        faults: &done.faults,
        unheld: &unheld,
    };
    let reported = report(context, key, &decided).await;
    warn_of(key, &done.faults, &unheld);
    // The last owner stays until all of it is gone.
    let may_go = !plan.close || done.faults.is_empty();
    let released = !may_go || release(context, key, &wishes, &unread, plan).await;
    let unfinished = done.again || !done.faults.is_empty() || !unheld.is_empty();
    let wakes = [decision.wake, reported.wake, settles, done.wake];
    Outcome {
        wake: wakes.into_iter().flatten().min(),
        failed: unfinished || reported.failed || !released,
    }
}

/// What is to be done, as the world stands.
struct Decision {
    now: Timestamp,
    gateways: Gateways,
    /// Names of routes that cannot be written.
    unwritable: BTreeSet<String>,
    /// For how long each route is as it is, at least.
    standing: Ages,
    /// What was remembered.
    before: Memory,
    plan: Plan,
    routes: Routes,
    obstacles: Obstacles,
    /// When to look again even if nothing happens.
    wake: Option<Timestamp>,
}

/// Decides, from what has been seen and what this process knows of its own writes. Nothing is read or written.
fn decide(
    context: &Context,
    key: &AppKey,
    objects: &AppObjects,
    owners: &observe::Owners<'_>,
    (resolutions, records): (&[Resolution], &Records),
) -> Decision {
    let (now, settle) = (Timestamp::now(), context.delays.settle);
    let gateways = context.cache.lock().gateways.clone();
    let looked = context.acceptance.look(key, objects, &gateways);
    let heard = Heard {
        gateways: &gateways,
        looked: &looked,
        settle,
    };
    let is_known = |name: &str| objects.routes.get(name).is_some_and(|it| heard.knows(it));
    let unwritable = context.applier.unwritable(key, is_known);
    let given = Given {
        delays: context.delays,
        gateways: &gateways,
        routes_known: !context.cache.lock().missing.contains("HTTPRoute"),
        unwritable: &unwritable,
        now,
    };
    let found = memory::read(key, objects, now);
    (context.reports).forgotten(key, objects, found.lost.as_deref());
    let memory = found.memory;
    let mut world = observe::world(key, objects, owners, resolutions, records, memory, given);
    note_writes(&context.applier, key, objects, &mut world);
    let plan = plan::plan(&world);
    // Another process may have written a route a moment before this one began.
    let began = context.applier.began(now);
    let known = later(began, settle);
    let settled = plan.settled && known <= now;
    let said = (owners.wishes, resolutions, records);
    let seen = (given, heard);
    let (mut routes, obstacles) = routes(context, key, objects, said, &plan, seen, settled);
    let behind = Behind {
        key,
        objects,
        wishes: owners.wishes,
        world: &world,
        plan: &plan,
        unwritable: &unwritable,
        heard,
    };
    let due = behind.keep(&mut routes).map(|wait| later(now, wait));
    let changes = |spec: &RouteSpec| !spec.others.is_empty();
    let again = (known > now && routes.values().flatten().any(changes)).then_some(known);
    Decision {
        now,
        wake: [plan.wake, again, due].into_iter().flatten().min(),
        before: world.memory,
        plan,
        routes,
        obstacles,
        unwritable,
        standing: looked.standing,
        gateways,
    }
}

/// Where routes may be, as the claims of all apps stand now.
fn routes(
    context: &Context,
    key: &AppKey,
    objects: &AppObjects,
    (wishes, resolutions, records): (&[Wish], &[Resolution], &Records),
    plan: &Plan,
    (given, heard): (Given<'_>, Heard<'_>),
    settled: bool,
) -> (Routes, Obstacles) {
    let state = context.cache.lock();
    let around = Around {
        routes_known: given.routes_known,
        gateways: heard.gateways,
        claims: &state.claims,
        plan,
        accepted: &heard.looked.accepted,
        settle: heard.settle,
        settled,
    };
    places::places(key, objects, wishes, resolutions, records, &around)
}

/// The plan knows nothing of a route that was not there: its gateways have had no time yet, however soon they accept it. When
/// they have had it.
fn unsettle(context: &Context, key: &AppKey, plan: &mut Plan, begun: Moment) -> Option<Timestamp> {
    let mut wrote = false;
    for split in &mut plan.splits {
        let own = (context.applier).wrote_route_after(key, &split.owner, begun);
        split.settled &= !own;
        wrote |= own;
    }
    wrote.then(|| later(Timestamp::now(), context.delays.settle))
}

fn warn_of(key: &AppKey, faults: &[Fault], unheld: &BTreeMap<Owner, Failure>) {
    let faults = faults.iter().map(|fault| &fault.failure);
    for failure in faults.chain(unheld.values()) {
        warn!(namespace = key.namespace, app = %key.app, reason = %failure.reason, message = failure.message, "could not be done, it is tried again");
    }
}

/// What each wish resolves to. Adds the records that it took.
async fn resolutions(
    context: &Context,
    key: &AppKey,
    wishes: &[Wish],
    records: &mut Records,
) -> Vec<Resolution> {
    let mut resolutions = Vec::with_capacity(wishes.len());
    let home = wish::repository(wishes);
    let there = records.keys().copied().collect();
    let known = resolve::Known {
        wishes,
        there: &there,
    };
    for wish in wishes {
        let resolution = match wish::conflict(wish, home) {
            Some(message) => {
                let trouble = Trouble::new(Reason::RepositoryConflict, message);
                resolve::fall_back(wish, records, vec![trouble])
            }
            None => resolve::resolve(&context.repositories, key, wish, &known, records).await,
        };
        resolutions.push(checked(wish, resolution, records));
    }
    resolutions
}

/// When routes were written or deleted last only this process knows.
fn note_writes(applier: &Applier, key: &AppKey, objects: &AppObjects, world: &mut World) {
    for split in &mut world.splits {
        let names = objects
            .routes_of(&key.app, &split.owner)
            .filter_map(|route| route.metadata.name.as_ref());
        split.routes.written = names
            .filter_map(|name| applier.route_written(key, name, world.now))
            .chain(applier.route_deleted(key, &split.owner, world.now))
            .max();
    }
}

/// What there is to report.
struct Decided<'a> {
    wishes: &'a [Wish],
    resolutions: &'a [Resolution],
    unreadable: &'a BTreeSet<Owner>,
    records: &'a Records,
    decision: &'a Decision,
    faults: &'a [Fault],
    /// Owners whose finalizer could not be written.
    unheld: &'a BTreeMap<Owner, Failure>,
}

/// Writes the status of each owner, where it differs.
async fn report(context: &Context, key: &AppKey, decided: &Decided<'_>) -> Outcome {
    let objects = context.cache.app(key);
    let decision = decided.decision;
    let kept = foreign_routes::said(key, &objects.strangers, &decision.plan.for_others);
    let reports = &context.reports;
    reports.all_owners(key, &objects, Reason::ForeignRoute, kept);
    let mut outcome = Outcome::default();
    let users = Users {
        key,
        wishes: decided.wishes,
        resolutions: decided.resolutions,
        plan: &decision.plan,
        before: &decision.before,
    };
    for (wish, resolution) in decided.wishes.iter().zip(decided.resolutions) {
        if decided.unreadable.contains(&wish.owner) {
            // Its status says that; what was last read of it would say otherwise.
            continue;
        }
        let nothing = Vec::new();
        let unheld = decided.unheld.get(&wish.owner);
        let failures: Vec<Failure> = unheld
            .into_iter()
            .chain(users.concern(&wish.owner, decided.faults))
            .cloned()
            .collect();
        let facts = Facts {
            key,
            wish,
            resolution,
            records: decided.records,
            objects: &objects,
            plan: Some(&decision.plan),
            failures: &failures,
            obstacles: decision.obstacles.get(&wish.owner).unwrap_or(&nothing),
            gateways: &decision.gateways,
            unwritable: &decision.unwritable,
            standing: &decision.standing,
            now: decision.now,
        };
        let status = status::status(&facts);
        let due = facts.next_due(&status.conditions);
        outcome.wake = outcome.wake.into_iter().chain(due).min();
        match reports.owner(&context.cache, key, wish, &status).await {
            Ok(None) => {}
            Ok(Some(wait)) => {
                let later = plan::later(
                    decision.now,
                    SignedDuration::try_from(wait).unwrap_or_default(),
                );
                outcome.wake = outcome.wake.into_iter().chain([later]).min();
            }
            Err(failure) => {
                warn!(
                    ?key,
                    message = failure.message,
                    "a status could not be written"
                );
                outcome.failed = true;
            }
        }
    }
    outcome
}

/// Owners get their finalizer before anything is made for them. One whose finalizer cannot be written has its say all the
/// same where routes serve it: what stands between is no reason to take them away.
async fn hold(context: &Context, key: &AppKey, wishes: &mut [Wish]) -> BTreeMap<Owner, Failure> {
    let finalizer = Held::new(&context.client, &context.cache, key);
    let new = wishes
        .iter_mut()
        .filter(|wish| !wish.held && !wish.leaving && wish.taken_by.is_none());
    // All at once: what is slow for one Alias is not waited for once for each.
    let writes = new.map(async |wish| match finalizer.put_on(wish).await {
        Ok(()) => {
            wish.held = true;
            None
        }
        Err(failure) => Some((wish.owner.clone(), failure)),
    });
    join_all(writes).await.into_iter().flatten().collect()
}

/// Takes the finalizer off owners that nothing is left of, and off those that never counted or whose place another one has
/// taken. Looks at them anew: their status may just have been written.
async fn release(
    context: &Context,
    key: &AppKey,
    planned: &[Wish],
    unread: &BTreeMap<Owner, bool>,
    plan: &Plan,
) -> bool {
    let finalizer = Held::new(&context.client, &context.cache, key);
    let over = |owner: &Owner| {
        // Without a split of its own, nothing of it is left that another owner does not have.
        plan.release.contains(owner) || plan.splits.iter().all(|split| split.owner != *owner)
    };
    let wishes = wish::wishes(&context.cache.app(key), unread);
    let mut fine = true;
    for before in planned.iter().filter(|wish| wish.leaving && wish.held) {
        let wish = wishes.iter().find(|wish| wish.owner == before.owner);
        if let Some(wish) = wish.filter(|wish| wish.leaving && wish.held && over(&wish.owner)) {
            let released = finalizer.take_off(&wish.owner, &wish.metadata()).await;
            fine &= released.is_ok();
        }
    }
    let unreadable = context.cache.lock().unreadable_owners(&key.namespace);
    for (owner, _) in unread
        .iter()
        .filter(|(owner, leaving)| **leaving && over(owner))
    {
        if let Some(unreadable) = unreadable.get(owner) {
            let released = finalizer.take_off(owner, &unreadable.metadata).await;
            fine &= released.is_ok();
        }
    }
    fine
}

/// What gateways of a cluster cannot do is refused as a whole.
fn checked(wish: &Wish, resolution: Resolution, records: &Records) -> Resolution {
    let Ok(wanted) = &wish.wanted else {
        return resolution;
    };
    // What was pinned before goes on.
    let refuse = |message: &str| {
        let trouble = Trouble::new(Reason::NotSupported, message);
        let troubles = resolution.troubles.iter().cloned().chain([trouble]);
        Resolution {
            holds: resolution.holds.clone(),
            ..resolve::fall_back(wish, records, troubles.collect())
        }
    };
    if !wanted.rules.is_empty() {
        let message = "spec.rules are not something that gateways of this cluster can do; take them out, or ask for a version with the override header";
        return refuse(message);
    }
    if wanted.affinity.is_some() {
        let message =
            "spec.affinity is not something that gateways of this cluster can do; leave it out";
        return refuse(message);
    }
    if matches!(wanted.override_rule, OverrideRule::Key { .. }) {
        let message = "spec.override.mode `key` is not supported yet; use `header`, or `none` to let nobody choose";
        return refuse(message);
    }
    resolution
}
