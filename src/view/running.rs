//! What a `cutwater serve` runs of an app: what runs must not be deleted, so what is not known is an error.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::admin_client::AdminClient;
use super::ask_error::{AskError, RepositoryDoubt, ServerError, UnknownServer};
use crate::serve::admin_api::Status;
use crate::store::{StoreError, Workspace};
use crate::users::Server;
use crate::words::{AppName, Share, VersionNumber};

/// What the server says of the app. Which branch it follows does not matter: its versions run all the same. Where nobody named it
/// there may be none, or one of another repository: that is no error where it is sure.
///
/// # Errors
/// When it is named and does not answer or is of another repository; when it may be of this one and nobody can tell.
pub fn running(
    client: &AdminClient,
    workspace: &Workspace,
    app: &AppName,
    is_named: bool,
) -> Result<Option<Server>, ServerError> {
    if is_named {
        let status = client.ask::<Status>("/status")?;
        client.follows_repository(workspace, &status)?;
        return Ok(Some(server(client, status, app)));
    }
    let told = match client.ask("/status") {
        Ok(told) => told,
        Err(AskError::Silent { .. } | AskError::Other { .. }) => return Ok(None),
        Err(error @ AskError::Late { .. }) => return Err(error.into()),
    };
    let unknown = |problem: UnknownServer| ServerError::Unknown {
        address: client.to_string(),
        problem: Box::new(problem),
    };
    let read = read(told).map_err(|error| unknown(UnknownServer::Version(error)));
    let Some(status) = read? else {
        return Ok(None);
    };
    let is_ours = AdminClient::is_of(workspace, &status);
    let runs = status.apps.contains_key(app);
    let may_be = may_be_ours(is_ours, runs, workspace.is_shallow());
    let is_ours = may_be.map_err(|doubt| {
        unknown(UnknownServer::Repository {
            app: app.clone(),
            repository: status.repository.clone(),
            doubt,
        })
    })?;
    Ok(is_ours.then(|| server(client, status, app)))
}

/// What a server told; nothing where what answered is none.
fn read(told: Json) -> Result<Option<Status>, serde_json::Error> {
    if !told["repository"].is_string() || !told["apps"].is_object() {
        return Ok(None);
    }
    serde_json::from_value(told).map(Some)
}

/// True for a server of this repository. An error where nobody can tell, and it runs the app.
fn may_be_ours(
    is_ours: Result<bool, StoreError>,
    runs: bool,
    is_shallow: bool,
) -> Result<bool, RepositoryDoubt> {
    match is_ours {
        Ok(true) => Ok(true),
        _ if !runs => Ok(false),
        Ok(false) if is_shallow => Err(RepositoryDoubt::Shallow),
        Ok(false) => Ok(false),
        Err(error) => Err(RepositoryDoubt::Remote(error)),
    }
}

fn server(client: &AdminClient, status: Status, app: &AppName) -> Server {
    Server {
        address: client.to_string(),
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
        let unknown = UnknownServer::Version(read(other).unwrap_err());
        assert!(unknown.to_string().contains("another version"));
    }

    #[test]
    fn a_server_that_runs_the_app_is_ruled_out_only_where_that_is_sure() {
        let away = || Err(StoreError::local("the remote", &"is away"));
        for (is_ours, runs, is_shallow, expected) in [
            (Ok(true), false, true, Ok(true)),
            (Ok(false), true, false, Ok(false)),
            (Ok(false), false, true, Ok(false)),
            (away(), false, false, Ok(false)),
            (Ok(false), true, true, Err("--unshallow")),
            (away(), true, false, Err("the remote: is away")),
        ] {
            match (may_be_ours(is_ours, runs, is_shallow), expected) {
                (Err(doubt), Err(part)) => assert!(doubt.to_string().contains(part), "{doubt}"),
                (told, expected) => assert_eq!(told.ok(), expected.ok()),
            }
        }
    }
}
