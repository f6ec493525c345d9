//! Carries out a plan: anchor, files, workloads, routes, then what goes, and what has to be remembered in any case.
//!
//! Decides nothing: what may go is decided in [`super::removal`]. Every write goes through [`super::apply`], and only where
//! something differs. What fails is said and tried again, and keeps nothing from being done that does not depend on it.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::concerns::{About, Fault};
use super::context::Context;
use super::failure::Failure;
use super::key::AppKey;
use super::nudge;
use super::objects::AppObjects;
use super::objects::Kept;
use super::ownership;
use super::places::Routes;
use super::removal::{Doomed, Removal};
use super::wish::{self, Wish};
use crate::kubernetes::render::{self, Rendered};
use crate::kubernetes::{Kind, Object, names};
use crate::plan::{Memory, Owner, Plan, later};
use crate::record::VersionRecord;
use crate::resolve::Records;
use crate::words::VersionNumber;

/// A plan, and what it takes to carry it out.
pub(super) struct Doing<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a AppKey,
    pub(super) objects: &'a AppObjects,
    pub(super) wishes: &'a [Wish],
    pub(super) records: &'a Records,
    pub(super) plan: &'a Plan,
    /// What was remembered when it was made.
    pub(super) before: &'a Memory,
    /// Deployments and Aliases of the namespace that cannot be read.
    pub(super) unreadable: &'a BTreeSet<Owner>,
}

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What could not be done.
    pub(super) faults: Vec<Fault>,
    /// Something that nobody waits for could not be done.
    pub(super) again: bool,
    /// When to look again: a route may go that others take over from, or a quota may let pods in.
    pub(super) wake: Option<Timestamp>,
}

