//! What becomes of one object: the versions that are asked for, and the text of its file.

use super::error::{ReleaseError, listed};
use super::way_back::{Back, Now};
use super::{ReleaseRequest, Wish, alias_name};
use crate::api::WantedVersion;
use crate::releases::edit::{self, EditError};
use crate::releases::rollback;
use crate::releases::{Asked, Part, Release, split};
use crate::store::Branch;
use crate::store::error::ResolveError;
use crate::store::history::History;
use crate::users::{Past, Survey, meaning};
use crate::words::{Share, VersionNumber, VersionWord};

/// What is to be done.
pub(super) struct Decision {
    /// First line of the message of the commit.
    pub(super) title: String,
    /// What the object asks for afterwards, in the order of the file; none where it goes.
    pub(super) parts: Vec<Part>,
    /// What a rollback goes away from.
    pub(super) from: Vec<VersionNumber>,
    /// Why, as the object says it afterwards.
    pub(super) message: Option<String>,
    pub(super) edit: Edit,
    /// What was taken for something that it may not have been.
    pub(super) warnings: Vec<String>,
}

/// What becomes of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Nothing: it is as it is wished.
    Same,
    /// It has this content.
    Content(Vec<u8>),
    /// It goes.
    Removed,
}

/// Decides. `past` is asked for what the branch deployed before, with so many fetches of older commits.
pub(super) fn decide(
    request: &ReleaseRequest,
    survey: &Survey,
    branch: &Branch,
    release: &Release,
    bytes: &[u8],
    past: impl Fn(usize) -> Past,
) -> Result<Decision, ReleaseError> {
    let history = &survey.history;
    let app = &request.app;
    let meaning = |word: &VersionWord| meaning(history, word);
    match &request.wish {
        Wish::Deploy(asked) => {
            let parts = resolved(history, asked)?;
            let parts = edit::arrange(&release.wanted.versions, &parts, &meaning);
            let wanted = Wanted {
                title: format!("Deploy {app}: {}", listed(&parts)),
                parts,
                from: Vec::new(),
                gone: Vec::new(),
            };
            let message = request.message.as_deref();
            Ok(deployed(release, bytes, wanted, message, &meaning)?)
        }
        Wish::RollBack(word) => {
            let back = Back {
                request,
                survey,
                branch,
                release,
            };
            rolled_back(&back, bytes, word.as_ref(), past)
        }
        Wish::SetAlias {
            name,
            version,
            canary,
        } => {
            let main = history.version(version)?.number;
            let canary = match canary {
                None => None,
                Some((word, percentage)) => {
                    let number = history.version(word)?.number;
                    if number == main {
                        let (first, second) = (version.clone(), word.clone());
                        return Err(ReleaseError::Twice {
                            first,
                            second,
                            number,
                        });
                    }
                    Some(Part {
                        version: number,
                        percentage: *percentage,
                    })
                }
            };
            let rest = canary.map_or(Share::ALL, |part| part.percentage.rest());
            let mut parts = vec![Part {
                version: main,
                percentage: rest,
            }];
            parts.extend(canary);
            let edit = if says(release, &parts, &meaning) {
                Edit::Same
            } else {
                Edit::Content(edit::set_alias(release, bytes, main, canary, &meaning)?)
            };
            Ok(Decision {
                title: format!("Set alias {name} of {app}: {}", listed(&parts)),
                parts,
                from: Vec::new(),
                message: request.message.clone().filter(|_| edit != Edit::Same),
                edit,
                warnings: Vec::new(),
            })
        }
        Wish::DeleteAlias(_) => {
            let name = alias_name(release).unwrap_or_default();
            Ok(Decision {
                title: format!("Delete alias {name} of {app}"),
                parts: Vec::new(),
                from: Vec::new(),
                message: request.message.clone(),
                edit: edit::remove(release, bytes)?.map_or(Edit::Removed, Edit::Content),
                warnings: Vec::new(),
            })
        }
    }
}

