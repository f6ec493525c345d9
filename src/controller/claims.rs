//! Who may have a hostname and a path on a gateway: the older claim keeps it.
//!
//! Pure bookkeeping. HTTPRoutes of others count as well.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use kube::ResourceExt;

use super::cache::AppKey;
use crate::api::gateway::HttpRoute;
use crate::api::{Alias, Deployment, Route};

/// What is claimed: a hostname and path on a gateway (namespace and name).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) gateway: (String, String),
    pub(super) hostname: String,
    pub(super) path: String,
}

/// Who claims. The order is the order of precedence: age, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Claimant {
    pub(super) created: Timestamp,
    pub(super) namespace: String,
    /// As people name it: `cwd/checkout`, `cwa/staging` or `httproute/shop`.
    pub(super) name: String,
    /// The app to look at again when a claim becomes free; none for an HTTPRoute of somebody else.
    pub(super) app: Option<AppKey>,
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_claim: HashMap<Claim, BTreeSet<Claimant>>,
    by_name: HashMap<(String, String), (Claimant, HashSet<Claim>)>,
}

impl Claims {
    /// Sets what somebody claims; the apps for which the answer of [`Self::holder`] may have changed.
    pub(super) fn set(&mut self, claimant: &Claimant, claims: HashSet<Claim>) -> BTreeSet<AppKey> {
        let key = (claimant.namespace.clone(), claimant.name.clone());
        if let Some((held, old)) = self.by_name.get(&key)
            && held == claimant
            && *old == claims
        {
            return BTreeSet::new();
        }
        let mut touched = self.remove(&key.0, &key.1);
        for claim in &claims {
            let claimants = self.by_claim.entry(claim.clone()).or_default();
            touched.extend(claimants.iter().filter_map(|other| other.app.clone()));
            claimants.insert(claimant.clone());
        }
        if !claims.is_empty() {
            self.by_name.insert(key, (claimant.clone(), claims));
        }
        touched.extend(claimant.app.clone());
        touched
    }

