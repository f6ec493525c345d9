//! Whose an object is: ours if our field manager set fields of it, or if an anchor owns it; and of which app.
//!
//! Pure. Labels decide nothing: ten tools write them, anybody can take them off, and whoever copies an object copies them.
//! A client that writes `managedFields: [{}]` takes the field managers of everybody off. Of such an object the digest of our
//! last wish tells whose it was; the next write puts our name back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::key::AppKey;
use crate::kubernetes::names;
use crate::words::AppName;

/// The app that an object was made for, or `None` for an object of somebody else's. Needs the managed fields.
pub(super) fn app_of(metadata: &ObjectMeta) -> Option<AppKey> {
    let mut references = metadata.owner_references.iter().flatten();
    let anchored = references.find_map(app_of_anchor);
    let app = match anchored {
        Some(app) => app,
        None if is_managed(metadata) || is_wiped(metadata) => {
            let named = metadata.name.as_deref().and_then(names::app_of);
            let labels = metadata.labels.as_ref();
            named.or_else(|| labels?.get(names::APP)?.parse().ok())?
        }
        None => return None,
    };
    Some(AppKey {
        namespace: metadata.namespace.clone()?,
        app,
    })
}

/// An anchor owns it, as those of earlier releases did: then it would go with the anchor, and must be taken off it.
pub(super) fn is_anchored(metadata: &ObjectMeta) -> bool {
    let mut references = metadata.owner_references.iter().flatten();
    references.find_map(app_of_anchor).is_some()
}

/// Drops the managed fields, which are large, and leaves only whether we are among them: an empty list says no. Of an anchor of
/// ours whose memory somebody else has written since, that manager stays.
pub(super) fn shorten(metadata: &mut ObjectMeta) {
    let managed = is_managed(metadata);
    let mut others = metadata.managed_fields.take().unwrap_or_default();
    others.retain(|entry| {
        let fields = entry.fields_v1.as_ref();
        let memory = fields.and_then(|fields| fields.0.get("f:data")?.get("f:memory"));
        // The API server writes `before-first-apply` for fields whose managers somebody took off: nobody has changed them.
        let own = [names::FIELD_MANAGER, "before-first-apply"];
        let is_other = (entry.manager.as_deref()).is_some_and(|name| !own.contains(&name));
        managed && is_other && memory.is_some()
    });
    others.truncate(1);
    for entry in &mut others {
        entry.fields_v1 = None;
    }
    metadata.managed_fields = (!managed || !others.is_empty()).then_some(others);
}

/// The field manager that has written data of an object of ours, where that is somebody else's.
pub(super) fn editor(metadata: &ObjectMeta) -> Option<&str> {
    let mut managers = metadata.managed_fields.iter().flatten();
    managers.find_map(|entry| {
        let manager = entry.manager.as_deref()?;
        (manager != names::FIELD_MANAGER).then_some(manager)
    })
}

/// Our name is not among the managers of an object of ours, so that it has to be written again.
pub(super) fn is_nameless(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.as_ref().is_some_and(Vec::is_empty)
}

/// It was written by us, and somebody took off all managers since: whoever makes an object leaves one. Who has only reported
/// or scaled it since has made nothing.
fn is_wiped(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    let managers = metadata.managed_fields.iter().flatten();
    let mut writers =
        managers.filter(|entry| entry.subresource.as_ref().is_none_or(String::is_empty));
    writers.next().is_none() && annotations.is_some_and(|all| all.contains_key(names::APPLIED))
}

fn is_managed(metadata: &ObjectMeta) -> bool {
    let managers = metadata.managed_fields.iter().flatten();
    managers
        .filter_map(|entry| entry.manager.as_deref())
        .any(|manager| manager == names::FIELD_MANAGER)
}

fn app_of_anchor(reference: &OwnerReference) -> Option<AppName> {
    let anchor = reference.name.strip_suffix(names::ANCHOR_SUFFIX)?;
    (reference.kind == "ConfigMap" && reference.api_version == "v1")
        .then(|| anchor.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn app(name: &str, more: &Value) -> Option<String> {
        let mut metadata = json!({"name": name, "namespace": "prod"});
        for (key, value) in more.as_object().unwrap() {
            metadata[key] = value.clone();
        }
        let metadata = serde_json::from_value(metadata).unwrap();
        app_of(&metadata).map(|key| key.app.to_string())
    }

    #[test]
    fn the_field_manager_or_an_anchor_makes_an_object_ours_and_labels_do_not() {
        let labels = json!({names::MANAGED_BY: "cutwater", names::APP: "shop"});
        let applied = json!({names::APPLIED: "0123456789abcdef"});
        let reported =
            json!([{"manager": "gateway", "operation": "Update", "subresource": "status"}]);
        let managed = |manager: &str| json!([{"manager": manager, "operation": "Apply"}]);
        let owner = |kind: &str, name: &str| json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "1"}]);
        let cases = [
            ("shop-v1-web", json!({"labels": labels}), None),
            (
                "shop-v1-web",
                json!({"labels": labels, "managedFields": managed("kubectl")}),
                None,
            ),
            (
                "shop-v1-web",
                json!({"managedFields": managed("cutwater")}),
                Some("shop"),
            ),
            (
                "shop.cutwater.dev",
                json!({"managedFields": managed("cutwater")}),
                Some("shop"),
            ),
            (
                "shop.stage.main",
                json!({"managedFields": managed("cutwater")}),
                Some("shop"),
            ),
            (
                "odd",
                json!({"labels": labels, "managedFields": managed("cutwater")}),
                Some("shop"),
            ),
            ("odd", json!({"managedFields": managed("cutwater")}), None),
            // All managers were taken off: ours is what we have written.
            ("shop-v1-web", json!({"annotations": applied}), Some("shop")),
            (
                "shop-v1-web",
                json!({"annotations": applied, "managedFields": []}),
                Some("shop"),
            ),
            (
                "shop-v1-web",
                json!({"annotations": applied, "managedFields": reported}),
                Some("shop"),
            ),
            (
                "shop-v1-web",
                json!({"annotations": applied, "managedFields": managed("kubectl")}),
                None,
            ),
            (
                "shop-v1-web",
                json!({"ownerReferences": owner("ConfigMap", "shop.cutwater.dev")}),
                Some("shop"),
            ),
            (
                "shop-v1-web",
                json!({"ownerReferences": owner("ConfigMap", "shop")}),
                None,
            ),
            (
                "shop-v1-web",
                json!({"ownerReferences": owner("Secret", "shop.cutwater.dev")}),
                None,
            ),
        ];
        for (name, more, expected) in cases {
            assert_eq!(app(name, &more).as_deref(), expected, "{name} {more}");
        }
    }
}
