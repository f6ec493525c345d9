//! Which object of the branch is meant, and what to write where there is none. Pure.

use super::super::users::Branch;
use super::error::ReleaseError;
use super::{ReleaseRequest, Wish};
use crate::releases::{Object, Release};
use crate::settings::Settings;
use crate::words::{AliasName, AppName};

/// The name of an alias: the one of its spec, else the object's.
#[must_use]
pub fn alias_name(release: &Release) -> Option<&str> {
    let Object::Alias(alias) = &release.object else {
        return None;
    };
    let name = alias.spec.name.as_ref().map(AliasName::as_str);
    Some(name.unwrap_or_else(|| release.name()))
}

/// What people call it: `Deployment checkout`, `alias staging`, with its file.
pub(super) fn shown(release: &Release) -> String {
    let (file, line) = (&release.file, release.place.line);
    match alias_name(release) {
        Some(alias) => format!("alias `{alias}` ({file}:{line})"),
        None => format!("Deployment `{}` ({file}:{line})", release.name()),
    }
}

/// The object that the request is about.
pub(super) fn find<'a>(
    request: &ReleaseRequest,
    settings: &Settings,
    branch: &'a Branch,
) -> Result<&'a Release, ReleaseError> {
    let app = &request.app;
    let alias = match &request.wish {
        Wish::Deploy(_) | Wish::RollBack(_) => None,
        Wish::SetAlias { name, .. } | Wish::DeleteAlias(name) => Some(name),
    };
    let what = match alias {
        None => format!("a Deployment of `{app}`"),
        Some(name) => format!("alias `{name}` of `{app}`"),
    };
    let of_kind = |release: &&Release| {
        release.app() == app && alias_name(release) == alias.map(AliasName::as_str)
    };
    let all: Vec<&Release> = branch.releases.iter().filter(of_kind).collect();
    if all.is_empty() {
        let gaps = branch.unreadable.iter().filter(|file| file.may_concern);
        let gaps: Vec<String> = gaps.map(|file| file.problem.clone()).collect();
        if !gaps.is_empty() {
            return Err(ReleaseError::Unreadable { what, gaps });
        }
        return Err(not_there(request, settings, branch, what, alias));
    }
    let named = |release: &&&Release| {
        let Some(name) = &request.object else {
            return true;
        };
        let whole = release
            .namespace()
            .map(|space| format!("{space}/{}", release.name()));
        name == release.name() || Some(name) == whole.as_ref() || *name == release.file
    };
    let found: Vec<&Release> = all.iter().filter(named).copied().collect();
    let problem = match (found.as_slice(), &request.object) {
        ([release], _) => return Ok(*release),
        ([], Some(name)) => format!("{what} is not called `{name}`"),
        (_, Some(name)) => format!("{what} called `{name}` is there {} times", found.len()),
        (_, None) => format!("{what} is there {} times", found.len()),
    };
    let there = all.iter().map(|release| {
        let (file, name) = (&release.file, release.name());
        match release.namespace() {
            Some(space) => format!("{space}/{name} ({file})"),
            None => format!("{name} ({file})"),
        }
    });
    Err(ReleaseError::WhichOne {
        problem,
        flag: "--name",
        there: there.collect(),
    })
}

/// What to write where nothing is there.
fn not_there(
    request: &ReleaseRequest,
    settings: &Settings,
    branch: &Branch,
    what: String,
    alias: Option<&AliasName>,
) -> ReleaseError {
    let app = &request.app;
    // The Repository is mostly one for all objects.
    let repository = branch
        .releases
        .first()
        .map(|release| release.wanted.repository.as_str());
    let repository = repository.unwrap_or("releases");
    let (file, text) = match alias {
        None => (
            format!("{}/{app}.yaml", settings.releases),
            object("Deployment", app.as_str(), app, repository, DEPLOYMENT),
        ),
        Some(name) => {
            // Objects are called in lower case, aliases as people like.
            let plain = name.as_str().to_ascii_lowercase().replace('_', "-");
            let tail = format!("  name: {name}\n{ALIAS}");
            let file = format!("{}/{app}-{plain}.yaml", settings.releases);
            (
                file,
                object("Alias", &format!("{app}-{plain}"), app, repository, &tail),
            )
        }
    };
    ReleaseError::NotThere {
        what,
        folder: settings.releases.clone(),
        branch: branch.name.clone(),
        file,
        text,
    }
}

const DEPLOYMENT: &str = "  versions:\n  - version: 1\n    percentage: 100";
const ALIAS: &str = "  version: 1";

fn object(kind: &str, name: &str, app: &AppName, repository: &str, tail: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  app: {app}\n  repository: {repository}\n{tail}"
    )
}
