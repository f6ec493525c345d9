//! Who asks for a hostname and path that somebody else asks for too.
//!
//! The rule is the one of the claims: a place is a hostname and a path at a gateway, at listeners that overlap. A wildcard and a name
//! below it are two places, of which the gateway knows which one is meant.

use std::collections::BTreeMap;

use super::side::Resolved;
use crate::api::{GatewayRef, path_key};
use crate::releases::Release;

/// Two objects that ask for one place.
#[derive(Debug)]
pub(super) struct Clash<'a> {
    /// The hostname.
    pub(super) hostname: &'a str,
    /// The path.
    pub(super) path: &'a str,
    /// The gateway.
    pub(super) gateway: &'a GatewayRef,
    /// The object that comes first.
    pub(super) first: usize,
    /// The one that comes later.
    pub(super) second: usize,
}

/// Where a gateway is: in a namespace that is named, or in that of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Home<'a> {
    Namespace(&'a str),
    Folder(&'a str),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    home: Home<'a>,
    gateway: &'a str,
    hostname: &'a str,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn new(
        release: &'a Release,
        gateway: &'a GatewayRef,
        hostname: &'a str,
        path: &'a str,
    ) -> Self {
        let folder = release
            .file
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let namespace = gateway.namespace.as_deref().or(release.namespace());
        Self {
            home: namespace.map_or(Home::Folder(folder), Home::Namespace),
            gateway: &gateway.name,
            hostname,
            path: path_key(path),
        }
    }
}

/// All clashes between objects, by their places in the list.
pub(super) fn clashes<'a>(all: &[Resolved<'a>]) -> Vec<Clash<'a>> {
    let mut claims: BTreeMap<Place<'a>, Vec<(usize, &'a GatewayRef)>> = BTreeMap::new();
    let mut clashes: Vec<Clash<'a>> = Vec::new();
    for (second, seen) in all.iter().enumerate() {
        let release: &'a Release = seen.release;
        let routes = release.wanted.routes.iter().map(|named| &named.route);
        let places = routes.flat_map(|route| {
            let hostnames = route.hostnames.iter();
            hostnames.map(move |hostname| (route, hostname))
        });
        for (route, hostname) in places {
            let gateway = &route.gateway;
            let place = Place::new(release, gateway, hostname, &route.path);
            let earlier = claims.entry(place).or_default();
            let stands = |(first, other): &&(usize, &GatewayRef)| {
                *first != second && overlap(other, gateway)
            };
            if let Some((first, _)) = earlier.iter().find(stands) {
                clashes.push(Clash {
                    hostname,
                    path: &route.path,
                    gateway,
                    first: *first,
                    second,
                });
            }
            earlier.push((second, gateway));
        }
    }
    clashes
}

/// True where both ask for one listener: without a name, for all of them.
fn overlap(one: &GatewayRef, other: &GatewayRef) -> bool {
    match (&one.section_name, &other.section_name) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// True where the object asks for that place.
pub(super) fn has(release: &Release, clash: &Clash<'_>) -> bool {
    release.wanted.routes.iter().any(|named| {
        let route = &named.route;
        route
            .hostnames
            .iter()
            .any(|hostname| hostname == clash.hostname)
            && path_key(&route.path) == path_key(clash.path)
            && (&route.gateway.name, &route.gateway.namespace)
                == (&clash.gateway.name, &clash.gateway.namespace)
            && overlap(&route.gateway, clash.gateway)
    })
}
