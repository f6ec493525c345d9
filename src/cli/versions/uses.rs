//! Who uses a version, as a table shows it.

use crate::releases::Kind;
use crate::users::{Use, User};

/// Who uses a version, in one cell of a table. What releases want and the cluster serves is said once.
pub(super) fn cell(uses: &[Use]) -> String {
    let is_served = |kind: Kind, name: &str, entry: &Use| {
        uses.iter().any(|other| match &other.user {
            User::Cluster {
                kind: kind_there,
                name: name_there,
                ..
            } => *kind_there == kind && name_there == name && other.share() == entry.share(),
            _ => false,
        })
    };
    let parts = uses.iter().filter_map(|entry| {
        let share = entry.share();
        match &entry.user {
            User::Releases {
                kind,
                namespace,
                name,
                ..
            } => {
                let place = kind.named(namespace.as_deref(), name);
                (!is_served(*kind, name, entry)).then(|| format!("{place} {share}%"))
            }
            User::Server { address } => Some(format!("serve {address} {share}%")),
            User::Ledger { environment, .. } => Some(format!("in {environment} {share}%")),
            User::Cluster {
                kind,
                namespace,
                name,
                ..
            } => Some(format!("{} {share}%", kind.named(Some(namespace), name))),
        }
    });
    let mut parts: Vec<String> = parts.collect();
    parts.dedup();
    parts.join(", ")
}
