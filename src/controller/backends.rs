//! What an HTTPRoute of ours says: the versions that its rules name, and their shares.
//!
//! Pure. Which of several routes counts is decided in [`super::leading`].

use super::key::AppKey;
use crate::api::gateway::{HttpRoute, Rule};
use crate::kubernetes::names;
use crate::words::{AppName, Share, Shares, VersionNumber};

/// The rule of a route of ours that any request meets.
pub(super) fn main_rule(route: &HttpRoute) -> Option<&Rule> {
    route.spec.rules.iter().find(|rule| !has_headers(rule))
}

pub(super) fn has_headers(rule: &Rule) -> bool {
    (rule.matches.iter()).any(|matched| !matched.headers.is_empty())
}

/// The versions that a rule names, with or without a share.
pub(super) fn versions_of(
    key: &AppKey,
    rule: Option<&Rule>,
) -> impl Iterator<Item = VersionNumber> + use<> {
    let backends = rule.into_iter().flat_map(|rule| &rule.backend_refs);
    let versions: Vec<VersionNumber> = backends
        .filter_map(|backend| names::version_of(&key.app, &backend.name))
        .collect();
    versions.into_iter()
}

/// What a route of ours says: the shares of the rule that any request meets.
pub(super) fn shares(app: &AppName, route: &HttpRoute) -> Shares {
    let backends = main_rule(route)
        .into_iter()
        .flat_map(|rule| &rule.backend_refs);
    backends
        .filter_map(|backend| {
            let weight = backend.weight.unwrap_or(1);
            let version = names::version_of(app, &backend.name)?;
            (weight > 0).then(|| (version, Share::from_basis_points(weight)))
        })
        .collect()
}
