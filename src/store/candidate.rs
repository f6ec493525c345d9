//! The version that a publish is about to push: its number, its commit, and the changes of refs that make it one.
//!
//! The commit is written into the clone here; nothing reaches the remote.

use git2::Oid;

use super::attempt::Attempt;
use super::commit::{NewCommit, Sign};
use super::error::{PublishError, StoreError};
use super::history;
use super::label::{self, Step};
use super::refs::AppRefs;
use super::request::Request;
use super::trailers::{self, Trailers};
use super::version::{self, Entry, Version};
use super::workspace::Workspace;
use crate::git::RefUpdate;
use crate::words::{VERSION_NUMBER_MAX, VersionNumber};

/// A version that was pushed, or would be.
pub(super) struct Candidate {
    pub(super) version: Version,
    pub(super) commit: Oid,
    pub(super) label_moved_from: Option<VersionNumber>,
    pub(super) updates: Vec<RefUpdate>,
}

/// One ref of the version's commit.
pub(super) fn update(name: String, expected: Option<Oid>, commit: Oid) -> RefUpdate {
    RefUpdate {
        name,
        expected,
        new: Some(commit),
    }
}

/// The highest number that was ever given to the app.
pub(super) fn highest(
    workspace: &Workspace,
    request: &Request,
    refs: &AppRefs,
) -> Option<VersionNumber> {
    history::highest(&workspace.repo, &request.app, refs)
}

impl Attempt<'_> {
    /// The version that the refs leave room for: its commit, written here, and the changes that publish it.
    pub(super) fn candidate(&self, refs: &AppRefs) -> Result<Candidate, PublishError> {
        let request = self.request;
        let step = self.label_step(refs, None)?;
        let number = self.next_number(refs)?;
        let commit = self.commit(number)?;
        let mut updates = vec![
            update(self.space.version(number), None, commit),
            update(self.space.last(), refs.last, commit),
            self.hint(refs, commit),
        ];
        let mut label_moved_from = None;
        if let (Some(label), Step::Set { expected, from }) = (&request.label, step) {
            updates.push(update(self.space.tag(label.as_str()), expected, commit));
            label_moved_from = from;
        }
        // It is read as any reader will read it, before anybody can.
        let entry = version::read_entry(&self.workspace.repo, &request.app, number, commit)
            .map_err(|problem| StoreError::local("the snapshot commit", &problem))?;
        match entry {
            Entry::Living(mut version) => {
                version.labels = request.label.iter().cloned().collect();
                Ok(Candidate {
                    version: *version,
                    commit,
                    label_moved_from,
                    updates,
                })
            }
            Entry::Foreign(problem) => Err(PublishError::request(format!(
                "the version would not be readable: {problem}; shorten its message"
            ))),
            Entry::Deleted(_) => Err(PublishError::request("the snapshot is empty")),
        }
    }

    fn next_number(&self, refs: &AppRefs) -> Result<VersionNumber, PublishError> {
        let repo = &self.workspace.repo;
        if let Some(last) = history::unbacked(repo, &self.request.app, refs)
            && !self.request.trust_last
        {
            return Err(PublishError::Unbacked {
                app: self.request.app.clone(),
                remote: self.workspace.remote().to_owned(),
                last,
                newest: history::backed(repo, &self.request.app, refs),
            });
        }
        let next = highest(self.workspace, self.request, refs)
            .map_or_else(|| VersionNumber::new(1), VersionNumber::next);
        let app = &self.request.app;
        next.ok_or_else(|| {
            PublishError::request(format!(
                "all version numbers of `{app}` are spent, up to {VERSION_NUMBER_MAX}; see `cutwater versions list {app}` for a tag that spent them"
            ))
        })
    }

    /// A commit without parents whose tree is the snapshot.
    fn commit(&self, number: VersionNumber) -> Result<Oid, PublishError> {
        let request = self.request;
        let trailers = Trailers {
            app: request.app.clone(),
            number,
            source: request.provenance.source.clone(),
            run: request.provenance.run.clone(),
            actor: request.provenance.actor.clone(),
            source_commit: Some(request.source.oid),
            overlays: self.prepared.overlays.clone(),
            nonce: self.nonce.clone(),
            deleted: false,
        };
        let message = request.message.as_deref();
        let text = trailers::write(&trailers, message.unwrap_or(&request.source.subject));
        let new = NewCommit {
            tree: self.prepared.tree,
            parent: None,
            author: &request.author,
            time: &request.time,
            message: &text,
            // A dry run asks for no key: nobody sees its commit.
            sign: if request.sign && !request.dry_run {
                Sign::Asked
            } else {
                Sign::No
            },
        };
        Ok(self.workspace.write_commit(&new)?)
    }

    /// Names the commit as the one that holds the content.
    pub(super) fn hint(&self, refs: &AppRefs, commit: Oid) -> RefUpdate {
        let tree = self.prepared.tree;
        let expected = refs.ids.get(&tree.to_string()).copied();
        update(self.space.id(tree), expected, commit)
    }

    fn label_step(&self, refs: &AppRefs, commit: Option<Oid>) -> Result<Step, PublishError> {
        let (repo, request) = (&self.workspace.repo, self.request);
        let Some(label) = &request.label else {
            return Ok(Step::Nothing);
        };
        let step = label::step(repo, &request.app, refs, label, commit, request.move_label);
        Ok(step?)
    }
}
