//! Where routes may be: the places that owners ask for, and what stands against them.
//!
//! Pure. A place that cannot be had never costs the one that is served: a live route stays where it is, and only its shares
//! move, until what is asked for can be had.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use kube::ResourceExt;

use super::acceptance::Ages;
use super::answer::{self, Answer, Gateways};
use super::backends;
use super::claims::{self, Claim, Claims};
use super::failure::Failure;
use super::functions;
use super::key::AppKey;
use super::listeners;
use super::objects::AppObjects;
use super::observe;
use super::resolve::Resolution;
use super::wish::Wish;
use crate::api::gateway::{HttpRoute, ParentRef};
use crate::api::{NamedRoute, Reason, Route, covers_hostname};
use crate::kubernetes::{RouteSpec, names};
use crate::plan::{Owner, Plan, RoutePlan};
use crate::resolve::Records;
use crate::words::FunctionName;

/// Most hostnames of one route in the Gateway API (HTTPRouteSpec, `hostnames`).
const HOSTNAMES_MAX: usize = 16;

/// The routes that may be written. An owner that is not in it keeps what it has.
pub(super) type Routes = BTreeMap<Owner, Vec<RouteSpec>>;
/// What stands against routes of an owner.
pub(super) type Obstacles = BTreeMap<Owner, Vec<Failure>>;

/// What a place depends on.
pub(super) struct Around<'a> {
    /// HTTPRoutes are a kind that the API server knows.
    pub(super) routes_known: bool,
    pub(super) gateways: &'a Gateways,
    pub(super) claims: &'a Claims,
    pub(super) plan: &'a Plan,
    /// Routes that the gateways accept as they are, and for how long they have.
    pub(super) accepted: &'a Ages,
    /// How long a gateway is given to act on what it has accepted.
    pub(super) settle: SignedDuration,
    /// The gateways have had the settle delay since the routes were written last.
    pub(super) settled: bool,
}

impl Around<'_> {
    /// The gateways can use a route as it is now, or serve nothing of it, and had the time to act on it.
    fn learned(&self, route: &HttpRoute) -> bool {
        let known = Answer::of(route, self.gateways).is_accepted() || answer::is_rejected(route);
        self.settled && known
    }
}

/// The routes of all owners. The wishes and `resolutions` go together.
pub(super) fn places(
    key: &AppKey,
    objects: &AppObjects,
    wishes: &[Wish],
    resolutions: &[Resolution],
    records: &Records,
    around: &Around<'_>,
) -> (Routes, Obstacles) {
    let mut routes = Routes::new();
    let mut obstacles = Obstacles::new();
    let leaving = wishes.iter().filter(|wish| wish.leaving);
    let leaving: Vec<String> = leaving.map(|wish| wish.owner.to_string()).collect();
    for (wish, resolution) in wishes.iter().zip(resolutions) {
        let record =
            (resolution.shares.iter().flatten()).find_map(|(number, _)| records.get(number));
        let Some(record) = record.filter(|_| wish.taken_by.is_none()) else {
            continue;
        };
        let Ok(specs) = observe::route_specs(key, wish, record) else {
            continue;
        };
        let against = obstacles.entry(wish.owner.clone()).or_default();
        if !around.routes_known {
            against.push(Failure {
                reason: Reason::GatewayApiMissing,
                message: "the Gateway API is not installed in this cluster; install its CRDs and a gateway, routes follow by themselves".to_owned(),
            });
            continue;
        }
        let step = |live: &HttpRoute, spec: RouteSpec| RouteSpec {
            others: functions::others(key, live, &spec, records, around.learned(live)),
            ..spec
        };
        let places = specs.into_iter().filter_map(|spec| {
            let name = names::route(&key.app, &wish.owner, &spec.name);
            let live = objects.routes.get(&name);
            let (all, at) = ((key, objects), (live.map(Arc::as_ref), &spec));
            let Some(mut obstacle) = obstacle(all, &wish.owner, at, &leaving, around) else {
                return Some(match live {
                    Some(live) => step(live, handing_over(key, objects, wish, live, spec, around)),
                    None => spec,
                });
            };
            let waits = obstacle.reason == Reason::RouteClaimed;
            if live.is_some() {
                obstacle.message += "; until then the route stays where it is";
            }
            against.push(obstacle);
            match live {
                Some(live) => Some(step(live, kept(key, live, spec))),
                // A gateway may come later than the route; a claim of somebody else has to go first.
                None => (!waits).then_some(spec),
            }
        });
        let mut places: Vec<RouteSpec> = places.collect();
        let left = left_out(key, objects, wish, records, around.plan);
        places.extend(left.map(|(live, spec)| step(live, spec)));
        routes.insert(wish.owner.clone(), places);
    }
    (routes, obstacles)
}

