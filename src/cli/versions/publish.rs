//! `cutwater versions publish`.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;

use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::entry::short;
use crate::app::Function;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::moment;
use crate::cli::output::{Failure, Ui};
use crate::store::{self, Addition, Outcome, Person, Published, Request, SourceCommit};
use crate::words::{AppName, FunctionName, Label};

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that can be asked for, beside the others"
)]
pub(in crate::cli) struct Args {
    /// Apps to publish; the one of the current directory, or the only one, where absent
    #[arg(value_name = "APP", add = candidates::apps())]
    apps: Vec<AppName>,
    /// Publish every app whose directory differs from the one in this commit
    #[arg(long, value_name = "BASE", conflicts_with_all = ["apps", "working_tree"])]
    changed: Option<String>,
    /// Commit, branch or tag to publish from
    #[arg(
        long = "ref",
        value_name = "REF",
        default_value = "HEAD",
        conflicts_with = "working_tree"
    )]
    reference: String,
    /// Publish the files as they are on the disk, committed or not, as `git add` would take them
    #[arg(long)]
    working_tree: bool,
    /// Lay the files of a folder over the app's, built and ignored ones too, and from anywhere; PATH is their place
    /// in the app's directory
    #[arg(long, value_name = "DIR[=PATH]")]
    add: Vec<String>,
    /// Set the image of a function in the version, not in the branch
    #[arg(long, value_name = "FUNCTION=REF@sha256:DIGEST", value_parser = image)]
    image: Vec<(FunctionName, String)>,
    /// What this version is about; the subject of the commit where absent
    #[arg(short, long)]
    message: Option<String>,
    /// Name the version, also if it was there already
    #[arg(long)]
    label: Option<Label>,
    /// Take the label from the version that has it
    #[arg(long, requires = "label")]
    move_label: bool,
    /// Sign the version with your key, as git is set up to (user.signingKey, gpg.format)
    #[arg(long)]
    sign: bool,
    /// Go on above the number that refs/cutwater/APP/last says, though no tag is there that says so
    #[arg(long)]
    trust_last: bool,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
}

/// What was published: one app's version, or those of several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it, and it is printed at once"
)]
pub(in crate::cli) enum PublishJson {
    /// Where one app is named or meant.
    One(Published),
    /// Where several are named, or --changed is given.
    Several {
        /// What became of each app, in the order in which they were published.
        apps: Vec<AppJson>,
        /// With --changed: apps that were there at BASE and are no more. Their versions stay.
        removed: Vec<AppName>,
    },
}

/// What became of one app of several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few, and they are printed at once"
)]
pub(in crate::cli) enum AppJson {
    /// Its content is a version now.
    Done(Published),
    /// It is not published.
    Failed {
        /// Always `failed`.
        outcome: Failed,
        /// The app.
        app: AppName,
        /// Why.
        error: String,
    },
}

/// The outcome of an app that is not published.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) enum Failed {
    /// It is not published.
    Failed,
}

/// What several apps are published with.
struct Common {
    source: SourceCommit,
    author: Person,
    time: Zoned,
}

/// `FUNCTION=REF`.
fn image(text: &str) -> Result<(FunctionName, String), String> {
    let (function, image) = text
        .split_once('=')
        .ok_or("write FUNCTION=REF@sha256:DIGEST, such as web=ghcr.io/acme/web@sha256:...")?;
    let function = function.parse().map_err(|error| format!("{error}"))?;
    crate::app::check_image(image).map_err(|error| error.to_string())?;
    Ok((function, image.to_owned()))
}

impl Args {
    pub(super) fn run(mut self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        if self.apps.len() > 1 || self.changed.is_some() {
            return self.several(ui, context);
        }
        let reference = (!self.working_tree).then_some(self.reference.as_str());
        let app = context.app(self.apps.pop(), reference)?;
        let request = self.request(context, &self.common(context)?, app)?;
        let changes = self.look_for_changes(context, Some(&request.app));
        let published = store::publish(&context.workspace, &request, &mut |line| ui.progress(line));
        say_uncommitted(ui, context, changes, std::slice::from_ref(&request));
        let published = published?;
        warn(ui, context, &request, &published);
        if ui.json {
            return ui.json(&PublishJson::One(published));
        }
        print(ui, &published, self.dry_run);
        Ok(())
    }

