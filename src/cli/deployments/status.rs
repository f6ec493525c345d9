//! `cutwater deployments status`: what is asked, and how it is answered. [`table`] shows it to people.

mod table;
mod watch;

use crate::cli::candidates;
use crate::cli::context::Context;
use crate::cli::output::{Failure, Ui};
use crate::cli::sources::{self, AdminArgs, ClusterArgs};
use crate::users::Scope;
use crate::view::{AppStatus, ServerStatus};
use crate::words::AppName;

use table::HEAD;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// App; the one of the current directory, or the only one, where absent
    #[arg(add = candidates::apps())]
    app: Option<AppName>,
    /// Show it again whenever it is something else, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Args {
    pub(super) fn run(self, ui: &Ui, context: &Context) -> Result<(), Failure> {
        let app = context.app(self.app.clone(), None)?;
        let client = self.admin.open()?;
        if self.watch {
            let read = || {
                let looked = sources::read(context, &app, Scope::Tracked, 1, Some(&self.cluster))?;
                Ok(AppStatus::of(&context.workspace, app.clone(), looked, None))
            };
            return watch::watch(ui, context, &client, &read);
        }
        let looked = sources::look(ui, context, &app, Scope::Tracked, 1, Some(&self.cluster));
        let looked = match looked {
            Ok(looked) => looked,
            Err(failure) => return self.without_remote(ui, context, app, failure),
        };
        let asked = looked.cluster.is_some();
        for word in looked
            .survey
            .branches
            .iter()
            .flat_map(|branch| &*branch.aside)
        {
            ui.hint(word);
        }
        let server = match ServerStatus::ask(&client, &context.workspace, &app) {
            Ok(server) => Some(server),
            Err(problem) => {
                // At the usual place there may be none, or another one.
                if self.admin.is_named() {
                    ui.warning(problem);
                }
                None
            }
        };
        let status = AppStatus::of(&context.workspace, app, looked, server);
        if status.is_empty() {
            context.known(&status.app)?;
        }
        if ui.json {
            return ui.json(&status);
        }
        let rows = table::rows(&status);
        if rows.is_empty() {
            let settings = context.workspace.settings();
            let but = if status.unread.is_empty() {
                ""
            } else {
                ", as far as it could be read"
            };
            let cluster = if asked {
                ", nor is one in the cluster"
            } else {
                "; no cluster was asked"
            };
            ui.hint(format!(
                "`{}` is neither wanted nor served{but}: no Deployment or Alias of it in `{}` of branch {}, and no ledger{cluster}",
                status.app, settings.releases, settings.branch
            ));
            return Ok(());
        }
        ui.table(&HEAD, 0, rows);
        for problem in status.problems() {
            ui.warning(problem);
        }
        Ok(())
    }
}

impl Args {
    /// What a server and a cluster tell while the repository cannot be read. It fails all the same: what is wanted is not known.
    fn without_remote(
        &self,
        ui: &Ui,
        context: &Context,
        app: AppName,
        failure: Failure,
    ) -> Result<(), Failure> {
        let server = (self.admin.open().ok())
            .and_then(|client| ServerStatus::ask(&client, &context.workspace, &app).ok());
        let cluster = self.cluster.ask(&app).ok().flatten();
        let problem = failure.to_string();
        let status = AppStatus::without_repository(app, cluster, server, problem);
        let rows = table::rows(&status);
        if rows.is_empty() {
            return Err(failure);
        }
        if ui.json {
            ui.json(&status)?;
        } else {
            ui.table(&HEAD, 0, rows);
            for problem in status.problems() {
                ui.warning(problem);
            }
        }
        Err(failure.hint(
            "what is shown was told by what serves it; what is wanted, and what the ledger says, is not known while the repository cannot be read",
        ))
    }
}