/// True when the gateways have accepted a route where it is wished, with those hostnames, and had the time to act on it: what one of them
/// says it has accepted, not each of its pods has yet.
pub(super) fn stands(
    (objects, accepted): (&AppObjects, &Ages),
    settle: SignedDuration,
    name: &str,
    wished: &Route,
    hostnames: &[&String],
) -> bool {
    let has = |live: &HttpRoute| {
        is_at_path(live, wished)
            && (hostnames.iter()).all(|hostname| live.spec.hostnames.contains(hostname))
    };
    objects.routes.get(name).is_some_and(|live| has(live))
        && accepted.get(name).is_some_and(|age| *age >= settle)
}

/// The hostnames of a wished route that requests for those of a live one may come to.
pub(super) fn takes_over<'a>(wished: &'a Route, live: &[String]) -> Vec<&'a String> {
    let meets = |hostname: &&String| {
        let mut live = live.iter();
        live.any(|live| covers_hostname(live, hostname) || covers_hostname(hostname, live))
    };
    wished.hostnames.iter().filter(meets).collect()
}

/// The route as it is wished, with the hostnames that go to another route of the same owner which does not stand yet.
fn handing_over(
    key: &AppKey,
    objects: &AppObjects,
    wish: &Wish,
    live: &HttpRoute,
    spec: RouteSpec,
    around: &Around<'_>,
) -> RouteSpec {
    let others = wish.wanted.iter().flat_map(|wanted| &wanted.routes);
    let others: Vec<&NamedRoute> = others.filter(|it| it.name.as_str() != spec.name).collect();
    let is_awaited = |hostname: &String| {
        others.iter().any(|other| {
            let hostnames = takes_over(&other.route, std::slice::from_ref(hostname));
            let name = names::route(&key.app, &wish.owner, other.name.as_str());
            let seen = (objects, around.accepted);
            !hostnames.is_empty() && !stands(seen, around.settle, &name, &other.route, &hostnames)
        })
    };
    let gone = (live.spec.hostnames.iter())
        .filter(|hostname| !spec.hostnames.contains(hostname) && is_awaited(hostname));
    let mut hostnames: Vec<String> = spec.hostnames.iter().chain(gone).cloned().collect();
    if !is_there(key, live, &spec) {
        return spec;
    }
    // What it takes already goes before what is new to it.
    if hostnames.len() > HOSTNAMES_MAX {
        hostnames.sort_by_key(|hostname| !live.spec.hostnames.contains(hostname));
        hostnames.truncate(HOSTNAMES_MAX);
    }
    RouteSpec { hostnames, ..spec }
}

/// True if a live route is at the gateway and path of a spec.
fn is_there(key: &AppKey, live: &HttpRoute, spec: &RouteSpec) -> bool {
    let now = kept(key, live, spec.clone());
    (now.path, now.gateway, now.gateway_namespace, now.section)
        == (
            spec.path.clone(),
            spec.gateway.clone(),
            spec.gateway_namespace.clone(),
            spec.section.clone(),
        )
}

/// Routes that were taken out of a spec and are still there: requests go by them until others take over, so their shares move
/// with those of the others. One whose function some version does not have stays as it is.
fn left_out<'a>(
    key: &'a AppKey,
    objects: &'a AppObjects,
    wish: &'a Wish,
    records: &'a Records,
    plan: &'a Plan,
) -> impl Iterator<Item = (&'a HttpRoute, RouteSpec)> {
    let mut splits = plan.splits.iter();
    let split = splits.find(|split| split.owner == wish.owner);
    let split = split.map(|split| &split.route);
    let has = move |function: &FunctionName| {
        let Some(RoutePlan::Serve {
            shares,
            idle,
            overrides,
        }) = split
        else {
            return false;
        };
        let shares = shares.iter().map(|(version, _)| version);
        let mut versions = shares.chain(idle).chain(overrides);
        versions.all(|version| {
            (records.get(version))
                .is_none_or(|it| it.functions.iter().any(|it| it.name == *function))
        })
    };
    let listed = wish.http_routes(&key.app).unwrap_or_default();
    let routes = objects.routes_of(&key.app, &wish.owner);
    let left = routes.filter(move |route| !listed.contains(&route.name_any()));
    left.filter_map(move |route| {
        let like = wish.wanted.as_ref().ok()?.routes.first()?;
        let (_, name) = route.metadata.name.as_deref()?.rsplit_once('.')?;
        let backend = backends::main_rule(route)?.backend_refs.first()?;
        let function = names::function_of(&key.app, &backend.name)?;
        let spec = observe::route_spec(key, wish, like, function);
        let name = name.to_owned();
        let spec = kept(key, route, RouteSpec { name, ..spec });
        has(&spec.function).then_some((route, spec))
    })
}

