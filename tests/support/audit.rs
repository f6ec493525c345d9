//! The API server's audit log: what was asked of it, by whom.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

/// One request. A watch that is still open is here too.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub time: Timestamp,
    pub user: String,
    pub user_agent: String,
    pub verb: String,
    pub uri: String,
    /// The resource with its group and subresource, as in `deployments.cutwater.dev/status`; empty for other paths.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    /// The HTTP status of the answer, if there was one yet.
    pub code: Option<u16>,
}

impl AuditEntry {
    /// Whether the request could have changed something.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }
}

/// The requests of `user` since `since`, oldest first.
pub fn read(log: &Path, user: &str, since: Timestamp) -> Vec<AuditEntry> {
    let text = std::fs::read_to_string(log)
        .unwrap_or_else(|error| panic!("cannot read the audit log {}: {error}", log.display()));
    let mut requests = BTreeMap::new();
    for line in text.lines() {
        // A line that is being written right now is not a request that was answered.
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            continue;
        };
        if event.user.username == user && event.request_received_timestamp >= since {
            requests.insert(event.audit_id.clone(), event);
        }
    }
    let mut entries: Vec<_> = requests.into_values().map(AuditEntry::from).collect();
    entries.sort_by_key(|entry| entry.time);
    entries
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: EventUser,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct EventUser {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    api_group: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl From<Event> for AuditEntry {
    fn from(event: Event) -> Self {
        let object = event.object_ref.unwrap_or_default();
        let mut resource = object.resource;
        for (mark, part) in [(".", object.api_group), ("/", object.subresource)] {
            if !part.is_empty() {
                resource = format!("{resource}{mark}{part}");
            }
        }
        Self {
            time: event.request_received_timestamp,
            user: event.user.username,
            user_agent: event.user_agent,
            verb: event.verb,
            uri: event.request_uri,
            resource,
            namespace: object.namespace,
            name: object.name,
            code: event.response_status.and_then(|status| status.code),
        }
    }
}
