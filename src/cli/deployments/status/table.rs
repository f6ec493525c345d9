//! The table of `cutwater deployments status`: a row for each place that says what is wanted or served.
//!
//! Pure: it reads nothing but the document.

use crate::cli::moment;
use crate::releases::Kind;
use crate::view::{AppStatus, ServedShare, ServerStatus, WantedShare};
use crate::words::listed;

/// The columns.
pub(super) const HEAD: [&str; 6] = ["WHAT", "SOURCE", "WANTED", "SERVED", "PODS", "READY"];

/// The rows.
pub(super) fn rows(status: &AppStatus) -> Vec<Vec<String>> {
    let wanted = status.releases.iter().map(|release| {
        let what = release
            .kind
            .named(release.namespace.as_deref(), &release.name);
        let source = format!("{}:{} of {}", release.file, release.line, release.branch);
        let none = String::new;
        vec![
            what,
            source,
            asked(&release.versions),
            none(),
            none(),
            none(),
        ]
    });
    let ledgers = status.ledgers.iter().map(|ledger| {
        let source = format!("ledger, {}", moment::seconds(ledger.at));
        let what = ledger.environment.clone();
        let served = served(&ledger.versions);
        vec![
            what,
            source,
            String::new(),
            served,
            String::new(),
            String::new(),
        ]
    });
    let cluster = status.cluster.iter().map(|object| {
        let ready = object.ready.as_ref();
        let pods = |pods: fn(&ServedShare) -> Option<u32>| -> u32 {
            object.served.iter().filter_map(pods).sum()
        };
        vec![
            object.kind.named(Some(&object.namespace), &object.name),
            format!("cluster {}", object.context),
            asked(&object.wanted),
            served(&object.served),
            format!(
                "{}/{}",
                pods(|share| share.ready_replicas),
                pods(|share| share.wanted_replicas)
            ),
            ready.map_or_else(
                || "Unknown".to_owned(),
                |ready| format!("{} ({}) {}", ready.status, ready.reason, ready.message),
            ),
        ]
    });
    let doubt = move |kind, name: &str| doubt(status, kind, name);
    let server = (status.server.iter()).flat_map(move |server| server_rows(server, doubt));
    (wanted.chain(ledgers).chain(cluster))
        .chain(server)
        .collect()
}

/// Why an object that is served is not ready: no file asks for it, or that cannot be known.
fn doubt(status: &AppStatus, kind: Kind, name: &str) -> Option<&'static str> {
    match status.asks_for(kind, name) {
        Some(true) => None,
        Some(false) => Some("False (no file of the branch asks for it)"),
        None => Some("Unknown (what is wanted cannot be read)"),
    }
}

/// What a server serves; ready as far as it is wanted. `doubt` says why one that serves all that it knows of is not.
fn server_rows(
    server: &ServerStatus,
    doubt: impl Fn(Kind, &str) -> Option<&'static str>,
) -> impl Iterator<Item = Vec<String>> {
    server.splits.iter().map(move |(key, split)| {
        let (short, name) = key.split_once('/').unwrap_or(("", key));
        let kind = Kind::of_short(short).unwrap_or(Kind::Deployment);
        let shares = split.versions.iter();
        let shares = shares.map(|share| (share.version, share.percentage));
        let ready = if split.complete {
            doubt(kind, name).unwrap_or("True").to_owned()
        } else {
            // Another object's are in its own row.
            let is_own = |problem: &&String| match problem.split_once(": ") {
                Some((owner, _)) => owner == key || !server.splits.contains_key(owner),
                None => true,
            };
            let own: Vec<&str> = (server.problems.iter().filter(is_own))
                .map(String::as_str)
                .collect();
            format!("False {}", own.join("; "))
        };
        vec![
            kind.named(None, name),
            format!("serve {}", server.address),
            String::new(),
            listed(shares),
            String::new(),
            ready,
        ]
    })
}

fn asked(versions: &[WantedShare]) -> String {
    let shares = versions.iter().map(|share| {
        let version = share.version.to_string();
        let number = share.number.map(|number| number.to_string());
        let name = match number {
            Some(number) if number != version => format!("{version} ({number})"),
            _ => version,
        };
        (name, share.percentage)
    });
    listed(shares)
}

fn served(versions: &[ServedShare]) -> String {
    listed(
        versions
            .iter()
            .map(|share| (share.number, share.percentage)),
    )
}
