//! What a plan is made from: everything about one app in one namespace, as it stands at one moment.
//!
//! Plain data. The controller fills it from the cluster, standalone mode from its processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::effective::OnLoss;
use crate::api::OwnerKind;
use crate::words::{FunctionName, Share, Shares, VersionNumber};

/// One app in one namespace.
#[derive(Debug, Clone)]
pub struct World {
    /// The time of the decision.
    pub now: Timestamp,
    /// How long a gateway is given to act on what it has accepted, or to learn of a ready pod.
    pub settle: SignedDuration,
    /// The Deployment that counts and the Aliases.
    pub splits: Vec<Split>,
    /// Versions that are wanted or have workloads.
    pub versions: BTreeMap<VersionNumber, Version>,
    /// Versions that routes send to which belong to nobody here: what stands behind them stays.
    pub sent_by_others: BTreeSet<VersionNumber>,
    /// What the last plan wanted remembered.
    pub memory: Memory,
}

/// Who asks for a split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Owner {
    /// Deployment or Alias.
    pub kind: OwnerKind,
    /// Name of the object.
    pub name: String,
}

impl fmt::Display for Owner {
    /// `cwd/checkout` or `cwa/staging`, as kubectl takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.short(), self.name)
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for Owner {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split_once('/');
        let known = parts.and_then(|(short, name)| Some((OwnerKind::of_short(short)?, name)));
        let Some((kind, name)) = known else {
            return Err(format!("`{text}` is neither cwd/NAME nor cwa/NAME"));
        };
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// A split that is asked for, and what its routes say now.
#[derive(Debug, Clone)]
pub struct Split {
    /// Who asks.
    pub owner: Owner,
    /// The wanted shares; they total 100 %. `None` where it is not known what is wanted: then nothing is decided.
    pub wanted: Option<Shares>,
    /// The owner is being deleted.
    pub leaving: bool,
    /// What happens when a served version loses its last ready pod.
    pub on_loss: OnLoss,
    /// How long a version that lost its share keeps its pods.
    pub rollback_window: SignedDuration,
    /// How long open requests are given after the gateways have stopped sending.
    pub drain: SignedDuration,
    /// How long a shift may make no progress before it is said to be stalled, and how long the way back waits at most, for
    /// pods and for gateways that say nothing.
    pub progress_deadline: SignedDuration,
    /// Versions that count as listed while it is not known what is wanted: those that the owner's status names.
    pub protects: BTreeSet<VersionNumber>,
    /// Versions that run and that the owner names, though what it wanted before goes on, because not all of it can be: they
    /// count as listed, and get no share by it. What went could come back as something else.
    pub holds: BTreeSet<VersionNumber>,
    /// Functions that the routes reach; a version serves while each of them has a ready pod.
    pub functions: BTreeSet<FunctionName>,
    /// What the routes say now; empty where there is none.
    pub last: Shares,
    /// The routes as they are.
    pub routes: RouteFacts,
}

/// The routes of a split, as observed.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
pub struct RouteFacts {
    /// At least one exists.
    pub exist: bool,
    /// All gateways have accepted all of them at their current generation.
    pub accepted: bool,
    /// At least one is accepted, and the others are served by nobody: refused as they are now, or on a gateway that is not there.
    pub rejected: bool,
    /// A gateway has not said yet whether it serves one of them as it is now, and each of the others is accepted or served by
    /// nobody.
    pub silent: bool,
    /// When any of them was last written, as far as that is known; long ago where it is not.
    pub written: Option<Timestamp>,
    /// Versions that the gateway knows for sure: each route names them as a backend, with or without a share.
    pub named: BTreeSet<VersionNumber>,
    /// Versions that any of them sends requests with a certain header to.
    pub ruled: BTreeSet<VersionNumber>,
    /// Versions that any of them gives a share. Routes differ while one of them cannot be written.
    pub sent: BTreeSet<VersionNumber>,
    /// Versions that those of them give a share which give something else than what is served.
    pub behind: BTreeSet<VersionNumber>,
    /// Versions that any of them refers to in any way.
    pub held: BTreeSet<VersionNumber>,
    /// There is one that the owner does not list any more: it counts until others take its requests.
    pub surplus: bool,
    /// There are several: while one of them is written, another may turn out to be none that can be.
    pub several: bool,
    /// Those that it lists give different shares: one of them cannot be written.
    pub differ: bool,
}

/// A version that is wanted or has workloads.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// It has workloads.
    pub materialised: bool,
    /// Its functions.
    pub functions: BTreeMap<FunctionName, FunctionState>,
    /// When the last of its functions got its first pod of those that are ready now.
    pub ready_since: Option<Timestamp>,
    /// It had pods that nobody sees any more, and others are on their way. Until they are ready it keeps the share that it has;
    /// it gets no more, and no other version takes it over.
    pub awaited: bool,
}

/// One function of a version: what it declares, and its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionState {
    /// Fewest pods that it declares.
    pub min: u32,
    /// Most pods that it declares.
    pub max: u32,
    /// An autoscaler decides between the two.
    pub autoscaled: bool,
    /// Pods that it is to have now, ready or not.
    pub asked: u32,
    /// Pods that have a node, ready or not.
    pub placed: u32,
    /// Ready pods, as the endpoints say.
    pub ready: u32,
    /// More of its pods cannot be made or placed now: a quota, or no node with room.
    pub no_room: bool,
    /// One of its pods has its place, and is starting.
    pub starting: bool,
}

