//! `cutwater versions label`.

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::store::{self, LabelChange, LabelOutcome, LabelRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, the version by number, id or label, and the label; the app may be left out in its directory. A label is 1 to 63
    /// letters, digits, `.`, `_` and `-`, begins with a letter, and is not `v` and digits, `g` and hex digits, or LATEST
    #[arg(
        value_name = "[APP] VERSION LABEL",
        num_args = 1..=3,
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
        context.complete("versions label", &self.words, &["VERSION", "LABEL"])?;
        // With the app in front, the last word is meant as a label.
        if let [version, label] = self.words.as_slice()
            && !self.remove
            && context.is_app(label)
        {
            return Err(Failure::usage(format!(
                "`{label}` is an app, and a label of that name would mislead; the app stands first: cutwater versions label {label} {version} LABEL"
            )));
        }
        let (app, words) = context.app_and(self.words, 2)?;
        let [version, label] = words
            .try_into()
            .map_err(|_| Failure::usage("write the version and the label"))?;
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
        let labelled = store::label(&context.workspace, &request, &mut |line| ui.progress(line))?;
        if labelled.outcome == LabelOutcome::Moved {
            ui.hint(format!(
                "clones that fetched the tag keep the old one, and their `git fetch --tags` fails: {}",
                super::fetch_again(context, &labelled.app, labelled.label.as_str())
            ));
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
