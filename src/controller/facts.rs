//! Pods and endpoints, cut down to what a decision or a message needs: they are many.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use super::key::{AppKey, app_by_label, identity_of};
use super::moment::Moment;
use super::no_room::{self, Unplaced};
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
    /// Why it is not, in Kubernetes' words.
    pub(super) trouble: Option<String>,
}

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
fn trouble(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "is ending".to_owned();
    }
    let Some(status) = &pod.status else {
        return "has not been scheduled yet".to_owned();
    };
    for container in status.container_statuses.iter().flatten() {
        if let Some(reason) = container_trouble(container) {
            return reason;
        }
    }
    if let Some(message) = unschedulable(pod) {
        return format!("cannot be scheduled: {message}");
    }
    match status.phase.as_deref() {
        Some("Running") => "runs, but its readiness probe does not succeed".to_owned(),
        Some(phase) => format!("is {phase}"),
        None => "has not started yet".to_owned(),
    }
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

fn container_trouble(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        let mut text = reason.to_owned();
        if let Some(message) = &waiting.message {
            text = format!("{text}: {message}");
        }
        if let Some(last) = container
            .last_state
            .as_ref()
            .and_then(|last| last.terminated.as_ref())
        {
            text = format!("{text} (last exit code {})", last.exit_code);
        }
        return (reason != "ContainerCreating" && reason != "PodInitializing").then_some(text);
    }
    let ended = state.terminated.as_ref()?;
    Some(format!("ended with exit code {}", ended.exit_code))
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
