//! What runs of an app outside of the repository: a cluster and a `cutwater serve`, asked once, and only read.

use super::context::Context;
use super::output::{Failure, Ui};
use super::sources::{self, AdminArgs, ClusterArgs};
use crate::users::{Running, Scope, Server, Survey};
use crate::view::{self, ClusterError, ServerError, UnknownServer};
use crate::words::AppName;

/// Which cluster and which server are asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RunningArgs {
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Why one of them could not be asked, and what to do: what runs there must not be deleted.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunningError {
    /// The cluster.
    #[error(
        "{0}; make it reachable, or ask another one with --context: a version that runs there must stay. Only where you know that nothing runs there, leave the cluster out with --no-cluster"
    )]
    Cluster(ClusterError),
    /// The server that was named.
    #[error(
        "{0}; a version that runs there must stay: make it reachable, or leave out --admin and CUTWATER_ADMIN where you know that nothing runs there"
    )]
    Named(ServerError),
    /// What answers at the usual address.
    #[error(
        "{0}; a version that runs there must stay: end what is there, or name the server of this repository with --admin or CUTWATER_ADMIN where you know that nothing runs there"
    )]
    Unnamed(ServerError),
}

impl RunningArgs {
    /// Asks both.
    ///
    /// # Errors
    /// When one of them could not be asked.
    pub(super) fn ask(&self, context: &Context, app: &AppName) -> Result<Running, RunningError> {
        let cluster = self.cluster.ask(app).map_err(RunningError::Cluster)?;
        let server = self.server(context, app).map_err(|error| {
            if self.admin.is_named() {
                RunningError::Named(error)
            } else {
                RunningError::Unnamed(error)
            }
        })?;
        Ok(Running { cluster, server })
    }

    /// Who was asked what runs, and who was not: what runs elsewhere is not known.
    pub(super) fn asked(&self, running: &Running) -> String {
        let cluster = running.cluster.as_ref();
        let cluster = cluster.map_or_else(
            || "no cluster".to_owned(),
            |cluster| format!("cluster {}", cluster.context),
        );
        let address = self.admin.address();
        let server = if running.server.is_some() {
            format!("the `cutwater serve` whose admin address is {address}")
        } else {
            format!("no `cutwater serve` (none of this repository answers on {address})")
        };
        format!(
            "what runs was asked of {cluster}, and of {server}; a server at another address was not asked: name it with --admin or CUTWATER_ADMIN before you delete what it may run"
        )
    }

    /// Looks at the remote, and asks both unless nobody is to be asked: what runs, and what could not be read. Who cannot be asked is
    /// left out with a warning.
    pub(super) fn look(
        &self,
        ui: &Ui,
        context: &Context,
        app: &AppName,
        nobody: bool,
    ) -> Result<(Survey, Running, Vec<String>), Failure> {
        let (scope, records) = if nobody {
            (Scope::Versions, 0)
        } else {
            (Scope::Tracked, 1)
        };
        let cluster = (!nobody).then_some(&self.cluster);
        let looked = sources::look(ui, context, app, scope, records, cluster)?;
        let mut running = Running {
            cluster: looked.cluster,
            server: None,
        };
        if !nobody {
            running.server = self.server(context, app).unwrap_or_else(|error| {
                ui.warning(format!("the server is left out: {error}"));
                None
            });
        }
        Ok((looked.survey, running, looked.unread))
    }

    fn server(&self, context: &Context, app: &AppName) -> Result<Option<Server>, ServerError> {
        let client = self.admin.open().map_err(|error| ServerError::Unknown {
            address: self.admin.address().into_owned(),
            problem: Box::new(UnknownServer::Unasked(error)),
        })?;
        view::running(&client, &context.workspace, app, self.admin.is_named())
    }
}
