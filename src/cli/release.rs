//! What the commands that change `releases/` have in common: their flags, and what they print.

use jiff::Zoned;

use super::context::Context;
use super::output::{Failure, Ui};
use super::pull_request::{self, Forge};
use super::wait::WaitArgs;
use crate::git::Shield;
use crate::releases::Kind;
use crate::releasing::{ReleaseOutcome, ReleaseRequest, Released, Wish, WorkTree};
use crate::users::DeployedShare;
use crate::words::{AppName, VersionWord, listed};

/// Longest message that a Deployment may have, in characters.
const MESSAGE_MAX: usize = 1024;

#[derive(Debug, clap::Args)]
pub(super) struct ReleaseArgs {
    /// Which object is meant, where the app has several: its name, NAMESPACE/NAME, or its file
    #[arg(long, value_name = "OBJECT")]
    name: Option<String>,
    #[command(flatten)]
    onto: BranchArgs,
    /// Sign the commit with your key, as where commit.gpgSign is set
    #[arg(long)]
    sign: bool,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// The version was typed as a bare number, which may be meant as a share.
    #[arg(skip)]
    pub(super) is_bare: bool,
}

/// In the place of the tracked branch.
#[derive(Debug, clap::Args)]
struct BranchArgs {
    /// Push to this new branch, for a pull request, and leave the tracked branch as it is
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Push to a new branch, and open its pull request at the forge, with what the merge does as its text
    #[arg(long)]
    pull_request: bool,
}

impl ReleaseArgs {
    /// An error where one of the words of the command belongs to a flag.
    pub(super) fn check(&self, words: &[String]) -> Result<(), Failure> {
        self.wait.check(words)
    }

    /// Makes the change, and prints what became of it: `done` is the verb, such as `deployed`, and `would` its plain form.
    pub(super) fn run(
        self,
        ui: &Ui,
        context: &Context,
        (app, wish, message): (AppName, Wish, Option<String>),
        (done, would): (&str, &str),
    ) -> Result<(), Failure> {
        if let Some(message) = &message {
            let count = message.chars().count();
            if count > MESSAGE_MAX {
                return Err(Failure::usage(format!(
                    "the message has {count} characters; at most {MESSAGE_MAX} are allowed"
                )));
            }
        }
        let own = || pull_request::own_branch(&app, &wish);
        let branch = (self.onto.branch).or_else(|| self.onto.pull_request.then(own));
        let request = ReleaseRequest {
            app,
            wish,
            object: self.name,
            message: message.filter(|message| !message.trim().is_empty()),
            branch,
            resumes: self.onto.pull_request,
            sign: self.sign,
            author: context.author()?,
            time: Zoned::now(),
            provenance: Context::provenance(),
            dry_run: self.dry_run,
        };
        let waiting = self.wait.begin(ui, context)?;
        let asks = self.onto.pull_request;
        let forge = asks.then(|| Forge::of(context)).transpose()?;
        let mut released =
            crate::releasing::release(&context.workspace, &request, &mut |line| ui.progress(line))?;
        // What was pushed is said, whoever stops that.
        let _shield = released.commit.is_some().then(Shield::raise);
        for problem in &released.unreadable {
            ui.warning(format!("not read: {problem}"));
        }
        for warning in &released.warnings {
            ui.warning(warning);
        }
        let proposed = propose(ui, context, forge.as_ref(), &request, &mut released);
        let message = request.message.as_ref();
        hints(
            ui,
            context,
            &released,
            (waiting.is_some(), self.is_bare, message),
        );
        if ui.json {
            // The change stands, whatever becomes of the pull request or of the waiting.
            ui.json(&released)?;
            proposed?;
            return waiting.map_or(Ok(()), |waiting| {
                waiting.until_served(ui, context, &released)
            });
        }
        let verb = match released.outcome {
            ReleaseOutcome::Changed => done.to_owned(),
            ReleaseOutcome::Proposed => "proposed".to_owned(),
            ReleaseOutcome::Unchanged => "unchanged".to_owned(),
            ReleaseOutcome::WouldChange => format!("would {would}"),
        };
        ui.result(format!("{verb} {}", what(&released)));
        if let Some(pull_request) = &released.opened_pull_request {
            ui.result(&pull_request.url);
        }
        proposed?;
        if request.dry_run {
            for line in released.diff.lines() {
                ui.result(line);
            }
        }
        if let Some(waiting) = waiting {
            waiting.until_served(ui, context, &released)?;
            ui.result(format!("served {}", what(&released)));
        }
        Ok(())
    }
}

