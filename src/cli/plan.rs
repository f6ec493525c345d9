//! `cutwater plan`: what a merge does. Reads both sides and the versions; what follows is decided in [`crate::preview`], and shown by
//! [`text`] and [`markdown`].

mod document;
mod markdown;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use self::document::{GoesOut, PlanJson, SideJson};
use super::Global;
use super::candidates;
use super::context::Context;
use super::exit;
use super::output::{Failure, Ui};
use super::reason;
use crate::api::Trouble;
use crate::preview::{Change, Known, Preview, Side, Unread, preview};
use crate::releases::{Release, collide};
use crate::releasing::ReleaseError;
use crate::store::{NamedVersions, Outgoing, ReleaseState, SourceCommit};
use crate::words::{AppName, CommitId, VersionNumber, VersionWord};

pub(super) use self::document::PlanJson as Document;

/// Most commits that are shown for each object.
const COMMITS_SHOWN: usize = 20;
/// Most commits of the past in which it is looked for what an object was.
const COMMITS_BACK: usize = 50;

/// Show what a merge does to traffic, pods and routes, and what could never work
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cutwater plan                                # the files of this clone, into the tracked branch
  cutwater plan --head HEAD                    # what is committed, and no other change
  cutwater plan origin/main --head feature     # one branch into another
  cutwater plan --markdown > comment.md        # for a pull request
  cutwater plan --exit-code                    # for scripts: 0 nothing changes, 3 something does, 1 it can never work

Compared are the releases of the newest commit that BASE and the proposal have in common, and those of the proposal: what the
branch got since then is none of its changes. What words mean, and which versions live, is read from the remote. Nothing is
changed, and no cluster is asked.")]
pub(super) struct Args {
    /// Commit or branch into which is merged; the tracked branch, as the remote has it now, where absent
    #[arg(value_name = "BASE", add = candidates::branches())]
    base: Option<String>,
    /// Commit or branch that is merged; the files of this clone, committed or not, where absent
    #[arg(long, value_name = "COMMIT", add = candidates::branches())]
    head: Option<String>,
    /// Print Markdown, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// End with code 3 where the merge changes something
    #[arg(long)]
    exit_code: bool,
}

/// A merge, as it is asked for: both sides are words for commits, or absent.
struct Merge {
    base: Option<String>,
    head: Option<String>,
}

/// What a merge of one commit into another does, as Markdown.
pub(super) fn text_of_merge(
    ui: &Ui,
    context: &Context,
    (base, head): (&CommitId, &CommitId),
) -> Result<String, Failure> {
    let merge = Merge {
        base: Some(base.to_string()),
        head: Some(head.to_string()),
    };
    let plan = merge.plan(ui, context)?;
    Ok(markdown::lines(&plan).join("\n"))
}

/// Both sides of a merge.
struct Sides {
    base: SourceCommit,
    parted: SourceCommit,
    head: SourceCommit,
    before: ReleaseState,
    after: ReleaseState,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, global: &Global) -> Result<(), Failure> {
        let context = Context::open(global)?;
        let merge = Merge {
            base: self.base,
            head: self.head,
        };
        let plan = merge.plan(ui, &context)?;
        if ui.json {
            ui.json(&plan)?;
        } else if self.markdown {
            for line in markdown::lines(&plan) {
                ui.result(line);
            }
        } else {
            for line in text::lines(&plan) {
                ui.result(line);
            }
        }
        if plan.behind && !self.markdown {
            ui.hint(format!(
                "{} has newer commits that change releases, and this shows what the proposal changes of what it began with; merge them into it to see both together",
                plan.base.name
            ));
        }
        let hopeless = plan.preview.hopeless().count();
        if hopeless > 0 {
            let (problems, are) = if hopeless == 1 {
                ("problem".to_owned(), "stands")
            } else {
                (format!("{hopeless} problems"), "stand")
            };
            let what = if hopeless == 1 { "one " } else { "" };
            return Err(Failure::new(format!(
                "a merge would bring what can never work: {what}{problems} {are} above with file and line; correct the files, and plan again"
            ))
            .because(reason::CANNOT_WORK));
        }
        if self.exit_code && !plan.preview.is_empty() {
            return Err(Failure::code(exit::CHANGES));
        }
        Ok(())
    }
}