impl Doing<'_> {
    /// Makes it true, in an order in which traffic never meets what is not there.
    pub(super) async fn carry_out(&self, routes: &Routes) -> Done {
        let mut rendered = render::render(&self.key.app, self.plan, self.records, routes);
        let nudged = nudge::nudge(self.key, self.objects, &mut rendered, Timestamp::now());
        let mut done = Done::default();
        let mut unwritten = BTreeSet::new();
        if !self.plan.run.is_empty() {
            let anchored = self.anchor(&rendered).await;
            let begun = anchored.is_ok() || !self.objects.workloads.is_empty();
            done.faults.extend(anchored.err().map(of_app));
            if begun {
                unwritten = self.make(&rendered, &mut done).await;
            }
        }
        self.take_away(&rendered, &unwritten, &mut done).await;
        done.wake = done.wake.into_iter().chain(nudged).min();
        done
    }

    /// The anchor comes first: nothing is begun that could not be remembered. Where it cannot be written, this program still knows.
    async fn anchor(&self, rendered: &Rendered) -> Result<(), Failure> {
        let name = names::anchor(&self.key.app);
        let is_there = self.objects.config_maps.get(&name).is_some();
        if is_there && !is_told_first(self.before, &self.plan.memory) {
            return Ok(());
        }
        let written = self.remember(rendered).await;
        if is_there && written.is_err() {
            self.keep(true);
            return Ok(());
        }
        written
    }

    /// Files, workloads and routes as they are wanted; the names of routes that could not be written.
    async fn make(&self, rendered: &Rendered, done: &mut Done) -> BTreeSet<String> {
        let (http_routes, workloads): (Vec<&Object>, Vec<&Object>) = rendered
            .objects
            .iter()
            .partition(|object| object.kind == Kind::HttpRoute);
        done.faults.extend(self.files(rendered).await);
        for (object, failure) in self.ensure(&workloads).await {
            // What only drains is missed by nobody.
            if names::version_of(&self.key.app, &object.name).is_some_and(|v| self.drains(v)) {
                done.again = true;
            } else {
                done.faults.push(self.about(&object.name, failure));
            }
        }
        let mut unwritten = BTreeSet::new();
        for (object, failure) in self.ensure(&http_routes).await {
            unwritten.insert(object.name.clone());
            done.faults.push(self.about(&object.name, failure));
        }
        unwritten
    }

    /// What is due goes, whatever else failed, and what the next plan has to know is written: it is a record of times, not of
    /// success. The anchor goes last, and only where all the rest went.
    async fn take_away(&self, rendered: &Rendered, unwritten: &BTreeSet<String>, done: &mut Done) {
        let objects = self.context.cache.app(self.key);
        let gateways = self.context.cache.lock().gateways.clone();
        let looked = self.context.acceptance.look(self.key, &objects, &gateways);
        let accepted = looked.accepted;
        let removal = Removal {
            accepted: &accepted,
            settle: self.context.delays.settle,
            key: self.key,
            objects: &objects,
            plan: self.plan,
            records: self.records,
            wishes: self.wishes,
            unreadable: self.unreadable,
            routes_seen: !self.context.cache.lock().missing.contains("HTTPRoute"),
            unwritten,
        };
        let wait = removal.over_in();
        done.wake = wait.map(|wait| later(Timestamp::now(), wait));
        done.faults.extend(self.delete(removal.routes()).await);
        done.faults
            .extend(self.delete(removal.workloads(rendered)).await);
        if !self.plan.close {
            let anchor = objects.config_maps.get(&names::anchor(&self.key.app));
            let mut failed = None;
            if anchor.is_some() || !self.plan.run.is_empty() {
                failed = self.remember(rendered).await.err();
            }
            self.keep(failed.is_some());
            done.faults.extend(failed.map(of_app));
        } else if done.faults.is_empty() {
            self.context.cache.keep(self.key, None);
            let anchor = removal.anchor().into_iter().collect();
            done.faults.extend(self.delete(anchor).await);
        }
    }

    /// Has this program know what the next plan has to, for an anchor that is gone or could not be written.
    fn keep(&self, failed: bool) {
        let objects = self.context.cache.app(self.key);
        let anchor = objects.config_maps.get(&names::anchor(&self.key.app));
        let before = anchor.and_then(|anchor| anchor.metadata.resource_version.clone());
        let kept = Kept {
            memory: self.plan.memory.clone(),
            over: before.filter(|_| failed),
        };
        self.context.cache.keep(self.key, Some(kept));
    }

    async fn delete(&self, doomed: Vec<Doomed>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for object in &doomed {
            let deleted = self.context.applier.delete(self.key, object).await;
            faults.extend(deleted.err().map(|it| self.about(object.name(), it)));
        }
        faults
    }

    /// What could not be done to the object of a name.
    fn about(&self, name: &str, failure: Failure) -> Fault {
        let about = match self.records_with(name) {
            _ if name == names::anchor(&self.key.app) => About::App,
            versions if versions.is_empty() => About::of(self.key, name),
            versions => About::Versions(versions),
        };
        Fault { about, failure }
    }

    /// The versions that mount the files in a `ConfigMap` of that name.
    fn records_with(&self, name: &str) -> BTreeSet<VersionNumber> {
        let mounts = |record: &VersionRecord| {
            let mut sets = record.files.values();
            sets.any(|set| names::files(&self.key.app, &set.digest) == name)
        };
        let records = self.records.iter().filter(|(_, record)| mounts(record));
        records.map(|(version, _)| *version).collect()
    }

    /// No owner that stays lists it, and no route sends to it.
    fn drains(&self, version: VersionNumber) -> bool {
        let memory = self.plan.memory.versions.get(&version);
        memory.is_some_and(|memory| memory.released.is_some() && !memory.listed)
    }

    /// A gateway refuses the whole of a route that names a Service which is not there.
    fn is_named(&self, version: VersionNumber) -> bool {
        let named = &self.plan.memory.named;
        named.values().any(|named| named.contains_key(&version))
    }

    /// Makes objects as they are wanted. Nothing is made anew of a version that only drains, but for what routes name.
    async fn ensure<'o>(&self, objects: &[&'o Object]) -> Vec<(&'o Object, Failure)> {
        let applier = &self.context.applier;
        let wanted = objects.iter().filter(|object| {
            let version = names::version_of(&self.key.app, &object.name);
            !version.is_some_and(|version| self.drains(version))
                || self.objects.has(object.kind, &object.name)
                || (object.kind == Kind::Service && version.is_some_and(|it| self.is_named(it)))
        });
        let writes = wanted.map(async |object| {
            let written = applier.ensure(self.key, self.objects, object).await;
            written.err().map(|failure| (*object, failure))
        });
        join_all(writes).await.into_iter().flatten().collect()
    }

    /// Contents of files are only read where their `ConfigMap` is not there yet.
    async fn files(&self, rendered: &Rendered) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, version) in &rendered.files {
            let map = self.objects.config_maps.get(name);
            let is_whole = map.is_some_and(|map| {
                map.labels().contains_key(names::APP) && !ownership::is_nameless(map.meta())
            });
            if is_whole || self.drains(*version) {
                continue;
            }
            if let Err(failure) = self.file_set(name, *version).await {
                faults.push(self.about(name, failure));
            }
        }
        faults
    }

    async fn file_set(&self, name: &str, version: VersionNumber) -> Result<(), Failure> {
        let Some(record) = self.records.get(&version) else {
            return Ok(());
        };
        let function = (record.files.iter())
            .find(|(_, set)| names::files(&self.key.app, &set.digest) == name)
            .map(|(function, _)| function);
        let named = wish::repository(self.wishes).map(|(_, repository)| repository);
        let repository = record.repository.as_deref().or(named);
        let (Some(function), Some(repository)) = (function, repository) else {
            return Ok(());
        };
        let repositories = &self.context.repositories;
        let contents = repositories
            .files(&self.key.namespace, repository, record, function)
            .await;
        let contents = contents.map_err(|(reason, message)| Failure { reason, message })?;
        let object = render::files(&self.key.app, name, &contents);
        self.context
            .applier
            .ensure(self.key, self.objects, &object)
            .await
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

/// True where no route tells any more, once it is written, what has to be remembered: what others step in for, and what is served where
/// routes differ.
pub(super) fn is_told_first(before: &Memory, now: &Memory) -> bool {
    let steps_in = !now.intact.is_empty() && now.intact != before.intact;
    let goes = (&now.from, &now.shares) != (&before.from, &before.shares);
    steps_in || (!now.from.is_empty() && goes)
}

fn of_app(failure: Failure) -> Fault {
    Fault {
        about: About::App,
        failure,
    }
}
