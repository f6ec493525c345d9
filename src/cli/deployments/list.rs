//! `cutwater deployments list`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::moment;
use crate::cli::output::{Failure, Ui, count};
use crate::cli::sources::{self, ClusterArgs};
use crate::users::{Deployed, Memory, Scope, Unserved, deployed};
use crate::view::Looked;
use crate::words::{AppName, EnvironmentName, listed};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Most deployments to print, 0 for all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
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
    /// What could not be read: there may be more.
    unread: Vec<String>,
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
        // One more than is shown says whether there are more. What a record tells of a commit depends on those before it.
        let (more, records) = (limit.saturating_add(1), usize::MAX);
        let looked = sources::look(ui, context, &app, Scope::Tracked, records, cluster);
        let looked = looked.map_err(|failure| {
            failure.hint(format!(
                "what was deployed stands in the repository; what is served, a `cutwater serve` and a cluster tell without it: {}",
                context.command(&format!("deployments status {app}"))
            ))
        })?;
        let Looked {
            survey,
            cluster,
            mut unread,
            silent: _,
        } = looked;
        let environment = self.environment.as_ref();
        let (mut all, problems) = deployed(
            &context.workspace,
            &survey,
            cluster.as_ref(),
            environment,
            more,
        );
        for problem in problems {
            ui.warning(&problem);
            unread.push(problem);
        }
        if all.is_empty() && survey.history.entries.is_empty() {
            context.known(&app)?;
        }
        let cut = all.len() > limit;
        all.truncate(limit);
        if ui.json {
            return ui.json(&ListJson {
                app,
                deployments: all,
                unread,
            });
        }
        if all.is_empty() {
            let settings = context.workspace.settings();
            let place =
                (environment.as_ref()).map_or_else(String::new, |name| format!(" in `{name}`"));
            let but = if unread.is_empty() {
                ""
            } else {
                ", as far as it could be read"
            };
            let cluster = if cluster.is_some() {
                ", nor in the cluster"
            } else {
                "; no cluster was asked"
            };
            ui.hint(format!(
                "nothing of `{app}` was deployed{place}{but}: not by a ledger, not by `{}` of branch {}{cluster}",
                settings.releases, settings.branch
            ));
            return Ok(());
        }
        let head = ["TIME", "WHERE", "VERSIONS", "AUTHOR", "MESSAGE"];
        ui.table(&head, 1, all.iter().map(row).collect());
        if cut {
            ui.hint(format!("there are more than {limit}; all with --limit 0"));
        }
        Ok(())
    }
}

fn row(entry: &Deployed) -> Vec<String> {
    let place = match &entry.place {
        Memory::Ledger { environment, .. } => environment.to_string(),
        Memory::Releases {
            kind,
            namespace,
            name,
            ..
        } => kind.named(namespace.as_deref(), name),
        Memory::Cluster {
            context,
            kind,
            namespace,
            name,
            ..
        } => format!("{} ({context})", kind.named(Some(namespace), name)),
    };
    let shares = entry.versions.iter();
    let shares = listed(shares.map(|share| (&share.version, share.percentage)));
    let left = entry.rolled_back_from.iter();
    let left = left.chain(&entry.also_rolled_back_from);
    let left: Vec<String> = left.map(ToString::to_string).collect();
    let versions = match left.as_slice() {
        _ if shares.is_empty() => "removed".to_owned(),
        [] => shares,
        left => format!("{shares} (back from {})", left.join(", ")),
    };
    let versions = match entry.outcome {
        Some(Unserved::NeverServed) => format!("{versions}, never served"),
        Some(Unserved::NotRecorded) => format!("{versions}, not recorded"),
        Some(Unserved::AsRecorded) => format!("{versions}, as recorded before"),
        None => versions,
    };
    vec![
        moment::shown(entry.at),
        place,
        versions,
        entry.author.clone().unwrap_or_default(),
        entry.message.clone().unwrap_or_default(),
    ]
}
