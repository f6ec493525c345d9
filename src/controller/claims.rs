//! Who may have a hostname and a path on a gateway: who serves it already, else the older wish.
//!
//! Pure bookkeeping. HTTPRoutes of others count as the gateways take them: where one accepted them, for the listeners and
//! matches that they really take. Between two routes that serve, gateways send to the older; so does the order here.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::key::{AppKey, ObjectKey};

use super::objects::Tracked;
use crate::api::gateway::{Gateway, HttpRoute, ParentRef, RouteParentStatus};
use crate::api::{Alias, Deployment, Route, RouteState, path_key};
use crate::kubernetes::names;

/// Requests for a hostname and a path on a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    gateway: ObjectKey,
    hostname: String,
    path: String,
}

/// What is claimed: a place, at some listeners of its gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    place: Place,
    listeners: Selector,
    /// Who claims it has had it, by its status or as far as is known here: a route that somebody deletes is made again before others
    /// get the place.
    served: bool,
}

impl Claim {
    fn as_served(&self) -> Self {
        Self {
            served: true,
            ..self.clone()
        }
    }

    pub(super) fn new(
        gateway: ObjectKey,
        section: Option<&str>,
        hostname: &str,
        path: &str,
    ) -> Self {
        Self {
            place: Place {
                gateway,
                hostname: hostname.to_owned(),
                path: path_key(path).to_owned(),
            },
            listeners: Selector {
                section: section.map(str::to_owned),
                port: None,
            },
            served: false,
        }
    }
}

/// Listeners of a gateway: all of them, where neither is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Selector {
    section: Option<String>,
    port: Option<i32>,
}

impl Selector {
    /// Names of the listeners that it stands for; none where the gateway is not known.
    fn listeners<'a>(&self, gateway: Option<&'a Gateway>) -> Option<BTreeSet<&'a str>> {
        let all = gateway?.spec.listeners.iter();
        let picked = all.filter(|listener| {
            (self.section.as_ref()).is_none_or(|name| *name == listener.name)
                && self.port.is_none_or(|port| port == listener.port)
        });
        Some(picked.map(|listener| listener.name.as_str()).collect())
    }

    fn overlaps(&self, other: &Self, gateway: Option<&Gateway>) -> bool {
        match (self.listeners(gateway), other.listeners(gateway)) {
            (Some(ours), Some(theirs)) if !ours.is_empty() && !theirs.is_empty() => {
                !ours.is_disjoint(&theirs)
            }
            // A listener that is not there yet is told by its name alone.
            _ => {
                let same_name = match (&self.section, &other.section) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                };
                same_name && self.port.zip(other.port).is_none_or(|(a, b)| a == b)
            }
        }
    }

    /// True if it stands for all listeners that the other stands for.
    fn covers(&self, other: &Self, gateway: Option<&Gateway>) -> bool {
        let all = *self == Self::default() || self == other;
        all || match (self.listeners(gateway), other.listeners(gateway)) {
            (Some(ours), Some(theirs)) => !theirs.is_empty() && theirs.is_subset(&ours),
            _ => false,
        }
    }
}

/// How a claim stands. The order is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Standing {
    /// A route has it, and no gateway has refused it.
    Live,
    /// Somebody asks for it whose route had it a moment ago.
    Served,
    /// Somebody asks for it.
    Wished,
    /// A route asks for it and was refused: it takes nothing, and nor does the wish behind it.
    Refused,
}

/// Who claims. The order is the order of precedence: standing, age, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Claimant {
    standing: Standing,
    created: Timestamp,
    pub(super) namespace: String,
    /// The object that claims: `cwd/checkout`, `cwa/staging` or `httproute/checkout.main`.
    pub(super) object: String,
    /// Whose claim it is, as people name it; for a route of ours, its owner.
    pub(super) name: String,
    /// The app to look at again when a claim becomes free; none for an HTTPRoute of somebody else.
    app: Option<AppKey>,
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_place: HashMap<Place, BTreeSet<(Claimant, Selector)>>,
    by_object: HashMap<ObjectKey, Held>,
    /// The apps that a write of ours touched and that have not been told: the news of it tells them.
    untold: HashMap<ObjectKey, BTreeSet<AppKey>>,
}

