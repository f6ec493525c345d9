//! Has Kubernetes try at once what a quota refused before, when pods of the app have gone.
//!
//! Pure. A `ReplicaSet` whose pod is refused waits twice as long after each try, up to a quarter of an hour, and no pod that goes
//! elsewhere shortens that. It tries again when it changes, and it takes the annotations of its workload: so one of them tells how many
//! other pods of the app there are. The use that a quota counts follows a moment after a pod has gone, so it is told twice.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde_json::json;

use super::key::AppKey;
use super::no_room;
use super::objects::AppObjects;
use super::observe::refusal;
use crate::kubernetes::render::Rendered;
use crate::kubernetes::{Kind, names};
use crate::plan::later;

/// When it is told again: by then a quota has counted what went.
const AGAIN: SignedDuration = SignedDuration::from_secs(3);

/// Tells each workload that a quota refuses pods how many others there are; returns when to look again.
pub(super) fn nudge(
    key: &AppKey,
    objects: &AppObjects,
    rendered: &mut Rendered,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut wake: Option<Timestamp> = None;
    for object in &mut rendered.objects {
        let is_workload = object.kind == Kind::Workload;
        if !is_workload || !refusal(objects, &object.name).is_some_and(no_room::in_quota) {
            continue;
        }
        let pods = objects.pods.iter().map(|(_, pod)| pod);
        let workloads = pods.map(|pod| names::workload(&key.app, pod.version, &pod.function));
        let others = workloads.filter(|name| *name != object.name).count();
        let live = objects.workloads.get(&object.name);
        let told = live.and_then(|live| live.annotations().get(names::OTHER_PODS));
        let (value, due) = value(told.map(String::as_str), others, now);
        object.body["metadata"]["annotations"][names::OTHER_PODS] = json!(value);
        wake = wake.into_iter().chain(due).min();
    }
    wake
}

/// What is told of so many pods: the number and since when, and after a moment the number alone. With it, when that is due.
fn value(told: Option<&str>, others: usize, now: Timestamp) -> (String, Option<Timestamp>) {
    let mut words = told.unwrap_or_default().split(' ');
    let is_same = words.next() == Some(&others.to_string());
    let since = words.next().map(str::parse::<Timestamp>);
    let since = match since {
        None if is_same => return (others.to_string(), None),
        Some(Ok(since)) if is_same && since <= now => since,
        _ => now,
    };
    let due = later(since, AGAIN);
    if due <= now {
        return (others.to_string(), None);
    }
    (format!("{others} {since}"), Some(due))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_twice_and_then_no_more() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let (first, due) = value(None, 3, at(10));
        assert_eq!(first, "3 1970-01-01T00:00:10Z");
        assert_eq!(due, Some(at(13)));
        // In between it stays as it is.
        let between = value(Some(&first), 3, at(12));
        assert_eq!(between, (first.clone(), Some(at(13))));
        let (second, due) = value(Some(&first), 3, at(13));
        assert_eq!((second.as_str(), due), ("3", None));
        assert_eq!(value(Some(&second), 3, at(999)), (second.clone(), None));
        // Another number is told anew.
        let (next, due) = value(Some(&second), 2, at(20));
        assert_eq!(next, "2 1970-01-01T00:00:20Z");
        assert_eq!(due, Some(at(23)));
        // A time that is yet to come, or none, says nothing.
        assert_eq!(value(Some(&next), 2, at(15)).0, "2 1970-01-01T00:00:15Z");
        assert_eq!(value(Some("2 soon"), 2, at(15)).0, "2 1970-01-01T00:00:15Z");
    }
}
