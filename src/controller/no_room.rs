//! Whether the end of other pods makes room for one that finds none, by what Kubernetes says of it.
//!
//! Pure. It goes by texts, since neither the scheduler nor a quota says it in another form: those of kube-scheduler's plugins
//! (`pkg/scheduler/framework/plugins`) and of the admission plugin for quotas (`apiserver/pkg/admission/plugin/resourcequota`). What is not
//! understood counts as a lack of room: another scheduler has words of its own.

/// What others use up, and give back when they go.
const USED: [&str; 7] = [
    "Insufficient ",
    "Too many pods",
    "free ports",
    "anti-affinity",
    "topology spread constraints",
    "max volume count",
    "cannot allocate",
];

/// What stays as it is when others go.
const FIXED: [&str; 11] = [
    "untolerated taint",
    "node affinity/selector",
    "were unschedulable",
    "requested node name",
    "pod affinity rules",
    "persistent volume",
    "persistentvolume",
    "volume node affinity",
    "pvc(s)",
    "scheduling gate",
    "no nodes available",
];

/// Why no node takes a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unplaced {
    /// It may have a place when others go.
    NoRoom,
    /// The end of others makes no room for it.
    Unfit,
}

/// Why no node takes a pod. `reason` and `message` are those of its condition `PodScheduled`.
pub(super) fn on_nodes(reason: &str, message: &str) -> Unplaced {
    if is_room(reason, message) {
        Unplaced::NoRoom
    } else {
        Unplaced::Unfit
    }
}

fn is_room(reason: &str, message: &str) -> bool {
    if ["SchedulingGated", "SchedulerError"].contains(&reason) {
        return false;
    }
    let (message, preemption) = message.split_once(" preemption: ").unwrap_or((message, ""));
    // It would not fit on any node if that were empty.
    let is_hopeless = preemption.contains("not helpful");
    if is_hopeless && !preemption.contains("No preemption victims") {
        return false;
    }
    let lower = message.to_lowercase();
    USED.iter().any(|text| message.contains(text)) || !FIXED.iter().any(|text| lower.contains(text))
}

/// True where a pod that is not made may be made when others go. `message` is what the API server said.
pub(super) fn in_quota(message: &str) -> bool {
    let Some((_, said)) = message.split_once("exceeded quota") else {
        // What a policy refuses no room would let in.
        return false;
    };
    let used = said.split_once("used: ").map_or("", |(_, rest)| rest);
    let used = used.split(", limited: ").next().unwrap_or_default();
    // Where nobody uses any, nobody can give any back.
    !used.split(',').any(|entry| entry.ends_with("=0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_use_up_is_a_lack_of_room() {
        for (message, expected) in [
            (
                "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
                true,
            ),
            (
                "0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.",
                true,
            ),
            (
                "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
                true,
            ),
            (
                "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.",
                true,
            ),
            (
                "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.",
                true,
            ),
            ("the queue team-a has no capacity", true),
            ("", true),
            (
                "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: only}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
                false,
            ),
            (
                "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
                false,
            ),
            (
                "0/3 nodes are available: 3 node(s) were unschedulable.",
                false,
            ),
            (
                "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
                false,
            ),
            (
                "0/3 nodes are available: persistentvolumeclaim \"data\" not found.",
                false,
            ),
            (
                "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
                false,
            ),
            ("no nodes available to schedule pods", false),
            (
                "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
                false,
            ),
            (
                "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {x: }. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
                false,
            ),
            (
                "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {x: }. preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
                true,
            ),
        ] {
            assert_eq!(is_room("Unschedulable", message), expected, "{message}");
        }
        let gated = "Scheduling is blocked due to non-empty scheduling gates";
        assert!(!is_room("SchedulingGated", gated));
        let broken = "Post \"http://extender\": connection refused";
        assert!(!is_room("SchedulerError", broken));
    }

    #[test]
    fn only_a_quota_that_others_use_up_is_a_lack_of_room() {
        for (message, expected) in [
            (
                "pods \"shop-v2-web-x\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=4, limited: pods=4",
                true,
            ),
            (
                "pods \"x\" is forbidden: exceeded quota: all, requested: limits.cpu=1,pods=1, used: limits.cpu=10,pods=4, limited: limits.cpu=10,pods=4",
                true,
            ),
            (
                "pods \"x\" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=0",
                false,
            ),
            (
                "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"",
                false,
            ),
        ] {
            assert_eq!(in_quota(message), expected, "{message}");
        }
    }
}
