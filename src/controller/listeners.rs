//! Whether the listeners of a gateway take a route, as far as it can be told before it is written.
//!
//! Pure. Who reads it in the gateway's answer has moved the route already. Which namespaces a label selector picks is not known here.

use super::answer;
use super::failure::Failure;
use crate::api::gateway::{ALLOW_NONE, ALLOW_SAME, Gateway, Listener, RouteKind};
use crate::api::{Reason, covers_hostname};

/// Protocols whose listeners take HTTPRoutes (Gateway API, `ProtocolType`).
const PROTOCOLS: [&str; 2] = ["HTTP", "HTTPS"];
/// What a listener of another protocol may be is its implementation's: those have a domain (`example.com/foo`).
const OWN_PROTOCOL: char = '/';

/// Namespace and name of a gateway, and the gateway.
type At<'a> = (&'a (String, String), &'a Gateway);

/// What stands against a route there, whether it is there already or not.
pub(super) fn obstacle(
    (at, gateway): At<'_>,
    section: Option<&str>,
    hostnames: &[String],
) -> Option<Failure> {
    let (namespace, name) = at;
    if let Some(section) = section
        && !gateway.spec.listeners.iter().any(|l| l.name == section)
    {
        return Some(Failure {
            reason: Reason::ListenerNotFound,
            message: format!(
                "Gateway `{name}` in namespace `{namespace}` has no listener `{section}`{}; name one of them in spec.routes, or leave sectionName out",
                those(gateway)
            ),
        });
    }
    let (hostname, taken) = unheard(gateway, section, hostnames)?;
    Some(Failure {
        reason: Reason::ListenerNotFound,
        message: format!(
            "no listener of Gateway `{name}` in namespace `{namespace}` that the route names takes requests for {hostname} (they take {}); add one, or choose another hostname",
            taken.join(", ")
        ),
    })
}

/// What stands against a route from `namespace` that is to come there: nobody serves the gateway, or no listener takes it for one of
/// its hostnames.
pub(super) fn refusal(
    (at, gateway): At<'_>,
    section: Option<&str>,
    (namespace, hostnames): (&str, &[String]),
) -> Option<Failure> {
    let (of, name) = at;
    if let Some(idle) = answer::idle(gateway) {
        return Some(Failure {
            reason: Reason::WaitingForGateway,
            message: format!("{idle}; mend it, or name another one in spec.routes"),
        });
    }
    let said = gateway.status.iter().flat_map(|status| &status.conditions);
    let mut accepted = said.filter(|condition| condition.type_ == "Accepted");
    if !accepted.any(|accepted| accepted.status == "True") {
        return Some(Failure {
            reason: Reason::WaitingForGateway,
            message: format!(
                "Gateway `{name}` in namespace `{of}` is served by nobody yet; see whether a controller of class `{}` runs, or name another one in spec.routes",
                gateway.spec.gateway_class_name
            ),
        });
    }
    let is_taken = |hostname: &&String| {
        let mut all = named(gateway, section);
        all.any(|listener| takes(listener, of == namespace) && hears(listener, hostname))
    };
    named(gateway, section).next()?;
    let hostname = hostnames.iter().find(|hostname| !is_taken(hostname))?;
    let why: Vec<String> = (named(gateway, section))
        .map(|listener| why_not(listener, of == namespace))
        .collect();
    Some(Failure {
        reason: Reason::RouteRefused,
        message: format!(
            "no listener of Gateway `{name}` in namespace `{of}` that the route names takes HTTPRoutes of namespace `{namespace}` for {hostname} ({}); change its allowedRoutes, or name another one in spec.routes",
            why.join(", ")
        ),
    })
}

/// The listeners that a route names.
fn named<'a>(gateway: &'a Gateway, section: Option<&'a str>) -> impl Iterator<Item = &'a Listener> {
    let all = gateway.spec.listeners.iter();
    all.filter(move |listener| section.is_none_or(|name| listener.name == name))
}

