//! What an import has to push for one app. Reads objects of this machine, and changes nothing.

use super::super::version;
use git2::{Oid, Repository};

use super::{Imported, Unfit};
use crate::git::RefUpdate;
use crate::store::history::{self, History};
use crate::store::refs::{AppRefs, Space};
use crate::store::version::{Entry, Version};
use crate::words::{AppName, VersionNumber};

/// What is missing here, and what is told about it.
pub(super) struct Plan {
    pub(super) report: Imported,
    /// `last`, where it is to be raised.
    pub(super) last: Option<RefUpdate>,
    /// Tags of versions, labels and hints that are to be made, in this order. Empty where there is a conflict.
    pub(super) refs: Vec<RefUpdate>,
}

impl Plan {
    pub(super) fn new(repo: &Repository, app: &AppName, theirs: &AppRefs, ours: &AppRefs) -> Self {
        let space = Space::canonical(app);
        let (there, here) = (
            History::read(repo, app, theirs),
            History::read(repo, app, ours),
        );
        let mut report = Imported {
            app: app.clone(),
            versions: Vec::new(),
            deleted: Vec::new(),
            labels: Vec::new(),
            present: 0,
            foreign: Vec::new(),
            taken_labels: Vec::new(),
            conflicts: Vec::new(),
        };
        let create = |name: String, oid: Oid| RefUpdate {
            name,
            expected: None,
            new: Some(oid),
        };
        let (mut tags, mut labels, mut hints) = (Vec::new(), Vec::new(), Vec::new());
        for (number, oid) in theirs.numbered() {
            let number_taken = |problem: String| Unfit { number, problem };
            let entry = match there.entries.get(&number) {
                Some(Entry::Foreign(problem)) => {
                    report.foreign.push(number_taken(problem.clone()));
                    continue;
                }
                Some(entry) => entry,
                None => continue,
            };
            match stands(repo, app, number, oid, entry, ours, &here) {
                Stands::Same => report.present += 1,
                Stands::Taken(problem) => {
                    report.conflicts.push(number_taken(problem));
                    continue;
                }
                Stands::Free => tags.push((number, oid)),
            }
            let Entry::Living(version) = entry else {
                if tags.last() == Some(&(number, oid)) {
                    report.deleted.push(number);
                }
                continue;
            };
            if tags.last() == Some(&(number, oid)) {
                report.versions.push(number);
            }
            for label in &version.labels {
                match ours.tags.get(label.as_str()) {
                    None => {
                        labels.push(create(space.tag(label.as_str()), oid));
                        report.labels.push(label.clone());
                    }
                    Some(holder) if *holder == oid => {}
                    Some(_) => report.taken_labels.push(label.clone()),
                }
            }
            hints.extend(hint(&space, version, oid, ours));
        }
        // One hint per content; twins have the same tree.
        hints.sort_by(|a, b| a.name.cmp(&b.name));
        hints.dedup_by(|a, b| a.name == b.name);
        report.sort();
        let last = last(repo, app, theirs, ours, &tags).map(|oid| RefUpdate {
            name: space.last(),
            expected: ours.last,
            new: Some(oid),
        });
        tags.sort_unstable();
        let tags = tags
            .into_iter()
            .map(|(number, oid)| create(space.version(number), oid));
        let mut plan = Self {
            refs: tags.chain(labels).chain(hints).collect(),
            last,
            report,
        };
        if !plan.report.conflicts.is_empty() {
            plan.keep_nothing();
        }
        plan
    }

    /// True where nothing is missing.
    pub(super) fn is_done(&self) -> bool {
        self.last.is_none() && self.refs.is_empty()
    }

    /// A number is taken: nothing of the app comes.
    fn keep_nothing(&mut self) {
        self.last = None;
        self.refs.clear();
        self.report.versions.clear();
        self.report.deleted.clear();
        self.report.labels.clear();
    }
}

impl Imported {
    /// Refs come in the order of their names, in which `v10` stands before `v2`.
    fn sort(&mut self) {
        self.versions.sort_unstable();
        self.deleted.sort_unstable();
        self.labels.sort();
        self.taken_labels.sort();
        self.foreign.sort_by_key(|unfit| unfit.number);
        self.conflicts.sort_by_key(|unfit| unfit.number);
    }
}

/// What stands here at a number of theirs.
enum Stands {
    /// The same commit, or a tombstone as there.
    Same,
    /// Nothing.
    Free,
    /// Something else.
    Taken(String),
}

fn stands(
    repo: &Repository,
    app: &AppName,
    number: VersionNumber,
    oid: Oid,
    entry: &Entry,
    ours: &AppRefs,
    here: &History,
) -> Stands {
    let Some(holder) = ours.tags.get(&number.to_string()) else {
        // Its tag is gone, but `last` remembers that the number was given.
        let other = ours.last.filter(|last| *last != oid);
        let given = other.and_then(|last| version::number_in(repo, app, last));
        return if given == Some(number) {
            Stands::Taken("was given here to a version whose tag is gone".to_owned())
        } else {
            Stands::Free
        };
    };
    if *holder == oid {
        return Stands::Same;
    }
    match here.entries.get(&number) {
        // Deleted twice, it is as spent as it can be.
        Some(Entry::Deleted(_)) if matches!(entry, Entry::Deleted(_)) => Stands::Same,
        Some(Entry::Deleted(_)) => Stands::Taken("was deleted here".to_owned()),
        Some(Entry::Living(version)) => Stands::Taken(format!(
            "is another version here, g{}",
            version.tree.short()
        )),
        _ => Stands::Taken("is a tag here that Cutwater did not make".to_owned()),
    }
}

/// The hint for a content that has none here.
fn hint(space: &Space, version: &Version, oid: Oid, ours: &AppRefs) -> Option<RefUpdate> {
    if ours.ids.contains_key(version.tree.as_str()) {
        return None;
    }
    Some(RefUpdate {
        name: space.id(Oid::try_from(&version.tree).ok()?),
        expected: None,
        new: Some(oid),
    })
}

/// The commit of the highest number that is to be spent here, where it is above all that are.
fn last(
    repo: &Repository,
    app: &AppName,
    theirs: &AppRefs,
    ours: &AppRefs,
    tags: &[(VersionNumber, Oid)],
) -> Option<Oid> {
    let remembered = theirs.last.and_then(|oid| {
        let number = version::number_in(repo, app, oid)?;
        let entry = version::read_entry(repo, app, number, oid).ok()?;
        (!matches!(entry, Entry::Foreign(_))).then_some((number, oid))
    });
    let highest = tags.iter().copied().chain(remembered).max()?;
    (Some(highest.0) > history::highest(repo, app, ours)).then_some(highest.1)
}
