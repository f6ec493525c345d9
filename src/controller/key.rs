//! What names an app and an object, and how both are read from metadata.
//!
//! Words that all stages share. Decides nothing.

use kube::ResourceExt;

use crate::kubernetes::names;
use crate::words::AppName;

/// Namespace and name.
pub(super) type ObjectKey = (String, String);

/// One app in one namespace: what one reconcile is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AppKey {
    pub(super) namespace: String,
    pub(super) app: AppName,
}

/// The app that the labels of a pod name: they come with the template, and a pod without them is no pod of ours any more.
pub(super) fn app_by_label<K: ResourceExt>(object: &K) -> Option<AppKey> {
    let labels = object.labels();
    if labels.get(names::MANAGED_BY).map(String::as_str) != Some(names::FIELD_MANAGER) {
        return None;
    }
    Some(AppKey {
        namespace: object.namespace()?,
        app: labels.get(names::APP)?.parse().ok()?,
    })
}

pub(super) fn identity_of<K: ResourceExt>(object: &K) -> (String, String, u128) {
    let version = object.resource_version().and_then(|text| text.parse().ok());
    (
        object.namespace().unwrap_or_default(),
        object.name_any(),
        version.unwrap_or(0),
    )
}

pub(super) fn key_of<K: ResourceExt>(object: &K) -> ObjectKey {
    (object.namespace().unwrap_or_default(), object.name_any())
}