/// True for a listener that takes HTTPRoutes of a namespace, `is_same` where it is the one of the gateway.
fn takes(listener: &Listener, is_same: bool) -> bool {
    let allowed = listener.allowed_routes.as_ref();
    // Without it, those of the same namespace alone.
    let from = allowed.map_or(ALLOW_SAME, |allowed| allowed.namespaces.from.as_str());
    let is_from = match from {
        ALLOW_SAME => is_same,
        ALLOW_NONE => false,
        _ => true,
    };
    is_from && is_kind(listener)
}

/// True for a listener that takes HTTPRoutes of whatever namespace.
fn is_kind(listener: &Listener) -> bool {
    let kinds = listener.allowed_routes.iter().flat_map(|it| &it.kinds);
    let mut kinds = kinds.peekable();
    match kinds.peek() {
        Some(_) => kinds.any(RouteKind::is_http_route),
        // The protocol says.
        None => {
            PROTOCOLS.contains(&listener.protocol.as_str())
                || listener.protocol.contains(OWN_PROTOCOL)
        }
    }
}

/// What a listener takes, for people.
fn why_not(listener: &Listener, is_same: bool) -> String {
    let name = &listener.name;
    if !is_kind(listener) {
        return format!(
            "`{name}` takes other kinds, for protocol {}",
            listener.protocol
        );
    }
    if !takes(listener, is_same) {
        return format!("`{name}` takes none, or those of its own namespace alone");
    }
    let hostname = listener.hostname.as_deref().unwrap_or("any hostname");
    format!("`{name}` takes {hostname}")
}

/// True for a listener that takes requests for a hostname, or for a part of those that it stands for.
fn hears(listener: &Listener, hostname: &str) -> bool {
    (listener.hostname.as_deref())
        .is_none_or(|taken| covers_hostname(taken, hostname) || covers_hostname(hostname, taken))
}

/// The first hostname that no listener takes, and those that are taken. A gateway ignores it without a word where it takes another one
/// of the same route (Gateway API, `HTTPRouteSpec.hostnames`).
fn unheard<'a>(
    gateway: &'a Gateway,
    section: Option<&'a str>,
    hostnames: &'a [String],
) -> Option<(&'a String, Vec<&'a str>)> {
    // One without a hostname takes all.
    let taken: Option<Vec<&str>> = named(gateway, section)
        .map(|it| it.hostname.as_deref())
        .collect();
    let taken = taken.filter(|taken| !taken.is_empty())?;
    let is_heard =
        |hostname: &&String| named(gateway, section).any(|listener| hears(listener, hostname));
    let unheard = hostnames.iter().find(|hostname| !is_heard(hostname))?;
    Some((unheard, taken))
}

