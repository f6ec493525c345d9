//! What runs of an app outside of the repository: a cluster and a `cutwater serve`, asked once, and only read.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::ask_error::AskError;
use super::cluster::ClusterArgs;
use super::context::Context;
use super::live;
use super::output::{Failure, Ui};
use super::standalone::{AdminArgs, Standalone};
use crate::serve::admin_api::Status;
use crate::users::{Running, Scope, Server, Survey};
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
            let way = if self.admin.is_named() {
                "make it reachable, or leave out --admin and CUTWATER_ADMIN where you know that nothing runs there"
            } else {
                "end what is there, or name the server of this repository with --admin or CUTWATER_ADMIN where you know that nothing runs there"
            };
            format!("{error}; a version that runs there must stay: {way}")
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
    /// address there may be none, or one of another repository: that is no error where nobody named it, and where it is sure.
    fn server(&self, context: &Context, app: &AppName) -> Result<Option<Server>, String> {
        let standalone = self.admin.open().map_err(|error| error.to_string())?;
        if self.admin.is_named() {
            let status = standalone.ask::<Status>("/status");
            let status = status.map_err(|error| error.to_string())?;
            let follows = standalone.follows_repository(context, &status);
            follows.map_err(|failure| failure.to_string())?;
            return Ok(Some(server(&standalone, status, app)));
        }
        let told = match standalone.ask("/status") {
            Ok(told) => told,
            Err(AskError::Silent { .. } | AskError::Other { .. }) => return Ok(None),
            Err(error @ AskError::Late { .. }) => return Err(error.to_string()),
        };
        let cannot = |problem| format!("the `cutwater serve` on {standalone} {problem}");
        let Some(status) = read(told).map_err(cannot)? else {
            return Ok(None);
        };
        let is_ours = Standalone::is_of(context, &status);
        let is_ours = is_ours.map_err(|error| error.to_string());
        let runs = status.apps.contains_key(app);
        let may_be = may_be_ours(is_ours, runs, context.workspace.is_shallow());
        let is_ours = may_be.map_err(|problem| {
            let repository = &status.repository;
            cannot(format!("runs {app} of {repository}, {problem}"))
        })?;
        Ok(is_ours.then(|| server(&standalone, status, app)))
    }
}

/// What a server told; nothing where what answered is none.
fn read(told: Json) -> Result<Option<Status>, String> {
    if !told["repository"].is_string() || !told["apps"].is_object() {
        return Ok(None);
    }
    let status = serde_json::from_value(told);
    status
        .map(Some)
        .map_err(|error| format!("is of another version, so what it runs is not known: {error}"))
}

/// True for a server of this repository. An error where nobody can tell, and it runs the app.
fn may_be_ours(
    is_ours: Result<bool, String>,
    runs: bool,
    is_shallow: bool,
) -> Result<bool, String> {
    match is_ours {
        Ok(true) => Ok(true),
        _ if !runs => Ok(false),
        Ok(false) if is_shallow => Err("which may be this repository: this clone is shallow and has not the commit that counts there; `git fetch --unshallow` brings it".to_owned()),
        Ok(false) => Ok(false),
        Err(problem) => Err(format!("which may be this repository: {problem}")),
    }
}

fn server(standalone: &Standalone, status: Status, app: &AppName) -> Server {
    Server {
        address: standalone.to_string(),
        versions: versions(status, app),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_server_is_none_and_one_that_cannot_be_read_is_a_problem() {
        for other in [json!({}), json!([]), json!("up"), json!({"apps": []})] {
            assert!(read(other.clone()).unwrap().is_none(), "{other}");
        }
        let known = serde_json::to_value(Status::default()).unwrap();
        assert!(read(known.clone()).unwrap().is_some());
        let mut other = known;
        other["apps"]["shop"] = json!({"splits": "none"});
        assert!(read(other).unwrap_err().contains("another version"));
    }

    #[test]
    fn a_server_that_runs_the_app_is_ruled_out_only_where_that_is_sure() {
        let away = || Err("the remote is away".to_owned());
        for (is_ours, runs, is_shallow, expected) in [
            (Ok(true), false, true, Ok(true)),
            (Ok(false), true, false, Ok(false)),
            (Ok(false), false, true, Ok(false)),
            (away(), false, false, Ok(false)),
            (Ok(false), true, true, Err("--unshallow")),
            (away(), true, false, Err("the remote is away")),
        ] {
            match (may_be_ours(is_ours, runs, is_shallow), expected) {
                (Err(said), Err(part)) => assert!(said.contains(part), "{said}"),
                (told, expected) => assert_eq!(told, expected.map_err(str::to_owned)),
            }
        }
    }
}
