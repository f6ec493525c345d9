//! Refs of an app that are not as they should be: said to people, and never a reason to read or publish something else.
//!
//! `last` and `ids` are hints, and are put right by the next publish that uses them. Tags are nobody's to mend here.

use std::collections::BTreeMap;

use git2::{Oid, Repository};
use schemars::JsonSchema;
use serde::Serialize;

use super::refs::{AppRefs, Space, number_of};
use super::version::{Entry, Version, number_in};
use crate::words::{AppName, Label, VersionNumber, WORD_MAX, shown};

/// A ref that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefProblem {
    /// Full name at the remote, such as `refs/tags/checkout/spring-sale`.
    #[serde(rename = "ref")]
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What is wrong with the refs of an app, whose numbered tags were read as `entries`.
pub(super) fn problems(
    repo: &Repository,
    app: &AppName,
    refs: &AppRefs,
    entries: &BTreeMap<VersionNumber, Entry>,
) -> Vec<RefProblem> {
    let audit = Audit {
        repo,
        app,
        entries,
        living: refs
            .numbered()
            .filter_map(|(number, oid)| match entries.get(&number) {
                Some(Entry::Living(version)) => Some((oid, version.as_ref())),
                _ => None,
            })
            .collect(),
    };
    let space = Space::canonical(app);
    let mut problems = Vec::new();
    let mut say = |name: String, problem: Option<String>| {
        problems.extend(problem.map(|problem| RefProblem {
            name: shown(&name, WORD_MAX),
            problem,
        }));
    };
    for (name, oid) in &refs.tags {
        say(space.tag(name), audit.tag(name, *oid));
    }
    if let Some(oid) = refs.last {
        say(space.last(), audit.last(oid));
    }
    for (tree, oid) in &refs.ids {
        say(format!("{}ids/{tree}", space.own), audit.hint(tree, *oid));
    }
    for (name, problem) in &refs.odd {
        say(name.clone(), Some(problem.clone()));
    }
    problems
}

struct Audit<'a> {
    repo: &'a Repository,
    app: &'a AppName,
    entries: &'a BTreeMap<VersionNumber, Entry>,
    living: BTreeMap<Oid, &'a Version>,
}

impl Audit<'_> {
    fn tag(&self, name: &str, oid: Oid) -> Option<String> {
        if let Some(number) = number_of(name) {
            return match self.entries.get(&number)? {
                Entry::Foreign(why) => Some(format!(
                    "is not a version that Cutwater published: {why}; its number stays spent"
                )),
                _ => None,
            };
        }
        if name.parse::<Label>().is_err() {
            return Some("is neither a version nor a label".to_owned());
        }
        if self.living.contains_key(&oid) {
            return None;
        }
        let Some(number) = number_in(self.repo, self.app, oid) else {
            return Some(format!("is a label of no version of `{}`", self.app));
        };
        Some(match self.entries.get(&number) {
            // Labels outlive their versions, and lead to the reason.
            Some(Entry::Deleted(_)) => return None,
            Some(_) => format!("is a label of a commit that says it is {number}, and is not"),
            None => format!("is a label of {number}, whose tag is gone"),
        })
    }

    fn last(&self, oid: Oid) -> Option<String> {
        let Some(last) = number_in(self.repo, self.app, oid) else {
            return Some(format!(
                "leads to no version of `{}`; the next publish puts it right",
                self.app
            ));
        };
        let moved = matches!(self.entries.get(&last), Some(Entry::Living(_)))
            && !self.living.contains_key(&oid);
        if moved {
            return Some(format!(
                "leads to a commit that says it is {last}, and is not"
            ));
        }
        let highest = self
            .entries
            .keys()
            .next_back()
            .map_or(0, |number| number.get());
        if last.get() > highest.saturating_add(1) {
            return Some(format!(
                "says that {last} was given, and no tag does; the next publish wants to know whether that is so"
            ));
        }
        let ours = |(number, entry): (&VersionNumber, &Entry)| {
            (!matches!(entry, Entry::Foreign(_))).then_some(*number)
        };
        let newest = self.entries.iter().rev().find_map(ours)?;
        (last < newest).then(|| {
            format!(
                "says that {last} is the newest, and {newest} is; the next publish puts it right"
            )
        })
    }

    fn hint(&self, tree: &str, oid: Oid) -> Option<String> {
        let version = self.living.get(&oid);
        if version.is_some_and(|version| version.tree.as_str() == tree) {
            return None;
        }
        Some(
            "leads to no version with this content; publishing that content puts it right"
                .to_owned(),
        )
    }
}