/// What stands against a place.
fn obstacle(
    (key, objects): (&AppKey, &AppObjects),
    owner: &Owner,
    (live, spec): (Option<&HttpRoute>, &RouteSpec),
    leaving: &[String],
    around: &Around<'_>,
) -> Option<Failure> {
    let at = (spec.gateway_namespace.clone(), spec.gateway.clone());
    let Some(gateway) = around.gateways.get(&at) else {
        return Some(Failure {
            reason: Reason::GatewayNotFound,
            message: format!(
                "there is no Gateway `{}` in namespace `{}`; make it, or name another one in spec.routes",
                at.1, at.0
            ),
        });
    };
    let namespace = key.namespace.as_str();
    let section = spec.section.as_deref();
    let refusal = listeners::obstacle((&at, gateway), section, &spec.hostnames).or_else(|| {
        let live = live?;
        let is_new = |hostname: &&String| !live.spec.hostnames.contains(hostname);
        let hostnames: Vec<String> = if is_there(key, live, spec) {
            spec.hostnames.iter().filter(is_new).cloned().collect()
        } else {
            spec.hostnames.clone()
        };
        let asks = !hostnames.is_empty();
        asks.then(|| listeners::refusal((&at, gateway), section, (namespace, &hostnames)))?
    });
    if refusal.is_some() {
        return refusal;
    }
    spec.hostnames.iter().find_map(|hostname| {
        let claim = Claim::new(at.clone(), spec.section.as_deref(), hostname, &spec.path);
        let name = owner.to_string();
        let holder = (around.claims).holder(&claim, Some(gateway), &key.namespace, &name)?;
        // Who takes over from one that is being deleted, or that is gone, does not wait for its end.
        let route = holder.object.strip_prefix(claims::ROUTE);
        // A name like one of ours makes no route ours; the very name is said to be taken.
        let is_own = route.is_some_and(|route| {
            let is_ours = objects.routes.get(route).is_some();
            names::is_route_of(&key.app, owner, route)
                && (is_ours || route == names::route(&key.app, owner, &spec.name))
        });
        if holder.namespace == key.namespace && (leaving.contains(&holder.name) || is_own) {
            return None;
        }
        Some(Failure {
            reason: Reason::RouteClaimed,
            message: format!(
                "{hostname}{} on gateway {}/{} belongs to {} in namespace `{}`, which has it already or is older; choose another hostname or path, or delete the other",
                spec.path, at.0, at.1, holder.name, holder.namespace
            ),
        })
    })
}

/// True if a route is where it is wished.
pub(super) fn is_at(live: &HttpRoute, wished: &Route) -> bool {
    is_at_path(live, wished) && live.spec.hostnames == wished.hostnames
}

/// True if a route is at the gateway and path where it is wished, by whatever hostnames.
pub(super) fn is_at_path(live: &HttpRoute, wished: &Route) -> bool {
    let namespace = live.namespace().unwrap_or_default();
    let parent = ParentRef {
        namespace: wished.gateway.namespace.clone(),
        name: wished.gateway.name.clone(),
        section_name: wished.gateway.section_name.clone(),
        ..ParentRef::default()
    };
    let path = backends::main_rule(live)
        .and_then(|rule| rule.matches.first()?.path.as_ref())
        .map(|path| path.value.as_str());
    let parents = &live.spec.parent_refs;
    parents.iter().all(|live| live.is_same(&parent, &namespace))
        && path == Some(wished.path.as_str())
}

/// The route as it is wished, where it is now.
fn kept(key: &AppKey, live: &HttpRoute, mut spec: RouteSpec) -> RouteSpec {
    if let Some(parent) = live.spec.parent_refs.first()
        && let Some((namespace, name)) = parent.gateway(&key.namespace)
    {
        spec.gateway_namespace = namespace;
        spec.gateway = name;
        spec.section.clone_from(&parent.section_name);
    }
    if !live.spec.hostnames.is_empty() {
        spec.hostnames.clone_from(&live.spec.hostnames);
    }
    let Some(rule) = backends::main_rule(live) else {
        return spec;
    };
    if let Some(path) = rule.matches.first().and_then(|first| first.path.as_ref()) {
        spec.path.clone_from(&path.value);
    }
    let backend = rule.backend_refs.first();
    if let Some(function) = backend.and_then(|it| names::function_of(&key.app, &it.name)) {
        spec.function = function;
    }
    spec
}

#[cfg(test)]
mod tests;
