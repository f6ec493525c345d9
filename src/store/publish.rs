//! Publishing: a snapshot commit, and the refs that make it a version, against any number of other publishers.
//!
//! No lock, no counter: each try reads the refs of the remote, decides, and pushes only if they are still as read. What a
//! refused push means, the refs say when they are read again; messages are shown, never parsed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::Duration;

use git2::{Oid, Signature, Time};

use super::error::{PublishError, SnapshotError, StoreError};
use super::files;
use super::history::{self, Entry, History, Version};
use super::refs::{AppRefs, Space, number_of};
use super::request::{Outcome, Published, Request};
use super::snapshot::{self, Snapshot, TakeError};
use super::trailers::{self, Trailers};
use super::workspace::Workspace;
use crate::git::RefUpdate;
use crate::words::{AppName, VersionNumber};

/// Most refusals for which the refs show no reason.
const TRIES_MAX: u32 = 10;
/// Most refusals in a row after which nothing had changed at the remote.
const STANDSTILLS_MAX: u32 = 4;
/// Most tries in all: as many publishers of one app can race.
const RACES_MAX: u32 = 200;

/// Publishes an app. `progress` is told what takes time.
///
/// # Errors
/// Why there is no version; nothing is half published: without its tag there is no version.
pub fn publish(
    workspace: &Workspace,
    request: &Request,
    progress: &mut dyn FnMut(&str),
) -> Result<Published, PublishError> {
    let snapshot = take(workspace, request)?;
    check_record(workspace, request, &snapshot)?;
    let mut attempt = Attempt {
        workspace,
        request,
        space: Space::canonical(&request.app),
        tree: snapshot.tree,
        atomic: true,
        nonce: format!("{:016x}", RandomState::new().build_hasher().finish()),
    };
    let mut standstills = 0;
    let mut unexplained = 0;
    progress(&format!(
        "reading the versions of {} at {}",
        request.app,
        workspace.remote()
    ));
    let mut refs = workspace.refresh(&request.app)?;
    for _ in 0..RACES_MAX {
        let history = History::read(&workspace.repo, &request.app, &refs);
        if let Some(version) = history.with_tree(&attempt.tree.to_string()) {
            return attempt.unchanged(version.clone(), &refs);
        }
        let number = next_number(&history)?;
        attempt.check_label(&refs, None)?;
        let commit = attempt.commit(number)?;
        if request.dry_run {
            let version = attempt.version(number, commit)?;
            return Ok(attempt.done(Outcome::WouldPublish, version));
        }
        progress(&format!(
            "pushing {} {number} to {}",
            request.app,
            workspace.remote()
        ));
        let refused = attempt.push(&refs, number, commit).err();
        let Some(refused) = refused else {
            return Ok(attempt.done(Outcome::Published, attempt.version(number, commit)?));
        };
        let before = std::mem::take(&mut refs);
        refs = workspace.refresh(&request.app)?;
        if refs.tags.get(&number.to_string()) == Some(&commit) {
            // It arrived all the same; a label that is not there is added to it now.
            let version = attempt.version(number, commit)?;
            let labelled = attempt.unchanged(version, &refs)?;
            return Ok(Published {
                outcome: Outcome::Published,
                ..labelled
            });
        }
        if refs == before {
            standstills += 1;
            // Some servers do not offer atomic pushes; the tag alone makes a version.
            attempt.atomic = standstills % 2 == 0;
            if standstills >= STANDSTILLS_MAX {
                return Err(PublishError::Refused(refused));
            }
            pause(standstills, commit);
        } else {
            // Others got on, or something else moved: that is no reason to stop, as long as it ends.
            let highest = history::highest(&workspace.repo, &request.app, &refs);
            if highest == history.highest {
                unexplained += 1;
            }
            if unexplained >= TRIES_MAX {
                return Err(PublishError::TooManyRaces { tries: TRIES_MAX });
            }
            standstills = 0;
        }
    }
    Err(PublishError::TooManyRaces { tries: RACES_MAX })
}

/// The snapshot of the source commit with its overlays.
fn take(workspace: &Workspace, request: &Request) -> Result<Snapshot, PublishError> {
    let app = &request.app;
    let apps_dir = &workspace.settings().apps;
    let dir = format!("{apps_dir}/{app}");
    let place = format!("{dir} at {}", request.source.shown);
    let Some(directory) = workspace.directory(&request.source, app)? else {
        let apps = workspace.apps(&request.source)?;
        let names: Vec<&str> = apps.iter().map(AppName::as_str).collect();
        let known = if names.is_empty() {
            format!("there is no app; make one with {apps_dir}/<name>/app.yaml and commit it")
        } else {
            format!("there are: {}", names.join(", "))
        };
        return Err(PublishError::Request(format!(
            "app `{app}` is not in {} ({dir} is no directory); {known}",
            request.source.shown
        )));
    };
    snapshot::take(
        &workspace.repo,
        app,
        &dir,
        directory,
        &request.images,
        &workspace.settings().limits,
    )
    .map_err(|error| match error {
        TakeError::App(problems) => PublishError::App(problems),
        TakeError::Request(problem) => PublishError::Request(problem),
        TakeError::Snapshot(source) => PublishError::Snapshot { place, source },
    })
}

