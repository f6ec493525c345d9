//! From a word to a version in a mirror: pure reading, kept in memory, without any network.

use std::collections::HashMap;
use std::sync::Arc;

use git2::{Oid, Repository};

use super::doubt::{Doubt, Doubts};
use super::error::ResolveError;
use super::files;
use super::history;
use super::refs::AppRefs;
use super::snapshot;
use super::version::{self, Entry, Version};
use crate::app::App;
use crate::record::VersionRecord;
use crate::words::{AppName, Label, TreeId, VersionNumber, VersionWord};

/// Most commits of which is kept in memory what they say: some 10 MB.
const ENTRIES_MAX: usize = 16_384;
/// Of so many versions is looked whether they are deleted before they are named to somebody who looks for another one.
const NEAR_LOOKS: usize = 100;
/// Most files that the records in memory list together, each record counting as a few: some 20 MB.
const RECORDED_FILES_MAX: usize = 100_000;

/// A mirror's repository, and what was read from it.
pub(super) struct State {
    pub(super) repo: Repository,
    pub(super) apps: HashMap<AppName, Arc<AppRefs>>,
    pub(super) doubts: Doubts,
    /// What was read from a commit never changes.
    entries: HashMap<(AppName, VersionNumber, Oid), Arc<Entry>>,
    records: HashMap<Oid, VersionRecord>,
    /// Files that the records list.
    recorded_files: usize,
}

impl State {
    pub(super) fn new(repo: Repository) -> Self {
        Self {
            repo,
            apps: HashMap::new(),
            doubts: Doubts::default(),
            entries: HashMap::new(),
            records: HashMap::new(),
            recorded_files: 0,
        }
    }

    /// The record of the version that a word names.
    pub(super) fn resolve(
        &mut self,
        app: &AppName,
        word: &VersionWord,
    ) -> Result<VersionRecord, ResolveError> {
        let refs = self.refs(app, word)?;
        let (number, oid) = self.find(app, &refs, word)?;
        let version = self.living(app, number, oid)?;
        let labels = history::labels(&refs).remove(&oid).unwrap_or_default();
        let mut record = match self.records.get(&oid) {
            Some(record) => record.clone(),
            None => match record(&self.repo, app, &version) {
                Ok(record) => self.keep(oid, record),
                Err(error) => {
                    self.doubts.note(Doubt::Version(oid));
                    return Err(error);
                }
            },
        };
        record.labels = labels;
        Ok(record)
    }

    fn keep(&mut self, oid: Oid, record: VersionRecord) -> VersionRecord {
        let files = record.files.values().map(|set| set.items.len());
        let files = 8 + files.sum::<usize>();
        if self.recorded_files + files > RECORDED_FILES_MAX {
            self.records.clear();
            self.recorded_files = 0;
        }
        self.recorded_files += files;
        self.records.insert(oid, record.clone());
        record
    }

    /// The app's refs: read once per fetch.
    pub(super) fn refs(
        &mut self,
        app: &AppName,
        word: &impl ToString,
    ) -> Result<Arc<AppRefs>, ResolveError> {
        if let Some(refs) = self.apps.get(app) {
            return Ok(Arc::clone(refs));
        }
        let (mut read, _) = AppRefs::read_tags(&self.repo, &[app.clone()].into())
            .map_err(|error| unreadable(app, word, &error.message()))?;
        let refs = Arc::new(read.remove(app).unwrap_or_default());
        self.apps.insert(app.clone(), Arc::clone(&refs));
        Ok(refs)
    }

    fn entry(
        &mut self,
        app: &AppName,
        number: VersionNumber,
        oid: Oid,
    ) -> Result<Arc<Entry>, ResolveError> {
        let key = (app.clone(), number, oid);
        if let Some(entry) = self.entries.get(&key) {
            return Ok(Arc::clone(entry));
        }
        // What cannot be read now may be readable after the next fetch: it is not kept.
        let entry = version::read_entry(&self.repo, app, number, oid).map_err(|problem| {
            self.doubts.note(Doubt::Version(oid));
            unreadable(app, &number, &problem)
        })?;
        let entry = Arc::new(entry);
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        self.entries.insert(key, Arc::clone(&entry));
        Ok(entry)
    }

    /// The number and the commit that a word means.
    pub(super) fn find(
        &mut self,
        app: &AppName,
        refs: &AppRefs,
        word: &VersionWord,
    ) -> Result<(VersionNumber, Oid), ResolveError> {
        if let Some(found) = self.named(app, refs, word)? {
            return Ok(found);
        }
        Err(ResolveError::UnknownVersion {
            app: app.clone(),
            word: word.clone(),
            near: self.near(app, refs, word),
        })
    }

