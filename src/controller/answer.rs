//! What the gateways say of a route as it is now.
//!
//! Pure. An answer is about one generation: what a gateway said of an earlier one is no answer.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::key::ObjectKey;
use crate::api::gateway::{Gateway, HttpRoute, RouteParentStatus};

/// The Gateways of the cluster.
pub(super) type Gateways = HashMap<ObjectKey, Arc<Gateway>>;

/// Reasons for which a Gateway is not programmed that are about its addresses alone: without a load balancer they last for
/// ever, while its listeners take requests all the same.
const ADDRESS_REASONS: [&str; 2] = ["AddressNotAssigned", "AddressNotUsable"];

/// What all gateways of a route say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// They have accepted it and found all that it names.
    Accepted,
    /// Not everything has been said yet: what is missing.
    Open(String),
    /// At least one will not serve it as it is: its words.
    Refused(String),
}

impl Answer {
    /// The answer of all gateways that a route names.
    pub(super) fn of(route: &HttpRoute, gateways: &Gateways) -> Self {
        let namespace = route.namespace().unwrap_or_default();
        let status = route.status.as_ref();
        let mut all = Self::Open(format!("HTTPRoute `{}` names no gateway", route.name_any()));
        for (index, parent) in route.spec.parent_refs.iter().enumerate() {
            let said = (status.iter().flat_map(|status| &status.parents))
                .filter(|said| said.parent_ref.is_same(parent, &namespace));
            let answers = said.map(|said| one(route, &parent.name, said));
            let nothing = Self::Open(format!(
                "gateway `{}` has not accepted HTTPRoute `{}` as it is now",
                parent.name,
                route.name_any()
            ));
            let answer = answers.fold(nothing, Self::or);
            let gateway = parent.gateway(&namespace);
            let idle = gateway
                .and_then(|key| gateways.get(&key))
                .and_then(|gateway| idle(gateway));
            let answer = match (answer, idle) {
                (Self::Accepted, Some(why)) => Self::Open(why),
                (answer, _) => answer,
            };
            all = if index == 0 { answer } else { all.and(answer) };
        }
        all
    }

    pub(super) fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Of several implementations that speak for one gateway, one that serves the route is enough.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Accepted, _) | (_, Self::Accepted) => Self::Accepted,
            (Self::Refused(words), _) | (_, Self::Refused(words)) => Self::Refused(words),
            (_, open) => open,
        }
    }

    /// All gateways have to serve it.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(words), _) | (_, Self::Refused(words)) => Self::Refused(words),
            (Self::Open(what), _) | (_, Self::Open(what)) => Self::Open(what),
            (Self::Accepted, Self::Accepted) => Self::Accepted,
        }
    }
}

/// True when all gateways had accepted a route as it was before the last change, and have said nothing since.
pub(super) fn was_accepted(route: &HttpRoute, gateways: &Gateways) -> bool {
    let said = route.status.iter().flat_map(|status| &status.parents);
    let accepted = (said.flat_map(|said| &said.conditions))
        .filter(|condition| condition.type_ == "Accepted")
        .map(|condition| condition.observed_generation);
    let mut earlier = route.clone();
    earlier.metadata.generation = accepted.max().flatten();
    earlier.metadata.generation < route.metadata.generation
        && Answer::of(&earlier, gateways).is_accepted()
}

/// True when each gateway that has not accepted a route as it is now refuses it: it serves nothing of it. One that accepts it
/// and does not find a Service does serve it.
pub(super) fn is_rejected(route: &HttpRoute) -> bool {
    let said = route.status.iter().flat_map(|status| &status.parents);
    let mut accepted =
        said.map(|said| current(&said.conditions, "Accepted", route.metadata.generation));
    let parents = route.spec.parent_refs.len();
    let count = accepted.clone().count();
    count >= parents && accepted.all(|said| said.is_some_and(|said| said.status == "False"))
}

/// True when none of the gateways that a route names is there: nobody serves it, whatever was said of it before.
pub(super) fn is_nowhere(route: &HttpRoute, gateways: &Gateways) -> bool {
    let namespace = route.namespace().unwrap_or_default();
    let is_there = |key: ObjectKey| gateways.contains_key(&key);
    let mut parents = route.spec.parent_refs.iter();
    !parents.any(|parent| parent.gateway(&namespace).is_none_or(is_there))
}

