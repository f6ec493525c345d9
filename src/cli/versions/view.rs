//! `cutwater versions view`.

use super::entry::{EntryJson, labels, row};
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::store::Entry;
use crate::words::VersionWord;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App, and the version by number, id or label; the app may be left out as in `list`
    #[arg(value_name = "[APP] VERSION", num_args = 1..=2, required = true, add = candidates::app_and_versions())]
    words: Vec<String>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let (app, words) = context.app_and(self.words, 1)?;
        let word: VersionWord = words.concat().parse().map_err(Failure::usage)?;
        let history = context.workspace.history(&app)?;
        let (number, entry) = history.find(&word)?;
        if ui.json {
            return ui.json(&EntryJson::new(&app, number, entry));
        }
        let Entry::Living(version) = entry else {
            let [number, state, when, who, _, why] =
                row(number, entry).try_into().unwrap_or_default();
            ui.result(format!("{app} {number} {state} {when} {who}\n{why}"));
            return Ok(());
        };
        let line = |name: &str, value: &str| {
            if !value.is_empty() {
                ui.result(format!("{name:<11} {value}"));
            }
        };
        line("Version:", &format!("{app} {}", version.number));
        line("Id:", &format!("g{}", version.tree));
        line("Commit:", &version.commit);
        line("Labels:", &labels(version));
        line(
            "Author:",
            &format!("{} <{}>", version.author.name, version.author.email),
        );
        line("Published:", &version.published_at.to_string());
        line("By:", &version.source);
        line("Run:", version.run.as_deref().unwrap_or_default());
        line("Started by:", version.actor.as_deref().unwrap_or_default());
        line(
            "From:",
            version.source_commit.as_deref().unwrap_or_default(),
        );
        for overlay in &version.overlays {
            line("Overlay:", overlay);
        }
        line("Message:", &version.message.replace('\n', "\n            "));
        for function in context.workspace.functions(version)? {
            let image = function.image.as_deref().unwrap_or("no image");
            line(
                "Function:",
                &format!("{} on port {}, {image}", function.name, function.port),
            );
        }
        Ok(())
    }
}