/// What has to be remembered between plans, and survives a restart in the anchor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Versions with workloads.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<VersionNumber, VersionMemory>,
    /// For each split whose shift waits for capacity: the ready pods that served when it began, per function.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub basis: BTreeMap<Owner, BTreeMap<FunctionName, u32>>,
    /// For each split of which versions gave pods up for want of room: the pods, per function, that all of them had before that.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub whole: BTreeMap<Owner, BTreeMap<FunctionName, u32>>,
    /// For each split: the versions that its routes name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<Owner, BTreeMap<VersionNumber, Named>>,
    /// For each split whose shift waits: how far it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub progress: BTreeMap<Owner, Progress>,
    /// For each owner that is being deleted: since when its routes are gone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gone: BTreeMap<Owner, Timestamp>,
    /// For each split in which versions step in for one that was lost: what it would be if none were.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub intact: BTreeMap<Owner, Intact>,
    /// For each split with routes: the shares that they give, or are to give.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<Owner, Shares>,
    /// For each split that moves while one of its routes is behind or was taken out: what those say that the others go by, until they say
    /// what is in `shares`. One that is behind says neither.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<Owner, Shares>,
    /// For each split: the versions that its own routes have served, while they have workloads.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub served: BTreeMap<Owner, BTreeMap<VersionNumber, Served>>,
}

/// A split of which a version is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intact {
    /// What it would be if none were.
    pub shares: Shares,
    /// What its routes said then, and were to say. Where they say neither, this is of another time.
    pub said: [Shares; 2],
}

/// A version that the routes of a split have given a share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Served {
    /// Since when the gateways have accepted routes that give it none; nothing while it has one, or comes back to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
    /// It was asked for again within the rollback window, and is still: its way back has begun, however long it takes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

/// A version that the routes of a split name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Named {
    /// Since when the gateways have accepted routes that name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Since when they have said nothing of such routes; nothing once they have accepted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<Timestamp>,
    /// Since when they have accepted routes that name it for nothing: it is not listed, and has no share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Timestamp>,
}

/// How far a shift is that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What is wanted.
    pub wanted: Shares,
    /// Since when it waits.
    pub began: Timestamp,
    /// When it last came nearer to its end.
    pub moved: Timestamp,
    /// Most pods that were ready of the versions that wait.
    pub ready: u32,
    /// Most of the wanted shares that was served, in basis points.
    pub points: u32,
    /// Versions that traffic goes back to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub back: BTreeSet<VersionNumber>,
    /// There is no room for the pods that it waits for, so the versions that leave give way step by step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lean: bool,
    /// How often a way back took more than a step, since no pod of a function of what comes had found a place by then.
    #[serde(default, skip_serializing_if = "is_none")]
    pub pressed: u32,
    /// When it did so last, or since when there is no such pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barren: Option<Timestamp>,
    /// Most pods of all its versions together that were ready since there was no room for more: so many fit.
    #[serde(default, skip_serializing_if = "is_none")]
    pub room: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Memory {
    /// What is remembered, with no time that is yet to come. A clock that was put back leaves such times behind, and so
    /// does whoever edits what is remembered; each would be waited for as long as it lies ahead.
    pub(super) fn until(mut self, now: Timestamp) -> Self {
        let moments = (self.versions.values_mut())
            .filter_map(|version| version.released.as_mut())
            .chain(self.gone.values_mut());
        let served = self.served.values_mut().flat_map(BTreeMap::values_mut);
        let moments = moments.chain(served.filter_map(|served| served.left.as_mut()));
        let named = self.named.values_mut().flat_map(BTreeMap::values_mut);
        let named = named.flat_map(|named| [&mut named.since, &mut named.silent, &mut named.idle]);
        let named = named.map(Option::as_mut);
        let progress = self.progress.values_mut().flat_map(|progress| {
            let known = [&mut progress.began, &mut progress.moved];
            known.into_iter().chain(&mut progress.barren)
        });
        for moment in moments.chain(named.flatten()).chain(progress) {
            *moment = now.min(*moment);
        }
        self
    }
}

/// What is remembered of a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VersionMemory {
    /// It has had a share of traffic, whoever gave it.
    pub served: bool,
    /// Since when no gateway sends to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
    /// True while `released` speaks of a version that is still listed, at 0 %.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// Pods below which its autoscaler may not go during a shift and until going back is no longer instant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub floor: BTreeMap<FunctionName, u32>,
    /// Pods that are left to it since it gave way to a version for which there was no room.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<FunctionName, u32>,
    /// What it had before that.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub had: BTreeMap<FunctionName, Had>,
    /// Pods that ever had a place, while there was none for all that it declares.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<FunctionName, u32>,
}

/// Pods that a function of a version had, and the share of the version then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Had {
    /// Pods.
    pub pods: u32,
    /// The share.
    pub share: Share,
}
