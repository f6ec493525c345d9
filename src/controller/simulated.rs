//! A cluster in memory, which does at once what a plan says: for tests that compare plans.
//!
//! What the objects are, and how they are read again, is the controller's own; what the API server, kubelets and gateways would
//! do in between is done here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::acceptance::{Acceptance, Heard};
use super::answer::Gateways;
use super::behind::Behind;
use super::cache::Cache;
use super::carry_out;
use super::facts::{PodFacts, SliceFacts};
use super::key::AppKey;
use super::memory;
use super::moment::Moment;
use super::observe::{self, Delays, Given, Owners};
use super::places::Routes;
use super::resolve::Resolution;
use super::unwritten::Unwritten;
use super::wish::Wish;
use crate::api::gateway::HttpRoute;
use crate::api::{DeploymentStatus, Wanted};
use crate::kubernetes::object::Kind;
use crate::kubernetes::{names, render};
use crate::plan::{Owner, Plan, RoutePlan, World};
use crate::resolve::Records;
use crate::words::{AppName, FunctionName, Shares, VersionNumber};

/// A cluster with one app.
pub(crate) struct Cluster {
    key: AppKey,
    cache: Cache,
    /// How often something was written.
    writes: u128,
    /// Each route, and when it was written last.
    routes: BTreeMap<String, (Value, Timestamp)>,
    /// What happens to writes of routes, and of the anchor at the end; those that are not in it are written.
    pub(crate) writes_of: BTreeMap<String, Write>,
    unwritten: Unwritten,
}

/// What becomes of the write of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// The API server refuses it.
    Refused,
    /// It is answered with an error of the API server, and was not done.
    Lost,
    /// The controller is killed before.
    Killed,
}

/// An owner with what it wants.
pub(crate) struct Asks {
    pub(crate) owner: Owner,
    pub(crate) wanted: Wanted,
    pub(crate) shares: Shares,
    pub(crate) leaving: bool,
}

impl Cluster {
    pub(crate) fn new(app: AppName) -> Self {
        Self {
            key: AppKey {
                namespace: "shop".to_owned(),
                app,
            },
            cache: Cache::default(),
            writes: 0,
            routes: BTreeMap::new(),
            writes_of: BTreeMap::new(),
            unwritten: Unwritten::default(),
        }
    }

    /// Another process goes on.
    pub(crate) fn restart(&mut self) {
        self.unwritten = Unwritten::default();
    }

    /// Each route as it is.
    pub(crate) fn routes(&self) -> BTreeMap<String, HttpRoute> {
        let objects = self.cache.app(&self.key);
        (objects.routes.iter())
            .map(|(name, route)| (name.to_owned(), route.as_ref().clone()))
            .collect()
    }

    /// The world as a reconcile sees it. Nothing has to be waited for but pods.
    pub(crate) fn world(&self, asks: &[Asks], records: &Records, now: Timestamp) -> World {
        let objects = self.cache.app(&self.key);
        let wishes: Vec<Wish> = asks.iter().map(wish).collect();
        let resolutions: Vec<Resolution> = (asks.iter())
            .map(|ask| Resolution {
                shares: Some(ask.shares.clone()),
                ..Resolution::default()
            })
            .collect();
        let owners = Owners {
            wishes: &wishes,
            unread: &BTreeMap::new(),
        };
        let delays = Delays {
            settle: SignedDuration::ZERO,
            drain: SignedDuration::ZERO,
        };
        let given = Given {
            delays,
            gateways: &Gateways::new(),
            routes_known: true,
            unwritable: &self.unwritable(),
            now,
        };
        let memory = memory::read(&self.key, &objects, now).memory;
        let mut world = observe::world(
            &self.key,
            &objects,
            &owners,
            &resolutions,
            records,
            memory,
            given,
        );
        for split in &mut world.splits {
            let names = objects
                .routes_of(&self.key.app, &split.owner)
                .filter_map(|route| route.metadata.name.as_ref());
            split.routes.written = names.map(|name| self.routes[name].1).max();
        }
        world
    }

