//! The world of one app: what the cluster holds, in the words of a plan.
//!
//! Pure: from the cache's copy of one app, never from the API server.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::answer::{self, Answer, Gateways};
use super::backends::{has_headers, main_rule, shares, versions_of};
use super::cache::Unreadable;
use super::facts::PodFacts;
use super::key::AppKey;
use super::leading::OwnerRoutes;
use super::no_room::{self, Unplaced};
use super::objects::AppObjects;
use super::resolve::Resolution;
use super::wish::Wish;
use crate::api::reach::Unreachable;
use crate::api::{NamedRoute, OverrideRule};
use crate::kubernetes::{RouteSpec, names};
use crate::plan::intent::{self, Asked};
use crate::plan::{FunctionState, Memory, Owner, OwnerKind, RouteFacts, Split, Version, World};
use crate::record::VersionRecord;
use crate::resolve::Records;
use crate::words::{FunctionName, Shares, VersionNumber};

/// Delays that the controller was started with.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// How long a gateway is given to act on what it has accepted.
    pub settle: SignedDuration,
    /// How long open requests are given, unless a Deployment says otherwise.
    pub drain: SignedDuration,
}

/// Records that the workloads carry, and their Services.
pub(super) fn records(objects: &AppObjects) -> Records {
    let workloads = objects.workloads.iter().map(|(_, object)| &object.metadata);
    let services = objects.services.iter().map(|(_, object)| &object.metadata);
    let mut records = Records::new();
    for metadata in workloads.chain(services) {
        let record = (metadata.annotations.as_ref())
            .and_then(|annotations| annotations.get(names::RECORD))
            .and_then(|text| serde_json::from_str::<VersionRecord>(text).ok());
        if let Some(record) = record {
            records.entry(record.number).or_insert(record);
        }
    }
    records
}

/// What the cluster does not say about an app.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) delays: Delays,
    pub(super) gateways: &'a Gateways,
    /// HTTPRoutes are a kind that the API server knows.
    pub(super) routes_known: bool,
    /// Names of HTTPRoutes that cannot be written.
    pub(super) unwritable: &'a BTreeSet<String>,
    pub(super) now: Timestamp,
}

/// Everybody who has a say in an app.
pub(super) struct Owners<'a> {
    /// What is wished for.
    pub(super) wishes: &'a [Wish],
    /// Those with routes whose wish is not known, and whether they are being deleted.
    pub(super) unread: &'a BTreeMap<Owner, bool>,
}

/// The world as a plan sees it. The wishes and `resolutions` go together; late Deployments are left out.
pub(super) fn world(
    key: &AppKey,
    objects: &AppObjects,
    owners: &Owners<'_>,
    resolutions: &[Resolution],
    records: &Records,
    memory: Memory,
    given: Given<'_>,
) -> World {
    let memory = with_shares(memory, owners);
    let mut versions = BTreeMap::new();
    let materialised = materialised(key, objects);
    let listed = resolutions.iter().flat_map(|r| r.shares.iter().flatten());
    // What has a share, or comes back to one, is made again where somebody took its workloads away.
    let shares = objects
        .routes
        .iter()
        .map(|(_, route)| shares(&key.app, route));
    let intact = memory.intact.values().map(|intact| intact.shares.clone());
    let answers = shares.chain(intact).flatten();
    let answers =
        answers.filter(|(number, share)| !share.is_zero() && records.contains_key(number));
    let held = resolutions.iter().flat_map(|r| r.holds.iter().copied());
    let numbers: BTreeSet<VersionNumber> = (listed.map(|(number, _)| *number))
        .chain(held)
        .chain(answers.map(|(number, _)| number))
        .chain(materialised.iter().copied())
        .collect();
    for number in numbers {
        let state = version(
            key,
            objects,
            number,
            records.get(&number),
            materialised.contains(&number),
            given.now,
        );
        versions.insert(number, state);
    }
    let counts = |wish: &Wish| wish.owner.kind == OwnerKind::Deployment && wish.taken_by.is_none();
    let counted = owners.wishes.iter().any(counts);
    // Whose place is taken counts as long as routes serve it.
    let splits = (owners.wishes.iter().zip(resolutions))
        .filter(|(wish, _)| {
            wish.taken_by.is_none() || objects.routes_of(&key.app, &wish.owner).next().is_some()
        })
        .filter(|(wish, _)| wish.owner.kind == OwnerKind::Alias || counts(wish))
        .map(|(wish, resolution)| split(key, objects, (wish, resolution), records, &memory, given))
        .chain(
            (owners.unread.iter())
                // The routes of a Deployment that leaves are those of the one that stands by.
                .filter(|(owner, _)| owner.kind == OwnerKind::Alias || !counted)
                .map(|(owner, leaving)| {
                    unread_split(key, objects, (owner, *leaving), &memory, given)
                }),
        )
        .collect();
    World {
        now: given.now,
        settle: given.delays.settle,
        splits,
        versions,
        sent_by_others: (objects.strangers.values().flatten().copied())
            .chain(sent_by_nobody(key, objects, owners))
            .collect(),
        memory,
    }
}

