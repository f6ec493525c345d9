//! What runs of an app outside of the repository: a cluster and a `cutwater serve`, asked once, and only read.

use std::collections::BTreeMap;

use super::cluster::ClusterArgs;
use super::context::Context;
use super::live;
use super::output::{Failure, Ui};
use super::standalone::AdminArgs;
use crate::serve::told::Status;
use crate::store::{Running, Scope, Server, Survey};
use crate::words::{AppName, Share, VersionNumber};

/// Which cluster and which server are asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RunningArgs {
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

impl RunningArgs {
    /// Asks both.
    ///
    /// # Errors
    /// Why one of them could not be asked, and what to do: what runs there must not be deleted.
    pub(super) fn ask(&self, context: &Context, app: &AppName) -> Result<Running, String> {
        let cluster = self.cluster.ask(app).map_err(|error| {
            format!(
                "{error}; make it reachable, or ask another one with --context: a version that runs there must stay. Only where you know that nothing runs there, leave the cluster out with --no-cluster"
            )
        })?;
        let server = self.server(context, app).map_err(|error| {
            format!(
                "{error}; a version that runs there must stay: make it reachable, or leave out --admin and CUTWATER_ADMIN where you know that nothing runs there"
            )
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
        let looked = live::look(ui, context, app, scope, records, cluster)?;
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

    /// What the server says of the app. Which branch it follows does not matter: its versions run all the same. At the usual
    /// address there may be none, or one of another repository: that is no error where nobody named it.
    fn server(&self, context: &Context, app: &AppName) -> Result<Option<Server>, String> {
        let standalone = self.admin.open().map_err(|error| error.to_string())?;
        let told = (standalone.ask::<Status>("/status"))
            .map_err(|error| error.to_string())
            .and_then(|status| {
                let follows = standalone.follows_repository(context, &status);
                follows.map_err(|failure| failure.to_string())?;
                Ok(status)
            });
        match told {
            Ok(status) => Ok(Some(Server {
                address: standalone.to_string(),
                versions: versions(status, app),
            })),
            Err(problem) if self.admin.is_named() => Err(problem),
            Err(_) => Ok(None),
        }
    }
}

/// The versions that get requests or run, each with its largest share.
fn versions(mut status: Status, app: &AppName) -> BTreeMap<VersionNumber, Share> {
    let Some(app) = status.apps.remove(app) else {
        return BTreeMap::new();
    };
    let running = app.versions.into_keys();
    let mut versions: BTreeMap<_, _> = running.map(|number| (number, Share::ZERO)).collect();
    for served in app.splits.into_values().flat_map(|split| split.versions) {
        let share = versions.entry(served.version).or_default();
        *share = (*share).max(served.percentage);
    }
    versions
}
