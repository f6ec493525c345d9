//! Where a rollback goes: a pure choice among what is remembered.
//!
//! A rollback is a new deployment, never a step backwards in a list: what counts is which versions had all the traffic, and
//! which of them somebody went away from since. Who goes back by hand, with `git revert` or by a squash leaves no word of that:
//! a step to a version that was stable before the one of now is taken for a way back. What cannot be known is never passed
//! over: the choice then stops, and says what it would have been.

use std::collections::{BTreeMap, BTreeSet};

use super::Part;
use crate::words::{Share, VersionNumber};

/// Something that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A deployment.
    Deployed {
        /// The versions with their shares; none where it was removed.
        parts: Vec<Part>,
        /// For a rollback by a command: the versions that it went away from.
        left: Vec<VersionNumber>,
    },
    /// Somebody went away from these versions, and what they asked for then was never served.
    Left(Vec<VersionNumber>),
    /// A deployment of which cannot be known what it was.
    Unknown {
        /// Which it is, and why it cannot be known.
        why: String,
        /// The version that it probably gave all of the traffic.
        guess: Option<VersionNumber>,
    },
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
    let steps = steps(past, cut.is_some());
    let only_now = match past.first() {
        Some(Event::Deployed { parts, .. }) => only(parts),
        _ => None,
    };
    let mut left = BTreeSet::new();
    let mut unknown: Option<String> = None;
    let mut found = None;
    for (event, step) in past.iter().zip(steps) {
        let version = match event {
            Event::Deployed { parts, .. } => only(parts),
            Event::Left(_) => None,
            Event::Unknown { why, guess } => {
                if found.is_none() {
                    unknown.get_or_insert_with(|| why.clone());
                }
                *guess
            }
        };
        let may = |version: &VersionNumber| {
            !left.contains(version) && Some(*version) != only_now && lives(*version)
        };
        if found.is_none() {
            found = version.filter(may);
        }
        if found.is_none() && !step.sure && unknown.is_none() {
            let names: Vec<String> = step.left.iter().map(ToString::to_string).collect();
            unknown = Some(format!(
                "whether {} was left for an older version, because {}",
                names.join(" and "),
                cut.unwrap_or("an older deployment is not known")
            ));
        }
        left.extend(step.left);
    }
    if found.is_none() && unknown.is_none() {
        unknown = cut.map(|cut| format!("what was deployed before: {cut}"));
    }
    let target = match (unknown, found) {
        (None, Some(version)) => Target::Version(version),
        (None, None) => Target::Nothing,
        (Some(why), guess) => Target::Unknown { why, guess },
    };
    (target, left)
}

/// What an event says of the versions before it.
#[derive(Debug, Clone)]
struct Step {
    /// The versions that were left.
    left: Vec<VersionNumber>,
    /// False where an older deployment that is not known may say otherwise.
    sure: bool,
}

/// The steps of all events, in their order. `cut` is true where there were older ones.
fn steps(past: &[Event], cut: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    // When each version had all the traffic last.
    let mut stable: BTreeMap<VersionNumber, usize> = BTreeMap::new();
    let mut away = BTreeSet::new();
    let mut whole = !cut;
    // All that had a share since one version had all the traffic, and that version.
    let mut since: Vec<VersionNumber> = Vec::new();
    for (index, event) in past.iter().rev().enumerate() {
        let mut step = Step {
            left: Vec::new(),
            sure: true,
        };
        match event {
            Event::Left(versions) => step.left.clone_from(versions),
            Event::Unknown { .. } => {
                whole = false;
                since.clear();
            }
            Event::Deployed { parts, left } => {
                step.left.clone_from(left);
                // A version that was never stable came later than those with smaller numbers.
                let down = |version: VersionNumber, others: &[VersionNumber]| {
                    !whole && others.iter().all(|other| *other > version)
                };
                if let Some(version) = only(parts) {
                    // One that was stable before this version is no way back from it.
                    let last = stable.get(&version);
                    let later = |other: &VersionNumber| {
                        stable
                            .get(other)
                            .is_none_or(|at| last.is_none_or(|last| at > last))
                    };
                    let others = since.iter().copied().filter(|other| *other != version);
                    let others: Vec<_> = others.filter(later).collect();
                    // To one that was left before is no way back: it is promoted again.
                    let plain = left.is_empty() && !others.is_empty() && !away.contains(&version);
                    if plain && (last.is_some() || down(version, &others)) {
                        step.sure = last.is_some();
                        step.left = others;
                    }
                    away.extend(step.left.iter().copied());
                    away.remove(&version);
                    stable.insert(version, index);
                    since = vec![version];
                } else {
                    // Who removes it and makes it again goes on from there.
                    let share = parts.iter().filter(|part| part.percentage != Share::ZERO);
                    let share: Vec<_> = share.map(|part| part.version).collect();
                    let others = since.iter().copied().filter(|other| !share.contains(other));
                    let others: Vec<_> = others.collect();
                    let new = |version: &VersionNumber| {
                        !since.contains(version) && !away.contains(version)
                    };
                    let mut back = share.iter().copied().filter(new);
                    let sure = back.clone().any(|version| stable.contains_key(&version));
                    let plain = left.is_empty() && !share.is_empty() && !others.is_empty();
                    if plain && (sure || back.any(|version| down(version, &others))) {
                        step.sure = sure;
                        step.left = others;
                    }
                    since.extend(share);
                }
            }
        }
        away.extend(step.left.iter().copied());
        steps.push(step);
    }
    steps.reverse();
    steps
}