/// What one implementation says of a route at one gateway.
fn one(route: &HttpRoute, gateway: &str, said: &RouteParentStatus) -> Answer {
    let name = route.name_any();
    let now = |type_: &str| current(&said.conditions, type_, route.metadata.generation);
    let status = |type_: &str| now(type_).map(|condition| condition.status.as_str());
    let refused = |what: &str, type_: &str| {
        let (reason, message) = now(type_)
            .map(|condition| (condition.reason.as_str(), condition.message.as_str()))
            .unwrap_or_default();
        Answer::Refused(format!(
            "gateway `{gateway}` {what} HTTPRoute `{name}`: {reason}: {message}"
        ))
    };
    match (status("Accepted"), status("ResolvedRefs")) {
        (Some("False"), _) => refused("refuses", "Accepted"),
        (Some("True"), _) if status("PartiallyInvalid") == Some("True") => {
            refused("serves only a part of", "PartiallyInvalid")
        }
        (Some("True"), Some("False")) => refused("does not find what it needs for", "ResolvedRefs"),
        (Some("True"), Some("True")) => Answer::Accepted,
        (Some("True"), _) => Answer::Open(format!(
            "gateway `{gateway}` has accepted HTTPRoute `{name}` and not said that it found the Services that it names"
        )),
        _ => Answer::Open(format!(
            "gateway `{gateway}` has not accepted HTTPRoute `{name}` as it is now"
        )),
    }
}

/// Why a Gateway takes no requests, where its implementation says so. One that says nothing is believed to take them.
pub(super) fn idle(gateway: &Gateway) -> Option<String> {
    let conditions = &gateway.status.as_ref()?.conditions;
    let against = ["Accepted", "Programmed"].into_iter().find_map(|type_| {
        current(conditions, type_, gateway.metadata.generation).filter(|condition| {
            condition.status == "False" && !ADDRESS_REASONS.contains(&condition.reason.as_str())
        })
    })?;
    Some(format!(
        "gateway `{}` takes no requests ({}=False): {}: {}",
        gateway.name_any(),
        against.type_,
        against.reason,
        against.message
    ))
}

