//! Carries out a plan: anchor, files, workloads, routes, then what goes, then what has to be remembered.
//!
//! Decides nothing. Every write goes through [`super::apply`], and only where something differs.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;

use super::apply::Failure;
use super::cache::{AppKey, AppObjects};
use super::places::Routes;
use super::reconcile::Context;
use super::resolve::Records;
use super::wish::{self, Wish};
use crate::kubernetes::render::{self, Rendered};
use crate::kubernetes::{Kind, Object, names};
use crate::plan::{Owner, Plan, RoutePlan};
use crate::words::VersionNumber;

/// A plan, and what it takes to carry it out.
pub(super) struct Doing<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a AppKey,
    pub(super) objects: &'a AppObjects,
    pub(super) wishes: &'a [Wish],
    pub(super) records: &'a Records,
    pub(super) plan: &'a Plan,
}

impl Doing<'_> {
    /// Makes it true, in an order in which traffic never meets what is not there; what could not be done.
    pub(super) async fn carry_out(&self, routes: &Routes) -> Vec<Failure> {
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
        let repository = wish::repository(self.wishes).map(|(_, repository)| repository);
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
