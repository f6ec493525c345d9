//! Pods and endpoints, cut down to what a decision or a message needs: they are many.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use super::key::{AppKey, app_by_label, identity_of};
use super::moment::Moment;
use super::no_room::{self, Unplaced};
use crate::api::Reason;
use crate::kubernetes::names;
use crate::words::{FunctionName, VersionNumber};

/// What is known of a pod.
#[derive(Debug)]
pub(super) struct PodFacts {
    pub(super) app: AppKey,
    pub(super) name: String,
    pub(super) resource_version: u128,
    pub(super) version: VersionNumber,
    pub(super) function: FunctionName,
    /// Since when it is ready.
    pub(super) ready_since: Option<Moment>,
    /// Why no node takes it, where that is so.
    pub(super) unplaced: Option<Unplaced>,
    /// It has a node, and has not ended.
    pub(super) placed: bool,
    /// It has a node, is not ready yet, and nothing is wrong with it so far.
    pub(super) starting: bool,
    /// Why it is not.
    pub(super) trouble: Option<PodTrouble>,
}

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodTrouble {
    /// What kind of trouble it is.
    pub(super) reason: Reason,
    /// The same in Kubernetes' words, to stand behind the pod's name.
    pub(super) text: String,
}

impl PodTrouble {
    /// Nothing that people have to do anything about, as far as is known.
    fn waits(text: impl Into<String>) -> Self {
        let (reason, text) = (Reason::WaitingForPods, text.into());
        Self { reason, text }
    }
}

/// What the kubelet says of an image that it has not got (`pkg/kubelet/images/types.go` of Kubernetes).
const NO_IMAGE: [&str; 7] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The ready addresses behind one Service, from one of its slices.
#[derive(Debug)]
pub(super) struct SliceFacts {
    pub(super) app: AppKey,
    pub(super) name: String,
    pub(super) resource_version: u128,
    /// The Service.
    pub(super) service: String,
    /// `IPv4` or `IPv6`: a pod with both has one address in a slice of each.
    pub(super) family: String,
    /// How many endpoints are ready.
    pub(super) ready: u32,
}

impl PodFacts {
    /// The facts of a pod that is seen now.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let now = Timestamp::now();
        let (_, name, resource_version) = identity_of(pod);
        let labels = pod.labels();
        let status = pod.status.as_ref();
        let ready = (status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten())
        .find(|condition| condition.type_ == "Ready");
        let ready_since = ready
            .filter(|condition| condition.status == "True")
            .and_then(|condition| condition.last_transition_time.as_ref())
            .map(|time| time.0);
        let ending = pod.metadata.deletion_timestamp.is_some();
        let unplaced = refused(pod).filter(|_| !ending).map(|refused| {
            let reason = refused.reason.as_deref().unwrap_or_default();
            no_room::on_nodes(reason, refused.message.as_deref().unwrap_or_default())
        });
        Some(Self {
            app: app_by_label(pod)?,
            name,
            resource_version,
            version: labels.get(names::VERSION)?.parse().ok()?,
            function: labels.get(names::FUNCTION)?.parse().ok()?,
            ready_since: ready_since
                .filter(|_| !ending)
                .map(|since| Moment::said(since, now)),
            unplaced,
            placed: !ending && is_placed(pod),
            starting: !ending && ready_since.is_none() && is_starting(pod),
            trouble: if ready_since.is_some() {
                None
            } else {
                Some(trouble(pod))
            },
        })
    }
}

/// It has a node. One may refuse it, or lose it: then it has none.
fn is_placed(pod: &Pod) -> bool {
    let has_node = (pod.spec.as_ref()).is_some_and(|spec| spec.node_name.is_some());
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    has_node && !phase.is_some_and(|phase| ["Failed", "Succeeded"].contains(&phase))
}

/// It has a node, and none of its containers has ended, or waits for something that may not come.
fn is_starting(pod: &Pod) -> bool {
    let containers = pod
        .status
        .iter()
        .flat_map(|status| &status.container_statuses);
    let is_fine =
        |status: &ContainerStatus| status.restart_count == 0 && container_trouble(status).is_none();
    is_placed(pod) && containers.flatten().all(is_fine)
}

/// Why a pod is not ready: the reason that helps most.
fn trouble(pod: &Pod) -> PodTrouble {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodTrouble::waits("is ending");
    }
    let Some(status) = &pod.status else {
        return PodTrouble::waits("has not been scheduled yet");
    };
    let mut containers = status.container_statuses.iter().flatten();
    if let Some(trouble) = containers.find_map(container_trouble) {
        return trouble;
    }
    if let Some(message) = unschedulable(pod) {
        return PodTrouble::waits(format!("cannot be scheduled: {message}"));
    }
    PodTrouble::waits(match status.phase.as_deref() {
        Some("Running") => "runs, but its readiness probe does not succeed".to_owned(),
        Some(phase) => format!("is {phase}"),
        None => "has not started yet".to_owned(),
    })
}