/// Opens the pull request of what was pushed, where one is asked for.
fn propose(
    ui: &Ui,
    context: &Context,
    forge: Option<&Forge>,
    request: &ReleaseRequest,
    released: &mut Released,
) -> Result<(), Failure> {
    let Some(forge) = forge else {
        if released.outcome == ReleaseOutcome::Proposed {
            ui.hint(by_hand(context, released));
        }
        return Ok(());
    };
    match released.outcome {
        ReleaseOutcome::WouldChange => ui.hint(forge.would(released)),
        ReleaseOutcome::Proposed => {
            let opened = forge.open(ui, context, request, released)?;
            if opened.was_there {
                ui.hint("the pull request was open already");
            }
        }
        ReleaseOutcome::Changed | ReleaseOutcome::Unchanged => {}
    }
    Ok(())
}

/// How the pull request of a branch is opened.
fn by_hand(context: &Context, released: &Released) -> String {
    let (branch, tracked) = (&released.branch, &context.workspace.settings().branch);
    match &released.pull_request {
        Some(page) => format!("open the pull request: {page}"),
        None => format!(
            "open a pull request of branch {branch} into {tracked}; nothing changes until it is merged"
        ),
    }
}

/// `checkout: v7 90%, v8 10%`
fn what(released: &Released) -> String {
    let subject = match released.kind {
        Kind::Deployment => released.app.to_string(),
        Kind::Alias => format!("{} {}", released.app, released.name),
    };
    if released.versions.is_empty() {
        return subject;
    }
    let from: Vec<String> = (released.rolled_back_from.iter())
        .map(ToString::to_string)
        .collect();
    let from = match from.as_slice() {
        [] => String::new(),
        from => format!(" (back from {})", from.join(", ")),
    };
    format!("{subject}: {}{from}", shares(&released.versions))
}

/// `v7 90%, v8 10%`
pub(super) fn shares(shares: &[DeployedShare]) -> String {
    listed(
        shares
            .iter()
            .map(|share| (&share.version, share.percentage)),
    )
}

/// Why nothing was changed.
fn unchanged(context: &Context, released: &Released, message: Option<&String>) -> String {
    let tracked = &context.workspace.settings().branch;
    let lost = message.map_or("", |_| ", and no message was recorded");
    let mut why = format!(
        "nothing was changed{lost}: {} on branch {tracked} says this already",
        released.file
    );
    if let Kind::Deployment = released.kind {
        let look = context.command(&format!("deployments list {}", released.app));
        why = format!("{why}; `{look}` shows what was deployed before");
    }
    why
}

/// What brings a change into the files of the clone. Its own commits are merged: versions say for ever which commit they were made
/// from, and a rebase would leave that commit on no branch.
fn pull(context: &Context, released: &Released) -> String {
    let workspace = &context.workspace;
    let (remote, tracked) = (workspace.remote(), &workspace.settings().branch);
    let commit = released.commit.as_ref();
    if commit.is_some_and(|commit| workspace.has_own_commits(commit)) {
        format!(
            "`git pull --no-rebase {remote} {tracked}` merges the change (a rebase would give your commits other ids, and versions say which commit they are from)"
        )
    } else {
        format!("`git pull --rebase {remote} {tracked}` brings the change")
    }
}

/// What to look at next.
fn hints(
    ui: &Ui,
    context: &Context,
    released: &Released,
    (waits, is_bare, message): (bool, bool, Option<&String>),
) {
    let tracked = &context.workspace.settings().branch;
    if let WorkTree::Kept { reason } = &released.work_tree {
        ui.hint(format!(
            "the files of this clone stay as they are ({reason}); once nothing stands in the way, {}",
            pull(context, released)
        ));
    }
    if let WorkTree::Torn { reason } = &released.work_tree {
        ui.hint(format!(
            "some files of this clone may be written, and others not ({reason}); its branch {tracked} is where it was. `git status` shows them; `git stash --include-untracked` puts all aside that differs, your own changes too, and then {}",
            pull(context, released)
        ));
    }
    if released.outcome == ReleaseOutcome::Unchanged {
        ui.hint(unchanged(context, released, message));
    }
    if released.outcome == ReleaseOutcome::Changed && !waits {
        let (app, file) = (&released.app, &released.file);
        let cluster = if released.versions.is_empty() {
            format!(
                "in a cluster, delete it with `kubectl delete -f` and the file as it was ({file})"
            )
        } else {
            format!("in a cluster, `kubectl apply -f {file}` does")
        };
        ui.hint(format!(
            "the branch has the change; a `cutwater serve` of it follows by itself, {cluster}; `{}` shows what is served",
            context.command(&format!("deployments status {app}"))
        ));
    }
    let newest = released.rolled_back_from.iter().max();
    let target = released.versions.iter().max_by_key(|part| part.percentage);
    if let (Some(newest), Some(VersionWord::Number(target))) =
        (newest, target.map(|part| &part.version))
        && is_bare
        && target > newest
    {
        ui.hint(format!(
            "{target} is newer than what it replaces; what was meant as a share is given with `{}`",
            context.command(&format!("deploy {} VERSION=PERCENT...", released.app))
        ));
    }
}