/// A rollback to the version that is named, else to the one that it goes to by itself.
fn rolled_back(
    back: &Back<'_>,
    bytes: &[u8],
    word: Option<&VersionWord>,
    past: impl Fn(usize) -> Past,
) -> Result<Decision, ReleaseError> {
    let (release, history) = (back.release, &back.survey.history);
    let (target, now) = match word {
        Some(word) => (history.version(word)?.number, back.now(past)),
        None => back.chosen(past)?,
    };
    // What a word meant when it was deployed counts before what it means now.
    let meaning = |word: &VersionWord| now.meant(word).or_else(|| meaning(history, word));
    let lives = |number| history.version(&VersionWord::Number(number)).is_ok();
    let ruled = ruled(release, &now, target, &meaning, &lives);
    let mut parts = vec![Part {
        version: target,
        percentage: Share::ALL,
    }];
    parts.extend(ruled.parts);
    let parts = edit::arrange(&release.wanted.versions, &parts, &meaning);
    let wanted = Wanted {
        title: format!("Roll back {}: {}", back.request.app, listed(&parts)),
        parts,
        from: rollback::left_by(&now.parts(), target),
        gone: ruled.gone,
    };
    let message = back.request.message.as_deref();
    let decision = deployed(release, bytes, wanted, message, &meaning)?;
    Ok(Decision {
        warnings: ruled.warnings,
        ..decision
    })
}

/// What a rollback makes of rules: nothing may hold it up.
#[derive(Default)]
struct Ruled {
    /// The versions besides the target that a rule keeps, at 0 %.
    parts: Vec<Part>,
    /// What names no version that lives: no request can go there, and a rule for it would keep all of the change from being served.
    gone: Vec<VersionWord>,
    /// What nobody can say for sure.
    warnings: Vec<String>,
}

fn ruled(
    release: &Release,
    now: &Now,
    target: VersionNumber,
    meaning: edit::Meaning<'_>,
    lives: &dyn Fn(VersionNumber) -> bool,
) -> Ruled {
    let mut words: Vec<&VersionWord> = Vec::new();
    for rule in &release.wanted.rules {
        if !words.contains(&&rule.version) {
            words.push(&rule.version);
        }
    }
    let mut ruled = Ruled::default();
    for word in words {
        let Some(version) = meaning(word).filter(|version| *version == target || lives(*version))
        else {
            ruled.warnings.push(format!(
                "`{word}`, for which a rule is, names no version that lives: the rule goes, and its requests are split like all others"
            ));
            ruled.gone.push(word.clone());
            continue;
        };
        if matches!(word, VersionWord::Label(_)) && !now.is_recorded(word) {
            ruled.warnings.push(format!(
                "`{word}`, for which a rule is, may have meant another version when it was deployed: the rule is for {version} from now on, which it means now"
            ));
        }
        let is_kept = |part: &Part| part.version == version;
        if version != target && !ruled.parts.iter().any(is_kept) {
            ruled.parts.push(Part {
                version,
                percentage: Share::ZERO,
            });
        }
    }
    // Each keeps its place in the list.
    let parts = now.parts();
    let place = |part: &Part| parts.iter().position(|other| other.version == part.version);
    (ruled.parts).sort_by_key(|part| place(part).unwrap_or(parts.len()));
    ruled
}

/// What is to be written for a Deployment.
struct Wanted {
    title: String,
    parts: Vec<Part>,
    from: Vec<VersionNumber>,
    /// What no rule names afterwards.
    gone: Vec<VersionWord>,
}

/// What is written for a Deployment.
fn deployed(
    release: &Release,
    bytes: &[u8],
    wanted: Wanted,
    said: Option<&str>,
    meaning: edit::Meaning<'_>,
) -> Result<Decision, EditError> {
    let Wanted {
        title,
        parts,
        from,
        gone,
    } = wanted;
    let there = release.wanted.message.as_deref();
    let (edit, message, from) = if says(release, &parts, meaning) {
        (Edit::Same, there, Vec::new())
    } else {
        // What an earlier change was for is not why this one is made.
        let message = said.or(there.map(|_| title.as_str()));
        let content = edit::deploy(release, bytes, &parts, &gone, message, meaning)?;
        (Edit::Content(content), message, from)
    };
    let message = message.map(str::to_owned);
    Ok(Decision {
        title,
        parts,
        from,
        message,
        edit,
        warnings: Vec::new(),
    })
}