    /// Writes what a plan takes, and takes away what it does not.
    pub(crate) fn carry_out(
        &mut self,
        plan: &Plan,
        asks: &[Asks],
        records: &Records,
        now: Timestamp,
    ) {
        let app = self.key.app.clone();
        let world = self.world(asks, records, now);
        let routes = self.specs(plan, asks, records, &world);
        let rendered = render::render(&app, plan, records, &routes);
        let anchor = render::anchor(&app, &plan.memory, "").body;
        if carry_out::is_told_first(&world.memory, &plan.memory) {
            self.put::<ConfigMap>(anchor.clone());
        }
        for object in rendered.objects {
            match object.kind {
                Kind::Workload => self.put::<Workload>(object.body),
                Kind::Service => self.put::<Service>(object.body),
                Kind::HttpRoute => {
                    let failed = self.route(&object.name, object.body, now);
                    if failed == Some(Write::Killed) {
                        return self.restart();
                    }
                }
                _ => {}
            }
        }
        if self.writes_of.get(&names::anchor(&app)) == Some(&Write::Killed) {
            return self.restart();
        }
        self.put::<ConfigMap>(anchor);
        let objects = self.cache.app(&self.key);
        let of = |name: &str| names::version_of(&app, name);
        for (name, _) in objects.workloads.iter() {
            if of(name).is_some_and(|version| plan.remove.contains(&version)) {
                self.cache.forget::<Workload>(&self.key, name, self.writes);
                self.cache.forget::<Service>(&self.key, name, self.writes);
            }
        }
        for (_, pod) in objects.pods.iter() {
            if plan.remove.contains(&pod.version) {
                self.cache.remove(pod.as_ref());
            }
        }
        for (_, slice) in objects.slices.iter() {
            if of(&slice.service).is_some_and(|version| plan.remove.contains(&version)) {
                self.cache.remove(slice.as_ref());
            }
        }
        let off = plan
            .splits
            .iter()
            .filter(|split| split.route == RoutePlan::Off);
        for split in off {
            for route in objects.routes_of(&self.key.app, &split.owner) {
                let name = route.metadata.name.as_ref().unwrap();
                self.cache.forget::<HttpRoute>(&self.key, name, self.writes);
                self.routes.remove(name);
            }
        }
    }

    fn unwritable(&self) -> BTreeSet<String> {
        self.unwritten.routes(&self.key, |_| true)
    }

    /// The routes of each owner as they are to be written.
    fn specs(&self, plan: &Plan, asks: &[Asks], records: &Records, world: &World) -> Routes {
        let mut routes: Routes = (asks.iter().filter(|ask| !ask.leaving))
            .map(|ask| {
                let record = &records[&ask.shares[0].0];
                let specs = observe::route_specs(&self.key, &wish(ask), record).unwrap();
                (ask.owner.clone(), specs)
            })
            .collect();
        let objects = self.cache.app(&self.key);
        let gateways = Gateways::new();
        let behind = Behind {
            key: &self.key,
            objects: &objects,
            wishes: &asks.iter().map(wish).collect::<Vec<_>>(),
            world,
            plan,
            unwritable: &self.unwritable(),
            heard: Heard {
                gateways: &gateways,
                looked: &Acceptance::default().look(&self.key, &objects, &gateways),
                settle: world.settle,
            },
        };
        behind.keep(&mut routes);
        routes
    }

    /// The one pod of a function is ready from now on, or is not.
    pub(crate) fn pod(
        &mut self,
        version: VersionNumber,
        function: &FunctionName,
        ready_since: Option<Timestamp>,
    ) {
        self.writes += 1;
        let service = names::workload(&self.key.app, version, function);
        self.cache.put(SliceFacts {
            app: self.key.clone(),
            name: service.clone(),
            resource_version: self.writes,
            service: service.clone(),
            family: "IPv4".to_owned(),
            ready: u32::from(ready_since.is_some()),
        });
        self.cache.put(PodFacts {
            app: self.key.clone(),
            name: service,
            resource_version: self.writes,
            version,
            function: function.clone(),
            ready_since: ready_since.map(|_| Moment::now()),
            unplaced: None,
            placed: true,
            starting: false,
            trouble: None,
        });
    }

    /// Writes a route where it differs; its gateway accepts it at once. What became of the write, where it was not done.
    fn route(&mut self, name: &str, mut body: Value, now: Timestamp) -> Option<Write> {
        let parent = &body["spec"]["parentRefs"][0];
        let conditions = ["Accepted", "ResolvedRefs"].map(|type_| {
            json!({
                "type": type_, "status": "True", "reason": type_, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        });
        body["status"] = json!({
            "parents": [{"parentRef": parent, "controllerName": "test", "conditions": conditions}]
        });
        if self.routes.get(name).is_none_or(|(held, _)| *held != body) {
            let failed = self.writes_of.get(name).copied();
            if let Some(write) = failed {
                let refused = write == Write::Refused;
                self.unwritten.failed(&self.key, name, refused);
                return failed;
            }
            self.put::<HttpRoute>(body.clone());
            self.routes.insert(name.to_owned(), (body, now));
        }
        self.unwritten.in_place(&self.key, name);
        None
    }

    fn put<K: super::objects::Tracked + DeserializeOwned>(&mut self, mut body: Value) {
        self.writes += 1;
        body["metadata"]["namespace"] = json!(self.key.namespace);
        body["metadata"]["managedFields"] = json!([{"manager": names::FIELD_MANAGER}]);
        body["metadata"]["resourceVersion"] = json!(self.writes.to_string());
        self.cache.put::<K>(serde_json::from_value(body).unwrap());
    }
}

fn wish(ask: &Asks) -> Wish {
    Wish {
        owner: ask.owner.clone(),
        created: Timestamp::UNIX_EPOCH,
        uid: None,
        generation: None,
        leaving: ask.leaving,
        held: true,
        finalizers: Vec::new(),
        resource_version: None,
        wanted: Ok(ask.wanted.clone()),
        ignored: Vec::new(),
        status: DeploymentStatus::default(),
        taken_by: None,
    }
}
