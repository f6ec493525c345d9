//! Publishing many apps: one look at the remote for all of them, and one push for many.
//!
//! What is pushed is what publishing one app with fresh refs would push ([`super::publish`]), and all or none of it: an app
//! whose refs have moved meanwhile makes the whole push fail, and then each app that did not arrive is published by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::attempt::Attempt;
use super::candidate::Candidate;
use super::error::{PublishError, StoreError};
use super::publish::Refused;
use super::refs::AppRefs;
use super::request::{Outcome, Published, Request};
use super::workspace::Workspace;
use crate::git::{GitError, Shield};
use crate::words::AppName;

/// Most apps whose versions are pushed at once: what a command line holds, and how much is done again after a refusal.
const BATCH: usize = 100;

/// Publishes several apps, each of them once. `progress` is told what takes time. The results are in the order of the requests.
///
/// # Errors
/// When the remote cannot be read: then nothing was published. What became of each app is in its result.
pub fn publish_all(
    workspace: &Workspace,
    requests: &[Request],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Result<Published, PublishError>>, StoreError> {
    workspace.may_push()?;
    let apps: BTreeSet<AppName> = requests.iter().map(|request| request.app.clone()).collect();
    let mut results: Vec<Option<Result<Published, PublishError>>> = Vec::new();
    let mut attempts = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        progress(&format!("reading the files of {}", request.app));
        let seen = workspace.seen_refs(&request.app)?;
        match Attempt::new(workspace, request, &seen) {
            Ok(attempt) => {
                attempts.push((index, attempt));
                results.push(None);
            }
            Err(error) => results.push(Some(Err(error))),
        }
    }
    if !attempts.is_empty() {
        progress(&format!(
            "reading the versions of {} apps at {}",
            attempts.len(),
            workspace.remote()
        ));
        let refs = workspace.read_own(&apps)?;
        let mut all = Batches {
            workspace,
            refs,
            made: Vec::new(),
            stopped: None,
        };
        let mut waiting = Vec::new();
        for (index, attempt) in &attempts {
            match all.decide(attempt) {
                Decision::Done(result) => results[*index] = Some(*result),
                Decision::Push(candidate) => waiting.push((*index, attempt, *candidate)),
            }
        }
        // What was published is told, whoever stops the rest.
        let _shield = Shield::raise();
        while !waiting.is_empty() {
            let rest = waiting.split_off(BATCH.min(waiting.len()));
            for (index, result) in all.push(waiting, progress) {
                results[index] = Some(result);
            }
            waiting = rest;
        }
        all.look_for_last(&mut results);
    }
    Ok(results.into_iter().flatten().collect())
}

/// What is to be done about one app.
enum Decision {
    Done(Box<Result<Published, PublishError>>),
    Push(Box<Candidate>),
}

/// The versions that are to be pushed.
struct Batches<'a> {
    workspace: &'a Workspace,
    /// What the remote held at the one look.
    refs: BTreeMap<AppName, AppRefs>,
    /// Apps whose `last` was made and not moved, by their place among the requests.
    made: Vec<usize>,
    /// The publisher stopped it: nothing is asked of the remote any more, but whether the stopped push arrived.
    stopped: Option<GitError>,
}

type Waiting<'a> = (usize, &'a Attempt<'a>, Candidate);