/// The one version that has all the traffic; others beside it are at 0 %.
#[must_use]
pub fn only(parts: &[Part]) -> Option<VersionNumber> {
    let all = parts.iter().find(|part| part.percentage == Share::ALL);
    all.map(|part| part.version)
}

/// What a rollback to `target` goes away from: the other versions of now, the one with the largest share first.
#[must_use]
pub fn left_by(now: &[Part], target: VersionNumber) -> Vec<VersionNumber> {
    let mut others: Vec<&Part> = now.iter().filter(|part| part.version != target).collect();
    others.sort_by_key(|part| std::cmp::Reverse(part.percentage));
    others.into_iter().map(|part| part.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> VersionNumber {
        text.parse().unwrap()
    }

    fn parts(text: &str) -> Vec<Part> {
        let part = |word: &str| {
            let (version, share) = word.split_once(':').unwrap_or((word, "100"));
            Part {
                version: number(version),
                percentage: share.parse().unwrap(),
            }
        };
        text.split_whitespace().map(part).collect()
    }

    /// `1` is version 1 alone, `1:90 2:10` a split, what stands behind a `<` was rolled back from, `?` is not known, and `?2`
    /// was version 2 as it seems.
    fn event(text: &str) -> Event {
        if let Some(guess) = text.strip_prefix('?') {
            return Event::Unknown {
                why: "it cannot be read".to_owned(),
                guess: (!guess.is_empty()).then(|| number(guess)),
            };
        }
        let (shares, from) = text.split_once('<').unwrap_or((text, ""));
        let left: Vec<_> = from.split_whitespace().map(number).collect();
        match (shares, left.is_empty()) {
            ("", false) => Event::Left(left),
            _ => Event::Deployed {
                parts: parts(shares),
                left,
            },
        }
    }

    /// The target: a version, `?` and the guess, or `-`.
    fn back(past: &[&str], cut: bool, dead: &[&str]) -> String {
        let past: Vec<Event> = past.iter().map(|text| event(text)).collect();
        let dead: Vec<VersionNumber> = dead.iter().map(|text| number(text)).collect();
        let lives = |version| !dead.contains(&version);
        let (target, _) = target(&past, cut.then_some("the rest is not here"), lives);
        match target {
            Target::Version(version) => version.to_string(),
            Target::Unknown { guess, .. } => {
                format!(
                    "?{}",
                    guess.map(|guess| guess.to_string()).unwrap_or_default()
                )
            }
            Target::Nothing => "-".to_owned(),
        }
    }

    #[test]
    fn the_newest_stable_version_is_the_target() {
        for (past, expected) in [
            (&["2", "1"][..], "v1"),
            (&["1"], "-"),
            (&["1:90 2:10"], "-"),
            (&["1:90 2:10", "1"], "v1"),
            (&["2", "1:50 2:50", "1:90 2:10", "1"], "v1"),
            (&["3:100 2:0", "3", "2"], "v2"),
            (&["3", "1:50 2:50", "1:100 2:0", "2"], "v1"),
            // The same version again is no way back.
            (&["2", "2", "1"], "v1"),
            // Removed is nothing to go back to.
            (&["2", "", "1"], "v1"),
            (&["", "2", "1"], "v2"),
        ] {
            assert_eq!(back(past, false, &[]), expected, "{past:?}");
        }
    }

    #[test]
    fn what_was_rolled_back_from_comes_back_only_after_it_was_promoted_again() {
        for (past, expected) in [
            (&["1<2", "2", "1"][..], "-"),
            (&["2<3", "3", "2", "1"], "v1"),
            (&["1<2", "2<3", "3", "2", "1"], "-"),
            // Promoted again since, so it counts again.
            (&["4", "3", "2<3", "3", "2"], "v3"),
            (&["3", "2<3", "3", "2", "1"], "v2"),
            // A newer one came, and is bad too: not to the one that was bad before.
            (&["4", "2<3", "3", "2", "1"], "v2"),
            (&["2<4", "4", "2<3", "3", "2", "1"], "v1"),
            // From a split, to its older half, and once more.
            (&["1<2", "1:90 2:10", "1"], "-"),
            (&["2<3 1", "2:20 3:70 1:10", "3", "1", "2"], "-"),
            // Left by what was never served.
            (&["2", "<3", "2", "3", "1"], "v1"),
            (&["4", "3", "<3", "3", "2"], "v3"),
        ] {
            assert_eq!(back(past, false, &[]), expected, "{past:?}");
        }
    }

    #[test]
    fn who_goes_back_by_hand_goes_back_too() {
        for (past, expected) in [
            // `git revert`, a squash that lost the words, or a hand edit; then once more.
            (&["2", "3", "2", "1"][..], "v1"),
            (&["1", "2", "3", "2", "1"], "-"),
            (&["1", "3", "2", "1"], "v2"),
            (&["2", "3:90 2:10", "3", "2", "1"], "v1"),
            (&["2", "2:90 3:10", "2", "1"], "v1"),
            // By way of a split: with a newer canary, or with an older version.
            (&["2:90 4:10", "3", "2", "1"], "v2"),
            (&["2", "2:90 4:10", "3", "2", "1"], "v1"),
            (&["2", "2:50 4:50", "2:90 4:10", "3", "2", "1"], "v1"),
            (&["2", "1:50 2:50", "3", "2", "1"], "v1"),
            // That way was given up.
            (&["3", "2:90 3:10", "3", "2", "1"], "v2"),
            // Then a newer one, which is bad as well.
            (&["4", "2", "3", "2", "1"], "v2"),
            (&["2<4", "4", "2", "3", "2", "1"], "v1"),
            // What was left is promoted again, whatever its number.
            (&["3", "2", "3", "2", "1"], "v2"),
            (&["4", "3", "2", "3", "2"], "v3"),
            (&["3", "2<3", "3", "2"], "v2"),
            // Reverting the rollback, and then rolling back again.
            (&["2<3", "3", "2<3", "3", "2", "1"], "v1"),
            // Removed in between.
            (&["2", "", "3", "2", "1"], "v1"),
            // A smaller number that was never stable is new.
            (&["2", "3", "1"], "v3"),
        ] {
            assert_eq!(back(past, false, &[]), expected, "{past:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_passed_over() {
        for (past, cut, expected) in [
            (&["3", "?", "1"][..], false, "?v1"),
            (&["3", "?2", "1"], false, "?v2"),
            (&["3", "?3", "1"], false, "?v1"),
            (&["3", "?"], false, "?"),
            (&["?", "2", "1"], false, "?v2"),
            // Newer than what is not known.
            (&["3", "2", "?", "1"], false, "v2"),
            (&["3", "2"], true, "v2"),
            (&["3"], true, "?"),
            (&["3:90 4:10", "3"], true, "v3"),
            (&["2<3", "3"], true, "?"),
            // A step down may be a way back: what would tell is not known.
            (&["2", "3"], true, "?"),
            (&["2", "3", "1"], true, "?v1"),
            (&["2:90 4:10", "3"], true, "?"),
            (&["2", "2:90 4:10", "3", "1"], true, "?v1"),
            (&["2", "3", "?", "1"], false, "?v1"),
            (&["2", "3", "2", "1"], true, "v1"),
            (&["2", "3", "?", "2", "1"], false, "?v1"),
        ] {
            assert_eq!(back(past, cut, &[]), expected, "{past:?} {cut}");
        }
        let past = [event("2"), event("3")];
        let (found, left) = target(&past, Some("this clone is shallow"), |_| true);
        let why = "whether v3 was left for an older version, because this clone is shallow";
        let why = why.to_owned();
        assert_eq!(found, Target::Unknown { why, guess: None });
        assert_eq!(left, [number("3")].into());
    }

    #[test]
    fn a_version_that_does_not_live_is_passed_over() {
        assert_eq!(back(&["3", "2", "1"], false, &["v2"]), "v1");
        assert_eq!(back(&["3", "2", "1"], false, &["v1", "v2"]), "-");
    }

    #[test]
    fn a_rollback_leaves_all_others_the_largest_first() {
        let now = parts("1:20 2:10 3:70");
        let left = |to: &str| {
            let left = left_by(&now, number(to));
            left.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(left("1"), ["v3", "v2"]);
        assert_eq!(left("9"), ["v3", "v1", "v2"]);
    }
}
