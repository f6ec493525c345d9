//! One reconcile of one app: wishes, resolve, observe, plan, apply, report, in this order, whatever fails on the way.
//!
//! The list of stages. What each decides is in its own module; this one only passes things on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;
use tracing::{debug, warn};

use super::apply::{Applier, Failure};
use super::cache::{AppKey, AppObjects, Cache};
use super::claims::Claim;
use super::finalizer;
use super::observe::{self, Delays, Given};
use super::report::Reports;
use super::repositories::Repositories;
use super::resolve::{self, Records, Resolution, Trouble};
use super::status::{self, Facts};
use super::wish::{self, Wish};
use crate::api::{OverrideRule, Reason};
use crate::kubernetes::render::{self, Rendered};
use crate::kubernetes::{Kind, Object, RouteSpec, names};
use crate::plan::{self, Owner, Plan, RoutePlan};
use crate::words::VersionNumber;

/// What a reconcile works with.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) cache: Arc<Cache>,
    pub(super) repositories: Arc<Repositories>,
    pub(super) applier: Applier,
    pub(super) reports: Reports,
    pub(super) delays: Delays,
}

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
    let wishes = wish::wishes(&objects);
    let counted = wishes.iter().any(|wish| wish.taken_by.is_none());
    if !counted && context.cache.lock().is_unclear(&key.namespace) {
        debug!(
            ?key,
            "left alone: an object in the namespace cannot be read, it may be the owner"
        );
        return Outcome::default();
    }
    if wishes.is_empty() && objects.config_maps.is_empty() && objects.workloads.is_empty() {
        return Outcome::default();
    }
    // I/O: one write per new owner.
    let mut failures = hold(context, key, &wishes).await;
    // I/O: reads of the local mirror, where nothing in the cluster answers.
    let mut records = observe::records(&objects);
    let mut resolutions = Vec::with_capacity(wishes.len());
    for wish in &wishes {
        let resolution = resolve::resolve(&context.repositories, key, wish, &mut records).await;
        resolutions.push(checked(wish, resolution, &records));
    }
    // Pure.
    let now = Timestamp::now();
    let given = Given {
        delays: context.delays,
        routes_known: !context.cache.lock().missing.contains("HTTPRoute"),
        now,
    };
    let world = observe::world(key, &objects, &wishes, &resolutions, &records, given);
    let plan = plan::plan(&world);
    let (routes, obstacles) = routes(context, key, &objects, &wishes, &resolutions, &records);
    // I/O: only what differs.
    if failures.is_empty() {
        let doing = Doing {
            context,
            key,
            objects: &objects,
            wishes: &wishes,
            records: &records,
            plan: &plan,
        };
        failures = doing.carry_out(&routes).await;
    }
    // I/O: only what differs.
    let objects = context.cache.app(key);
    let mut failed = !failures.is_empty();
    let mut wake = plan.wake;
    for (wish, resolution) in wishes.iter().zip(&resolutions) {
        let nothing = Vec::new();
        let facts = Facts {
            app: &key.app,
            wish,
            resolution,
            records: &records,
            objects: &objects,
            plan: Some(&plan),
            failures: &failures,
            obstacles: obstacles.get(&wish.owner).unwrap_or(&nothing),
            now,
        };
        let status = status::status(&facts);
        match context
            .reports
            .owner(&context.cache, key, wish, &status)
            .await
        {
            Ok(None) => {}
            Ok(Some(wait)) => {
                let later = now + SignedDuration::try_from(wait).unwrap_or_default();
                wake = wake.into_iter().chain([later]).min();
            }
            Err(failure) => {
                warn!(
                    ?key,
                    message = failure.message,
                    "a status could not be written"
                );
                failed = true;
            }
        }
    }
    if failures.is_empty() {
        failed |= !release(context, key, &wishes, &plan).await;
    }
    for failure in &failures {
        warn!(namespace = key.namespace, app = %key.app, reason = %failure.reason, message = failure.message, "could not be done, it is tried again");
    }
    Outcome { wake, failed }
}

/// Owners get their finalizer before anything is made for them.
async fn hold(context: &Context, key: &AppKey, wishes: &[Wish]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for wish in wishes {
        if !wish.held && !wish.leaving && wish.taken_by.is_none() {
            let held = finalizer::hold(&context.client, &context.cache, key, wish).await;
            failures.extend(held.err());
        }
    }
    failures
}

