//! `cutwater deployments list`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::candidates;
use crate::cli::cluster::ClusterArgs;
use crate::cli::context::Context;
use crate::cli::live::{self, named};
use crate::cli::output::{Failure, Ui};
use crate::store::{Deployed, Origin, Scope, deployed};
use crate::words::{AppName, EnvironmentName};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Most deployments to print, 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Only what this environment or namespace was given
    #[arg(long, value_name = "NAME")]
    environment: Option<EnvironmentName>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What was deployed, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct ListJson {
    /// The app.
    app: AppName,
    /// Deployments.
    deployments: Vec<Deployed>,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app, None)?;
        let limit = if self.limit == 0 {
            usize::MAX
        } else {
            self.limit
        };
        let cluster = Some(&self.cluster);
        // One more than is shown says whether there are more.
        let more = limit.saturating_add(1);
        let (survey, cluster) = live::look(ui, context, &app, Scope::Tracked, more, cluster)?;
        let environment = self.environment.as_ref();
        let (mut all, problems) = deployed(
            &context.workspace,
            &survey,
            cluster.as_ref(),
            environment,
            more,
        );
        for problem in problems {
            ui.warning(problem);
        }
        let cut = all.len() > limit;
        all.truncate(limit);
        if ui.json {
            return ui.json(&ListJson {
                app,
                deployments: all,
            });
        }
        if all.is_empty() {
            ui.hint(format!(
                "nothing of `{app}` is known to have been deployed: no ledger, nothing in `{}` of branch {}, and nothing in a cluster",
                context.workspace.settings().releases,
                context.workspace.settings().branch
            ));
            return Ok(());
        }
        let head = ["TIME", "WHERE", "VERSIONS", "AUTHOR", "MESSAGE"];
        ui.table(&head, all.iter().map(row).collect());
        if cut {
            ui.hint(format!("there are more than {limit}; all with --limit 0"));
        }
        Ok(())
    }
}

fn row(entry: &Deployed) -> Vec<String> {
    let place = match &entry.place {
        Origin::Ledger { environment, .. } => environment.to_string(),
        Origin::Releases {
            kind,
            namespace,
            name,
            ..
        } => named(*kind, namespace.as_deref(), name),
        Origin::Cluster {
            context,
            kind,
            namespace,
            name,
            ..
        } => format!("{} ({context})", named(*kind, Some(namespace), name)),
    };
    let shares = entry.versions.iter();
    let shares: Vec<String> = shares
        .map(|share| format!("{} {}%", share.version, share.percentage))
        .collect();
    let versions = match entry.rolled_back_from {
        _ if shares.is_empty() => "removed".to_owned(),
        Some(from) => format!("{} (back from {from})", shares.join(", ")),
        None => shares.join(", "),
    };
    vec![
        entry.at.strftime("%Y-%m-%d %H:%M").to_string(),
        place,
        versions,
        entry.author.clone().unwrap_or_default(),
        entry.message.clone().unwrap_or_default(),
    ]
}