/// What could never run is not published: files and record within their limits.
fn check_record(
    workspace: &Workspace,
    request: &Request,
    snapshot: &Snapshot,
) -> Result<(), PublishError> {
    let wrong = |source: SnapshotError| PublishError::Snapshot {
        place: format!(
            "{}/{} at {}",
            workspace.settings().apps,
            request.app,
            request.source.shown
        ),
        source,
    };
    let number = VersionNumber::new(crate::words::VERSION_NUMBER_MAX);
    let number = number.ok_or_else(|| PublishError::Request("no version number".to_owned()))?;
    let tree = snapshot.tree.to_string();
    let mut version = placeholder(request, number, &tree);
    version.labels = request.label.iter().cloned().collect();
    files::record(&workspace.repo, &version, snapshot.app.clone())
        .map(drop)
        .map_err(wrong)
}

fn placeholder(request: &Request, number: VersionNumber, tree: &str) -> Version {
    Version {
        app: request.app.clone(),
        number,
        tree: tree.to_owned(),
        commit: tree.to_owned(),
        author: request.author.clone(),
        published_at: request.time.timestamp(),
        source: String::new(),
        source_commit: None,
        overlays: Vec::new(),
        message: String::new(),
        labels: Vec::new(),
    }
}

fn next_number(history: &History) -> Result<VersionNumber, PublishError> {
    let next = history
        .highest
        .map_or_else(|| VersionNumber::new(1), VersionNumber::next);
    next.ok_or_else(|| {
        PublishError::Request(format!(
            "all version numbers of `{}` are spent, up to {}; see `cutwater versions list {}` for a tag that spent them",
            history.app,
            crate::words::VERSION_NUMBER_MAX,
            history.app
        ))
    })
}

/// Waits a moment that differs between racers: longer each time.
fn pause(round: u32, commit: Oid) {
    let spread = u64::from(commit.as_bytes().first().copied().unwrap_or_default());
    thread::sleep(Duration::from_millis(u64::from(round) * 60 + spread / 2));
}

struct Attempt<'a> {
    workspace: &'a Workspace,
    request: &'a Request,
    /// Names of refs at the remote.
    space: Space,
    tree: Oid,
    atomic: bool,
    nonce: String,
}

