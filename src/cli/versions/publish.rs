//! `cutwater versions publish`.

use std::collections::BTreeMap;

use jiff::Zoned;

use super::entry::short;
use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::store::{self, Outcome, Request};
use crate::words::{AppName, FunctionName, Label};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App to publish; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Commit, branch or tag to publish from
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD")]
    reference: String,
    /// Set the image of a function in the version, not in the branch
    #[arg(long, value_name = "FUNCTION=REF@sha256:DIGEST", value_parser = image)]
    image: Vec<(FunctionName, String)>,
    /// What this version is about; the subject of the commit where absent
    #[arg(short, long)]
    message: Option<String>,
    /// Name the version, also if it was there already
    #[arg(long)]
    label: Option<Label>,
    /// Say what would happen, and change nothing at the remote
    #[arg(long)]
    dry_run: bool,
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
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app, Some(&self.reference))?;
        let mut images = BTreeMap::new();
        for (function, image) in self.image {
            if images.insert(function.clone(), image).is_some() {
                return Err(Failure::usage(format!(
                    "--image is given twice for `{function}`"
                )));
            }
        }
        if self.reference == "HEAD" && context.workspace.is_dirty(&app) {
            ui.warning(format!(
                "{}/{app} has changes that are not committed; they are not published",
                context.workspace.settings().apps
            ));
        }
        let request = Request {
            source: context.workspace.source(Some(&self.reference))?,
            author: context.author()?,
            app,
            images,
            message: self.message,
            label: self.label,
            time: Zoned::now(),
            publisher: "cli".to_owned(),
            dry_run: self.dry_run,
        };
        let published =
            store::publish(&context.workspace, &request, &mut |line| ui.progress(line))?;
        if ui.json {
            return ui.json(&published);
        }
        let version = &published.version;
        let verb = match published.outcome {
            Outcome::Published => "published",
            Outcome::Unchanged => "unchanged",
            Outcome::WouldPublish => "would publish",
        };
        ui.result(format!(
            "{verb} {} {} ({})",
            version.app,
            version.number,
            short(&version.tree)
        ));
        if let (Outcome::Unchanged, Some(label)) = (published.outcome, &published.added_label) {
            let verb = if self.dry_run {
                "would label"
            } else {
                "labelled"
            };
            ui.result(format!("{verb} {} {} {label}", version.app, version.number));
        }
        Ok(())
    }
}