/// What one object claims.
#[derive(Debug)]
struct Held {
    claimant: Claimant,
    claims: HashSet<Claim>,
}

impl Claimant {
    /// Who claims, as far as that one claim goes.
    fn by(&self, claim: &Claim) -> Self {
        let mut claimant = self.clone();
        if claim.served && claimant.standing == Standing::Wished {
            claimant.standing = Standing::Served;
        }
        claimant
    }
}

impl Claims {
    /// Sets what somebody claims; the apps for which the answer of [`Self::holder`] may have changed.
    pub(super) fn set(&mut self, claimant: &Claimant, claims: HashSet<Claim>) -> BTreeSet<AppKey> {
        let key = (claimant.namespace.clone(), claimant.object.clone());
        let mut touched = self.untold.remove(&key).unwrap_or_default();
        let held = self.by_object.get(&key);
        // Who has had a place has it for as long as it asks for it.
        let claims: HashSet<Claim> = (claims.into_iter())
            .map(|claim| {
                let served = claim.as_served();
                if held.is_some_and(|held| held.claims.contains(&served)) {
                    served
                } else {
                    claim
                }
            })
            .collect();
        let same = match held {
            Some(held) => held.claimant == *claimant && held.claims == claims,
            None => claims.is_empty(),
        };
        if same {
            return touched;
        }
        touched.extend(self.take_back(&key).1);
        for claim in &claims {
            let claimants = self.by_place.entry(claim.place.clone()).or_default();
            touched.extend(claimants.iter().filter_map(|(other, _)| other.app.clone()));
            claimants.insert((claimant.by(claim), claim.listeners.clone()));
        }
        if !claims.is_empty() {
            let held = Held {
                claimant: claimant.clone(),
                claims,
            };
            self.by_object.insert(key, held);
        }
        touched.extend(claimant.app.clone());
        touched
    }

    /// Sets what somebody claims by what was just written, before a watch tells of it. The apps for which that is news, those that
    /// wait for what it does not claim any more among them, are returned by the [`Self::set`] or [`Self::remove`] that follows.
    pub(super) fn foretell(&mut self, claimant: &Claimant, claims: HashSet<Claim>) {
        let touched = self.set(claimant, claims);
        if !touched.is_empty() {
            let key = (claimant.namespace.clone(), claimant.object.clone());
            self.untold.insert(key, touched);
        }
    }

    /// Takes back all claims of an object; the apps to look at again.
    pub(super) fn remove(&mut self, namespace: &str, object: &str) -> BTreeSet<AppKey> {
        let key = (namespace.to_owned(), object.to_owned());
        let (held, mut touched) = self.take_back(&key);
        touched.extend(self.untold.remove(&key).unwrap_or_default());
        if let Some(held) = held.filter(|held| held.claimant.standing == Standing::Live) {
            self.keep(&held);
        }
        touched
    }

    fn take_back(&mut self, key: &ObjectKey) -> (Option<Held>, BTreeSet<AppKey>) {
        let mut touched = BTreeSet::new();
        let held = self.by_object.remove(key);
        for (held, claim) in
            (held.iter()).flat_map(|held| held.claims.iter().map(move |it| (held, it)))
        {
            if let Some(claimants) = self.by_place.get_mut(&claim.place) {
                claimants.remove(&(held.claimant.by(claim), claim.listeners.clone()));
                touched.extend(claimants.iter().filter_map(|(other, _)| other.app.clone()));
                if claimants.is_empty() {
                    self.by_place.remove(&claim.place);
                }
            }
        }
        (held, touched)
    }

    /// A route is gone that had a place: the wish behind it has it before others, as far as it still asks for it.
    fn keep(&mut self, route: &Held) {
        let owner = (
            route.claimant.namespace.clone(),
            route.claimant.name.clone(),
        );
        let Some(wish) = self.by_object.get_mut(&owner) else {
            return;
        };
        let places: HashSet<&Place> = route.claims.iter().map(|claim| &claim.place).collect();
        let claims = wish.claims.iter().map(|claim| {
            if places.contains(&claim.place) {
                claim.as_served()
            } else {
                claim.clone()
            }
        });
        let (claimant, claims) = (wish.claimant.clone(), claims.collect());
        self.set(&claimant, claims);
    }

