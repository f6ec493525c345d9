//! `cutwater alias view`.

use super::entry;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::order::Shape;
use crate::cli::output::{Failure, Ui};
use crate::words::{AliasName, instead_of_alias};

const SHAPE: Shape = Shape {
    command: "alias view",
    words: &["NAME"],
    required: 1,
    endless: false,
    free: false,
    more: "one alias is shown at a time; `cutwater alias list` shows all of an app",
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App and alias; the app may be left out in its directory
    #[arg(
        value_name = "[APP] NAME",
        num_args = 1..,
        required = true,
        add = candidates::apps()
    )]
    words: Vec<String>,
    /// Which object is meant, where several have that alias: NAMESPACE/NAME, or its file
    #[arg(long = "name", value_name = "OBJECT")]
    object: Option<String>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        context.check(&SHAPE, &self.words)?;
        let (app, words) = context.app_and(self.words, 1)?;
        let name: AliasName = words.concat().parse().map_err(Failure::usage)?;
        let aliases = entry::read(ui, context, &app)?;
        let names: Vec<String> = aliases.iter().map(|alias| alias.name.clone()).collect();
        let mut found = aliases;
        found.retain(|alias| alias.name == name.as_str());
        if found.is_empty() {
            let failure = Failure::new(format!("app `{app}` has no alias `{name}`"));
            let names = names.iter().map(String::as_str);
            return Err(failure.hint(instead_of_alias(&app, names, name.as_str())));
        }
        let there: Vec<String> = found.iter().map(|alias| alias.file.clone()).collect();
        if let Some(object) = &self.object {
            found.retain(|alias| alias.is(object));
        }
        let [alias] = found.as_slice() else {
            let several = format!("alias `{name}` of `{app}` is there {} times", there.len());
            return Err(
                Failure::new(several).hint(format!("name one with --name: {}", there.join(", ")))
            );
        };
        if ui.json {
            return ui.json(alias);
        }
        let line = |label: &str, value: &str| ui.result(format!("{label:<13}{value}"));
        line("Alias", &format!("{name} of {app}"));
        line("Versions", &alias.shares());
        if let Some(description) = &alias.description {
            line("Description", description);
        }
        if !alias.hostnames.is_empty() {
            line("Hostnames", &alias.hostnames.join(", "));
        }
        if let Some(namespace) = &alias.namespace {
            line("Namespace", namespace);
        }
        line("File", &format!("{}:{}", alias.file, alias.line));
        Ok(())
    }
}