    /// Publishes several apps; one that fails does not keep the others from it.
    fn several(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        if !self.image.is_empty() || !self.add.is_empty() {
            return Err(Failure::usage(
                "--image and --add are for one app; publish the apps one by one",
            ));
        }
        let workspace = &context.workspace;
        let common = self.common(context)?;
        let mut apps = self.apps.clone();
        let (mut removed, mut skipped) = (Vec::new(), 0);
        if let Some(base) = &self.changed {
            let changed = workspace.changed(&workspace.base(base)?, &common.source)?;
            for (path, problem) in &changed.skipped {
                ui.failure(&Failure::new(format!(
                    "{path} changed, and is no app: {problem}"
                )));
            }
            skipped = changed.skipped.len();
            (apps, removed) = (changed.apps, changed.removed);
            if apps.is_empty() {
                ui.hint(format!("no app differs from {base}"));
            }
            for app in &removed {
                ui.hint(format!(
                    "`{app}` is not in {} any more; its versions stay",
                    self.reference
                ));
            }
        }
        let mut seen = BTreeSet::new();
        apps.retain(|app| seen.insert(app.clone()));
        let requests: Result<Vec<Request>, Failure> = (apps.into_iter())
            .map(|app| self.request(context, &common, app))
            .collect();
        let requests = requests?;
        let changes = self.look_for_changes(context, None);
        let published = store::publish_all(workspace, &requests, &mut |line| ui.progress(line));
        say_uncommitted(ui, context, changes, &requests);
        let mut results = Vec::new();
        let mut failed = 0;
        for (request, published) in requests.iter().zip(published?) {
            match published {
                Ok(published) => {
                    warn(ui, context, request, &published);
                    if !ui.json {
                        print(ui, &published, self.dry_run);
                    }
                    results.push(AppJson::Done(published));
                }
                Err(error) => {
                    failed += 1;
                    let app = request.app.clone();
                    let failure = Failure::from(error);
                    let error = failure.to_string();
                    ui.failure(&failure.about(&app));
                    results.push(AppJson::Failed {
                        outcome: Failed::Failed,
                        app,
                        error,
                    });
                }
            }
        }
        let all = results.len();
        if ui.json {
            ui.json(&PublishJson::Several {
                apps: results,
                removed,
            })?;
        }
        if failed > 0 {
            let rest = match (failed == all, self.dry_run) {
                (true, _) => "",
                (false, false) => "; the others are done",
                (false, true) => "; the others could be",
            };
            let what = format!("{failed} of {all} apps could not be published{rest}");
            return Err(Failure::new(what));
        }
        // A pipeline that goes green says that everything is published.
        if skipped > 0 {
            return Err(Failure::new(
                "not all folders that changed are apps; the others are done",
            ));
        }
        Ok(())
    }

    /// Looks for changes that are not committed, where the commit is meant that they would go into.
    fn look_for_changes(
        &self,
        context: &Context,
        only: Option<&AppName>,
    ) -> Option<JoinHandle<BTreeSet<AppName>>> {
        let plain = self.reference == "HEAD" && !self.working_tree;
        plain.then(|| context.workspace.look_for_changes(only))
    }

    /// What is the same for all apps, and is asked of git once.
    fn common(&self, context: &Context) -> Result<Common, Failure> {
        Ok(Common {
            source: context.workspace.source_to_publish(Some(&self.reference))?,
            author: context.author()?,
            time: moment::now(),
        })
    }

