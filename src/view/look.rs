//! One look at an app from outside of this machine: its repository and a cluster, asked at the same time.

use std::thread;

use super::cluster::{ClusterError, ClusterQuestion};
use crate::store::{StoreError, Workspace};
use crate::users::{Cluster, Scope, Survey};
use crate::words::AppName;

/// What a look found.
pub struct Looked {
    /// What the remote holds.
    pub survey: Survey,
    /// What the cluster said; absent where none was asked, or it could not answer.
    pub cluster: Option<Cluster>,
    /// What could not be read, of all that may concern the app.
    pub unread: Vec<String>,
    /// Why the cluster that was to be asked is left out.
    pub silent: Option<ClusterError>,
}

/// Looks at the remote and asks the cluster, with at most `records` entries of each ledger.
///
/// # Errors
/// When the remote cannot be read. A cluster that cannot be asked is left out, with the reason.
pub fn look(
    workspace: &Workspace,
    app: &AppName,
    scope: Scope,
    records: usize,
    cluster: Option<&ClusterQuestion>,
) -> Result<Looked, StoreError> {
    let (survey, answer) = thread::scope(|scope_of_threads| {
        let asking = cluster.map(|question| scope_of_threads.spawn(|| question.ask(app)));
        let survey = workspace.survey(app, scope, records);
        let answer = asking.map_or(Ok(None), |asking| {
            asking.join().unwrap_or(Err(ClusterError::BrokenOff))
        });
        (survey, answer)
    });
    let survey = survey?;
    let (cluster, silent) = match answer {
        Ok(cluster) => (cluster, None),
        Err(error) => (None, Some(error)),
    };
    let mut unread: Vec<String> = (survey.gaps().iter())
        .map(|gap| format!("{gap}; it is left out"))
        .collect();
    let gaps =
        (cluster.iter()).flat_map(|cluster| cluster.unreadable.iter().chain(&cluster.partial));
    unread.extend(gaps.cloned());
    Ok(Looked {
        survey,
        cluster,
        unread,
        silent,
    })
}
