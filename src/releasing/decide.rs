//! What becomes of one object: the versions that are asked for, and the text of its file.

use super::error::{ReleaseError, listed};
use super::way_back::Back;
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
            let title = format!("Deploy {app}: {}", listed(&parts));
            let message = request.message.as_deref();
            let wanted = (title, parts, Vec::new());
            Ok(deployed(release, bytes, wanted, message, &meaning)?)
        }
        Wish::RollBack(word) => {
            let back = Back {
                request,
                survey,
                branch,
                release,
            };
            let (target, now) = match word {
                Some(word) => (history.version(word)?.number, back.now(past)),
                None => back.chosen(past)?,
            };
            // What a word meant when it was deployed counts before what it means now.
            let meaning = |word: &VersionWord| now.meant(word).or_else(|| meaning(word));
            let mut parts = vec![Part {
                version: target,
                percentage: Share::ALL,
            }];
            parts.extend(ruled(release, &now.parts(), target, &meaning));
            let parts = edit::arrange(&release.wanted.versions, &parts, &meaning);
            let title = format!("Roll back {app}: {}", listed(&parts));
            let from = rollback::left_by(&now.parts(), target);
            let message = request.message.as_deref();
            let wanted = (title, parts, from);
            Ok(deployed(release, bytes, wanted, message, &meaning)?)
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
            })
        }
    }
}

/// The versions besides `target` that a rule names, at 0 %: a rule keeps its version, and nothing may hold up a rollback.
fn ruled(
    release: &Release,
    now: &[Part],
    target: VersionNumber,
    meaning: edit::Meaning<'_>,
) -> Vec<Part> {
    let rules = release.wanted.rules.iter();
    let named: Vec<VersionNumber> = rules.filter_map(|rule| meaning(&rule.version)).collect();
    now.iter()
        .filter(|part| part.version != target && named.contains(&part.version))
        .map(|part| Part {
            version: part.version,
            percentage: Share::ZERO,
        })
        .collect()
}

/// What is written for a Deployment.
fn deployed(
    release: &Release,
    bytes: &[u8],
    (title, parts, from): (String, Vec<Part>, Vec<VersionNumber>),
    said: Option<&str>,
    meaning: edit::Meaning<'_>,
) -> Result<Decision, EditError> {
    let there = release.wanted.message.as_deref();
    let (edit, message, from) = if says(release, &parts, meaning) {
        (Edit::Same, there, Vec::new())
    } else {
        // What an earlier change was for is not why this one is made.
        let message = said.or(there.map(|_| title.as_str()));
        let content = edit::deploy(release, bytes, &parts, message, meaning)?;
        (Edit::Content(content), message, from)
    };
    let message = message.map(str::to_owned);
    Ok(Decision {
        title,
        parts,
        from,
        message,
        edit,
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