    fn request(
        &self,
        context: &Context,
        common: &Common,
        app: AppName,
    ) -> Result<Request, Failure> {
        let workspace = &context.workspace;
        let mut images = BTreeMap::new();
        for (function, image) in &self.image {
            if images.insert(function.clone(), image.clone()).is_some() {
                return Err(Failure::usage(format!(
                    "--image is given twice for `{function}`"
                )));
            }
        }
        let mut additions = Vec::new();
        let home = workspace.app_dir(&app);
        for text in &self.add {
            let addition = Addition::read(text, context.dir(), home.as_deref());
            additions
                .push(addition.map_err(|error| Failure::new(format!("--add {text}: {error}")))?);
        }
        Ok(Request {
            source: common.source.clone(),
            author: common.author.clone(),
            app,
            working_tree: self.working_tree,
            additions,
            images,
            message: self.message.clone(),
            label: self.label.clone(),
            move_label: self.move_label,
            sign: self.sign,
            time: common.time.clone(),
            provenance: Context::provenance(),
            trust_last: self.trust_last,
            dry_run: self.dry_run,
        })
    }
}

/// Says which of the apps have changes that are not committed.
fn say_uncommitted(
    ui: &Ui,
    context: &Context,
    changes: Option<JoinHandle<BTreeSet<AppName>>>,
    requests: &[Request],
) {
    let apps = changes.and_then(|found| found.join().ok());
    let apps = apps.unwrap_or_default();
    for request in requests
        .iter()
        .filter(|request| apps.contains(&request.app))
    {
        ui.warning(format!(
            "{}/{} has changes that are not committed; they are not published (--working-tree takes them)",
            context.workspace.settings().apps,
            request.app
        ));
    }
}

/// Says what the publisher has to know beside the result.
fn warn(ui: &Ui, context: &Context, request: &Request, published: &Published) {
    for warning in &published.warnings {
        ui.warning(&warning.message);
    }
    let version = &published.version;
    if published.outcome != Outcome::Unchanged {
        say_where_it_runs(ui, context, published);
    } else if request.sign
        && let Ok(None) = context.workspace.signature(version)
    {
        ui.warning(format!(
            "{} {} holds this content already, without a signature, and cannot get one",
            version.app, version.number
        ));
    }
}

/// Tells of functions that no cluster can run, since an image may have been forgotten, and of the first version's that one machine
/// cannot run, since nobody may know yet what that takes.
fn say_where_it_runs(ui: &Ui, context: &Context, published: &Published) {
    let version = &published.version;
    let functions = context.workspace.functions(version).unwrap_or_default();
    let names = |is_meant: fn(&Function) -> bool| {
        let names = functions.iter().filter(|function| is_meant(function));
        let names: Vec<String> = names
            .map(|function| format!("`{}`", function.name))
            .collect();
        names.join(", ")
    };
    let number = version.number;
    let without_image = names(|function| function.image.is_none());
    if !without_image.is_empty() {
        ui.hint(format!(
            "{number} has no image for {without_image}: it runs with `cutwater serve`, and in no cluster (--image gives one)"
        ));
    }
    let without_local = names(|function| function.local.is_none());
    if number.get() == 1 && !without_local.is_empty() {
        ui.hint(format!(
            "{number} has no `local.command` for {without_local}: it runs in a cluster, and not with `cutwater serve` (`local` in app.yaml says what to run on one machine)"
        ));
    }
}

fn print(ui: &Ui, published: &Published, dry_run: bool) {
    let version = &published.version;
    let verb = match published.outcome {
        Outcome::Published => "published",
        Outcome::Unchanged => "unchanged",
        Outcome::WouldPublish => "would publish",
    };
    let (app, number) = (&version.app, version.number);
    ui.result(format!("{verb} {app} {number} ({})", short(&version.tree)));
    let Some(label) = &published.added_label else {
        return;
    };
    let from = published.label_moved_from;
    let verb = match (from.is_some(), dry_run) {
        (false, false) => "labelled",
        (false, true) => "would label",
        (true, false) => "moved",
        (true, true) => "would move",
    };
    let from = from.map_or_else(String::new, |from| format!(" (from {from})"));
    ui.result(format!("{verb} {app} {number} {label}{from}"));
}
