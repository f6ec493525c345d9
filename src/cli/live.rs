//! Who uses which version, as commands ask for it: the remote and the cluster at the same time.

use std::thread;

use super::cluster::ClusterArgs;
use super::context::Context;
use super::output::{Failure, Ui};
use crate::releases::Kind;
use crate::users::{Cluster, Scope, Survey, Use, User};
use crate::words::AppName;

/// What a look at the remote and at the cluster found.
pub(super) struct Looked {
    pub(super) survey: Survey,
    /// Nothing where none was asked, or it could not answer.
    pub(super) cluster: Option<Cluster>,
    /// What could not be read, of all that may concern the app.
    pub(super) unread: Vec<String>,
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
    let workspace = &context.workspace;
    let (survey, answer) = thread::scope(|scope_of_threads| {
        let asking = cluster.map(|cluster| scope_of_threads.spawn(|| cluster.ask(app)));
        let survey = workspace.survey(app, scope, records);
        let answer = asking.map_or(Ok(None), |asking| {
            let died = |_| Err("the question to the cluster broke off".to_owned());
            asking.join().unwrap_or_else(died)
        });
        (survey, answer)
    });
    let survey = survey?;
    let mut unread: Vec<String> = (survey.gaps().iter())
        .map(|gap| format!("{gap}; it is left out"))
        .collect();
    let cluster = answer.unwrap_or_else(|error| {
        unread.push(format!(
            "the cluster is left out: {error}; say so with --no-cluster"
        ));
        None
    });
    let gaps =
        (cluster.iter()).flat_map(|cluster| cluster.unreadable.iter().chain(&cluster.partial));
    unread.extend(gaps.cloned());
    Ok(Looked {
        survey,
        cluster,
        unread,
    })
}

/// Who uses a version, in one cell of a table. What releases want and the cluster serves is said once.
pub(super) fn cell(uses: &[Use]) -> String {
    let is_served = |kind: Kind, name: &str, entry: &Use| {
        uses.iter().any(|other| match &other.user {
            User::Cluster {
                kind: kind_there,
                name: name_there,
                ..
            } => *kind_there == kind && name_there == name && other.share() == entry.share(),
            _ => false,
        })
    };
    let parts = uses.iter().filter_map(|entry| {
        let share = entry.share();
        match &entry.user {
            User::Releases {
                kind,
                namespace,
                name,
                ..
            } => {
                let place = named(*kind, namespace.as_deref(), name);
                (!is_served(*kind, name, entry)).then(|| format!("{place} {share}%"))
            }
            User::Server { address } => Some(format!("serve {address} {share}%")),
            User::Ledger { environment, .. } => Some(format!("in {environment} {share}%")),
            User::Cluster {
                kind,
                namespace,
                name,
                ..
            } => Some(format!("{} {share}%", named(*kind, Some(namespace), name))),
        }
    });
    let mut parts: Vec<String> = parts.collect();
    parts.dedup();
    parts.join(", ")
}

/// `shop/checkout`, `alias shop/prod`
pub(super) fn named(kind: Kind, namespace: Option<&str>, name: &str) -> String {
    let alias = if kind == Kind::Alias { "alias " } else { "" };
    match namespace {
        Some(namespace) => format!("{alias}{namespace}/{name}"),
        None => format!("{alias}{name}"),
    }
}