    /// Forgets the objects of one kind (`httproute/`) that a new list does not hold; the apps to look at again.
    pub(super) fn retain(&mut self, kind: &str, keep: &HashSet<ObjectKey>) -> BTreeSet<AppKey> {
        let known = self.by_object.keys().chain(self.untold.keys());
        let gone = known.filter(|(namespace, object)| {
            (object.strip_prefix(kind))
                .is_some_and(|name| !keep.contains(&(namespace.clone(), name.to_owned())))
        });
        let gone: BTreeSet<ObjectKey> = gone.cloned().collect();
        (gone.iter())
            .flat_map(|(namespace, object)| self.remove(namespace, object))
            .collect()
    }

    /// Who has a place that `name` in `namespace` claims, if it is somebody else.
    pub(super) fn holder(
        &self,
        claim: &Claim,
        gateway: Option<&Gateway>,
        namespace: &str,
        name: &str,
    ) -> Option<&Claimant> {
        let claimants = self.by_place.get(&claim.place)?;
        for (claimant, listeners) in claimants {
            if claimant.standing == Standing::Refused {
                return None;
            }
            if claimant.namespace == namespace && claimant.name == name {
                if listeners.covers(&claim.listeners, gateway) {
                    return None;
                }
            } else if listeners.overlaps(&claim.listeners, gateway)
                && !(claimant.standing != Standing::Live && was_refused(claimants, claimant))
            {
                return Some(claimant);
            }
        }
        None
    }
}

/// True if the gateways refused the route that was made for this wish.
fn was_refused(claimants: &BTreeSet<(Claimant, Selector)>, wish: &Claimant) -> bool {
    claimants.iter().any(|(other, _)| {
        other.standing == Standing::Refused
            && (&other.namespace, &other.name) == (&wish.namespace, &wish.name)
    })
}

/// Begin of the objects that are Deployments of ours.
pub(super) const DEPLOYMENT: &str = "cwd/";
/// Begin of the objects that are Aliases.
pub(super) const ALIAS: &str = "cwa/";
/// Begin of the objects that are HTTPRoutes.
pub(super) const ROUTE: &str = "httproute/";

/// What a Deployment wishes for.
pub(super) fn deployment_claims(object: &Deployment) -> (Claimant, HashSet<Claim>) {
    let status = object.status.as_ref();
    let of_now = status.filter(|it| it.observed_generation == object.metadata.generation);
    let served = of_now.map_or(&[][..], |status| &status.routes);
    let (app, routes) = (&object.spec.app, &object.spec.routes);
    wishes(DEPLOYMENT, object, app, routes, served)
}

/// What an Alias wishes for.
pub(super) fn alias_claims(object: &Alias) -> (Claimant, HashSet<Claim>) {
    let status = object.status.as_ref();
    let of_now = status.filter(|it| it.observed_generation == object.metadata.generation);
    let served = of_now.map_or(&[][..], |status| &status.routes);
    let (app, routes) = (&object.spec.app, &object.spec.routes);
    wishes(ALIAS, object, app, routes, served)
}

