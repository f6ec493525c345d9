//! The object to write if a release names one that is not there: with the versions that were asked for. Pure.

use super::{ReleaseRequest, Wish};
use crate::releases::{Asked, split};
use crate::store::Branch;
use crate::words::{AppName, Share, VersionWord};

/// The name of a file for the object, and what may stand in it.
pub(super) fn object(request: &ReleaseRequest, branch: &Branch) -> (String, String) {
    let app = &request.app;
    let (kind, name, tail) = match &request.wish {
        Wish::Deploy(asked) => ("Deployment", app.to_string(), versions(asked)),
        Wish::RollBack(word) => {
            let word = word.as_ref().map_or_else(|| "1".to_owned(), written);
            let tail = format!("  versions:\n  - version: {word}\n    percentage: 100");
            ("Deployment", app.to_string(), tail)
        }
        Wish::SetAlias {
            name,
            version,
            canary,
        } => {
            // Objects are called in lower case, aliases as people like.
            let plain = name.as_str().to_ascii_lowercase().replace('_', "-");
            let canary = canary.as_ref().map_or_else(String::new, |(word, share)| {
                format!(
                    "\n  canary:\n    version: {}\n    percentage: {share}",
                    written(word)
                )
            });
            let tail = format!("  name: {name}\n  version: {}{canary}", written(version));
            ("Alias", format!("{app}-{plain}"), tail)
        }
        Wish::DeleteAlias(_) => ("Alias", app.to_string(), String::new()),
    };
    let text = text(kind, &name, app, branch, &tail);
    (format!("{name}.yaml"), text)
}

/// The versions and their shares; shares that make no split stay as they were given.
fn versions(asked: &[Asked]) -> String {
    let given: Vec<Option<Share>> = asked.iter().map(|asked| asked.percentage).collect();
    let shares = split(&given).unwrap_or_default();
    let mut text = "  versions:".to_owned();
    for (index, asked) in asked.iter().enumerate() {
        let share = shares.get(index).copied().or(asked.percentage);
        let share = share.unwrap_or(Share::ZERO);
        let version = written(&asked.version);
        text = format!("{text}\n  - version: {version}\n    percentage: {share}");
    }
    text
}

/// A version as it stands in a file: a number as a number.
fn written(word: &VersionWord) -> String {
    match word {
        VersionWord::Number(number) => number.get().to_string(),
        word => word.to_string(),
    }
}

fn text(kind: &str, name: &str, app: &AppName, branch: &Branch, tail: &str) -> String {
    // The Repository and the gateway are mostly the same for all objects.
    let first = branch.releases.first().map(|release| &release.wanted);
    let repository = first.map_or("releases", |wanted| wanted.repository.as_str());
    let mut gateways = (branch.releases.iter()).flat_map(|release| &release.wanted.routes);
    let gateway = gateways.next().map(|route| &route.route.gateway);
    let gateway_name = gateway.map_or("web", |gateway| gateway.name.as_str());
    let space = gateway
        .and_then(|gateway| gateway.namespace.as_ref())
        .map_or_else(String::new, |space| format!(", namespace: {space}"));
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  app: {app}\n  repository: {repository}\n{tail}\n  routes:\n  - hostnames: [{name}.localhost]\n    gateway: {{name: {gateway_name}{space}}}"
    )
}