impl Attempt<'_> {
    /// A commit without parents whose tree is the snapshot.
    fn commit(&self, number: VersionNumber) -> Result<Oid, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the snapshot commit", &error.message());
        let request = self.request;
        let offset = request.time.offset().seconds() / 60;
        let when = Time::new(request.time.timestamp().as_second(), offset);
        let repo = &self.workspace.repo;
        let author = Signature::new(&request.author.name, &request.author.email, &when).map_err(
            |error| {
                PublishError::Request(format!(
                    "the author cannot be written ({}); set user.name and user.email in git",
                    error.message()
                ))
            },
        )?;
        let overlays = request
            .images
            .iter()
            .map(|(function, image)| format!("image {function}={image}"));
        let trailers = Trailers {
            app: request.app.clone(),
            number,
            source: request.publisher.clone(),
            source_commit: Some(request.source.oid),
            overlays: overlays.collect(),
            nonce: self.nonce.clone(),
            deleted: false,
        };
        let message = request
            .message
            .as_deref()
            .unwrap_or(&request.source.subject);
        let text = trailers::write(&trailers, message);
        let tree = repo.find_tree(self.tree).map_err(fail)?;
        let commit = repo
            .commit(None, &author, &author, &text, &tree, &[])
            .map_err(fail)?;
        Ok(commit)
    }

    /// The version as any reader will see it.
    fn version(&self, number: VersionNumber, commit: Oid) -> Result<Version, PublishError> {
        let entry = history::read_entry(&self.workspace.repo, &self.request.app, number, commit)
            .map_err(|problem| StoreError::local("the snapshot commit", &problem))?;
        match entry {
            Entry::Living(mut version) => {
                version.labels = self.request.label.iter().cloned().collect();
                Ok(*version)
            }
            Entry::Foreign(problem) => Err(PublishError::Request(format!(
                "the version would not be readable: {problem}"
            ))),
            Entry::Deleted(_) => Err(PublishError::Request("the snapshot is empty".to_owned())),
        }
    }

    fn done(&self, outcome: Outcome, version: Version) -> Published {
        Published {
            outcome,
            version,
            added_label: self.request.label.clone(),
        }
    }

    /// Pushes the version: all refs at once, or the tag first.
    fn push(
        &self,
        refs: &AppRefs,
        number: VersionNumber,
        commit: Oid,
    ) -> Result<(), crate::git::GitError> {
        let update = |name: String, expected: Option<Oid>| RefUpdate {
            name,
            expected,
            new: Some(commit),
        };
        let tag = update(self.space.version(number), None);
        let mut rest = vec![
            update(self.space.last(), refs.last),
            self.hint(refs, commit),
        ];
        if let Some(label) = &self.request.label {
            rest.push(update(self.space.tag(label.as_str()), None));
        }
        if self.atomic {
            rest.insert(0, tag);
            return self.workspace.push(&rest, true);
        }
        self.workspace.push(&[tag], false)?;
        self.workspace.push(&rest, false)
    }

    fn hint(&self, refs: &AppRefs, commit: Oid) -> RefUpdate {
        RefUpdate {
            name: self.space.id(self.tree),
            expected: refs.ids.get(&self.tree.to_string()).copied(),
            new: Some(commit),
        }
    }

    /// The content is there: heals the hint, and adds the label.
    fn unchanged(&self, version: Version, refs: &AppRefs) -> Result<Published, PublishError> {
        let fail = |error: git2::Error| StoreError::local("the version", &error.message());
        let commit = Oid::from_str(&version.commit).map_err(fail)?;
        let mut published = Published {
            outcome: Outcome::Unchanged,
            version,
            added_label: None,
        };
        if !self.request.dry_run {
            self.heal(refs.clone(), commit)?;
        }
        let Some(label) = &self.request.label else {
            return Ok(published);
        };
        self.check_label(refs, Some(commit))?;
        if refs.tags.contains_key(label.as_str()) {
            return Ok(published);
        }
        if !self.request.dry_run {
            let update = RefUpdate {
                name: self.space.tag(label.as_str()),
                expected: None,
                new: Some(commit),
            };
            if let Err(refused) = self.workspace.push(&[update], false) {
                let now = self.workspace.refresh(&self.request.app)?;
                self.check_label(&now, Some(commit))?;
                if !now.tags.contains_key(label.as_str()) {
                    return Err(PublishError::Refused(refused));
                }
            }
        }
        published.version.labels.push(label.clone());
        published.version.labels.sort();
        published.version.labels.dedup();
        published.added_label = Some(label.clone());
        Ok(published)
    }

    /// Brings the hint, and `last` where it lags behind the tags, to what the tags say.
    ///
    /// Both stay behind after a push that was not atomic. Where the server refuses them, the next publisher tries again.
    fn heal(&self, mut refs: AppRefs, commit: Oid) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let mut updates = Vec::new();
            if refs.ids.get(&self.tree.to_string()) != Some(&commit) {
                updates.push(self.hint(&refs, commit));
            }
            let (repo, app) = (&self.workspace.repo, &self.request.app);
            let ours = |(number, oid): &(VersionNumber, Oid)| {
                history::number_in(repo, app, *oid) == Some(*number)
            };
            let mut numbered: Vec<_> = refs.numbered().collect();
            numbered.sort_unstable();
            let newest = numbered.into_iter().rev().find(ours);
            let last = refs.last.and_then(|oid| history::number_in(repo, app, oid));
            if let Some((_, oid)) = newest.filter(|(number, _)| last < Some(*number)) {
                updates.push(RefUpdate {
                    name: self.space.last(),
                    expected: refs.last,
                    new: Some(oid),
                });
            }
            if updates.is_empty() || self.workspace.push(&updates, false).is_ok() {
                return Ok(());
            }
            let before = refs;
            refs = self.workspace.refresh(&self.request.app)?;
            if refs == before {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A label is create-only: it may be free, or name `commit` already.
    fn check_label(&self, refs: &AppRefs, commit: Option<Oid>) -> Result<(), PublishError> {
        let Some(label) = &self.request.label else {
            return Ok(());
        };
        let Some(holder) = refs
            .tags
            .get(label.as_str())
            .filter(|oid| Some(**oid) != commit)
        else {
            return Ok(());
        };
        let numbered = refs
            .tags
            .iter()
            .find(|(name, oid)| *oid == holder && number_of(name).is_some());
        Err(PublishError::LabelTaken {
            app: self.request.app.clone(),
            label: label.to_string(),
            holder: numbered.map_or_else(|| format!("commit {holder}"), |(name, _)| name.clone()),
        })
    }
}