/// The listeners that a gateway has, as part of a message.
fn those(gateway: &Gateway) -> String {
    let names = gateway.spec.listeners.iter().map(|l| l.name.as_str());
    match names.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => String::new(),
        names => format!(" (it has {names})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn gateway(listeners: &[Value], accepted: &str) -> Gateway {
        serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "web", "namespace": "edge", "generation": 1},
            "spec": {"gatewayClassName": "any", "listeners": listeners},
            "status": {"conditions": [{
                "type": "Accepted", "status": accepted, "reason": "Because", "message": "words",
                "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn a_hostname_that_no_listener_takes_is_not_said_to_be_served() {
        let listener = |name: &str, hostname: &str| json!({"name": name, "hostname": hostname, "port": 80, "protocol": "HTTP"});
        let hears = gateway(
            &[listener("http", "*.a.test"), listener("https", "b.test")],
            "True",
        );
        let table: [(&[&str], _, _); 6] = [
            (&["x.a.test", "b.test"], None, true),
            (&["*.test"], None, true),
            (&["a.test"], None, false),
            (&["x.a.test", "c.test"], None, false),
            (&["b.test"], Some("https"), true),
            (&["b.test"], Some("http"), false),
        ];
        for (hostnames, section, fits) in table {
            let hostnames: Vec<String> = hostnames.iter().map(ToString::to_string).collect();
            let unheard = unheard(&hears, section, &hostnames);
            assert_eq!(unheard.is_none(), fits, "{hostnames:?} {section:?}");
        }
    }

    #[test]
    fn what_no_listener_takes_is_seen_before_it_comes_there() {
        let listener = |protocol: &str, allowed: Value| json!({"name": protocol.to_lowercase(), "port": 80, "protocol": protocol, "allowedRoutes": allowed});
        let from = |from: &str| json!({"namespaces": {"from": from}});
        let kind = |kind: &str| json!({"namespaces": {"from": "All"}, "kinds": [{"kind": kind}]});
        let table = [
            (listener("HTTP", from("All")), "prod", true),
            (listener("HTTP", from("Selector")), "prod", true),
            (listener("HTTP", from("Same")), "edge", true),
            (listener("HTTP", from("Same")), "prod", false),
            (listener("HTTP", json!({})), "prod", false),
            (listener("HTTP", Value::Null), "prod", false),
            (listener("HTTP", Value::Null), "edge", true),
            (listener("HTTP", from("None")), "edge", false),
            (listener("HTTPS", from("All")), "prod", true),
            (listener("TCP", from("All")), "prod", false),
            (listener("TLS", from("All")), "prod", false),
            (listener("example.com/own", from("All")), "prod", true),
            (listener("HTTP", kind("HTTPRoute")), "prod", true),
            (listener("HTTP", kind("GRPCRoute")), "prod", false),
        ];
        let at = ("edge".to_owned(), "web".to_owned());
        let hostnames = ["a.test".to_owned()];
        for (listener, namespace, takes) in table {
            let gateway = gateway(std::slice::from_ref(&listener), "True");
            let refusal = refusal((&at, &gateway), None, (namespace, &hostnames));
            let reason = refusal.map(|refusal| refusal.reason);
            let wanted = (!takes).then_some(Reason::RouteRefused);
            assert_eq!(reason, wanted, "{listener} {namespace}");
        }
        let both = [listener("TCP", from("All")), listener("HTTP", from("All"))];
        for (section, takes) in [(None, true), (Some("http"), true), (Some("tcp"), false)] {
            let gateway = gateway(&both, "True");
            let refusal = refusal((&at, &gateway), section, ("prod", &hostnames));
            assert_eq!(refusal.is_none(), takes, "{section:?}");
        }
        // The one that takes the routes does not hear of the hostname, and the one that does takes none.
        let mut apart = gateway(
            &[
                listener("HTTP", from("Same")),
                listener("HTTPS", from("All")),
            ],
            "True",
        );
        for (hostname, takes) in [("*.b.test", false), ("*.test", true)] {
            apart.spec.listeners[1].hostname = Some(hostname.to_owned());
            let refusal = refusal((&at, &apart), None, ("prod", &hostnames));
            assert_eq!(refusal.is_none(), takes, "{hostname}");
        }
        let mut idle = gateway(&both, "True");
        let conditions = &mut idle.status.as_mut().unwrap().conditions;
        let mut programmed = conditions[0].clone();
        (programmed.type_, programmed.status) = ("Programmed".to_owned(), "False".to_owned());
        conditions.push(programmed);
        let idles = refusal((&at, &idle), None, ("prod", &hostnames)).unwrap();
        assert!(
            idles
                .message
                .contains("takes no requests (Programmed=False)")
        );
        for (accepted, words) in [
            ("Unknown", "is served by nobody yet"),
            ("False", "Because: words"),
        ] {
            let gateway = gateway(&both, accepted);
            let refusal = refusal((&at, &gateway), None, ("prod", &hostnames)).unwrap();
            assert!(
                refusal.reason == Reason::WaitingForGateway && refusal.message.contains(words),
                "{}",
                refusal.message
            );
        }
    }
}