/// What is said of a pod that no node takes.
fn refused(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    (conditions.iter())
        .find(|condition| condition.status == "False" && condition.type_ == "PodScheduled")
}

/// Why no node takes a pod.
fn unschedulable(pod: &Pod) -> Option<&str> {
    refused(pod).map(|refused| refused.message.as_deref().unwrap_or_default())
}

fn container_trouble(container: &ContainerStatus) -> Option<PodTrouble> {
    let state = container.state.as_ref()?;
    let Some(waiting) = &state.waiting else {
        let ended = state.terminated.as_ref()?;
        return Some(PodTrouble {
            reason: Reason::PodsCrashing,
            text: format!("ended with exit code {}", ended.exit_code),
        });
    };
    let said = waiting.reason.as_deref().unwrap_or("Waiting");
    if ["ContainerCreating", "PodInitializing"].contains(&said) {
        return None;
    }
    let mut text = said.to_owned();
    if let Some(message) = &waiting.message {
        text = format!("{text}: {message}");
    }
    let last = container.last_state.as_ref();
    let ended = last.and_then(|last| last.terminated.as_ref());
    if let Some(ended) = ended {
        text = format!("{text} (last exit code {})", ended.exit_code);
    }
    let reason = if NO_IMAGE.contains(&said) {
        Reason::ImagePullFailed
    } else if said == "CrashLoopBackOff" || ended.is_some() {
        Reason::PodsCrashing
    } else {
        Reason::WaitingForPods
    };
    Some(PodTrouble { reason, text })
}

impl SliceFacts {
    pub(super) fn of(slice: &EndpointSlice) -> Option<Self> {
        let (_, name, resource_version) = identity_of(slice);
        let labels = slice.labels();
        let ready = (slice.endpoints.iter().flatten())
            .filter(|endpoint| {
                (endpoint.conditions.as_ref())
                    .and_then(|conditions| conditions.ready)
                    .unwrap_or(true)
            })
            .count();
        Some(Self {
            app: app_of_slice(slice)?,
            name,
            resource_version,
            service: labels.get("kubernetes.io/service-name")?.clone(),
            family: slice.address_type.clone(),
            ready: u32::try_from(ready).unwrap_or(u32::MAX),
        })
    }
}

/// Slices carry the labels of their Service, but are managed by Kubernetes.
fn app_of_slice(slice: &EndpointSlice) -> Option<AppKey> {
    Some(AppKey {
        namespace: slice.namespace()?,
        app: slice.labels().get(names::APP)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(status: &Value) -> (Reason, String) {
        let pod = json!({"metadata": {"name": "a"}, "status": status});
        let PodTrouble { reason, text } = trouble(&serde_json::from_value(pod).unwrap());
        (reason, text)
    }

    /// What is said of a pod with one container in that state.
    fn of(state: &Value, last: &Value) -> (Reason, String) {
        let container = json!({
            "name": "main", "image": "a", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last,
        });
        said(&json!({"phase": "Running", "containerStatuses": [container]}))
    }

    #[test]
    fn the_kind_of_trouble_goes_by_what_the_kubelet_calls_it_and_not_by_its_prose() {
        let ended = json!({"terminated": {"exitCode": 3}});
        let none = json!({});
        let waits = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
        for (state, last, reason, text) in [
            (
                waits("ImagePullBackOff", "no such image"),
                &none,
                Reason::ImagePullFailed,
                "ImagePullBackOff: no such image",
            ),
            (
                waits("ErrImageNeverPull", ""),
                &none,
                Reason::ImagePullFailed,
                "ErrImageNeverPull: ",
            ),
            (
                waits("CrashLoopBackOff", "back-off"),
                &ended,
                Reason::PodsCrashing,
                "CrashLoopBackOff: back-off (last exit code 3)",
            ),
            (
                waits(
                    "CreateContainerConfigError",
                    "secret \"ImagePull exit code\" not found",
                ),
                &none,
                Reason::WaitingForPods,
                "CreateContainerConfigError: secret \"ImagePull exit code\" not found",
            ),
            (
                ended.clone(),
                &none,
                Reason::PodsCrashing,
                "ended with exit code 3",
            ),
            (
                waits("PodInitializing", ""),
                &none,
                Reason::WaitingForPods,
                "runs, but its readiness probe does not succeed",
            ),
        ] {
            assert_eq!(of(&state, last), (reason, text.to_owned()));
        }
        let (reason, text) = said(&json!({"phase": "Pending"}));
        assert_eq!(
            (reason, text.as_str()),
            (Reason::WaitingForPods, "is Pending")
        );
    }
}
