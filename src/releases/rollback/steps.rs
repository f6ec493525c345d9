//! Which versions each deployment left.
//!
//! A command says so: `rollback` names them, and `deploy` leaves none, whatever its number is. Who goes back by hand, with `git
//! revert` or by a squash, leaves no word of that: a step that gives all of the traffic to a version that was stable before the one of
//! now is taken for a way back. A step to a split is none, whatever it is made of: it may be on the way to such a step, or try an older
//! version beside others.
//!
//! A way back leaves all that had a share since its version had all of the traffic last: who goes back over a version goes away from it
//! too. What a command says that it left is what it left where its commit was made first: a copy of the commit, or a squash of it,
//! may stand behind other versions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deployed, Event, only};
use crate::releases::Part;
use crate::words::{Share, VersionNumber};

/// What an event says of the versions before it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The versions that were left.
    pub(super) left: Vec<VersionNumber>,
    /// Those that it went over. They are nothing to go back to, and yet a step to one of them by hand may be a way back.
    pub(super) passed: Vec<VersionNumber>,
    /// Why they may not have been left, where that is so.
    pub(super) doubt: Option<Doubt>,
}

/// Why a step may be no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// An older deployment that is not known may say otherwise.
    Older,
    /// What it asked for may never have been served, and what it went away from was: it may have been a slip.
    NeverServed,
}

impl Step {
    /// A step that says which versions it left.
    fn said(left: Vec<VersionNumber>) -> Self {
        Self {
            left,
            passed: Vec::new(),
            doubt: None,
        }
    }
}

/// The steps of all events, in their order: the newest first. `cut` is true where there were older ones.
pub(super) fn steps(past: &[Event], cut: bool) -> Vec<Step> {
    let mut walk = Walk {
        whole: !cut,
        ..Walk::default()
    };
    let mut steps: Vec<Step> = (past.iter().rev().enumerate())
        .map(|(index, event)| walk.step(index, event))
        .collect();
    steps.reverse();
    steps
}

/// What the events up to one said.
#[derive(Default)]
struct Walk {
    /// When each version had all the traffic last.
    stable: BTreeMap<VersionNumber, usize>,
    /// The same, when it had it first.
    first: BTreeMap<VersionNumber, usize>,
    /// The versions that were left and not promoted since.
    away: BTreeSet<VersionNumber>,
    /// All that had a share since one version had all the traffic, and that version.
    since: Vec<VersionNumber>,
    /// When each version surely had a share last.
    served: BTreeMap<VersionNumber, usize>,
    /// True while every older deployment is known.
    whole: bool,
}

impl Walk {
    fn step(&mut self, index: usize, event: &Event) -> Step {
        let step = match event {
            Event::Left(versions) => Step::said(versions.clone()),
            Event::Unknown { .. } => {
                self.whole = false;
                self.since.clear();
                Step::said(Vec::new())
            }
            Event::Passed(parts) => {
                let step = self.by_hand(parts, false);
                self.since.extend(with_share(parts));
                step.unwrap_or_else(|| Step::said(Vec::new()))
            }
            Event::Deployed(deployed) => {
                let is_served = deployed.doubt.is_none();
                let step = if deployed.left.is_empty() {
                    let guessed = (deployed.by_hand)
                        .then(|| self.by_hand(&deployed.parts, is_served))
                        .flatten();
                    guessed.unwrap_or_else(|| Step::said(Vec::new()))
                } else {
                    self.by_command(deployed)
                };
                if is_served {
                    let shares = with_share(&deployed.parts);
                    self.served.extend(shares.map(|version| (version, index)));
                }
                self.promote(index, deployed, &step);
                step
            }
        };
        self.away.extend(step.left.iter().copied());
        step
    }

    /// The way back that a command made: what it says that it left, and what it left where it stands.
    fn by_command(&self, deployed: &Deployed) -> Step {
        let mut left = deployed.left.clone();
        let stays = |version: &VersionNumber| with_share(&deployed.parts).any(|it| it == *version);
        let since = self.since.iter().copied();
        let mut add = |version: VersionNumber| {
            if !stays(&version) && !left.contains(&version) {
                left.push(version);
            }
        };
        since.for_each(&mut add);
        let version = only(&deployed.parts);
        let passed = version.map(|version| self.passed(version).collect());
        let mut passed: Vec<VersionNumber> = passed.unwrap_or_default();
        passed.retain(|version| !left.contains(version));
        Step {
            passed,
            ..Step::said(left)
        }
    }

    /// What had a share since a version had all of the traffic last, but for what had it all before that version ever did; nothing where
    /// that one never had.
    fn passed(&self, version: VersionNumber) -> impl Iterator<Item = VersionNumber> {
        let (first, last) = (self.first.get(&version), self.stable.get(&version));
        let later = move |at: &usize| last.is_some_and(|last| at > last);
        let is_older = move |other: &VersionNumber| {
            let (at, first) = (self.first.get(other), first);
            at.is_some_and(|at| first.is_some_and(|first| at < first))
        };
        (self.served.iter())
            .filter(move |(other, at)| **other != version && later(at))
            .map(|(other, _)| *other)
            .filter(move |other| !is_older(other))
    }

    /// True for a version that was not stable before that: one that was is no way back from what came after it.
    fn is_later(&self, version: VersionNumber, last: Option<usize>) -> bool {
        let at = self.stable.get(&version);
        at.is_none_or(|at| last.is_none_or(|last| *at > last))
    }

    /// The way back that a step by hand is, if it is one. `is_served` is false where what it asked for may never have been served.
    fn by_hand(&self, parts: &[Part], is_served: bool) -> Option<Step> {
        let version = only(parts)?;
        let last = self.stable.get(&version).copied();
        let others = self.since.iter().copied();
        let others: Vec<_> = others
            .filter(|other| *other != version && self.is_later(*other, last))
            .collect();
        // To one that was left before is no way back: it is promoted again.
        let is_back = !others.is_empty()
            && !self.away.contains(&version)
            && (last.is_some() || self.is_down(version, &others));
        let doubt = if last.is_none() {
            Some(Doubt::Older)
        } else if !is_served && others.iter().any(|other| self.served.contains_key(other)) {
            Some(Doubt::NeverServed)
        } else {
            None
        };
        is_back.then(|| {
            // What may never have been served says nothing of versions that served before the one of now.
            let passed = self.passed(version).filter(|_| is_served);
            let passed = passed.filter(|other| !others.contains(other)).collect();
            Step {
                left: others,
                passed,
                doubt,
            }
        })
    }

    /// A version that was never stable came later than those with smaller numbers, if nothing else is known.
    fn is_down(&self, version: VersionNumber, others: &[VersionNumber]) -> bool {
        !self.whole && others.iter().all(|other| *other > version)
    }

    /// Takes down what is served from then on. Who removes it and makes it again goes on from there.
    fn promote(&mut self, index: usize, deployed: &Deployed, step: &Step) {
        let Some(version) = only(&deployed.parts) else {
            self.since.extend(with_share(&deployed.parts));
            return;
        };
        self.away.extend(step.left.iter().copied());
        self.away.remove(&version);
        self.stable.insert(version, index);
        self.first.entry(version).or_insert(index);
        self.since = vec![version];
    }
}

/// The versions that have a share.
fn with_share(parts: &[Part]) -> impl Iterator<Item = VersionNumber> {
    let share = parts.iter().filter(|part| part.percentage != Share::ZERO);
    share.map(|part| part.version)
}
