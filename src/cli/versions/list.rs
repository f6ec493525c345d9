//! `cutwater versions list`.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{EntryJson, row};
use super::uses::cell;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::moment::{self, Edge};
use crate::cli::output::{Failure, Ui, count};
use crate::cli::running::RunningArgs;
use crate::cli::shell::quoted;
use crate::store::{Entry, Filter, History, RefProblem};
use crate::users::{Running, Survey, Use, users_of};
use crate::words::{AppName, VersionNumber};

/// Most refs that are warned of one by one.
const WARNINGS_MAX: usize = 10;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App to list; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Most versions to print, 0 for all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    limit: usize,
    /// Begin below this version: the next page
    #[arg(long, value_name = "VERSION")]
    before: Option<VersionNumber>,
    /// Versions with a label that fits, such as 'v1.*'
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    label: Option<GlobMatcher>,
    /// Versions whose author's name or address holds this text
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Versions since then: 2026-11-21, 2026-11-21T10:00, '2 days ago'
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Versions until then; a date counts whole
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Versions that somebody uses
    #[arg(long)]
    live: bool,
    /// Do not look who uses them
    #[arg(long, conflicts_with_all = ["live", "context"])]
    no_live: bool,
    #[command(flatten)]
    running: RunningArgs,
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    let glob = Glob::new(text).map_err(|error| error.to_string())?;
    Ok(glob.compile_matcher())
}

/// The versions of an app, newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListJson {
    /// The app.
    app: AppName,
    /// The versions that were asked for.
    versions: Vec<ListedJson>,
    /// How many fit in all, on this page and others.
    total: usize,
    /// Where there are more: what to give to `--before` for the next page.
    next: Option<VersionNumber>,
    /// Refs of the app that are not as they should be.
    problems: Vec<RefProblem>,
    /// What could not be read where users of versions would be: there may be more of them.
    unread: Vec<String>,
}

/// What stands at a number, and who uses it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListedJson {
    #[serde(flatten)]
    entry: EntryJson,
    /// Who uses it: in releases of the tracked branch, in ledgers, in the cluster where one was asked. Absent with
    /// `--no-live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Vec<Use>>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone(), None)?;
        let mut filter = self.filter()?;
        let (survey, running, unread) = self.running.look(ui, context, &app, self.no_live)?;
        let history = &survey.history;
        if history.entries.is_empty() {
            context.known(&app)?;
        }
        let uses = |entry: &Entry| uses(entry, &survey, &running);
        if self.live {
            let mut living = BTreeSet::new();
            for (number, entry) in &history.entries {
                if !uses(entry).is_empty() {
                    living.insert(*number);
                }
            }
            filter.numbers = Some(living);
        }
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let page = history.page(&filter, self.before, limit);
        if ui.json {
            let versions = page.entries.iter().map(|(number, entry)| ListedJson {
                entry: EntryJson::new(&app, *number, entry),
                live: (!self.no_live).then(|| uses(entry)),
            });
            return ui.json(&ListJson {
                versions: versions.collect(),
                total: page.total,
                next: page.next,
                problems: history.problems.clone(),
                unread,
                app,
            });
        }
        warn(ui, history);
        if page.entries.is_empty() {
            ui.hint(if history.entries.is_empty() {
                format!(
                    "`{app}` has no versions yet; publish one with `{}`",
                    context.command(&format!("versions publish {app}"))
                )
            } else {
                format!("none of the {} versions fits", history.entries.len())
            });
            return Ok(());
        }
        let mut head = vec!["VERSION", "ID", "PUBLISHED", "AUTHOR", "LABELS", "MESSAGE"];
        if !self.no_live {
            head.insert(5, "LIVE");
        }
        let rows = page.entries.iter().map(|(number, entry)| {
            let mut row = row(*number, entry);
            if !self.no_live {
                row.insert(5, cell(&uses(entry)));
            }
            row
        });
        ui.table(&head, 3, rows.collect());
        if let Some(next) = page.next {
            ui.hint(format!(
                "{} of {}; the next page: {}",
                page.entries.len(),
                page.total,
                context.command(&self.again(&app, next))
            ));
        }
        Ok(())
    }

    fn filter(&self) -> Result<Filter, Failure> {
        let now = Zoned::now();
        let read = |text: &Option<String>, edge| -> Result<Option<Timestamp>, Failure> {
            let text = text.as_ref();
            text.map(|text| moment::read(text, edge, &now).map_err(Failure::usage))
                .transpose()
        };
        let filter = Filter {
            label: self.label.clone(),
            author: self.author.clone(),
            since: read(&self.since, Edge::Start)?,
            until: read(&self.until, Edge::End)?,
            numbers: None,
        };
        Ok(filter)
    }

    /// The command line of the next page.
    fn again(&self, app: &AppName, next: VersionNumber) -> String {
        let mut words = format!("versions list {app}");
        let glob = self
            .label
            .as_ref()
            .map(|glob| glob.glob().glob().to_owned());
        for (flag, value) in [
            ("label", &glob),
            ("author", &self.author),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if let Some(value) = value {
                words = format!("{words} --{flag} {}", quoted(value));
            }
        }
        for (flag, set) in [
            ("live", self.live),
            ("no-live", self.no_live),
            ("no-cluster", self.running.cluster.no_cluster),
        ] {
            if set {
                words = format!("{words} --{flag}");
            }
        }
        if self.limit != 20 {
            words = format!("{words} --limit {}", self.limit);
        }
        format!("{words} --before {next}")
    }
}

/// Who uses what stands at a number.
fn uses(entry: &Entry, survey: &Survey, running: &Running) -> Vec<Use> {
    match entry {
        Entry::Living(version) => users_of(version, survey, running),
        Entry::Deleted(_) | Entry::Foreign(_) => Vec::new(),
    }
}

/// Says which refs are not as they should be.
fn warn(ui: &Ui, history: &History) {
    for ref_problem in history.problems.iter().take(WARNINGS_MAX) {
        ui.warning(format!("{} {}", ref_problem.name, ref_problem.problem));
    }
    let more = history.problems.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        ui.warning(format!(
            "{more} more refs are not as they should be; all with --json"
        ));
    }
}