/// Takes the finalizer off owners that nothing is left of, and off those that never counted.
async fn release(context: &Context, key: &AppKey, wishes: &[Wish], plan: &Plan) -> bool {
    let mut fine = true;
    for wish in wishes.iter().filter(|wish| wish.leaving && wish.held) {
        if plan.release.contains(&wish.owner) || wish.taken_by.is_some() {
            let released = finalizer::release(&context.client, &context.cache, key, wish).await;
            fine &= released.is_ok();
        }
    }
    fine
}

/// Each wanted version must have the functions that the routes reach.
fn checked(wish: &Wish, resolution: Resolution, records: &Records) -> Resolution {
    let Ok(wanted) = &wish.wanted else {
        return resolution;
    };
    // What was pinned before goes on.
    let refuse = |reason, message| {
        let trouble = Trouble {
            reason,
            message,
            pending: false,
        };
        let troubles = resolution.troubles.iter().cloned().chain([trouble]);
        resolve::fall_back(wish, records, troubles.collect())
    };
    if wanted.affinity.is_some() {
        let message =
            "spec.affinity is not something that gateways of this cluster can do; leave it out";
        return refuse(Reason::NotSupported, message.to_owned());
    }
    if matches!(wanted.override_rule, OverrideRule::Key { .. }) {
        let message = "spec.override.mode `key` is not supported yet; use `header`, or `none` to let nobody choose";
        return refuse(Reason::NotSupported, message.to_owned());
    }
    for named in &wanted.routes {
        let mut reached: Option<(VersionNumber, _)> = None;
        for (number, _) in resolution.shares.iter().flatten() {
            let Some(record) = records.get(number) else {
                continue;
            };
            let problem = match (observe::function_of(named, record), &reached) {
                (Err(problem), _) => Some(problem),
                (Ok(function), Some((first, other))) if function != *other => Some(format!(
                    "route `{}` would reach `{other}` in {first} and `{function}` in {number}; name one function that both have",
                    named.name
                )),
                (Ok(function), _) => {
                    reached = Some((*number, function));
                    None
                }
            };
            if let Some(problem) = problem {
                return refuse(Reason::FunctionNotFound, problem);
            }
        }
    }
    resolution
}

type Routes = BTreeMap<Owner, Vec<RouteSpec>>;
type Obstacles = BTreeMap<Owner, Vec<Failure>>;

/// The routes that may be written, and what stands against the others.
fn routes(
    context: &Context,
    key: &AppKey,
    objects: &AppObjects,
    wishes: &[Wish],
    resolutions: &[Resolution],
    records: &Records,
) -> (Routes, Obstacles) {
    let mut routes = Routes::new();
    let mut obstacles = Obstacles::new();
    let state = context.cache.lock();
    for (wish, resolution) in wishes.iter().zip(resolutions) {
        let record =
            (resolution.shares.iter().flatten()).find_map(|(number, _)| records.get(number));
        let Some(record) = record.filter(|_| wish.taken_by.is_none()) else {
            continue;
        };
        let Ok(mut specs) = observe::route_specs(key, wish, record) else {
            continue;
        };
        let against = obstacles.entry(wish.owner.clone()).or_default();
        if state.missing.contains("HTTPRoute") {
            against.push(Failure {
                reason: Reason::GatewayApiMissing,
                message: "the Gateway API is not installed in this cluster; install its CRDs and a gateway, routes follow by themselves".to_owned(),
            });
            specs.clear();
        }
        specs.retain(|spec| {
            let gateway = (spec.gateway_namespace.clone(), spec.gateway.clone());
            if !state.gateways.contains_key(&gateway) {
                against.push(Failure {
                    reason: Reason::GatewayNotFound,
                    message: format!("there is no Gateway `{}` in namespace `{}`; make it, or name another one in spec.routes", gateway.1, gateway.0),
                });
            }
            let holder = spec.hostnames.iter().find_map(|hostname| {
                let claim = Claim {
                    gateway: gateway.clone(),
                    hostname: hostname.clone(),
                    path: spec.path.clone(),
                };
                let holder = state.claims.holder(&claim, &key.namespace, &wish.owner.to_string())?;
                Some((hostname, holder))
            });
            let Some((hostname, holder)) = holder else {
                return true;
            };
            against.push(Failure {
                reason: Reason::RouteClaimed,
                message: format!(
                    "{hostname}{} on gateway {}/{} belongs to {} in namespace `{}`, which is older; choose another hostname or path, or delete the other",
                    spec.path, gateway.0, gateway.1, holder.name, holder.namespace
                ),
            });
            // What is served already goes on: only a new claim has to wait.
            objects.routes.get(&names::route(&key.app, &wish.owner, &spec.name)).is_some()
        });
        routes.insert(wish.owner.clone(), specs);
    }
    drop(state);
    (routes, obstacles)
}

