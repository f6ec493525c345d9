//! An object as a commit wants it: what is sent of it, and how it differs from what is there.
//!
//! Pure. Annotations of this program in a file would change with each write and mean a difference for ever: they are left out.

use std::collections::BTreeMap;

use kube::Resource;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::live::Live;
use crate::api::annotation;
use crate::api::{Alias, Deployment, OwnerKind};
use crate::branch;
use crate::plan::Owner;
use crate::releases::{Object, Release};
use crate::words::CommitId;

/// Bytes of a digest that are kept.
const DIGEST: usize = 8;
/// Fields of a spec that mean nothing and that other tools write.
const IGNORED: [&str; 3] = ["selector", "template", "replicas"];

/// An object as a commit wants it.
#[derive(Debug, Clone)]
pub(super) struct Desired {
    pub(super) owner: Owner,
    /// The commit that has it so.
    pub(super) commit: CommitId,
    /// File, line and column.
    pub(super) at: String,
    pub(super) file: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: Value,
    /// Tells what is wanted from what was wanted before.
    pub(super) digest: String,
    /// Annotations that the file has and must not.
    pub(super) reserved: Vec<String>,
}

impl Desired {
    pub(super) fn of(release: &Release, commit: &CommitId) -> Self {
        let (metadata, spec) = match &release.object {
            Object::Deployment(object) => (&object.metadata, spec_of(&object.spec)),
            Object::Alias(object) => (&object.metadata, spec_of(&object.spec)),
        };
        let labels = metadata.labels.clone().unwrap_or_default();
        let mut annotations = metadata.annotations.clone().unwrap_or_default();
        let ours = |key: &String| annotation::RESERVED.contains(&key.as_str());
        let reserved = annotations
            .extract_if(.., |key, _| ours(key))
            .map(|(key, _)| key);
        let reserved = reserved.collect();
        let text = json!([labels, annotations, spec]).to_string();
        Self {
            owner: branch::owner(release),
            commit: commit.clone(),
            at: format!(
                "{}:{}:{}",
                release.file, release.place.line, release.place.column
            ),
            file: release.file.clone(),
            digest: hex::encode(&Sha256::digest(text)[..DIGEST]),
            labels,
            annotations,
            spec,
            reserved,
        }
    }

    /// The app that it is of.
    pub(super) fn app(&self) -> String {
        self.text("app")
    }

    /// The Repository that it names.
    pub(super) fn repository(&self) -> String {
        self.text("repository")
    }

    fn text(&self, field: &str) -> String {
        let text = self.spec.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// What is sent for a Repository; of an object that is there, that very one as it was seen.
    pub(super) fn body(&self, namespace: &str, repository: &str, live: Option<&Live>) -> Value {
        let mut annotations = self.annotations.clone();
        for (key, value) in [
            (annotation::SYNCED_BY, repository),
            (annotation::COMMIT, self.commit.as_str()),
            (annotation::FILE, &self.file),
            (annotation::APPLIED, &self.digest),
        ] {
            annotations.insert(key.to_owned(), value.to_owned());
        }
        let mut metadata = json!({
            "name": self.owner.name,
            "namespace": namespace,
            "labels": self.labels,
            "annotations": annotations,
        });
        let named = live.map(Live::precondition);
        if let (Some(metadata), Some(Value::Object(named))) = (metadata.as_object_mut(), named) {
            metadata.extend(named);
        }
        let (version, kind) = match self.owner.kind {
            OwnerKind::Deployment => (Deployment::api_version(&()), Deployment::kind(&())),
            OwnerKind::Alias => (Alias::api_version(&()), Alias::kind(&())),
        };
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": self.spec})
    }

    /// The fields in which an object that is there is not as it is wanted; but those that are as the API server answered when it was
    /// written so: it keeps them otherwise, however often they are written.
    pub(super) fn differences(&self, live: &Live, answer: Option<&Live>) -> Vec<String> {
        let mut fields = Vec::new();
        let answered = answer.and_then(|answer| answer.spec.as_ref());
        match &live.spec {
            None => fields.push("spec".to_owned()),
            Some(spec) => {
                let is_answer = |key: &str| answered.is_some_and(|it| it.get(key) == spec.get(key));
                let keys = differing(spec, &self.spec);
                let keys = keys.iter().filter(|key| !is_answer(key));
                fields.extend(keys.map(|key| format!("spec.{key}")));
            }
        }
        for (place, wanted, found, answered) in [
            (
                "labels",
                &self.labels,
                &live.labels,
                answer.map(|it| &it.labels),
            ),
            (
                "annotations",
                &self.annotations,
                &live.annotations,
                answer.map(|it| &it.annotations),
            ),
        ] {
            let other = wanted
                .iter()
                .filter(|(key, value)| found.get(*key) != Some(*value))
                .filter(|(key, _)| answered.is_none_or(|it| it.get(*key) != found.get(*key)));
            fields.extend(other.map(|(key, _)| format!("metadata.{place}[{key}]")));
        }
        fields
    }

    /// What makes the spec that is there the one that is wanted, as a merge patch: with a null for each field that only the one that is there
    /// has. Nothing where there is no such field: an apply alone does it then.
    pub(super) fn takes_out(&self, found: &Value) -> Option<Value> {
        let (Value::Object(found), Value::Object(wanted)) = (found, &self.spec) else {
            return None;
        };
        let mut found = found.clone();
        found.retain(|key, _| !IGNORED.contains(&key.as_str()));
        merged(&found, wanted)
    }
}

/// A spec in the form in which both sides are compared.
pub(super) fn spec_of(spec: &impl serde::Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

/// The names of the fields at the top of two specs that differ.
fn differing(found: &Value, wanted: &Value) -> Vec<String> {
    let nothing = Map::new();
    let of = |spec: &Value| spec.as_object().unwrap_or(&nothing).clone();
    let (found, wanted) = (of(found), of(wanted));
    let mut keys: Vec<&String> = found.keys().chain(wanted.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| !IGNORED.contains(&key.as_str()) && found.get(*key) != wanted.get(*key));
    keys.into_iter().cloned().collect()
}

/// A merge patch from one map to another, where the first has a field that the second has not.
fn merged(found: &Map<String, Value>, wanted: &Map<String, Value>) -> Option<Value> {
    let mut patch = wanted.clone();
    let mut takes_out = false;
    for (key, value) in found {
        match (value, wanted.get(key)) {
            (_, None) => {
                patch.insert(key.clone(), Value::Null);
                takes_out = true;
            }
            (Value::Object(found), Some(Value::Object(wanted))) => {
                if let Some(inner) = merged(found, wanted) {
                    patch.insert(key.clone(), inner);
                    takes_out = true;
                }
            }
            _ => {}
        }
    }
    takes_out.then_some(Value::Object(patch))
}