    /// Takes back all claims of somebody; the apps to look at again.
    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> BTreeSet<AppKey> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut touched = BTreeSet::new();
        let Some((claimant, claims)) = self.by_name.remove(&key) else {
            return touched;
        };
        for claim in claims {
            if let Some(claimants) = self.by_claim.get_mut(&claim) {
                claimants.remove(&claimant);
                touched.extend(claimants.iter().filter_map(|other| other.app.clone()));
                if claimants.is_empty() {
                    self.by_claim.remove(&claim);
                }
            }
        }
        touched
    }

    /// Names of claimants of one kind (`httproute/`), for forgetting those that a new list does not hold.
    pub(super) fn names(&self, prefix: &str) -> Vec<(String, String)> {
        (self.by_name.keys())
            .filter(|(_, name)| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Who has the claim, if it is somebody else.
    pub(super) fn holder(&self, claim: &Claim, namespace: &str, name: &str) -> Option<&Claimant> {
        let first = self.by_claim.get(claim)?.first()?;
        (first.namespace != namespace || first.name != name).then_some(first)
    }
}

fn claims_of(
    app: &AppKey,
    name: String,
    created: Option<Timestamp>,
    routes: &[Route],
) -> (Claimant, HashSet<Claim>) {
    let claimant = Claimant {
        created: created.unwrap_or(Timestamp::MAX),
        namespace: app.namespace.clone(),
        name,
        app: Some(app.clone()),
    };
    let claims = routes.iter().flat_map(|route| {
        let gateway = &route.gateway;
        let namespace = gateway
            .namespace
            .clone()
            .unwrap_or_else(|| app.namespace.clone());
        route.hostnames.iter().map(move |hostname| Claim {
            gateway: (namespace.clone(), gateway.name.clone()),
            hostname: hostname.clone(),
            path: route.path.clone(),
        })
    });
    (claimant, claims.collect())
}

/// What a Deployment claims.
pub(super) fn deployment_claims(object: &Deployment) -> (Claimant, HashSet<Claim>) {
    let app = AppKey {
        namespace: object.namespace().unwrap_or_default(),
        app: object.spec.app.clone(),
    };
    let created = object.creation_timestamp().map(|time| time.0);
    claims_of(
        &app,
        format!("cwd/{}", object.name_any()),
        created,
        &object.spec.routes,
    )
}

/// What an Alias claims.
pub(super) fn alias_claims(object: &Alias) -> (Claimant, HashSet<Claim>) {
    let app = AppKey {
        namespace: object.namespace().unwrap_or_default(),
        app: object.spec.app.clone(),
    };
    let created = object.creation_timestamp().map(|time| time.0);
    claims_of(
        &app,
        format!("cwa/{}", object.name_any()),
        created,
        &object.spec.routes,
    )
}

/// Begin of the names of claimants that are HTTPRoutes of others.
pub(super) const FOREIGN: &str = "httproute/";

/// What an HTTPRoute of somebody else claims.
pub(super) fn foreign_claims(route: &HttpRoute) -> (Claimant, HashSet<Claim>) {
    let namespace = route.namespace().unwrap_or_default();
    let claimant = Claimant {
        created: route
            .creation_timestamp()
            .map_or(Timestamp::MAX, |time| time.0),
        namespace: namespace.clone(),
        name: format!("{FOREIGN}{}", route.name_any()),
        app: None,
    };
    let mut claims = HashSet::new();
    for parent in &route.spec.parent_refs {
        let gateway = (
            parent
                .namespace
                .clone()
                .unwrap_or_else(|| namespace.clone()),
            parent.name.clone(),
        );
        for hostname in &route.spec.hostnames {
            for path in paths(route) {
                claims.insert(Claim {
                    gateway: gateway.clone(),
                    hostname: hostname.clone(),
                    path,
                });
            }
        }
    }
    (claimant, claims)
}

/// Path prefixes that a route takes whatever else a request says.
fn paths(route: &HttpRoute) -> Vec<String> {
    let mut paths = Vec::new();
    for rule in &route.spec.rules {
        if rule.matches.is_empty() {
            paths.push("/".to_owned());
        }
        for matched in rule
            .matches
            .iter()
            .filter(|matched| matched.headers.is_empty())
        {
            match &matched.path {
                None => paths.push("/".to_owned()),
                Some(path) if path.type_ == "PathPrefix" => paths.push(path.value.clone()),
                Some(_) => {}
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(host: &str) -> Claim {
        Claim {
            gateway: ("default".to_owned(), "web".to_owned()),
            hostname: host.to_owned(),
            path: "/".to_owned(),
        }
    }

    fn claimant(second: i64, name: &str) -> Claimant {
        Claimant {
            created: Timestamp::from_second(second).unwrap(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            app: None,
        }
    }

    #[test]
    fn the_older_claim_holds_and_the_next_follows_when_it_goes() {
        let mut claims = Claims::default();
        claims.set(&claimant(2, "cwd/b"), [claim("a.test")].into());
        assert_eq!(claims.holder(&claim("a.test"), "shop", "cwd/b"), None);
        claims.set(&claimant(1, "cwd/a"), [claim("a.test")].into());
        let holder = claims.holder(&claim("a.test"), "shop", "cwd/b").unwrap();
        assert_eq!(holder.name, "cwd/a");
        assert_eq!(claims.holder(&claim("a.test"), "shop", "cwd/a"), None);
        claims.set(&claimant(1, "cwd/a"), HashSet::new());
        assert_eq!(claims.holder(&claim("a.test"), "shop", "cwd/b"), None);
    }

    #[test]
    fn of_the_same_age_namespace_and_name_decide() {
        let mut claims = Claims::default();
        claims.set(&claimant(1, "cwd/b"), [claim("a.test")].into());
        claims.set(&claimant(1, "cwd/a"), [claim("a.test")].into());
        assert!(claims.holder(&claim("a.test"), "shop", "cwd/b").is_some());
    }
}