/// Carries out a plan.
struct Doing<'a> {
    context: &'a Context,
    key: &'a AppKey,
    objects: &'a AppObjects,
    wishes: &'a [Wish],
    records: &'a Records,
    plan: &'a Plan,
}

impl Doing<'_> {
    async fn carry_out(&self, routes: &Routes) -> Vec<Failure> {
        if self.plan.close {
            let name = names::anchor(&self.key.app);
            if self.objects.config_maps.get(&name).is_none() {
                return Vec::new();
            }
            let deleted = self
                .context
                .applier
                .delete(self.key, Kind::ConfigMap, &name)
                .await;
            return deleted.err().into_iter().collect();
        }
        let needed = !self.plan.run.is_empty();
        let anchor = match self.anchor(needed, routes).await {
            Ok(Some(anchor)) => anchor,
            Ok(None) => return Vec::new(),
            Err(failure) => return vec![failure],
        };
        let rendered = render::render(&self.key.app, self.plan, self.records, routes, &anchor);
        let (http_routes, workloads): (Vec<&Object>, Vec<&Object>) = rendered
            .objects
            .iter()
            .partition(|object| object.kind == Kind::HttpRoute);
        let mut failures = self.files(&rendered, &anchor).await;
        failures.extend(self.ensure(&workloads).await);
        failures.extend(self.ensure(&http_routes).await);
        failures.extend(self.delete_routes(routes, &rendered).await);
        if failures.is_empty() {
            failures.extend(self.delete_workloads(&rendered).await);
            failures.extend(self.remember(&rendered).await.err());
        }
        failures
    }

    /// The owner reference to the anchor, which is made first where something is needed.
    async fn anchor(&self, needed: bool, routes: &Routes) -> Result<Option<Value>, Failure> {
        let name = names::anchor(&self.key.app);
        if self.objects.config_maps.get(&name).is_none() {
            if !needed {
                return Ok(None);
            }
            let app = &self.key.app;
            // What is to be made does not depend on the owner that it is given.
            let rendered = render::render(app, self.plan, self.records, routes, &Value::Null);
            let inventory = render::inventory(&rendered);
            let object = render::anchor(app, &self.plan.memory, &inventory);
            self.context
                .applier
                .ensure(self.key, self.objects, &object)
                .await?;
        }
        let objects = self.context.cache.app(self.key);
        let uid = objects
            .config_maps
            .get(&name)
            .and_then(|anchor| anchor.metadata.uid.clone());
        Ok(uid.map(|uid| render::owner_reference(&self.key.app, &uid)))
    }

    async fn ensure(&self, objects: &[&Object]) -> Vec<Failure> {
        let writes = (objects.iter())
            .map(|object| self.context.applier.ensure(self.key, self.objects, object));
        join_all(writes)
            .await
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }

    /// Contents of files are only read where their `ConfigMap` is not there yet.
    async fn files(&self, rendered: &Rendered, anchor: &Value) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (name, version) in &rendered.files {
            if self.objects.config_maps.get(name).is_some() {
                continue;
            }
            if let Err(failure) = self.file_set(name, *version, anchor).await {
                failures.push(failure);
            }
        }
        failures
    }

    async fn file_set(
        &self,
        name: &str,
        version: VersionNumber,
        anchor: &Value,
    ) -> Result<(), Failure> {
        let Some(record) = self.records.get(&version) else {
            return Ok(());
        };
        let function = (record.files.iter())
            .find(|(_, set)| names::files(&self.key.app, &set.digest) == name)
            .map(|(function, _)| function);
        let repository = self
            .wishes
            .iter()
            .find_map(|wish| Some(&wish.wanted.as_ref().ok()?.repository));
        let (Some(function), Some(repository)) = (function, repository) else {
            return Ok(());
        };
        let repositories = &self.context.repositories;
        let contents = repositories
            .files(&self.key.namespace, repository, record, function)
            .await;
        let contents = contents.map_err(|(reason, message)| Failure { reason, message })?;
        let object = render::files(&self.key.app, name, &contents, anchor);
        self.context
            .applier
            .ensure(self.key, self.objects, &object)
            .await
    }

    /// Routes that are not wanted any more: of owners that leave or are gone, and those taken out of a spec.
    async fn delete_routes(&self, routes: &Routes, rendered: &Rendered) -> Vec<Failure> {
        let mut failures = Vec::new();
        let wanted: BTreeSet<&str> = (rendered.objects.iter())
            .filter(|object| object.kind == Kind::HttpRoute)
            .map(|object| object.name.as_str())
            .collect();
        for (name, route) in self.objects.routes.iter() {
            let annotations = route.metadata.annotations.as_ref();
            let owner = annotations
                .and_then(|all| all.get(names::OWNER))
                .and_then(|text| Owner::try_from(text.clone()).ok());
            let split = self
                .plan
                .splits
                .iter()
                .find(|split| Some(&split.owner) == owner.as_ref());
            let stays = match split.map(|split| &split.route) {
                Some(RoutePlan::Keep) => true,
                Some(RoutePlan::Serve { .. }) => {
                    wanted.contains(name) || owner.is_none_or(|owner| !routes.contains_key(&owner))
                }
                Some(RoutePlan::Off) | None => false,
            };
            if !stays {
                let deleted = self
                    .context
                    .applier
                    .delete(self.key, Kind::HttpRoute, name)
                    .await;
                failures.extend(deleted.err());
            }
        }
        failures
    }

    /// Workloads of versions that do not run any more, and files that no version mounts.
    async fn delete_workloads(&self, rendered: &Rendered) -> Vec<Failure> {
        let mut doomed: Vec<(Kind, &str)> = Vec::new();
        let of_version = |labels: Option<&BTreeMap<String, String>>| -> bool {
            let version = labels.and_then(|labels| labels.get(names::VERSION)?.parse().ok());
            version.is_some_and(|version: VersionNumber| !self.plan.run.contains_key(&version))
        };
        let wanted = |kind: Kind, name: &str| {
            rendered
                .objects
                .iter()
                .any(|object| object.kind == kind && object.name == name)
        };
        let known = |labels: Option<&BTreeMap<String, String>>| -> bool {
            let version = labels.and_then(|labels| labels.get(names::VERSION)?.parse().ok());
            version.is_some_and(|version: VersionNumber| self.records.contains_key(&version))
        };
        // A scaler goes before what it scales.
        for (name, object) in self.objects.autoscalers.iter() {
            let labels = object.metadata.labels.as_ref();
            if of_version(labels) || (known(labels) && !wanted(Kind::Autoscaler, name)) {
                doomed.push((Kind::Autoscaler, name));
            }
        }
        for (name, object) in self.objects.budgets.iter() {
            let labels = object.metadata.labels.as_ref();
            if of_version(labels) || (known(labels) && !wanted(Kind::DisruptionBudget, name)) {
                doomed.push((Kind::DisruptionBudget, name));
            }
        }
        for (name, object) in self.objects.workloads.iter() {
            if of_version(object.metadata.labels.as_ref()) {
                doomed.push((Kind::Workload, name));
            }
        }
        for (name, object) in self.objects.services.iter() {
            if of_version(object.metadata.labels.as_ref()) {
                doomed.push((Kind::Service, name));
            }
        }
        let unclear = self
            .plan
            .run
            .keys()
            .any(|version| !self.records.contains_key(version));
        let anchor = names::anchor(&self.key.app);
        for (name, _) in self.objects.config_maps.iter() {
            if name != anchor && !unclear && !rendered.files.contains_key(name) {
                doomed.push((Kind::ConfigMap, name));
            }
        }
        let mut failures = Vec::new();
        for (kind, name) in doomed {
            let deleted = self.context.applier.delete(self.key, kind, name).await;
            failures.extend(deleted.err());
        }
        failures
    }

    /// Writes what the next plan has to know, if it is not known yet.
    async fn remember(&self, rendered: &Rendered) -> Result<(), Failure> {
        let inventory = render::inventory(rendered);
        let object = render::anchor(&self.key.app, &self.plan.memory, &inventory);
        let objects = self.context.cache.app(self.key);
        self.context
            .applier
            .ensure(self.key, &objects, &object)
            .await
    }
}
