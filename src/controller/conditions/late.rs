//! What has waited for longer than `progressDeadline`, and what would free it.
//!
//! Pure. Since when something is so is known from the status that was written last.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::cause;
use crate::api::condition::{self, Say, State};
use crate::api::{Reason, Type};
use crate::controller::observe::refusal;
use crate::controller::status::Facts;
use crate::kubernetes::names;
use crate::plan::{SplitPlan, later};
use crate::words::{FunctionName, VersionNumber};

/// Reasons that are about pods.
const PODS: [Reason; 4] = [
    Reason::WaitingForPods,
    Reason::PodsRefused,
    Reason::PodsCrashing,
    Reason::ImagePullFailed,
];

impl Facts<'_> {
    /// What has made no progress within the deadline, and what would free it.
    pub(super) fn overdue(
        &self,
        split: Option<&SplitPlan>,
        parts: &[Say],
    ) -> Option<(Reason, String)> {
        let say = cause(parts).filter(|_| split.is_some_and(|split| split.stalled))?;
        let deadline = self.wish.wanted.as_ref().ok()?.progress_deadline;
        let message = format!(
            "no progress for {deadline}: {}; {}, and it goes on by itself; or go back to a version that served",
            say.message,
            remedy(say.reason)
        );
        Some((say.reason, message))
    }

    /// Of what a gateway has said nothing within the deadline, and what would free it.
    pub(super) fn unanswered(&self, parts: &[Say]) -> Option<(Reason, String)> {
        // Pods that are missing too are no reason not to say it.
        let mut open = parts.iter().filter(|say| say.state != State::True);
        let said = open.find(|say| say.reason == Reason::WaitingForGateway)?;
        let due = self.answer_due(&self.wish.status.conditions)?;
        let deadline = self.wish.wanted.as_ref().ok()?.progress_deadline;
        let message = format!(
            "no answer for {deadline}: {}; see whether the gateway's controller runs, and it goes on by itself",
            said.message
        );
        (due <= self.now).then_some((said.reason, message))
    }

    /// Until when a gateway is waited for that has not accepted a route, as far as a status knows since when that is so.
    fn answer_due(&self, conditions: &[Condition]) -> Option<Timestamp> {
        let says = condition::find(conditions, Type::RoutesAccepted)?;
        let is_open = says.status != State::True.as_str()
            && says.reason == Reason::WaitingForGateway.as_str();
        let deadline = self.deadline()?;
        let routes = self.objects.routes_of(&self.key.app, &self.wish.owner);
        let youngest = routes
            .filter_map(|route| self.standing.get(&route.name_any()))
            .min();
        // It may have been closed before that for another reason.
        let since = (youngest.into_iter())
            .map(|age| later(self.now, SignedDuration::ZERO - *age))
            .chain([says.last_transition_time.0])
            .max()?;
        is_open.then(|| later(since, deadline))
    }

    /// What is served as wished, by fewer pods than it is to have, for as long as the deadline; and what would free it.
    pub(super) fn short(
        &self,
        split: Option<&SplitPlan>,
        parts: &[Say],
    ) -> Option<(Reason, String)> {
        let say = parts.iter().find(|say| say.type_ == Type::WorkloadsReady)?;
        let is_short = say.state != State::True && PODS.contains(&say.reason);
        if !is_short || !split.is_some_and(|split| split.complete) || !self.lacks_room() {
            return None;
        }
        let due = self.pods_due(&self.wish.status.conditions)?;
        let deadline = self.wish.wanted.as_ref().ok()?.progress_deadline;
        let message = format!(
            "all of it is served, and for {deadline} by fewer pods than it is to have: {}; {}",
            say.message,
            remedy(say.reason)
        );
        (due <= self.now).then_some((say.reason, message))
    }

    /// True where a pod that is to be there finds no place, or is refused: no others come by themselves.
    fn lacks_room(&self) -> bool {
        let is_unplaced = |version: VersionNumber, function: &FunctionName| {
            let pods = self.objects.pods.iter().map(|(_, pod)| pod);
            let mut own = pods.filter(|pod| pod.version == version && pod.function == *function);
            own.any(|pod| pod.unplaced.is_some())
        };
        self.functions().any(|(version, function, _)| {
            let workload = names::workload(&self.key.app, version, function);
            is_unplaced(version, function) || refusal(self.objects, &workload).is_some()
        })
    }

    /// Until when pods are waited for that are missing, as far as a status knows since when that is so.
    fn pods_due(&self, conditions: &[Condition]) -> Option<Timestamp> {
        let says = condition::find(conditions, Type::WorkloadsReady)?;
        let is_about_pods = PODS.iter().any(|reason| reason.as_str() == says.reason);
        let is_open = says.status != State::True.as_str() && is_about_pods;
        is_open.then_some(later(says.last_transition_time.0, self.deadline()?))
    }

    /// When one of these ends without news.
    pub(in crate::controller) fn next_due(&self, conditions: &[Condition]) -> Option<Timestamp> {
        let dues = [self.answer_due(conditions), self.pods_due(conditions)];
        dues.into_iter()
            .flatten()
            .filter(|due| *due > self.now)
            .min()
    }

    fn deadline(&self) -> Option<SignedDuration> {
        let deadline = self.wish.wanted.as_ref().ok()?.progress_deadline;
        Some(SignedDuration::from_secs(i64::from(deadline.as_secs())))
    }
}

/// What people can do about pods that do not come.
fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::PodsRefused => {
            "raise the limit or change the rule that refuses the pods, or publish a version that asks for less"
        }
        Reason::PodsCrashing => "publish a version that stays up",
        Reason::ImagePullFailed => {
            "make the image available, or publish a version with another one"
        }
        _ => "make room for the pods or see why they do not become ready",
    }
}
