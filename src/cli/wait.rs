//! `--wait`: a change of `releases/` is done once `cutwater serve` serves it in full.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::context::Context;
use super::output::{Failure, Ui};
use super::reason;
use super::sources::{AdminArgs, named};
use crate::api::WantedVersion;
use crate::git::{self, Shield};
use crate::releases::{Kind, Release};
use crate::releasing::Released;
use crate::serve::admin_api::{ShareStatus, Status};
use crate::store::StoreError;
use crate::view::{AdminClient, FollowsError, own_address};
use crate::words::{CommitId, EnvironmentName, Period, VersionWord, listed};

/// How long the record of what is served is waited for. A server pushes those of one app after the other, and waits longer after each push
/// that fails.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// How often `serve` is asked.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a remote is left alone that could not be asked.
const AWAY: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct WaitArgs {
    /// Return once `cutwater serve` serves it in full; fail where it does not in this time, 5m where none is given
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5m",
        conflicts_with_all = ["dry_run", "branch", "pull_request"]
    )]
    wait: Option<Period>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// A `serve` that follows the repository of the clone.
pub(super) struct Waiting {
    standalone: AdminClient,
    patience: Period,
}

impl WaitArgs {
    /// An error where one of the words is the time that was to stand behind `--wait`.
    pub(super) fn check(&self, words: &[String]) -> Result<(), Failure> {
        let is_time =
            |word: &&String| word.parse::<VersionWord>().is_err() && word.parse::<Period>().is_ok();
        match words.iter().find(is_time) {
            Some(time) if self.wait.is_some() => Err(Failure::usage(format!(
                "`{time}` is no version; a time is written with `=`: --wait={time}"
            ))),
            _ => Ok(()),
        }
    }

    /// Where it is to be waited, looks for the server before anything is changed.
    pub(super) fn begin(&self, ui: &Ui, context: &Context) -> Result<Option<Waiting>, Failure> {
        let Some(patience) = self.wait else {
            return Ok(None);
        };
        let waiting = Waiting {
            standalone: self.admin.open()?,
            patience,
        };
        ui.progress(&format!("asking {}", waiting.standalone));
        let status = waiting.standalone.ask("/status").map_err(|error| {
            Failure::new(format!("{error}; nothing was changed"))
                .hint("name its --admin address with --admin or CUTWATER_ADMIN")
                .hint("without --wait nothing is asked: in a cluster, `cutwater deployments status` shows what is served")
        })?;
        waiting
            .standalone
            .follows(&context.workspace, &status)
            .map_err(named)?;
        Ok(Some(waiting))
    }
}

/// One look at the server.
enum Round {
    Served(Status),
    /// It is not, and why.
    Open(Vec<String>),
    /// Whether it is cannot be told, and why: the remote is away that knows the commits of the server.
    Unknown(StoreError),
    /// This server never serves it: releases of another folder count there.
    Never(String),
    /// A later commit, which is this one, gave the object something else, and is served.
    Replaced(CommitId, Vec<ShareStatus>),
}