/// What is remembered, and, where it does not say what the routes of an owner gave, what the status of that owner says.
fn with_shares(mut memory: Memory, owners: &Owners<'_>) -> Memory {
    let has_routes = |wish: &&Wish| wish.taken_by.is_none() && !wish.status.routes.is_empty();
    for wish in owners.wishes.iter().filter(has_routes) {
        let serving = wish.status.serving.iter();
        let shares = serving.filter(|entry| !entry.percentage.is_zero());
        let shares: Shares = shares
            .map(|entry| (entry.number, entry.percentage))
            .collect();
        if !shares.is_empty() {
            memory.shares.entry(wish.owner.clone()).or_insert(shares);
        }
    }
    memory
}

/// Versions that routes of ours send to whose owner is gone, until they are gone, too.
fn sent_by_nobody(
    key: &AppKey,
    objects: &AppObjects,
    owners: &Owners<'_>,
) -> BTreeSet<VersionNumber> {
    let known = (owners.wishes.iter().map(|wish| &wish.owner)).chain(owners.unread.keys());
    let known: Vec<&Owner> = known.collect();
    let of_nobody = |name: &str| {
        let mut known = known.iter();
        !known.any(|owner| names::is_route_of(&key.app, owner, name))
    };
    (objects.routes.iter())
        .filter(|(name, _)| of_nobody(name))
        .flat_map(|(_, route)| shares(&key.app, route))
        .map(|(version, _)| version)
        .collect()
}

/// Versions with a workload, or with a Service: a route may name that one still, and a gateway refuses the whole of a route that names
/// what is not there.
pub(super) fn materialised(key: &AppKey, objects: &AppObjects) -> BTreeSet<VersionNumber> {
    let services = objects.services.iter().map(|(name, _)| name);
    let named = services.filter_map(|name| names::version_of(&key.app, name));
    with_workloads(key, objects)
        .into_iter()
        .chain(named)
        .collect()
}

/// Versions with a workload.
pub(super) fn with_workloads(key: &AppKey, objects: &AppObjects) -> BTreeSet<VersionNumber> {
    (objects.workloads.iter())
        .filter_map(|(name, _)| names::version_of(&key.app, name))
        .collect()
}

fn version(
    key: &AppKey,
    objects: &AppObjects,
    number: VersionNumber,
    record: Option<&VersionRecord>,
    materialised: bool,
    now: Timestamp,
) -> Version {
    let functions = record.iter().flat_map(|record| &record.functions);
    Version::of(
        materialised,
        functions.map(|function| {
            let service = names::workload(&key.app, number, &function.name);
            let of = |pod: &PodFacts| pod.version == number && pod.function == function.name;
            let pods = || {
                objects
                    .pods
                    .iter()
                    .map(|(_, pod)| pod)
                    .filter(|pod| of(pod))
            };
            let state = FunctionState {
                min: function.min(),
                max: function.max(),
                autoscaled: function.autoscaled(),
                asked: asked_pods(objects, &service).unwrap_or(function.min()),
                ready: ready_endpoints(objects, &service),
                placed: u32::try_from(pods().filter(|pod| pod.placed).count()).unwrap_or(u32::MAX),
                // Where one of its pods fits nowhere, the end of others helps none of them.
                no_room: !pods().any(|pod| pod.unplaced == Some(Unplaced::Unfit))
                    && (refusal(objects, &service).is_some_and(no_room::in_quota)
                        || pods().any(|pod| pod.unplaced == Some(Unplaced::NoRoom))),
                starting: pods().any(|pod| pod.starting),
            };
            let since = first_ready(objects, number, &function.name, now);
            (function.name.clone(), state, since)
        }),
    )
}

