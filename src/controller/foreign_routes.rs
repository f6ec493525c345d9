//! HTTPRoutes of others that send to versions of ours: what stands behind them is not taken away.
//!
//! Pure. One that has our name or our label and is not ours is a copy of one of ours, or took its place: requests go by it as they
//! went by ours, and losing what it names would lose them all. Nothing of it is ever changed.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::key::AppKey;
use super::key::ObjectKey;
use crate::api::gateway::{BackendRef, HttpRoute};
use crate::kubernetes::names;
use crate::words::VersionNumber;

/// The versions of one app that each such route sends to.
pub(super) type Strangers = BTreeMap<ObjectKey, BTreeSet<VersionNumber>>;

/// The versions of each app that a route sends to. Nothing where it has neither a name nor the label of a route of ours.
pub(super) fn sends(route: &HttpRoute) -> BTreeMap<AppKey, BTreeSet<VersionNumber>> {
    let mut sends: BTreeMap<AppKey, BTreeSet<VersionNumber>> = BTreeMap::new();
    let home = route.namespace().unwrap_or_default();
    let labelled = route.labels().contains_key(names::APP);
    for backend in backends(route).filter(|backend| is_service(backend)) {
        let app = names::app_of(&backend.name);
        let Some((app, version)) = app.and_then(|app| {
            let version = names::version_of(&app, &backend.name)?;
            Some((app, version))
        }) else {
            continue;
        };
        let is_far = backend
            .namespace
            .as_ref()
            .is_some_and(|namespace| *namespace != home);
        if is_far && !is_allowed(route) {
            continue;
        }
        if labelled || names::alias_of_route(&app, &route.name_any()).is_some() {
            let namespace = backend.namespace.clone().unwrap_or_else(|| home.clone());
            let key = AppKey { namespace, app };
            sends.entry(key).or_default().insert(version);
        }
    }
    sends
}

/// True where a gateway says that a route may send to all that it names, also in other namespaces. Whoever may write routes there could
/// hold what runs here otherwise.
fn is_allowed(route: &HttpRoute) -> bool {
    let parents = route.status.iter().flat_map(|status| &status.parents);
    let mut said = parents.flat_map(|parent| &parent.conditions);
    said.any(|condition| condition.type_ == "ResolvedRefs" && condition.status == "True")
}

/// Backends that a route sends requests to.
pub(super) fn backends(route: &HttpRoute) -> impl Iterator<Item = &BackendRef> {
    (route.spec.rules.iter())
        .flat_map(|rule| &rule.backend_refs)
        .filter(|backend| backend.weight != Some(0))
}

fn is_service(backend: &BackendRef) -> bool {
    let group = backend.group.as_deref().unwrap_or_default();
    group.is_empty() && backend.kind.as_deref().is_none_or(|kind| kind == "Service")
}

/// What is to be said of versions that run for such routes alone; nothing where there is none.
pub(super) fn said(
    key: &AppKey,
    strangers: &Strangers,
    kept: &BTreeSet<VersionNumber>,
) -> Option<String> {
    let of_route = |((namespace, name), versions): (&ObjectKey, &BTreeSet<VersionNumber>)| {
        let versions: Vec<String> = (versions & kept).iter().map(ToString::to_string).collect();
        let place = if *namespace == key.namespace {
            String::new()
        } else {
            format!(" in namespace `{namespace}`")
        };
        let list = versions.join(", ");
        (!versions.is_empty()).then(|| {
            format!("HTTPRoute `{name}`{place} is somebody else's and sends to {list}, which nobody lists any more")
        })
    };
    let routes: Vec<String> = strangers.iter().filter_map(of_route).collect();
    (!routes.is_empty()).then(|| {
        format!(
            "{}; pods, Services and files stay until it does not; delete it, or take the Services of these versions out of it",
            routes.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn route(name: &str, labels: &Value, backends: &Value) -> HttpRoute {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "prod", "labels": labels},
            "spec": {"rules": [{"backendRefs": backends}, {"backendRefs": [{"name": "page"}]}]},
        }))
        .unwrap()
    }

    fn sent(route: &HttpRoute) -> Vec<String> {
        let all = sends(route).into_iter().flat_map(|(key, versions)| {
            let name = move |version| format!("{}/{} {version}", key.namespace, key.app);
            versions.into_iter().map(name)
        });
        all.collect()
    }

    #[test]
    fn a_route_with_our_name_or_label_keeps_what_it_sends_to() {
        let none = json!({});
        let label = json!({names::APP: "shop"});
        let v4 =
            json!([{"name": "shop-v4-web", "weight": 1}, {"name": "shop-v3-web", "weight": 0}]);
        assert_eq!(sent(&route("shop.main", &none, &v4)), ["prod/shop v4"]);
        assert_eq!(
            sent(&route("shop.stage.main", &none, &v4)),
            ["prod/shop v4"]
        );
        assert_eq!(sent(&route("mine", &label, &v4)), ["prod/shop v4"]);
        assert!(sent(&route("mine", &none, &v4)).is_empty());
        assert!(sent(&route("other.main", &none, &v4)).is_empty());
        let odd = json!([
            {"name": "shop-v5-web", "namespace": "stage"},
            {"name": "shop-v6-web", "kind": "Bucket", "group": "example.com"},
        ]);
        let mut far = route("mine", &label, &odd);
        assert!(sent(&far).is_empty(), "nobody allowed that");
        for (said, sends) in [("False", &[][..]), ("True", &["stage/shop v5"])] {
            far.status = serde_json::from_value(json!({"parents": [{
                "parentRef": {"name": "web"}, "controllerName": "example.com/gateway",
                "conditions": [{
                    "type": "ResolvedRefs", "status": said, "reason": "x", "message": "",
                    "lastTransitionTime": "2026-11-01T00:00:00Z",
                }],
            }]}))
            .unwrap();
            assert_eq!(sent(&far), sends);
        }
    }

    #[test]
    fn it_is_said_which_route_keeps_which_versions() {
        let key = AppKey {
            namespace: "prod".to_owned(),
            app: "shop".parse().unwrap(),
        };
        let v = |number| VersionNumber::new(number).unwrap();
        let at = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        let strangers = Strangers::from([
            (at("prod", "shop.main"), [v(3), v(4)].into()),
            (at("stage", "copy"), [v(4)].into()),
            (at("prod", "other"), [v(5)].into()),
        ]);
        assert_eq!(said(&key, &strangers, &[v(1)].into()), None);
        let said = said(&key, &strangers, &[v(3), v(4)].into()).unwrap();
        assert!(said.contains("HTTPRoute `shop.main` is somebody else's and sends to v3, v4"));
        assert!(said.contains("HTTPRoute `copy` in namespace `stage`"));
        assert!(!said.contains("`other`"), "{said}");
    }
}
