//! Which versions each deployment left.
//!
//! A command says so: `rollback` names them, and `deploy` leaves none, whatever its number is. Who goes back by hand, with `git
//! revert` or by a squash, leaves no word of that: a step that gives all of the traffic to a version that was stable before the one of
//! now is taken for a way back, and leaves all that had a share since. A step to a split is none, whatever it is made of: it may be
//! on the way to such a step, or try an older version beside others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deployed, Event, only};
use crate::releases::Part;
use crate::words::{Share, VersionNumber};

/// What an event says of the versions before it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The versions that were left.
    pub(super) left: Vec<VersionNumber>,
    /// False where an older deployment that is not known may say otherwise.
    pub(super) sure: bool,
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
    /// The versions that were left and not promoted since.
    away: BTreeSet<VersionNumber>,
    /// All that had a share since one version had all the traffic, and that version.
    since: Vec<VersionNumber>,
    /// True while every older deployment is known.
    whole: bool,
}

impl Walk {
    fn step(&mut self, index: usize, event: &Event) -> Step {
        let step = match event {
            Event::Left(versions) => Step {
                left: versions.clone(),
                sure: true,
            },
            Event::Unknown { .. } => {
                self.whole = false;
                self.since.clear();
                Step {
                    left: Vec::new(),
                    sure: true,
                }
            }
            Event::Passed(parts) => {
                let step = self.by_hand(parts).unwrap_or_else(|| Step {
                    left: Vec::new(),
                    sure: true,
                });
                self.since.extend(with_share(parts));
                step
            }
            Event::Deployed(deployed) => {
                let guessed = (deployed.by_hand && deployed.left.is_empty())
                    .then(|| self.by_hand(&deployed.parts))
                    .flatten();
                let step = guessed.unwrap_or_else(|| Step {
                    left: deployed.left.clone(),
                    sure: true,
                });
                self.promote(index, deployed, &step);
                step
            }
        };
        self.away.extend(step.left.iter().copied());
        step
    }

    /// The way back that a step by hand is, if it is one.
    fn by_hand(&self, parts: &[Part]) -> Option<Step> {
        let version = only(parts)?;
        // One that was stable before this version is no way back from it.
        let last = self.stable.get(&version);
        let later = |other: &VersionNumber| {
            let at = self.stable.get(other);
            at.is_none_or(|at| last.is_none_or(|last| at > last))
        };
        let others = self.since.iter().copied();
        let others: Vec<_> = others
            .filter(|other| *other != version && later(other))
            .collect();
        // To one that was left before is no way back: it is promoted again.
        let is_back = !others.is_empty()
            && !self.away.contains(&version)
            && (last.is_some() || self.is_down(version, &others));
        is_back.then_some(Step {
            left: others,
            sure: last.is_some(),
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
        self.since = vec![version];
    }
}

/// The versions that have a share.
fn with_share(parts: &[Part]) -> Vec<VersionNumber> {
    let share = parts.iter().filter(|part| part.percentage != Share::ZERO);
    share.map(|part| part.version).collect()
}