/// Ready endpoints of a Service; a pod with an address of each family counts once.
pub(super) fn ready_endpoints(objects: &AppObjects, service: &str) -> u32 {
    // Behind a Service of somebody else's are pods of somebody else's, whatever its labels say.
    if objects.services.get(service).is_none() {
        return 0;
    }
    let mut by_family: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, slice) in objects
        .slices
        .iter()
        .filter(|(_, slice)| slice.service == service)
    {
        *by_family.entry(&slice.family).or_default() += slice.ready;
    }
    by_family.into_values().max().unwrap_or(0)
}

/// Why no more pods of a workload are made, in the API server's words: a quota, or an admission rule.
pub(super) fn refusal<'a>(objects: &'a AppObjects, name: &str) -> Option<&'a str> {
    let workload = objects.workloads.get(name)?;
    let conditions = workload.status.as_ref()?.conditions.as_ref()?;
    let failure = (conditions.iter()).find(|condition| {
        condition.type_.as_deref() == Some("ReplicaFailure")
            && condition.status.as_deref() == Some("True")
    })?;
    failure.message.as_deref()
}

/// Pods that a workload is to have now.
fn asked_pods(objects: &AppObjects, name: &str) -> Option<u32> {
    let replicas = objects.workloads.get(name)?.spec.replicas?;
    u32::try_from(replicas).ok()
}

fn first_ready(
    objects: &AppObjects,
    version: VersionNumber,
    function: &FunctionName,
    now: Timestamp,
) -> Option<Timestamp> {
    (objects.pods.iter())
        .filter(|(_, pod)| pod.version == version && pod.function == *function)
        .filter_map(|(_, pod)| Some(pod.ready_since?.time(now)))
        .min()
}

/// Of those owners, the ones that routes serve and no wish speaks for, and whether they are being deleted.
pub(super) fn unread(
    key: &AppKey,
    objects: &AppObjects,
    unreadable: &BTreeMap<Owner, Unreadable>,
) -> BTreeMap<Owner, bool> {
    (unreadable.iter())
        .filter(|(owner, _)| match owner.kind {
            OwnerKind::Deployment => objects.deployments.get(&owner.name).is_none(),
            OwnerKind::Alias => objects.aliases.get(&owner.name).is_none(),
        })
        .filter(|(owner, _)| objects.serves(key, owner))
        .map(|(owner, unreadable)| (owner.clone(), unreadable.is_leaving()))
        .collect()
}

/// The split of an owner that cannot be read: all that is known is what its routes say.
fn unread_split(
    key: &AppKey,
    objects: &AppObjects,
    (owner, leaving): (&Owner, bool),
    memory: &Memory,
    given: Given<'_>,
) -> Split {
    let all = (&key.app, objects);
    let routes = OwnerRoutes::new(all, owner, None, given.unwritable, memory);
    let asked = Asked {
        owner: owner.clone(),
        wanted: None,
        shares: None,
        protects: BTreeSet::new(),
        holds: BTreeSet::new(),
        leaving,
        drain: given.delays.drain,
        last: routes.served().cloned().unwrap_or_default(),
        routes: route_facts(key, &routes, given.gateways),
    };
    asked.split(&Records::new())
}

