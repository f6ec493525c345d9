//! Every name, label and annotation of the objects that the controller makes, and how they are read back.

use crate::plan::{Owner, OwnerKind};
use crate::words::{AppName, FunctionName, VersionNumber};

/// Field manager of all objects that the controller makes.
pub use crate::api::FIELD_MANAGER;
/// Label: whose object it is.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label: the app.
pub const APP: &str = "cutwater.dev/app";
/// Label: the number of the version.
pub const VERSION: &str = "cutwater.dev/version";
/// Label: the function.
pub const FUNCTION: &str = "cutwater.dev/function";
/// Annotation of a route: the Deployment or Alias that it serves, as `cwd/NAME` or `cwa/NAME`.
pub const OWNER: &str = "cutwater.dev/owner";
/// Annotation of a workload and its Service: the resolved record of its version, as JSON.
pub const RECORD: &str = "cutwater.dev/record";
/// Annotation: a digest of all that was wanted of an object when it was written last.
pub const APPLIED: &str = "cutwater.dev/applied";
/// Annotation of a workload whose pods a quota refuses: how many other pods of the app there are, and since when until that was told twice.
pub const OTHER_PODS: &str = "cutwater.dev/other-pods";
/// End of the name of every anchor.
pub const ANCHOR_SUFFIX: &str = ".cutwater.dev";
/// Port of every Service; it leads to the function's own port.
pub const SERVICE_PORT: u16 = 80;

/// Name of the apps/v1 Deployment, the Service, the autoscaler and the disruption budget of a function of a version.
/// At most 55 characters.
#[must_use]
pub fn workload(app: &AppName, version: VersionNumber, function: &FunctionName) -> String {
    format!("{app}-{version}-{function}")
}

/// The version in a workload's name.
#[must_use]
pub fn version_of(app: &AppName, workload: &str) -> Option<VersionNumber> {
    let rest = workload.strip_prefix(app.as_str())?.strip_prefix('-')?;
    rest.split_once('-')?.0.parse().ok()
}

/// The function in a workload's name.
#[must_use]
pub fn function_of(app: &AppName, workload: &str) -> Option<FunctionName> {
    let rest = workload.strip_prefix(app.as_str())?.strip_prefix('-')?;
    rest.split_once('-')?.1.parse().ok()
}

/// Name of the anchor, the `ConfigMap` that speaks of everything of an app. Workloads have no dots in their names, so it
/// never meets one.
#[must_use]
pub fn anchor(app: &AppName) -> String {
    format!("{app}{ANCHOR_SUFFIX}")
}

/// Name of the `ConfigMap` with files of that content.
#[must_use]
pub fn files(app: &AppName, digest: &str) -> String {
    format!("{app}.files-{digest}")
}

/// True for the name of a `ConfigMap` with files of that app.
#[must_use]
pub fn is_files(app: &AppName, name: &str) -> bool {
    let digest = name
        .strip_prefix(app.as_str())
        .and_then(|rest| rest.strip_prefix(".files-"));
    digest.is_some_and(|digest| digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Name of the HTTPRoute of a route: one dot for a Deployment's, two or more for an Alias', so that they never meet.
#[must_use]
pub fn route(app: &AppName, owner: &Owner, route: &str) -> String {
    match owner.kind {
        OwnerKind::Deployment => format!("{app}.{route}"),
        OwnerKind::Alias => format!("{app}.{}.{route}", owner.name),
    }
}

/// True when a route of that name serves an owner. The name decides, not an annotation that anybody can take off. The
/// routes of a Deployment do not hold its name: an app has one Deployment that counts, and they are that one's.
#[must_use]
pub fn is_route_of(app: &AppName, owner: &Owner, route: &str) -> bool {
    match alias_of_route(app, route) {
        Some(None) => owner.kind == OwnerKind::Deployment,
        Some(Some(alias)) => owner.kind == OwnerKind::Alias && owner.name == alias,
        None => false,
    }
}

/// The Alias that a route of an app serves, by its name, or none inside where it serves the Deployment.
#[must_use]
pub fn alias_of_route<'a>(app: &AppName, route: &'a str) -> Option<Option<&'a str>> {
    let rest = route.strip_prefix(app.as_str())?.strip_prefix('.')?;
    Some(rest.rsplit_once('.').map(|(alias, _)| alias))
}

/// The app that an object of ours belongs to, by its name alone.
#[must_use]
pub fn app_of(name: &str) -> Option<AppName> {
    if let Some((app, _)) = name.split_once('.') {
        return app.parse().ok();
    }
    // No app has a part that looks like a version, so the first one ends its name.
    let mut end = 0;
    for part in name.split('-') {
        if end > 0 && part.starts_with('v') && part.parse::<VersionNumber>().is_ok() {
            return name.get(..end - 1)?.parse().ok();
        }
        end += part.len() + 1;
    }
    None
}

/// The request header that picks a version.
#[must_use]
pub fn override_header(app: &AppName) -> String {
    format!("Cutwater-Version-{app}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_routes_by_their_names() {
        let app: AppName = "shop".parse().unwrap();
        assert!(is_files(&app, &files(&app, "00ab")));
        for name in [
            "shop.main",
            "shop.files",
            "shop.files-of-mine",
            "blog.files-00",
        ] {
            assert!(!is_files(&app, name), "{name}");
        }
    }

    #[test]
    fn a_version_is_read_back_from_a_workload_name() {
        let app: AppName = "check-out".parse().unwrap();
        let function: FunctionName = "web-api".parse().unwrap();
        let version = VersionNumber::new(12).unwrap();
        let name = workload(&app, version, &function);
        assert_eq!(name, "check-out-v12-web-api");
        assert_eq!(version_of(&app, &name), Some(version));
        assert_eq!(function_of(&app, &name), Some(function));
        assert_eq!(version_of(&app, "other-v12-web"), None);
        assert_eq!(version_of(&app, "check-out-web"), None);
        assert_eq!(app_of(&name), Some(app.clone()));
        assert_eq!(app_of(&anchor(&app)), Some(app.clone()));
        assert_eq!(app_of(&files(&app, "abc")), Some(app));
        assert_eq!(app_of("v1-web"), None);
        assert_eq!(app_of("nginx"), None);
    }

    #[test]
    fn a_route_says_by_its_name_whom_it_serves() {
        let app: AppName = "shop".parse().unwrap();
        let owner = |kind, name: &str| Owner {
            kind,
            name: name.to_owned(),
        };
        let deployment = owner(OwnerKind::Deployment, "any");
        let alias = owner(OwnerKind::Alias, "eu.stage");
        for (serves, other) in [(&deployment, &alias), (&alias, &deployment)] {
            let name = route(&app, serves, "main");
            assert!(is_route_of(&app, serves, &name));
            assert!(!is_route_of(&app, other, &name));
        }
        assert!(!is_route_of(
            &app,
            &owner(OwnerKind::Alias, "eu"),
            "shop.eu.stage.main"
        ));
        assert!(!is_route_of(&app, &deployment, "shopping.main"));
    }
}
