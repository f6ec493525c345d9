//! Where a rollback goes: a pure choice among what is remembered.
//!
//! A rollback is a new deployment, never a step backwards in a list: what counts is which versions had all the traffic, and
//! which of them somebody went away from since ([`steps`]). What cannot be known is never passed over: the choice then stops, and
//! says what it would have been.

mod candidates;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::Part;
use crate::words::{Share, VersionNumber};

pub use candidates::{Candidates, candidates};

/// Something that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A deployment.
    Deployed(Deployed),
    /// Somebody went away from these versions, and what they asked for then was never served.
    Left(Vec<VersionNumber>),
    /// What was asked for by hand and never served: the step to it may be a way back all the same.
    Passed(Vec<Part>),
    /// A deployment of which cannot be known what it was.
    Unknown {
        /// Which it is, and why it cannot be known.
        why: String,
        /// What it probably was; nothing where nobody can tell.
        guess: Vec<Part>,
    },
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployed {
    /// The versions with their shares; none where it was removed.
    pub parts: Vec<Part>,
    /// For a rollback by a command: the versions that it went away from.
    pub left: Vec<VersionNumber>,
    /// True where no command made it, so that nobody says whether it is a way back.
    pub by_hand: bool,
    /// Why it is not known whether it was served, where that is so.
    pub doubt: Option<String>,
}

/// Where a rollback goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this version.
    Version(VersionNumber),
    /// Nobody can tell.
    Unknown {
        /// What is not known.
        why: String,
        /// What it would be without that.
        guess: Option<VersionNumber>,
    },
    /// There was nothing to go back to.
    Nothing,
}

/// The version of the newest stable deployment that lives, is not the only one now, and was not left since it was last
/// promoted; and all versions that were left.
///
/// `past` is what is remembered, the newest first, and begins with what is deployed now. `cut` says why what was before is not
/// known; nothing where there was nothing.
#[must_use]
pub fn target(
    past: &[Event],
    cut: Option<&str>,
    lives: impl Fn(VersionNumber) -> bool,
) -> (Target, BTreeSet<VersionNumber>) {
    let Search {
        found,
        unknown,
        left,
    } = search(past, cut, &lives);
    let Some(why) = unknown else {
        return (found.map_or(Target::Nothing, Target::Version), left);
    };
    let assumed = |(index, event)| assumed(event, index == 0);
    let past: Vec<Event> = past.iter().enumerate().map(assumed).collect();
    let Search { found, left, .. } = search(&past, cut, &lives);
    (Target::Unknown { why, guess: found }, left)
}

/// What an event is taken for where something has to be advised. What may not have been served is no advice, other than what is
/// deployed now: to go back to what surely had all of the traffic does no harm.
fn assumed(event: &Event, is_now: bool) -> Event {
    match event {
        Event::Unknown { guess, .. } if !guess.is_empty() => Event::Deployed(Deployed {
            parts: guess.clone(),
            by_hand: true,
            ..Deployed::default()
        }),
        Event::Deployed(deployed) if deployed.doubt.is_some() && !is_now => {
            Event::Left(deployed.left.clone())
        }
        Event::Deployed(deployed) => Event::Deployed(Deployed {
            doubt: None,
            ..deployed.clone()
        }),
        event => event.clone(),
    }
}

/// What a search found.
struct Search {
    found: Option<VersionNumber>,
    /// What may make it another version.
    unknown: Option<String>,
    left: BTreeSet<VersionNumber>,
}

/// Why the first version that is found may not be the target.
struct Doubt {
    why: String,
    /// The version that is the target whether or not what is in doubt was served, if that is what is surely found next.
    version: Option<VersionNumber>,
}

impl Doubt {
    /// Adds a doubt: two lead to the same version only if it is the same one.
    fn add(doubt: &mut Option<Self>, version: Option<VersionNumber>, why: &str) {
        match doubt {
            None => {
                *doubt = Some(Self {
                    why: why.to_owned(),
                    version,
                });
            }
            Some(doubt) if doubt.version != version => doubt.version = None,
            Some(_) => {}
        }
    }
}

fn search(past: &[Event], cut: Option<&str>, lives: &impl Fn(VersionNumber) -> bool) -> Search {
    let only_now = match past.first() {
        Some(Event::Deployed(now)) => only(&now.parts),
        Some(Event::Unknown { guess, .. }) => only(guess),
        _ => None,
    };
    let mut left = BTreeSet::new();
    let mut doubt = None;
    let mut found = None;
    for (event, step) in past.iter().zip(steps::steps(past, cut.is_some())) {
        let may = |version: &VersionNumber| {
            !left.contains(version) && Some(*version) != only_now && lives(*version)
        };
        if found.is_none() {
            match event {
                Event::Deployed(deployed) => {
                    let version = only(&deployed.parts).filter(may);
                    match &deployed.doubt {
                        Some(why) if version.is_some() => Doubt::add(&mut doubt, version, why),
                        Some(_) => {}
                        None => found = version,
                    }
                }
                Event::Left(_) | Event::Passed(_) => {}
                Event::Unknown { why, .. } => Doubt::add(&mut doubt, None, why),
            }
        }
        if found.is_none()
            && let Some(reason) = step.doubt
        {
            // What was surely left by a newer step is no question any more, and nor is the one that is to be left.
            let open = (step.left.iter()).filter(|version| may(version));
            let names: Vec<String> = open.map(ToString::to_string).collect();
            if !names.is_empty() {
                let why = unsure(&names.join(" and "), reason, cut);
                Doubt::add(&mut doubt, None, &why);
            }
        }
        left.extend(step.left);
        left.extend(step.passed);
    }
    if found.is_none()
        && let Some(cut) = cut
    {
        Doubt::add(
            &mut doubt,
            None,
            &format!("what was deployed before: {cut}"),
        );
    }
    // What was served last is the target also where what is in doubt asked for the same.
    let unknown = doubt.filter(|doubt| found.is_none() || doubt.version != found);
    Search {
        found,
        unknown: unknown.map(|doubt| doubt.why),
        left,
    }
}

/// Why nobody can tell whether these versions were left.
fn unsure(names: &str, reason: steps::Doubt, cut: Option<&str>) -> String {
    match reason {
        steps::Doubt::Older => format!(
            "whether {names} was left for an older version, because {}",
            cut.unwrap_or("an older deployment is not known")
        ),
        steps::Doubt::NeverServed => format!(
            "whether {names} was left on purpose: the change by hand after it asked for an older version, of which no record \
             says that it was served; to stay with {names}, name it"
        ),
    }
}

/// The one version that has all the traffic; others beside it are at 0 %.
#[must_use]
pub fn only(parts: &[Part]) -> Option<VersionNumber> {
    let all = parts.iter().find(|part| part.percentage == Share::ALL);
    all.map(|part| part.version)
}

/// What a rollback to `target` goes away from: the other versions of now that have a share, the one with the largest first.
#[must_use]
pub fn left_by(now: &[Part], target: VersionNumber) -> Vec<VersionNumber> {
    let others = now.iter().filter(|part| part.version != target);
    let mut others: Vec<&Part> = (others.filter(|part| part.percentage != Share::ZERO)).collect();
    others.sort_by_key(|part| std::cmp::Reverse(part.percentage));
    others.into_iter().map(|part| part.version).collect()
}
