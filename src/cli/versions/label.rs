//! `cutwater versions label`.

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::store::{
    self, LabelChange, LabelError, LabelOutcome, LabelRequest, Labelled, ResolveError,
};
use crate::words::{Label, instead};

const SHAPE: Shape = Shape {
    command: "versions label",
    words: &["VERSION", "LABEL"],
    required: 2,
    endless: false,
    free: false,
    more: "one label is given at a time",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, the version by number, id or label, and the label; the app may be left out in its directory. A label is 1 to 63
    /// letters, digits, `.`, `_` and `-`, begins with a letter, and is not `v` and digits, `g` and hex digits, or LATEST
    #[arg(
        value_name = "[APP] VERSION LABEL",
        num_args = 1..,
        required = true,
        add = candidates::app_version_and_word()
    )]
    words: Vec<String>,
    /// Take the label from the version that has it
    #[arg(long = "move", conflicts_with = "remove")]
    move_it: bool,
    /// Take the label away from this version
    #[arg(long)]
    remove: bool,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let shape = Shape {
            // Of an app that came later than the label.
            free: self.remove,
            ..SHAPE
        };
        context.check(&shape, &self.words)?;
        let (app, words) = context.app_and(self.words, 2)?;
        let [version, label] = words
            .try_into()
            .map_err(|_| Failure::usage("write the version and the label"))?;
        if let Some(turned) = context.turned(&SHAPE, &app, [&version, &label]) {
            return Err(turned);
        }
        let request = LabelRequest {
            app,
            version: version.parse().map_err(Failure::usage)?,
            label: label.parse().map_err(Failure::usage)?,
            change: match (self.move_it, self.remove) {
                (_, true) => LabelChange::Remove,
                (true, _) => LabelChange::Move,
                _ => LabelChange::Give,
            },
            dry_run: self.dry_run,
        };
        let labelled = store::label(&context.workspace, &request, &mut |line| ui.progress(line));
        let labelled = labelled.or_else(|error| {
            if matches!(&error, LabelError::Resolve(ResolveError::UnknownVersion { near, .. }) if near.is_empty()) {
                context.known(&request.app)?;
            }
            Err(Failure::from(error))
        })?;
        if labelled.outcome == LabelOutcome::Moved {
            ui.hint(format!(
                "clones that fetched the tag keep the old one, and their `git fetch --tags` fails: {}",
                super::fetch_again(context, &labelled.app, labelled.label.as_str())
            ));
        }
        if labelled.outcome == LabelOutcome::Unchanged {
            ui.hint(unchanged(&labelled, request.change));
        }
        if ui.json {
            return ui.json(&labelled);
        }
        let verb = match labelled.outcome {
            LabelOutcome::Labelled => "labelled",
            LabelOutcome::Moved => "moved",
            LabelOutcome::Removed => "removed",
            LabelOutcome::Unchanged => "unchanged",
            LabelOutcome::WouldLabel => "would label",
            LabelOutcome::WouldMove => "would move",
            LabelOutcome::WouldRemove => "would remove",
        };
        let from = labelled.moved_from;
        let from = from.map_or_else(String::new, |from| format!(" (from {from})"));
        let (app, number, label) = (&labelled.app, labelled.version, &labelled.label);
        ui.result(format!("{verb} {app} {number} {label}{from}"));
        Ok(())
    }
}

/// Why nothing was changed.
fn unchanged(labelled: &Labelled, change: LabelChange) -> String {
    let (app, number, label) = (&labelled.app, labelled.version, &labelled.label);
    if change == LabelChange::Remove {
        let others = labelled.others.iter().map(Label::as_str);
        format!(
            "nothing was changed: no version of `{app}` has label `{label}`; {}",
            instead(others, label.as_str())
        )
    } else {
        format!("nothing was changed: {number} of `{app}` has label `{label}` already")
    }
}