    /// The same; nothing where there is no such version.
    fn named(
        &mut self,
        app: &AppName,
        refs: &AppRefs,
        word: &VersionWord,
    ) -> Result<Option<(VersionNumber, Oid)>, ResolveError> {
        match word {
            VersionWord::Number(number) => {
                let oid = refs.tags.get(&number.to_string());
                Ok(oid.map(|oid| (*number, *oid)))
            }
            VersionWord::Label(label) => match refs.tags.get(label.as_str()) {
                Some(oid) => self.labelled(app, refs, label, *oid).map(Some),
                None => Ok(None),
            },
            VersionWord::Id(hex) => {
                let numbered: Vec<_> = refs.numbered().collect();
                let mut found: Vec<(VersionNumber, Oid, TreeId)> = Vec::new();
                for (number, oid) in numbered {
                    // One that cannot be read hides no other.
                    let Ok(entry) = self.entry(app, number, oid) else {
                        continue;
                    };
                    if let Entry::Living(version) = entry.as_ref()
                        && (version.tree.begins(hex) || version.commit.begins(hex))
                    {
                        found.push((number, oid, version.tree.clone()));
                    }
                }
                found.sort();
                let Some((number, oid, tree)) = found.first() else {
                    return Ok(None);
                };
                if found.iter().any(|(_, _, other)| other != tree) {
                    let candidates = found
                        .iter()
                        .map(|(number, _, tree)| format!("{number} (g{tree})"));
                    return Err(ResolveError::Ambiguous {
                        app: app.clone(),
                        word: word.clone(),
                        candidates: candidates.collect(),
                    });
                }
                Ok(Some((*number, *oid)))
            }
        }
    }

    /// What is there and looks like the word, else the newest versions that are not deleted.
    fn near(&mut self, app: &AppName, refs: &AppRefs, word: &VersionWord) -> Vec<String> {
        let mut numbered: Vec<(VersionNumber, Oid)> = refs.numbered().collect();
        numbered.sort_unstable_by(|one, other| other.cmp(one));
        let mut looks = NEAR_LOOKS;
        numbered.retain(|(number, oid)| {
            looks = looks.saturating_sub(1);
            let entry = (looks > 0)
                .then(|| self.entry(app, *number, *oid).ok())
                .flatten();
            !matches!(entry.as_deref(), Some(Entry::Deleted(_)))
        });
        let labels = refs.tags.keys().map(String::as_str);
        let labels = labels.filter(|name| name.parse::<Label>().is_ok());
        history::near(labels, numbered.into_iter().map(|(number, _)| number), word)
    }

    /// The version that a label names: its commit says the number, and that number's tag must agree.
    fn labelled(
        &mut self,
        app: &AppName,
        refs: &AppRefs,
        label: &Label,
        oid: Oid,
    ) -> Result<(VersionNumber, Oid), ResolveError> {
        let foreign = |why: &str| ResolveError::Foreign {
            tag: format!("{app}/{label}"),
            why: why.to_owned(),
        };
        let number = version::number_in(&self.repo, app, oid)
            .ok_or_else(|| foreign("it does not point to a version of this app"))?;
        match refs.tags.get(&number.to_string()) {
            Some(tag) if *tag == oid => Ok((number, oid)),
            Some(tag) => match self.entry(app, number, *tag)?.as_ref() {
                // The version was deleted: that is what is said.
                Entry::Deleted(_) => Ok((number, *tag)),
                _ => Err(foreign("the tag of its number points elsewhere")),
            },
            None => Err(foreign("the tag of its number is gone")),
        }
    }

    fn living(
        &mut self,
        app: &AppName,
        number: VersionNumber,
        oid: Oid,
    ) -> Result<Version, ResolveError> {
        match self.entry(app, number, oid)?.as_ref() {
            Entry::Living(version) => Ok(version.as_ref().clone()),
            Entry::Deleted(tombstone) => Err(ResolveError::Deleted {
                app: app.clone(),
                number,
                who: tombstone.author.name.clone(),
                when: tombstone.deleted_at,
                why: tombstone.reason.clone(),
            }),
            Entry::Foreign(why) => Err(ResolveError::Foreign {
                tag: format!("{app}/{number}"),
                why: why.clone(),
            }),
        }
    }
}

/// The record of a version, whose objects are all here.
pub(super) fn record(
    repo: &Repository,
    app: &AppName,
    version: &Version,
) -> Result<VersionRecord, ResolveError> {
    let number = version.number;
    let bad = |source| ResolveError::BadSnapshot {
        app: app.clone(),
        number,
        source,
    };
    let tree =
        Oid::try_from(&version.tree).map_err(|error| unreadable(app, &number, &error.message()))?;
    super::objects::tree(repo, tree).map_err(|problem| unreadable(app, &number, &problem))?;
    let bytes = snapshot::app_file(repo, tree).map_err(bad)?;
    let read = App::from_snapshot(&bytes).map_err(|problems| ResolveError::BadApp {
        app: app.clone(),
        number,
        problems,
    })?;
    files::record(repo, version, read).map_err(bad)
}

pub(super) fn unreadable(
    app: &AppName,
    word: &impl ToString,
    problem: &impl ToString,
) -> ResolveError {
    ResolveError::Unreadable {
        app: app.clone(),
        word: word.to_string(),
        problem: problem.to_string(),
    }
}