/// A condition, where it speaks of this generation.
fn current<'a>(
    conditions: &'a [Condition],
    type_: &str,
    generation: Option<i64>,
) -> Option<&'a Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .filter(|condition| condition.observed_generation == generation)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// `Type=Status@generation`, the reason is `Because`.
    fn conditions(said: &[&str]) -> Value {
        let one = |text: &&str| {
            let (type_, rest) = text.split_once('=').unwrap();
            let (status, generation) = rest.split_once('@').unwrap();
            let (status, reason) = status.split_once(':').unwrap_or((status, "Because"));
            json!({
                "type": type_, "status": status, "reason": reason, "message": "words",
                "observedGeneration": generation.parse::<i64>().unwrap(),
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        said.iter().map(one).collect()
    }

    /// A route at generation 2, on the listeners that `parents` name; each entry of `said` is one of its statuses.
    fn route(parents: &Value, said: &[(Value, &[&str])]) -> HttpRoute {
        let said: Vec<Value> = (said.iter())
            .map(|(parent, said)| {
                json!({"parentRef": parent, "controllerName": "test", "conditions": conditions(said)})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "shop.main", "namespace": "shop", "generation": 2},
            "spec": {"parentRefs": parents},
            "status": {"parents": said},
        }))
        .unwrap()
    }

    fn short(answer: &Answer) -> &'static str {
        match answer {
            Answer::Accepted => "accepted",
            Answer::Open(_) => "open",
            Answer::Refused(_) => "refused",
        }
    }

    #[test]
    fn only_what_is_said_of_this_generation_counts() {
        let table: [(&[&str], &str); 10] = [
            (&["Accepted=True@2", "ResolvedRefs=True@2"], "accepted"),
            (&[], "open"),
            (&["Accepted=True@1", "ResolvedRefs=True@1"], "open"),
            (&["Accepted=False@1", "ResolvedRefs=True@1"], "open"),
            (&["Accepted=False@2", "ResolvedRefs=True@2"], "refused"),
            (&["Accepted=True@2"], "open"),
            (&["Accepted=True@2", "ResolvedRefs=True@1"], "open"),
            (&["Accepted=True@2", "ResolvedRefs=False@1"], "open"),
            (&["Accepted=True@2", "ResolvedRefs=False@2"], "refused"),
            (
                &[
                    "Accepted=True@2",
                    "ResolvedRefs=True@2",
                    "PartiallyInvalid=True@2",
                ],
                "refused",
            ),
        ];
        for (said, wanted) in table {
            let route = route(&json!([{"name": "web"}]), &[(json!({"name": "web"}), said)]);
            let answer = Answer::of(&route, &Gateways::new());
            assert_eq!(short(&answer), wanted, "{said:?}: {answer:?}");
        }
        let said: &[&str] = &["Accepted=True@2", "ResolvedRefs=False:BackendNotFound@2"];
        let route = route(&json!([{"name": "web"}]), &[(json!({"name": "web"}), said)]);
        assert_eq!(
            Answer::of(&route, &Gateways::new()),
            Answer::Refused(
                "gateway `web` does not find what it needs for HTTPRoute `shop.main`: BackendNotFound: words"
                    .to_owned()
            )
        );
    }

    #[test]
    fn each_gateway_that_is_named_has_to_say_it() {
        let good: &[&str] = &["Accepted=True@2", "ResolvedRefs=True@2"];
        let bad: &[&str] = &["Accepted=False@2", "ResolvedRefs=True@2"];
        let whole = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop", "name": "web"});
        let (web, http) = (
            json!({"name": "web"}),
            json!({"name": "web", "sectionName": "http"}),
        );
        let elsewhere = json!({"name": "web", "namespace": "other"});
        let table = [
            (json!([web]), vec![(whole, good)], "accepted"),
            (json!([web]), vec![(http.clone(), good)], "open"),
            (json!([web]), vec![(elsewhere, good)], "open"),
            (
                json!([http.clone(), web]),
                vec![(web.clone(), good)],
                "open",
            ),
            (
                json!([web, http]),
                vec![(web.clone(), good), (http.clone(), bad)],
                "refused",
            ),
            (
                json!([web]),
                vec![(web.clone(), bad), (web.clone(), good)],
                "accepted",
            ),
            (json!([]), vec![(web, good)], "open"),
        ];
        for (parents, said, wanted) in table {
            let route = route(&parents, &said);
            let answer = Answer::of(&route, &Gateways::new());
            assert_eq!(short(&answer), wanted, "{:?}", route.spec.parent_refs);
        }
    }

    #[test]
    fn a_gateway_that_says_that_it_takes_no_requests_is_believed() {
        let good: &[&str] = &["Accepted=True@2", "ResolvedRefs=True@2"];
        let route = route(&json!([{"name": "web"}]), &[(json!({"name": "web"}), good)]);
        let table: [(&[&str], &str); 8] = [
            (&[], "accepted"),
            (&["Programmed=True@7"], "accepted"),
            (&["Programmed=Unknown:Pending@7"], "accepted"),
            (&["Programmed=False:AddressNotAssigned@7"], "accepted"),
            (&["Programmed=False:AddressNotUsable@7"], "accepted"),
            (&["Programmed=False:NoResources@6"], "accepted"),
            (&["Programmed=False:NoResources@7"], "open"),
            (
                &["Accepted=False:InvalidParameters@7", "Programmed=True@7"],
                "open",
            ),
        ];
        for (said, wanted) in table {
            let gateway: Gateway = serde_json::from_value(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": {"name": "web", "namespace": "shop", "generation": 7},
                "spec": {"gatewayClassName": "any"},
                "status": {"conditions": conditions(said)},
            }))
            .unwrap();
            let key = ("shop".to_owned(), "web".to_owned());
            let answer = Answer::of(&route, &[(key, Arc::new(gateway))].into());
            assert_eq!(short(&answer), wanted, "{said:?}: {answer:?}");
        }
    }
}