fn wishes<K: ResourceExt>(
    kind: &str,
    object: &K,
    app: &crate::words::AppName,
    routes: &[Route],
    served: &[RouteState],
) -> (Claimant, HashSet<Claim>) {
    let namespace = object.namespace().unwrap_or_default();
    let name = format!("{kind}{}", object.name_any());
    let claimant = Claimant {
        standing: Standing::Wished,
        created: created(object),
        object: name.clone(),
        name,
        app: Some(AppKey {
            namespace: namespace.clone(),
            app: app.clone(),
        }),
        namespace,
    };
    // What is being deleted wishes for nothing; its routes count while they are there.
    let leaving = object.meta().deletion_timestamp.is_some();
    let claims = routes.iter().filter(|_| !leaving).flat_map(|route| {
        let gateway = &route.gateway;
        let of = gateway.namespace.as_ref().unwrap_or(&claimant.namespace);
        let key = (of.clone(), gateway.name.clone());
        // One without a name is the only one.
        let is_it =
            |state: &&RouteState| route.name.as_ref().is_none_or(|name| *name == state.name);
        let served = served
            .iter()
            .find(is_it)
            .is_some_and(|state| state.accepted);
        (route.hostnames.iter()).map(move |hostname| {
            let section = gateway.section_name.as_deref();
            Claim {
                served,
                ..Claim::new(key.clone(), section, hostname, &route.path)
            }
        })
    });
    let claims = claims.collect();
    (claimant, claims)
}

fn created<K: ResourceExt>(object: &K) -> Timestamp {
    (object.creation_timestamp()).map_or(Timestamp::MAX, |time| time.0)
}

/// What an HTTPRoute takes. One of ours counts from when it was made, until a gateway refuses it; one of somebody else
/// counts where a gateway accepted it.
pub(super) fn route_claims(route: &HttpRoute) -> (Claimant, HashSet<Claim>) {
    let namespace = route.namespace().unwrap_or_default();
    let app = route.app();
    let ours = app.is_some();
    let owner = (route.annotations().get(names::OWNER)).filter(|_| ours);
    let object = format!("{ROUTE}{}", route.name_any());
    let answers: Vec<(&ParentRef, Option<bool>)> = (route.spec.parent_refs.iter())
        .map(|parent| (parent, accepted(route, parent, &namespace)))
        .collect();
    let refused = ours && answers.iter().any(|(_, answer)| *answer == Some(false));
    let claimant = Claimant {
        standing: if refused {
            Standing::Refused
        } else {
            Standing::Live
        },
        created: created(route),
        name: owner.unwrap_or(&object).clone(),
        object,
        app,
        namespace: namespace.clone(),
    };
    let mut claims = HashSet::new();
    // A route of ours that does not say whose it is would stand against its own owner.
    if ours && owner.is_none() {
        return (claimant, claims);
    }
    for (parent, answer) in answers {
        let Some(gateway) = parent.gateway(&namespace) else {
            continue;
        };
        if !ours && answer != Some(true) {
            continue;
        }
        for (hostname, path) in (route.spec.hostnames.iter())
            .flat_map(|hostname| paths(route).into_iter().map(move |path| (hostname, path)))
        {
            let mut claim = Claim::new(
                gateway.clone(),
                parent.section_name.as_deref(),
                hostname,
                path,
            );
            claim.listeners.port = parent.port;
            claims.insert(claim);
        }
    }
    (claimant, claims)
}

/// Whether a gateway took a route, the last time that it spoke of it. Where several implementations speak for one gateway,
/// one that took it is enough.
fn accepted(route: &HttpRoute, parent: &ParentRef, namespace: &str) -> Option<bool> {
    let said = route.status.iter().flat_map(|status| &status.parents);
    let said = said.filter(|said| said.parent_ref.is_same(parent, namespace));
    said.filter_map(accepts).max()
}

fn accepts(said: &RouteParentStatus) -> Option<bool> {
    let mut accepted = said.conditions.iter().filter(|c| c.type_ == "Accepted");
    match accepted.next()?.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

/// Path prefixes that a route takes whatever else a request says. A match of a header, a query parameter or a method takes a
/// part of the requests, and an exact path is another place.
fn paths(route: &HttpRoute) -> BTreeSet<&str> {
    let mut paths = BTreeSet::new();
    for rule in &route.spec.rules {
        if rule.matches.is_empty() {
            paths.insert("/");
        }
        let whole = rule.matches.iter().filter(|matched| {
            matched.headers.is_empty()
                && matched.query_params.is_empty()
                && matched.method.is_none()
        });
        for matched in whole {
            match &matched.path {
                None => _ = paths.insert("/"),
                Some(path) if path.type_ == "PathPrefix" => _ = paths.insert(&path.value),
                Some(_) => {}
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests;