impl Merge {
    /// What it does.
    fn plan(&self, ui: &Ui, context: &Context) -> Result<PlanJson, Failure> {
        let sides = self.sides(ui, context)?;
        let named = named(ui, context, &sides)?;
        let (old, new) = (unread(&sides.before), unread(&sides.after));
        let (before, after) = (side(&sides.before, &old), side(&sides.after, &new));
        let earlier = earlier(context, &sides);
        let preview = preview(&before, &after, &known(&named), &earlier);
        Ok(self.document(context, &sides, &named, preview))
    }

    /// Finds both sides, and reads their releases.
    fn sides(&self, ui: &Ui, context: &Context) -> Result<Sides, Failure> {
        let workspace = &context.workspace;
        let named = |word: &str| {
            workspace.base(word).map_err(|error| {
                let failure = Failure::from(error);
                if context.is_app(word) {
                    failure.hint("a plan is of all apps; BASE is a commit or a branch")
                } else {
                    failure
                }
            })
        };
        let head = match &self.head {
            Some(word) => named(word)?,
            None => workspace.source(None)?,
        };
        let base = if let Some(word) = &self.base {
            named(word)?
        } else {
            let branch = &workspace.settings().branch;
            ui.progress(&format!("reading {branch} at {}", workspace.remote()));
            workspace.tracked()?.ok_or_else(|| ReleaseError::NoBranch {
                branch: branch.clone(),
                remote: workspace.remote().to_owned(),
            })?
        };
        let parted = workspace.parted(&base, &head).map_err(|error| {
            let failure = Failure::from(error)
                .hint("BASE names another commit or branch, and --head what is merged into it");
            if workspace.is_shallow() {
                failure.hint("this clone is shallow; `git fetch --unshallow` brings older commits, and in a pipeline a fetch-depth of 0")
            } else {
                failure
            }
        })?;
        Ok(Sides {
            before: workspace.releases_at(&parted)?,
            after: match &self.head {
                Some(_) => workspace.releases_at(&head)?,
                None => workspace.releases_on_disk(&head)?,
            },
            base,
            parted,
            head,
        })
    }

    fn document(
        &self,
        context: &Context,
        sides: &Sides,
        named: &Named,
        preview: Preview,
    ) -> PlanJson {
        let workspace = &context.workspace;
        let name = match &self.base {
            Some(word) => word.clone(),
            None => format!("{}/{}", workspace.remote(), sides.base.shown),
        };
        PlanJson {
            base: SideJson {
                name,
                commit: Some(sides.parted.oid.into()),
            },
            head: SideJson {
                name: (self.head.as_deref().unwrap_or("the files of this clone")).to_owned(),
                commit: (self.head.as_ref()).map(|_| sides.head.oid.into()),
            },
            behind: sides.parted.oid != sides.base.oid
                && workspace.releases_differ(&sides.parted, &sides.base),
            goes_out: goes_out(context, &preview, named),
            preview,
        }
    }
}

/// The objects that are of another app or repository after than before, as the commits before that had them: until one had them otherwise.
fn earlier(context: &Context, sides: &Sides) -> Vec<Release> {
    let of = |release: &Release| (release.app().clone(), release.wanted.repository.clone());
    let mut found = Vec::new();
    let moved = sides.before.releases.iter().filter(|old| {
        let mut after = sides.after.releases.iter();
        after.any(|now| collide(old, now) && of(old) != of(now))
    });
    let mut moved: Vec<&Release> = moved.collect();
    for back in 1..=COMMITS_BACK {
        if moved.is_empty() {
            break;
        }
        let older = (context.workspace).base(&format!("{}~{back}", sides.parted.oid));
        let Ok(older) = older.and_then(|older| context.workspace.releases_at(&older)) else {
            break;
        };
        moved.retain(|old| {
            let mut older = older.releases.iter();
            let other = older.find(|older| collide(older, old) && of(older) != of(old));
            found.extend(other.cloned());
            other.is_none()
        });
    }
    found
}

