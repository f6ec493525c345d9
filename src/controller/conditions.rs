//! The conditions of an owner: what each says, and which words the others follow from.
//!
//! Pure. How a condition keeps its time is in [`crate::api::condition`].

use kube::ResourceExt;

use super::answer::{self, Answer};
use super::foreign_routes;
use super::observe;
use super::status::{Facts, pods_of};
use crate::api::condition::{self, Say, State};
use crate::api::gateway::HttpRoute;
use crate::api::{Class, Reason, Type};
use crate::kubernetes::names;
use crate::plan::{Cause, RoutePlan, Scale, SplitPlan};
use crate::words::{FunctionName, Period, VersionNumber};

/// Pods that a message names.
const PODS_NAMED: usize = 3;

impl Facts<'_> {
    pub(super) fn conditions(&self, split: Option<&SplitPlan>) -> Vec<Say> {
        if let Some(first) = &self.wish.taken_by {
            return stalled(
                Reason::AppTaken,
                format!(
                    "{first} has this place of app `{}` in this namespace already; delete one of the two, nothing is done for this one",
                    self.key.app
                ),
            );
        }
        if let Err(error) = &self.wish.wanted {
            return stalled(error.reason(), error.to_string());
        }
        let resolved = self.resolved();
        let workloads = self.workloads();
        let routes = self.with_left_out(self.routes_accepted(split));
        let converged = self.converged(split, &routes);
        let parts = [resolved, routes, workloads, converged];
        let ready = self.ready_condition(split, &parts);
        let stuck = (parts.iter())
            .find(|say| say.state != State::True && self.is_stuck(say))
            .map(|say| (say.reason, say.message.clone()))
            .or_else(|| self.overdue(split, &parts))
            .or_else(|| self.unanswered(&parts))
            .or_else(|| self.short(split, &parts));
        let stuck = stuck.filter(|_| !self.wish.leaving);
        let stalled = match &stuck {
            Some((reason, message)) => Say::new(Type::Stalled, true, *reason, message.clone()),
            None => Say::new(
                Type::Stalled,
                false,
                Reason::Succeeded,
                "nothing is in the way",
            ),
        };
        let working = ready.state != State::True && stuck.is_none();
        let reconciling = if working {
            Say::new(Type::Reconciling, true, ready.reason, ready.message.clone())
        } else {
            Say::new(
                Type::Reconciling,
                false,
                Reason::Succeeded,
                "nothing is under way",
            )
        };
        let mut says = vec![ready, reconciling, stalled];
        says.extend(parts);
        says
    }

    /// True for what does not go away by waiting.
    fn is_stuck(&self, say: &Say) -> bool {
        match say.reason {
            // One pod of many may come back by itself; where none is ready, that is left to people.
            Reason::PodsCrashing | Reason::ImagePullFailed => self.has_dead_function(),
            reason => reason.class() == Class::Stalled,
        }
    }

    /// True if no pod of a function is ready, and one of them crashes or has no image.
    fn has_dead_function(&self) -> bool {
        self.functions().any(|(number, function, _)| {
            self.ready(number, function) == 0
                && self.troubled_pods(number, function).0 != Reason::WaitingForPods
        })
    }

    /// The functions of the pinned versions that run, with their scales.
    fn functions(&self) -> impl Iterator<Item = (VersionNumber, &FunctionName, Scale)> {
        (self.resolution.pinned.iter()).flat_map(|entry| {
            let scales = self.plan.and_then(|plan| plan.run.get(&entry.number));
            (scales.into_iter().flatten()).map(|(function, scale)| (entry.number, function, *scale))
        })
    }

    fn ready_condition(&self, split: Option<&SplitPlan>, parts: &[Say]) -> Say {
        if self.wish.leaving {
            let mut message =
                "being deleted: routes go first, open requests are given time, then pods go"
                    .to_owned();
            let failure = self.failures.first().map(|failure| failure.message.clone());
            for more in failure.into_iter().chain(self.kept_for_others()) {
                message = format!("{message}; {more}");
            }
            return Say::new(Type::Ready, false, Reason::Draining, message);
        }
        if let Some(say) = cause(parts) {
            return Say::new(Type::Ready, State::False, say.reason, say.message.clone());
        }
        let line = self.shares(split).to_string();
        Say::new(
            Type::Ready,
            true,
            Reason::Succeeded,
            format!("serving {line}"),
        )
    }

    fn resolved(&self) -> Say {
        let type_ = Type::VersionsResolved;
        if let Some(trouble) = self.resolution.troubles.first() {
            let state = if trouble.pending {
                State::Unknown
            } else {
                State::False
            };
            let all: Vec<&str> = self
                .resolution
                .troubles
                .iter()
                .map(|trouble| trouble.message.as_str())
                .collect();
            return Say::new(type_, state, trouble.reason, all.join("; "));
        }
        let all: Vec<String> = self
            .resolution
            .pinned
            .iter()
            .map(|entry| entry.number.to_string())
            .collect();
        Say::new(type_, true, Reason::Succeeded, all.join(", "))
    }

    /// What is said of versions that run for routes of others alone.
    fn kept_for_others(&self) -> Option<String> {
        let plan = self.plan?;
        foreign_routes::said(self.key, &self.objects.strangers, &plan.for_others)
    }

    fn workloads(&self) -> Say {
        let mut say = self.needed_workloads();
        if let Some(kept) = self.kept_for_others() {
            say.message = format!("{}; {kept}", say.message);
        }
        say
    }

    fn needed_workloads(&self) -> Say {
        let type_ = Type::WorkloadsReady;
        if let Some(failure) = self.failures.first() {
            return Say::new(type_, false, failure.reason, failure.message.clone());
        }
        let mut reason = None;
        let mut lines = Vec::new();
        for (number, function, scale) in self.functions() {
            let (ready, wanted) = (self.ready(number, function), pods_of(scale));
            if ready < wanted {
                let (why, pods) = self.troubled_pods(number, function);
                reason = reason.max(Some(why));
                lines.push(format!(
                    "{number} {function}: {ready} of {wanted} pods ready{pods}"
                ));
            }
        }
        match reason {
            None => Say::new(
                type_,
                true,
                Reason::Succeeded,
                "all pods that are needed are ready",
            ),
            Some(reason) => Say::new(type_, false, reason, lines.join("; ")),
        }
    }

    /// Why pods of a function are not ready, with the names of the first few.
    fn troubled_pods(&self, number: VersionNumber, function: &FunctionName) -> (Reason, String) {
        let mut reason = Reason::WaitingForPods;
        let mut text = String::new();
        let troubled = (self.objects.pods.iter())
            .filter(|(_, pod)| pod.version == number && pod.function == *function)
            .filter_map(|(name, pod)| Some((name, pod.trouble.as_ref()?)));
        for (index, (name, trouble)) in troubled.enumerate() {
            if trouble.reason != Reason::WaitingForPods {
                reason = trouble.reason;
            }
            match index {
                i if i < PODS_NAMED => text = format!("{text}; pod {name} {}", trouble.text),
                PODS_NAMED => text.push_str("; and more"),
                _ => {}
            }
        }
        // Pods that could not even be made have no words of their own.
        let workload = names::workload(&self.key.app, number, function);
        if let Some(refused) = observe::refusal(self.objects, &workload) {
            reason = Reason::PodsRefused;
            text = format!("; pods are refused: {refused}{text}");
        }
        (reason, text)
    }

    fn routes_accepted(&self, split: Option<&SplitPlan>) -> Say {
        let type_ = Type::RoutesAccepted;
        let Ok(wanted) = &self.wish.wanted else {
            return Say::new(
                type_,
                State::Unknown,
                Reason::InvalidSpec,
                "the spec cannot work",
            );
        };
        if self.wish.leaving {
            return Say::new(
                type_,
                false,
                Reason::Draining,
                "being deleted: its routes go first",
            );
        }
        if wanted.routes.is_empty() {
            return Say::new(
                type_,
                true,
                Reason::NoRoutes,
                "there are no routes: nothing is sent to the versions",
            );
        }
        if let Some(obstacle) = self.obstacles.first() {
            return Say::new(type_, false, obstacle.reason, obstacle.message.clone());
        }
        for named in &wanted.routes {
            let name = names::route(&self.key.app, &self.wish.owner, named.name.as_str());
            let Some(route) = self.objects.routes.get(&name) else {
                let nothing = split.is_none_or(|split| split.route == RoutePlan::Keep);
                let (reason, message) = if nothing {
                    (
                        Reason::NothingReady,
                        format!(
                            "route `{}` is made when a wanted version is ready",
                            named.name
                        ),
                    )
                } else {
                    (
                        Reason::WaitingForGateway,
                        format!("HTTPRoute `{name}` is being made"),
                    )
                };
                return Say::new(type_, false, reason, message);
            };
            let (reason, message) = match Answer::of(route, self.gateways) {
                Answer::Accepted => continue,
                Answer::Open(_) if self.only_unnamed(route, split) => continue,
                Answer::Open(message) => {
                    let message = format!("{message}{}", unheard(split, wanted.progress_deadline));
                    (Reason::WaitingForGateway, message)
                }
                Answer::Refused(message) => (Reason::RouteRefused, message),
            };
            return Say::new(type_, false, reason, message);
        }
        Say::new(type_, true, Reason::Succeeded, "accepted as they are now")
    }

    /// Names the routes that were taken out of the spec and stay until the others stand: requests still go by them.
    fn with_left_out(&self, mut say: Say) -> Say {
        let listed = self.wish.http_routes(&self.key.app);
        let Some(listed) = listed.filter(|_| say.state != State::True) else {
            return say;
        };
        let routes = self.objects.routes_of(&self.key.app, &self.wish.owner);
        let left = routes.map(ResourceExt::name_any);
        let left: Vec<String> = left.filter(|name| !listed.contains(name)).collect();
        if !left.is_empty() {
            say.message = format!(
                "{}; HTTPRoute {} is not in the spec any more and stays until then",
                say.message,
                left.join(", ")
            );
        }
        say
    }

    /// True where all that the gateway has not accepted yet is that versions without a share are named no more. `Ready` would
    /// else go off for a moment at the end of each rollback window, with nothing new for any request.
    fn only_unnamed(&self, route: &HttpRoute, split: Option<&SplitPlan>) -> bool {
        let rests = split.is_some_and(|split| split.settled && split.complete);
        // Any other write of ours comes with a new spec, or ends the settle delay anew.
        let conditions = &self.wish.status.conditions;
        let before = condition::find(conditions, Type::RoutesAccepted);
        rests
            && before.is_some_and(|before| {
                before.status == State::True.as_str()
                    && before.observed_generation == self.wish.generation
            })
            && answer::was_accepted(route, self.gateways)
    }

    fn converged(&self, split: Option<&SplitPlan>, routes: &Say) -> Say {
        let type_ = Type::Converged;
        let Some(split) = split else {
            return Say::new(
                type_,
                State::Unknown,
                Reason::Unknown,
                "nothing could be decided",
            );
        };
        if self.wish.leaving {
            return Say::new(
                type_,
                false,
                Reason::Draining,
                "being deleted: nothing is wanted any more",
            );
        }
        // The plan is about what was pinned: where the spec has moved on, that is not what is wanted.
        if let Some(trouble) = self.resolution.troubles.first()
            && !self.is_pinned_as_wanted()
        {
            return Say::new(
                type_,
                false,
                trouble.reason,
                "not every wanted version is known; what was wanted before goes on",
            );
        }
        // What the gateways have to learn first they have not even accepted.
        let only_told = (split.waiting.iter()).all(|waiting| waiting.cause == Cause::Settling);
        if !split.waiting.is_empty() && only_told && routes.state != State::True {
            return Say::new(type_, false, routes.reason, routes.message.clone());
        }
        let mut waits: Vec<String> = split.waiting.iter().map(wait).collect();
        if split.route == RoutePlan::Keep && waits.is_empty() {
            waits.push("it is not known what is wanted; the last split stays".to_owned());
        }
        if waits.is_empty() && !split.complete && routes.state == State::True {
            waits.push("not every HTTPRoute says what is wanted yet".to_owned());
        }
        if !waits.is_empty() {
            return Say::new(type_, false, Reason::Progressing, waits.join("; "));
        }
        if routes.state != State::True {
            return Say::new(type_, false, routes.reason, routes.message.clone());
        }
        if !split.settled {
            return Say::new(
                type_,
                false,
                Reason::Settling,
                "accepted; the gateways are given time to act on it",
            );
        }
        Say::new(
            type_,
            true,
            Reason::Succeeded,
            "declared: the gateways accepted what is wanted and had the settle delay; they were not asked",
        )
    }
}