impl Batches<'_> {
    fn decide(&self, attempt: &Attempt<'_>) -> Decision {
        let nothing = AppRefs::default();
        let refs = self.refs.get(&attempt.request.app).unwrap_or(&nothing);
        if let Some(version) = attempt.living(refs) {
            return Decision::Done(Box::new(attempt.unchanged(version, refs)));
        }
        match attempt.candidate(refs) {
            Err(error) => Decision::Done(Box::new(Err(error))),
            Ok(candidate) if attempt.request.dry_run => {
                let published = attempt.done(Outcome::WouldPublish, candidate);
                Decision::Done(Box::new(Ok(published)))
            }
            Ok(candidate) => Decision::Push(Box::new(candidate)),
        }
    }

    /// Pushes these versions at once; where the remote does not take that, one by one.
    fn push(
        &mut self,
        batch: Vec<Waiting<'_>>,
        progress: &mut dyn FnMut(&str),
    ) -> Vec<(usize, Result<Published, PublishError>)> {
        if let Some(error) = &self.stopped {
            let stopped = |(index, _, _): Waiting<'_>| (index, Err(not_begun(error)));
            return batch.into_iter().map(stopped).collect();
        }
        let remote = self.workspace.remote();
        progress(&format!("pushing {} apps to {remote}", batch.len()));
        let updates: Vec<_> = (batch.iter())
            .flat_map(|(_, _, candidate)| candidate.updates.iter().cloned())
            .collect();
        match self.workspace.push(&updates, true) {
            Ok(()) => (batch.into_iter())
                .map(|(index, attempt, candidate)| {
                    let app = &attempt.request.app;
                    self.workspace.note(app, &candidate.updates);
                    if self.refs.get(app).is_none_or(|refs| refs.last.is_none()) {
                        self.made.push(index);
                    }
                    (index, Ok(attempt.done(Outcome::Published, candidate)))
                })
                .collect(),
            Err(error) if error.is_interrupt() => {
                self.stopped = Some(error.clone());
                let apps = batch
                    .iter()
                    .map(|(_, attempt, _)| attempt.request.app.clone());
                let now = self.workspace.read_own(&apps.collect()).ok();
                (batch.into_iter())
                    .map(|(index, attempt, candidate)| {
                        let refs = now.as_ref().and_then(|now| now.get(&attempt.request.app));
                        let result = if refs.is_some_and(|refs| arrived(&candidate, refs)) {
                            Ok(attempt.done(Outcome::Published, candidate))
                        } else {
                            Err(PublishError::Interrupted(error.clone()))
                        };
                        (index, result)
                    })
                    .collect()
            }
            Err(error) => (batch.into_iter())
                .map(|(index, attempt, candidate)| {
                    let result = self.alone(attempt, candidate, &error, progress);
                    (index, result)
                })
                .collect(),
        }
    }

    /// Publishes one app by itself, after a push of several was refused.
    fn alone(
        &mut self,
        attempt: &Attempt<'_>,
        candidate: Candidate,
        error: &GitError,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Published, PublishError> {
        if let Some(error) = &self.stopped {
            return Err(not_begun(error));
        }
        let refs = self.refs.get(&attempt.request.app);
        let refused = Refused {
            candidate,
            refs: refs.cloned().unwrap_or_default(),
            error: error.clone(),
            alone: false,
        };
        let result = attempt.with_fresh_refs(Some(Box::new(refused)), progress);
        if let Err(PublishError::Interrupted(error)) = &result {
            self.stopped = Some(error.clone());
        }
        result
    }

    /// Looks once whether the remote has the refs that were made, and warns where it has not.
    fn look_for_last(&self, results: &mut [Option<Result<Published, PublishError>>]) {
        let published = |index: &usize| match results.get(*index) {
            Some(Some(Ok(published))) => Some((*index, published.version.app.clone())),
            _ => None,
        };
        let made: Vec<(usize, AppName)> = self.made.iter().filter_map(published).collect();
        if made.is_empty() || self.stopped.is_some() {
            return;
        }
        let apps = made.iter().map(|(_, app)| app.clone()).collect();
        let now = self.workspace.read_own(&apps);
        for (index, app) in made {
            let Some(Some(Ok(published))) = results.get_mut(index) else {
                continue;
            };
            let Ok(commit) = git2::Oid::try_from(&published.version.commit) else {
                continue;
            };
            let nothing = AppRefs::default();
            let refs = now.as_ref().map(|all| all.get(&app).unwrap_or(&nothing));
            let warning = self.workspace.kept(&app, refs, commit);
            published.warnings.extend(warning);
        }
    }
}

/// What is said of an app whose push was not begun, because the one before was stopped.
fn not_begun(error: &GitError) -> PublishError {
    PublishError::Interrupted(GitError {
        message: "stopped before it was pushed".to_owned(),
        ..error.clone()
    })
}

/// True where the refs that were read after a stopped push show the version. All of a push arrives, or nothing.
fn arrived(candidate: &Candidate, refs: &AppRefs) -> bool {
    let number = candidate.version.number.to_string();
    refs.tags.get(&number) == Some(&candidate.commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{Caller, GitErrorKind};

    #[test]
    fn what_was_not_begun_is_said_in_other_words_than_what_was_stopped() {
        let error = GitError {
            kind: GitErrorKind::Interrupted,
            caller: Caller::Person,
            message: "stopped in the middle: refs/tags/a/v1 arrived".to_owned(),
        };
        let said = not_begun(&error);
        assert!(matches!(&said, PublishError::Interrupted(error) if error.is_interrupt()));
        assert_eq!(said.to_string(), "stopped before it was pushed");
    }
}
