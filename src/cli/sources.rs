//! The flags that say which cluster and which `cutwater serve` are asked, and a look at the remote and at a cluster.

use std::borrow::Cow;

use super::context::Context;
use super::output::{Failure, Ui};
use crate::users::{Cluster, Scope};
use crate::view::{self, AdminClient, ClusterError, ClusterQuestion, FollowsError, Looked};
use crate::words::AppName;

/// Which cluster is asked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ClusterArgs {
    /// Do not ask the cluster
    #[arg(long, conflicts_with = "context")]
    pub(super) no_cluster: bool,
    /// Context of the kubeconfig to ask; the current one where absent
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    /// The question; nothing where no cluster is to be asked.
    pub(super) fn question(&self) -> Option<ClusterQuestion> {
        let context = self.context.clone();
        (!self.no_cluster).then_some(ClusterQuestion { context })
    }

    /// The app's Deployments and Aliases in the cluster; nothing where there is no cluster or it is not to be asked.
    pub(super) fn ask(&self, app: &AppName) -> Result<Option<Cluster>, ClusterError> {
        self.question()
            .map_or(Ok(None), |question| question.ask(app))
    }
}

/// Where `serve` tells of itself.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdminArgs {
    /// Admin address of `cutwater serve`, or its port on this machine (default 127.0.0.1:8081)
    #[arg(long, value_name = "ADDRESS", env = "CUTWATER_ADMIN")]
    admin: Option<String>,
}

/// Where `serve` tells of itself unless it is told otherwise.
const USUAL: &str = "127.0.0.1:8081";

impl AdminArgs {
    /// True where a person says that there is a server.
    pub(super) fn is_named(&self) -> bool {
        self.admin.is_some()
    }

    /// The address that is asked. A port alone is one of this machine, as `cutwater serve` takes it.
    pub(super) fn address(&self) -> Cow<'_, str> {
        let address = self.admin.as_deref().unwrap_or(USUAL);
        let address = address.trim_start_matches("http://");
        let address = address.trim_end_matches('/');
        let port = address.strip_prefix(':').unwrap_or(address);
        match port.parse::<u16>() {
            Ok(port) => format!("127.0.0.1:{port}").into(),
            Err(_) => address.into(),
        }
    }

    /// A way to ask.
    pub(super) fn open(&self) -> std::io::Result<AdminClient> {
        AdminClient::open(self.address().into_owned())
    }
}

/// Why a server is not of the clone's repository, with the flag that names another one.
pub(super) fn named(error: FollowsError) -> Failure {
    let is_elsewhere = matches!(error, FollowsError::Elsewhere { .. });
    let failure = Failure::from(error);
    if is_elsewhere {
        failure.hint("name the --admin address of another with --admin or CUTWATER_ADMIN")
    } else {
        failure
    }
}

/// Looks at the remote and asks the cluster. What cannot be known is a warning.
pub(super) fn look(
    ui: &Ui,
    context: &Context,
    app: &AppName,
    scope: Scope,
    records: usize,
    cluster: Option<&ClusterArgs>,
) -> Result<Looked, Failure> {
    ui.progress(&format!("reading {app} at {}", context.workspace.remote()));
    let looked = read(context, app, scope, records, cluster)?;
    for gap in &looked.unread {
        ui.warning(gap);
    }
    Ok(looked)
}

/// The same, and says nothing.
pub(super) fn read(
    context: &Context,
    app: &AppName,
    scope: Scope,
    records: usize,
    cluster: Option<&ClusterArgs>,
) -> Result<Looked, Failure> {
    let question = cluster.and_then(ClusterArgs::question);
    let mut looked = view::look(&context.workspace, app, scope, records, question.as_ref())?;
    if let Some(error) = &looked.silent {
        let left_out = format!("the cluster is left out: {error}; say so with --no-cluster");
        looked.unread.push(left_out);
    }
    Ok(looked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_address_or_by_its_port_on_this_machine() {
        for (given, address) in [
            (None, "127.0.0.1:8081"),
            (Some("22001"), "127.0.0.1:22001"),
            (Some(":22001"), "127.0.0.1:22001"),
            (Some("http://10.0.0.7:8081/"), "10.0.0.7:8081"),
            (Some("[::1]:8081"), "[::1]:8081"),
            (Some("build.example:8081"), "build.example:8081"),
        ] {
            let admin = given.map(str::to_owned);
            assert_eq!(AdminArgs { admin }.address(), address);
        }
    }
}