fn stalled(reason: Reason, message: String) -> Vec<Say> {
    vec![
        Say::new(Type::Ready, false, reason, message.clone()),
        Say::new(
            Type::Reconciling,
            false,
            reason,
            "nothing is done until it is changed",
        ),
        Say::new(Type::Stalled, true, reason, message),
    ]
}

/// What is not as wanted, the cause before what follows from it: where pods crash it is no news that no route is made, nor
/// that one is just being changed.
fn cause(parts: &[Say]) -> Option<&Say> {
    let rank = |say: &&Say| match say.reason {
        reason if reason.class() == Class::Stalled => 0,
        Reason::NothingReady | Reason::WaitingForGateway => 2,
        _ => 1,
    };
    let open = parts.iter().filter(|say| say.state != State::True);
    open.min_by_key(rank)
}

/// What goes on without a word of the gateways.
fn unheard(split: Option<&SplitPlan>, deadline: Period) -> String {
    let versions = split.map(|split| split.unheard.as_slice());
    let versions: Vec<String> = (versions.unwrap_or_default().iter())
        .map(ToString::to_string)
        .collect();
    match versions.as_slice() {
        [] => String::new(),
        versions => format!(
            "; nothing was said for {deadline}, so it is not waited for any longer than the settle delay: {} has its share in the route, and no pods go before it is accepted",
            versions.join(", ")
        ),
    }
}

fn wait(waiting: &crate::plan::Waiting) -> String {
    let version = waiting.version;
    match &waiting.cause {
        Cause::NotReady(functions) if functions.is_empty() => format!("{version} is being started"),
        Cause::NotReady(functions) => {
            let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
            format!("{version} has no ready pod of {}", names.join(", "))
        }
        Cause::Backends(count) => format!(
            "the split would need {count} backends and the Gateway API takes {}; list fewer versions",
            crate::plan::BACKENDS_MAX
        ),
        Cause::Settling => {
            format!("{version} is ready; the gateways are given time to learn of its pods")
        }
        Cause::Capacity {
            function,
            ready,
            needed,
        } => {
            format!(
                "{version} has {ready} of {needed} ready pods of {function} that its share takes"
            )
        }
    }
}

mod late;
#[cfg(test)]
mod tests;