/// True where the file says this already, and says it for good: what a label means now may not be what it meant when it was
/// deployed.
fn says(release: &Release, parts: &[Part], meaning: edit::Meaning<'_>) -> bool {
    let words = &release.wanted.versions;
    let is_same = |(entry, part): (&WantedVersion, &Part)| {
        !matches!(entry.version, VersionWord::Label(_))
            && entry.percentage == part.percentage
            && meaning(&entry.version) == Some(part.version)
    };
    words.len() == parts.len() && words.iter().zip(parts).all(is_same)
}

/// The parts that are asked for: living versions, each once, 100 % in all.
fn resolved(history: &History, asked: &[Asked]) -> Result<Vec<Part>, ReleaseError> {
    let shares: Vec<Option<Share>> = asked.iter().map(|asked| asked.percentage).collect();
    let shares = split(&shares)?;
    let numbers: Result<Vec<VersionNumber>, ResolveError> = asked
        .iter()
        .map(|asked| Ok(history.version(&asked.version)?.number))
        .collect();
    let numbers = numbers?;
    for (index, number) in numbers.iter().enumerate() {
        if let Some(first) = numbers[..index].iter().position(|other| other == number) {
            return Err(ReleaseError::Twice {
                first: asked[first].version.clone(),
                second: asked[index].version.clone(),
                number: *number,
            });
        }
    }
    let parts = numbers.into_iter().zip(shares);
    let part = |(version, percentage)| Part {
        version,
        percentage,
    };
    Ok(parts.map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of rules for these words where v7 gets all: `live` means v8 now, and v9 does not live. `known` is what is deployed.
    fn ruled_for(words: &[&str], known: &[(&str, &str)], recorded: bool) -> (String, usize, usize) {
        let list: String = ["v7", "v8", "v9", "live", "gone"].map(version).concat();
        let rule =
            |word: &&str| format!("  - {{version: {word}, header: {{name: X, value: {word}}}}}\n");
        let rules = words.iter().map(rule).collect::<Vec<_>>().concat();
        let text = format!(
            "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  app: checkout\n  repository: shop\n  versions:\n{list}  rules:\n{rules}"
        );
        let release = crate::releases::read("r.yaml", text.as_bytes()).unwrap();
        let number = |text: &str| text.parse::<VersionNumber>().unwrap();
        let words = known.iter().map(|(word, version)| {
            let part = Part {
                version: number(version),
                percentage: "20".parse().unwrap(),
            };
            (word.parse().unwrap(), part)
        });
        let now = Now {
            words: words.collect(),
            recorded,
        };
        let meaning = |word: &VersionWord| match word {
            VersionWord::Number(number) => Some(*number),
            word => now
                .meant(word)
                .or_else(|| (word.to_string() == "live").then(|| number("v8"))),
        };
        let lives = |version| version != number("v9");
        let found = ruled(&release.releases[0], &now, number("v7"), &meaning, &lives);
        (listed(&found.parts), found.gone.len(), found.warnings.len())
    }

    fn version(word: &str) -> String {
        format!("  - {{version: {word}, percentage: 20}}\n")
    }

    #[test]
    fn a_rule_holds_up_no_rollback() {
        for (rules, known, recorded, expected) in [
            (&["v8"][..], &[("v8", "v8")][..], false, ("v8 0%", 0, 0)),
            (&["v7"], &[("v7", "v7")], false, ("", 0, 0)),
            // A label of which a ledger tells, and one of which nobody can.
            (&["live"], &[("live", "v6")], true, ("v6 0%", 0, 0)),
            (&["live"], &[("v7", "v7")], false, ("v8 0%", 0, 1)),
            (&["live"], &[("v7", "v7")], true, ("v8 0%", 0, 1)),
            (&["live"], &[("live", "v8")], false, ("v8 0%", 0, 1)),
            // Each version is listed once, in the order of the list, and each word said once.
            (
                &["live", "v8", "live"],
                &[("v8", "v8")],
                false,
                ("v8 0%", 0, 1),
            ),
            (
                &["live", "v8"],
                &[("v8", "v8"), ("live", "v5")],
                true,
                ("v8 0%, v5 0%", 0, 0),
            ),
            // What is no version any more.
            (
                &["gone", "v9", "v8"],
                &[("v8", "v8")],
                false,
                ("v8 0%", 2, 2),
            ),
        ] {
            let (parts, gone, warnings) = ruled_for(rules, known, recorded);
            assert_eq!(
                (parts.as_str(), gone, warnings),
                expected,
                "{rules:?} {known:?}"
            );
        }
    }
}