/// How the routes of an owner stand.
fn route_facts(key: &AppKey, of_owner: &OwnerRoutes<'_>, gateways: &Gateways) -> RouteFacts {
    let routes = &of_owner.all;
    let sent = routes.iter().flat_map(|route| shares(&key.app, route));
    let named = (routes.iter())
        .filter(|route| of_owner.counts(route))
        .map(|route| versions_of(key, main_rule(route)).collect::<BTreeSet<_>>());
    let answers: Vec<Answer> = (routes.iter())
        .map(|route| Answer::of(route, gateways))
        .collect();
    let serves_nothing: Vec<bool> = (routes.iter())
        .map(|route| answer::is_rejected(route) || answer::is_nowhere(route, gateways))
        .collect();
    let all = |fits: fn(&Answer) -> bool| {
        let mut each = answers.iter().zip(&serves_nothing);
        each.all(|(answer, nothing)| *nothing || fits(answer))
    };
    RouteFacts {
        exist: !routes.is_empty(),
        accepted: answers.iter().all(Answer::is_accepted),
        rejected: answers.iter().any(Answer::is_accepted) && all(Answer::is_accepted),
        silent: answers.iter().any(Answer::is_open)
            && all(|answer| answer.is_open() || answer.is_accepted()),
        written: None,
        sent: sent.map(|(version, _)| version).collect(),
        named: (named.reduce(|some, others| &some & &others)).unwrap_or_default(),
        ruled: (routes.iter())
            .flat_map(|route| route.spec.rules.iter().filter(|rule| has_headers(rule)))
            .flat_map(|rule| versions_of(key, Some(rule)))
            .collect(),
        held: (routes.iter())
            .flat_map(|route| &route.spec.rules)
            .flat_map(|rule| versions_of(key, Some(rule)))
            .collect(),
        surplus: routes.iter().any(|route| of_owner.is_surplus(route)),
        several: routes.len() > 1,
        behind: (routes.iter())
            .filter(|route| !of_owner.gives_it(route))
            .flat_map(|route| shares(&key.app, route))
            .map(|(version, _)| version)
            .collect(),
        differ: of_owner.differ(),
    }
}

fn split(
    key: &AppKey,
    objects: &AppObjects,
    (wish, resolution): (&Wish, &Resolution),
    records: &Records,
    memory: &Memory,
    given: Given<'_>,
) -> Split {
    let wanted = wish.wanted.as_ref().ok();
    let (all, listed) = ((&key.app, objects), wish.http_routes(&key.app));
    let of_owner = OwnerRoutes::new(all, &wish.owner, listed, given.unwritable, memory);
    let routes = route_facts(key, &of_owner, given.gateways);
    // Nothing is begun for an owner without its finalizer. One that is served already goes on as it wishes.
    let counts = wish.taken_by.is_none() && (wish.held || routes.exist);
    let asked = Asked {
        owner: wish.owner.clone(),
        wanted,
        shares: resolution.shares.clone().filter(|_| counts),
        protects: (wish.status.wanted.iter().map(|entry| entry.number))
            .chain(wish.status.serving.iter().map(|entry| entry.number))
            .collect(),
        holds: resolution.holds.clone(),
        leaving: wish.leaving,
        drain: (wanted.and_then(|wanted| wanted.drain_delay))
            .map_or(given.delays.drain, intent::seconds),
        last: of_owner.served().cloned().unwrap_or_default(),
        routes: RouteFacts {
            // Routes that cannot be seen may be there: nothing is concluded from their absence.
            exist: routes.exist || (!given.routes_known && !wish.leaving),
            accepted: given.routes_known && routes.accepted,
            ..routes
        },
    };
    asked.split(records)
}

/// The routes of a wish as they are to be written.
pub(super) fn route_specs(
    key: &AppKey,
    wish: &Wish,
    record: &VersionRecord,
) -> Result<Vec<RouteSpec>, Unreachable> {
    let Ok(wanted) = &wish.wanted else {
        return Ok(Vec::new());
    };
    (wanted.routes.iter())
        .map(|named| {
            let function = intent::function_of(named, record)?;
            Ok(route_spec(key, wish, named, function))
        })
        .collect()
}

/// A route of a wish as it is to be written, to a function.
pub(super) fn route_spec(
    key: &AppKey,
    wish: &Wish,
    named: &NamedRoute,
    function: FunctionName,
) -> RouteSpec {
    let route = &named.route;
    let wanted = wish.wanted.as_ref();
    RouteSpec {
        name: named.name.to_string(),
        hostnames: route.hostnames.clone(),
        path: route.path.clone(),
        function,
        others: BTreeMap::new(),
        gateway_namespace: (route.gateway.namespace.clone())
            .unwrap_or_else(|| key.namespace.clone()),
        gateway: route.gateway.name.clone(),
        section: route.gateway.section_name.clone(),
        overrides: wanted.is_ok_and(|wanted| wanted.override_rule == OverrideRule::Header),
        keeps: None,
    }
}
