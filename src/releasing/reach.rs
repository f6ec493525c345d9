//! Whether the routes of an object reach functions that its versions have, before the change is pushed.

use super::decide::Decision;
use super::error::ReleaseError;
use crate::api::reach;
use crate::app::Function;
use crate::releases::Release;
use crate::store::content::Content;
use crate::store::history::History;
use crate::store::workspace::Workspace;
use crate::words::{VersionNumber, VersionWord};

/// Refuses what could never be served; returns what may keep the change from being served.
///
/// A version that cannot be read here is no reason to refuse: it may be readable where it runs.
pub(super) fn check(
    workspace: &Workspace,
    history: &History,
    release: &Release,
    decision: &Decision,
) -> Result<Vec<String>, ReleaseError> {
    let routes = &release.wanted.routes;
    if decision.parts.is_empty() {
        return Ok(Vec::new());
    }
    if routes.is_empty() {
        return Ok(vec![format!(
            "{} has no routes, so no request reaches it; add `routes` to {}",
            release.name(),
            release.file
        )]);
    }
    let mut warnings = Vec::new();
    let mut known: Vec<(VersionNumber, Vec<Function>)> = Vec::new();
    for part in &decision.parts {
        // A version that does not live is said elsewhere.
        let Ok(version) = history.version(&VersionWord::Number(part.version)) else {
            continue;
        };
        let read = Content::of_version(version);
        match read.and_then(|content| content.app(workspace)) {
            Ok(app) => known.push((part.version, app.spec.functions)),
            Err(problem) => warnings.push(format!(
                "it was not checked whether the routes fit {}: {problem}",
                part.version
            )),
        }
    }
    let known: Vec<(VersionNumber, &[Function])> = (known.iter())
        .map(|(number, functions)| (*number, functions.as_slice()))
        .collect();
    reach::reachable(routes, &known).map_err(|source| ReleaseError::Unreachable {
        source,
        file: release.file.clone(),
    })?;
    Ok(warnings)
}