type Named = BTreeMap<AppName, NamedVersions>;

/// What the words of both sides mean at the remote.
fn named(ui: &Ui, context: &Context, sides: &Sides) -> Result<Named, Failure> {
    let mut words: BTreeMap<AppName, BTreeSet<VersionWord>> = BTreeMap::new();
    let both = sides.before.releases.iter().chain(&*sides.after.releases);
    for release in both {
        let of_app = words.entry(release.app().clone()).or_default();
        let entries = release.wanted.versions.iter();
        of_app.extend(entries.map(|entry| entry.version.clone()));
    }
    if !words.is_empty() {
        let apps: Vec<&str> = words.keys().map(AppName::as_str).collect();
        let remote = context.workspace.remote();
        ui.progress(&format!(
            "reading the versions of {} at {remote}",
            apps.join(", ")
        ));
    }
    Ok(context.workspace.named(&words)?)
}

/// The same, as a plan takes it.
fn known(named: &Named) -> Known {
    let mut known = Known::new();
    for (app, words) in named {
        let of_app = known.entry(app.clone()).or_default();
        for (word, found) in words {
            let found = match found {
                Ok(named) => Ok(named.record.clone()),
                Err(error) => Err(Trouble::new(error.reason(), error.to_string())),
            };
            of_app.insert(word.clone(), found);
        }
    }
    known
}

fn unread(state: &ReleaseState) -> Vec<Unread<'_>> {
    let files = state.unreadable.iter();
    files
        .map(|file| Unread {
            file: &file.file,
            problem: &file.problem,
            places: &file.places,
        })
        .collect()
}

fn side<'a>(state: &'a ReleaseState, unread: &'a [Unread<'a>]) -> Side<'a> {
    Side {
        folder: &state.folder,
        releases: &state.releases,
        unread,
        bare: &state.bare,
    }
}

/// For each object of which traffic goes from one version to another: the commits between the two.
fn goes_out(context: &Context, preview: &Preview, named: &Named) -> Vec<GoesOut> {
    let source = |app: &AppName, number: VersionNumber| {
        let words = named.get(app).into_iter().flat_map(BTreeMap::values);
        let mut found = words.flatten().map(|named| &named.version);
        let version = found.find(|version| version.number == number);
        version.and_then(|version| version.source_commit.clone())
    };
    let told = |app: &AppName, from: &CommitId, to: &CommitId| {
        let told = (context.workspace).outgoing(app, (from, to), COMMITS_SHOWN);
        match told {
            Ok(outgoing) => (outgoing, None),
            Err(error) => (Outgoing::default(), Some(error.to_string())),
        }
    };
    let untold = |number: VersionNumber| {
        let problem = format!("version {number} does not say which commit it was made from");
        (Outgoing::default(), Some(problem))
    };
    let one = |change: &Change| {
        let exchange = change.exchange?;
        let (from, to) = (exchange.from, exchange.to);
        let (outgoing, problem) = match (source(&change.app, from), source(&change.app, to)) {
            (Some(from), Some(to)) => told(&change.app, &from, &to),
            (None, _) => untold(from),
            (_, None) => untold(to),
        };
        Some(GoesOut {
            app: change.app.clone(),
            kind: change.kind,
            namespace: change.namespace.clone(),
            name: change.name.clone(),
            file: change.file.clone(),
            from,
            to,
            outgoing,
            problem,
        })
    };
    preview.changes.iter().filter_map(one).collect()
}