impl Waiting {
    /// Returns once the change is served in full. It stands, whatever keeps that from being seen: no error may say to try again.
    pub(super) fn until_served(
        &self,
        ui: &Ui,
        context: &Context,
        released: &Released,
    ) -> Result<(), Failure> {
        let commit = released.commit.as_ref().unwrap_or(&released.onto);
        let shown = commit.short();
        let split = format!("{}/{}", released.kind.short(), released.object);
        ui.progress(&format!(
            "waiting until {} serves {split} as of commit {shown}",
            self.standalone
        ));
        let deadline = Instant::now() + Duration::from_secs(u64::from(self.patience.as_secs()));
        // Whoever stops the waiting has to know that it takes nothing back.
        let _shield = Shield::raise();
        loop {
            if git::was_interrupted() {
                return Err(stopped(context, released, shown));
            }
            let round = self.round(context, released, &split, commit);
            let (known, obstacles, pause) = match round {
                Round::Served(status) => {
                    self.until_recorded(ui, released, status, deadline);
                    return Ok(());
                }
                Round::Open(obstacles) => ("is not", obstacles.join("; "), PAUSE),
                Round::Unknown(away) => ("is not known to be", away.to_string(), AWAY),
                Round::Replaced(later, versions) => {
                    return Err(replaced(released, shown, &later, &versions));
                }
                Round::Never(folder) => {
                    let (branch, file) = (&released.branch, &released.file);
                    return Err(Failure::new(format!(
                        "commit {shown} is in branch {branch}, and the server on {} never serves it: releases of `{folder}` count there, and {file} is not in it",
                        self.standalone
                    ))
                    .hint("name the --admin address of the server of that folder with --admin or CUTWATER_ADMIN")
                    .because(reason::NOT_SERVED));
                }
            };
            if Instant::now() >= deadline {
                let mut failure = Failure::new(format!(
                    "commit {shown} is in branch {}, and {split} {known} served as it says after {}: {obstacles}",
                    released.branch, self.patience,
                ));
                let status = self.standalone.ask::<Status>("/status").ok();
                let others = status.and_then(|status| elsewhere(context, &status));
                failure = failure.hint(match others {
                    Some(others) => format!(
                        "{others}; if these are two repositories, the server never serves it: name the --admin address of another with --admin or CUTWATER_ADMIN"
                    ),
                    None => format!(
                        "what is only slow goes on by itself; http://{}/status tells how it stands",
                        self.standalone
                    ),
                });
                return Err(failure.because(reason::NOT_SERVED));
            }
            thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    fn round(
        &self,
        context: &Context,
        released: &Released,
        split: &str,
        commit: &CommitId,
    ) -> Round {
        let status = match self.standalone.ask::<Status>("/status") {
            Ok(status) => status,
            // It may be on its way up again.
            Err(error) => return Round::Open(vec![error.to_string()]),
        };
        match self.standalone.follows(&context.workspace, &status) {
            Ok(()) => {}
            // Another server may have come to its address for a while.
            Err(elsewhere @ FollowsError::Elsewhere { .. }) => {
                return Round::Open(vec![elsewhere.to_string()]);
            }
            Err(FollowsError::Store(away)) => return Round::Unknown(away),
        }
        // Both may have an object of that name.
        if let Some(folder) = &status.releases
            && !Path::new(&released.file).starts_with(folder)
        {
            return Round::Never(folder.clone());
        }
        match Self::serves(context, &status, released, split, commit) {
            Ok(true) => match later(context, &status, released, split, commit) {
                Some((later, versions)) => Round::Replaced(later, versions),
                None => Round::Served(status),
            },
            Ok(false) => Round::Open(obstacles(context, &status, released, split, commit)),
            Err(away) => Round::Unknown(away),
        }
    }

    /// Returns once what the server noted for its ledger is in the repository, where a rollback reads it: until then the branch
    /// has a commit of which nobody could say whether it was served. It is served all the same, so this fails in nothing but a
    /// warning.
    fn until_recorded(&self, ui: &Ui, released: &Released, mut status: Status, end: Instant) {
        let deadline = end.min(Instant::now() + RECORD_PATIENCE);
        let begun = Instant::now();
        while let Some((environment, problems)) = unrecorded(&status, released) {
            if Instant::now() >= deadline || git::was_interrupted() {
                ui.warning(format!(
                    "it is served, and after {} s the ledger of {environment} does not say so yet{problems}; until it does, `cutwater rollback {}` without a version may stop, since it goes by that",
                    begun.elapsed().as_secs(),
                    released.app
                ));
                return;
            }
            ui.progress(&format!("waiting for the ledger of {environment}"));
            thread::sleep(PAUSE);
            // A server that is gone may be on its way up again, with what it noted.
            status = self.standalone.ask("/status").unwrap_or(status);
        }
    }

    fn serves(
        context: &Context,
        status: &Status,
        released: &Released,
        split: &str,
        commit: &CommitId,
    ) -> Result<bool, StoreError> {
        let app = status.apps.get(&released.app);
        let there = app.and_then(|app| app.splits.get(split));
        let reached = match there {
            Some(there) => there.commit.as_ref(),
            // What is deleted is served by nobody once the commit counts.
            None if released.versions.is_empty() => status.commit.as_ref(),
            None => None,
        };
        Ok(match reached {
            Some(_) if there.is_some() && released.versions.is_empty() => false,
            Some(reached) => {
                let workspace = &context.workspace;
                let follows = reached == commit
                    || (workspace.knows(reached, &status.branch)?
                        && workspace.follows(reached, commit));
                follows && !Self::is_lost(context, status, released, split, reached)?
            }
            None => false,
        })
    }

    /// True where what was served in full as of the commit `reached` is not any more, such as where a program ends again and again. Where a
    /// later commit asks for something else, the server may be on its way to that: then what is not complete is not this.
    fn is_lost(
        context: &Context,
        status: &Status,
        released: &Released,
        split: &str,
        reached: &CommitId,
    ) -> Result<bool, StoreError> {
        let app = status.apps.get(&released.app);
        let there = app.and_then(|app| app.splits.get(split));
        if there.is_none_or(|there| there.complete) {
            return Ok(false);
        }
        let now = status.commit.as_ref().filter(|now| *now != reached);
        let Some(now) = now else { return Ok(true) };
        let asks = |commit| asked(context, released, commit);
        Ok(context.workspace.knows(now, &status.branch)? && asks(now) == asks(reached))
    }
}

/// What a commit asks for; nothing where it has no such object, or its file cannot be read.
fn asked(context: &Context, released: &Released, commit: &CommitId) -> Option<Vec<WantedVersion>> {
    let all = context.workspace.releases_in(commit, &released.file)?;
    let is_it = |it: &Release| {
        (it.kind(), it.name(), it.namespace())
            == (
                released.kind,
                &released.object,
                released.namespace.as_deref(),
            )
    };
    let found = all.into_iter().find(is_it);
    found.map(|release| release.wanted.versions)
}

/// The later commit that is served, and what it gives, where that is something else than the change asked for. What was served in
/// between two looks is not known here.
fn later(
    context: &Context,
    status: &Status,
    released: &Released,
    split: &str,
    commit: &CommitId,
) -> Option<(CommitId, Vec<ShareStatus>)> {
    let there = status.apps.get(&released.app)?.splits.get(split)?;
    let later = there.commit.as_ref().filter(|later| *later != commit)?;
    let asks = |commit: &CommitId| asked(context, released, commit);
    let asked = asks(commit)?;
    let by_what_is_served = || {
        let number = |entry: &WantedVersion| match entry.version {
            VersionWord::Number(number) => Some((number, entry.percentage)),
            _ => None,
        };
        let asked = asked.iter().filter(|entry| !entry.percentage.is_zero());
        let asked: Option<BTreeMap<_, _>> = asked.map(number).collect();
        let given = there.versions.iter();
        let given = given.map(|it| (it.version, it.percentage)).collect();
        asked.is_some_and(|asked| asked != given)
    };
    // Where it is in another file, or cannot be read, what is served tells, as far as numbers do.
    let given = asks(later);
    let is_other = given.map_or_else(by_what_is_served, |given| given != asked);
    is_other.then(|| (later.clone(), there.versions.clone()))
}

fn replaced(
    released: &Released,
    shown: &str,
    later: &CommitId,
    versions: &[ShareStatus],
) -> Failure {
    let versions = listed(versions.iter().map(|it| (it.version, it.percentage)));
    let later = later.short();
    let what = released.kind.named(None, &released.name);
    Failure::new(format!(
        "commit {shown} is in branch {}, and commit {later} after it gave {what} something else before it was seen to be served: now {versions} is",
        released.branch
    ))
    .because(reason::REPLACED)
}

/// Ctrl-C or SIGTERM came while it was waited.
fn stopped(context: &Context, released: &Released, commit: &str) -> Failure {
    let done = match &released.commit {
        Some(_) => format!(
            "the change is pushed and stands: commit {commit} is in branch {}",
            released.branch
        ),
        None => "nothing was changed".to_owned(),
    };
    let (app, branch) = (&released.app, &released.branch);
    let failure = Failure::new(format!("stopped; only the waiting ended, and {done}"));
    let failure = failure.because(reason::NOT_SERVED);
    let status = context.command(&format!("deployments status {app}"));
    failure.hint(format!(
        "a server that follows branch {branch} goes on by itself; `{status}` shows what is served"
    ))
}

/// The environment whose ledger does not have all yet that was served of the app, and what the server says stands in the way.
fn unrecorded(status: &Status, released: &Released) -> Option<(EnvironmentName, String)> {
    // Aliases are not recorded.
    let ledger = (status.ledger.as_ref()).filter(|_| released.kind == Kind::Deployment)?;
    ledger.apps.get(&released.app)?;
    let app = &released.app;
    let others = |problem: &&String| {
        problem.contains("ledger of ")
            && ![format!("ledger of {app}:"), format!("ledger of {app} ")]
                .iter()
                .any(|own| problem.contains(own))
    };
    let problems: Vec<String> = (ledger.problems.iter())
        .filter(|problem| !others(problem))
        .map(|problem| format!(" ({problem})"))
        .collect();
    Some((ledger.environment.clone(), problems.concat()))
}

/// Where a server follows another address than that of the clone's remote.
fn elsewhere(context: &Context, status: &Status) -> Option<String> {
    let own = own_address(&context.workspace);
    (status.repository != own).then(|| {
        format!(
            "the server follows {}, and this clone pushes to {own}",
            status.repository
        )
    })
}

/// What stands in the way.
fn obstacles(
    context: &Context,
    status: &Status,
    released: &Released,
    split: &str,
    commit: &CommitId,
) -> Vec<String> {
    let follows = |newer: &Option<CommitId>| {
        (newer.as_ref()).is_some_and(|newer| context.workspace.follows(newer, commit))
    };
    let mut found = status.problems.clone();
    if found.is_empty() && !follows(&status.seen) {
        let seen = (status.seen.as_ref()).map_or("none", CommitId::as_str);
        found.push(format!("the newest commit that the server knows is {seen}"));
    }
    let app = status.apps.get(&released.app);
    found.extend(app.iter().flat_map(|app| app.problems.iter().cloned()));
    if found.is_empty() {
        found.push(format!("{split} is not complete yet"));
    }
    found
}
