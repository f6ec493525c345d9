//! What a Deployment or an Alias wants, in one form for both, checked.
//!
//! Pure. The schema refuses what can never work, but an object may be older than the schema or written past it, so nothing
//! behind this module sees one that was not checked here.

use super::condition::Reason;
use super::rules;
use super::{
    Affinity, AliasSpec, CookieRule, DeploymentSpec, HeaderRule, OnLoss, Override, OverrideMode,
    QueryRule, Route, SecretKey, VersionRule, WantedVersion, path_key,
};
use crate::words::{AppName, Period, RouteName, Share, Total, VersionWord};

/// What is wanted, whoever wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The app.
    pub app: AppName,
    /// Name of the Repository, in the same namespace.
    pub repository: String,
    /// 1 to 10 different words whose shares total exactly 100 %, in the order of the spec.
    pub versions: Vec<WantedVersion>,
    /// Routes with their names, in the order of the spec.
    pub routes: Vec<NamedRoute>,
    /// Who may ask for a version.
    pub override_rule: OverrideRule,
    /// At most 16, each for one of the versions: the first that fits a request counts.
    pub rules: Vec<WantedRule>,
    /// What keeps a user on a version.
    pub affinity: Option<AffinityKey>,
    /// What a lost version means for its share.
    pub on_loss: OnLoss,
    /// How long a version at 0 % keeps its pods.
    pub rollback_window: Period,
    /// How long a change may make no progress.
    pub progress_deadline: Period,
    /// How long pods stay after the last gateway stopped sending; the controller's own delay where absent.
    pub drain_delay: Option<Period>,
    /// Why.
    pub message: Option<String>,
}

/// A route whose name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRoute {
    /// The name, given or `main`.
    pub name: RouteName,
    /// The route.
    pub route: Route,
}

/// Who may ask for a version with a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OverrideRule {
    /// Anyone.
    #[default]
    Header,
    /// Anyone who sends the key of a Secret in a header.
    Key {
        /// Name of the header that holds the key.
        header: String,
        /// Where the key is.
        secret: SecretKey,
    },
    /// Nobody.
    None,
}

/// Requests that one version gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRule {
    /// One of the versions, named as it is listed.
    pub version: VersionWord,
    /// Which requests.
    pub requests: RequestMatch,
}

/// What a request must have, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestMatch {
    /// A header that stands there once.
    Header {
        /// Its name, in any case.
        name: String,
        /// Its value.
        value: String,
    },
    /// A cookie.
    Cookie {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A query parameter, decoded; the first of its name.
    Query {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What the requests of one user have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AffinityKey {
    /// The value of a request header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
}

/// Why a spec cannot work as it is written. The text says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No version, or too many.
    #[error("spec.versions has {0} entries; 1 to 10 are allowed")]
    VersionCount(usize),
    /// The shares do not total 100 %.
    #[error("the percentages total {total} and must total exactly 100; change one of them")]
    Total {
        /// What they total, in percent.
        total: String,
    },
    /// One version stands in two entries.
    #[error("version {0} is listed twice; keep one entry with the whole percentage")]
    VersionTwice(VersionWord),
    /// The canary is the main version.
    #[error(
        "the canary is the main version itself ({0}); name another version, or leave the canary out"
    )]
    CanaryIsMain(VersionWord),
    /// Too many routes.
    #[error("spec.routes has {0} entries; up to 16 are allowed")]
    RouteCount(usize),
    /// A route without a name beside others.
    #[error("with more than one route each needs a name; give one to spec.routes[{0}]")]
    RouteUnnamed(usize),
    /// Two routes with one name.
    #[error("two routes are called `{0}`; give each its own name")]
    RouteTwice(RouteName),
    /// Two routes at one place.
    #[error(
        "the routes `{first}` and `{second}` both take {hostname}{path} on gateway {gateway}; change one of them"
    )]
    RouteClash {
        /// The route that comes first.
        first: RouteName,
        /// The route that comes later.
        second: RouteName,
        /// The hostname that both have.
        hostname: String,
        /// The path that both have.
        path: String,
        /// The gateway that both are on.
        gateway: String,
    },
    /// A route without hostnames, or with too many.
    #[error("route `{0}` has {1} hostnames; 1 to 16 are needed")]
    HostnameCount(RouteName, usize),
    /// A hostname that no request could have.
    #[error("hostname `{hostname}` of route `{route}`: {why}")]
    Hostname {
        /// The route.
        route: RouteName,
        /// The hostname.
        hostname: String,
        /// What a hostname is.
        why: &'static str,
    },
    /// A path that a gateway would not take.
    #[error(
        "path `{path}` of route `{route}` must start with a slash, and hold no query, fragment, `//` or `/../`"
    )]
    Path {
        /// The route.
        route: RouteName,
        /// Its path.
        path: String,
    },
    /// Mode and parts of the override do not fit.
    #[error(
        "spec.override: `header` and `secretRef` go with mode `key`, and mode `key` needs both of them"
    )]
    Override,
    /// Too many rules.
    #[error("there are {0} rules; up to 16 are allowed")]
    RuleCount(usize),
    /// A rule, counted from 1, without a match, or with more than one.
    #[error("rule {0} has none or several of `header`, `cookie` and `query`; set exactly one")]
    Rule(usize),
    /// A rule for a version that is not there.
    #[error(
        "rule {rule} is for version {version}, which is not listed; list it (0 % is enough), or change or take out the rule"
    )]
    RuleVersion {
        /// Which rule, counted from 1.
        rule: usize,
        /// The version that it names.
        version: VersionWord,
    },
    /// None or both keys of an affinity.
    #[error("spec.affinity: set exactly one of `header` and `cookie`")]
    Affinity,
}

impl SpecError {
    /// The reason in the condition.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::VersionTwice(_) | Self::CanaryIsMain(_) => Reason::VersionTwice,
            _ => Reason::InvalidSpec,
        }
    }
}

impl DeploymentSpec {
    /// What is wanted, checked.
    ///
    /// # Errors
    ///
    /// The first thing in the spec that can never work.
    pub fn wanted(&self) -> Result<Wanted, SpecError> {
        Ok(Wanted {
            app: self.app.clone(),
            repository: self.repository.clone(),
            versions: checked_versions(&self.versions)?,
            routes: named_routes(&self.routes)?,
            override_rule: override_rule(self.override_.as_ref())?,
            rules: checked_rules(&self.rules, &self.versions)?,
            affinity: affinity(self.affinity.as_ref())?,
            on_loss: self.on_loss,
            rollback_window: self.rollback_window,
            progress_deadline: self.progress_deadline,
            drain_delay: self.drain_delay,
            message: self.message.clone(),
        })
    }

    /// Fields that are there and are ignored, as they are written in the spec: for an event.
    #[must_use]
    pub fn ignored_fields(&self) -> Vec<&'static str> {
        [
            ("selector", &self.selector),
            ("template", &self.template),
            ("replicas", &self.replicas),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.is_some().then_some(name))
        .collect()
    }
}

impl AliasSpec {
    /// What is wanted, checked: the main version with what the canary leaves, then the canary.
    ///
    /// # Errors
    ///
    /// The first thing in the spec that can never work.
    pub fn wanted(&self) -> Result<Wanted, SpecError> {
        let canary_share = self
            .canary
            .as_ref()
            .map_or(Share::ZERO, |canary| canary.percentage);
        let mut versions = vec![WantedVersion {
            version: self.version.clone(),
            percentage: canary_share.rest(),
        }];
        if let Some(canary) = &self.canary {
            if canary.version == self.version {
                return Err(SpecError::CanaryIsMain(self.version.clone()));
            }
            versions.push(WantedVersion {
                version: canary.version.clone(),
                percentage: canary.percentage,
            });
        }
        Ok(Wanted {
            app: self.app.clone(),
            repository: self.repository.clone(),
            rules: checked_rules(&self.rules, &versions)?,
            versions,
            routes: named_routes(&self.routes)?,
            override_rule: override_rule(self.override_.as_ref())?,
            affinity: affinity(self.affinity.as_ref())?,
            on_loss: self.on_loss,
            rollback_window: self.rollback_window,
            progress_deadline: self.progress_deadline,
            drain_delay: self.drain_delay,
            message: self.description.clone(),
        })
    }
}

/// One to ten different words, 100 % in total.
fn checked_versions(versions: &[WantedVersion]) -> Result<Vec<WantedVersion>, SpecError> {
    if !(1..=10).contains(&versions.len()) {
        return Err(SpecError::VersionCount(versions.len()));
    }
    for (index, entry) in versions.iter().enumerate() {
        if versions[..index]
            .iter()
            .any(|earlier| earlier.version == entry.version)
        {
            return Err(SpecError::VersionTwice(entry.version.clone()));
        }
    }
    let total = Total::of(versions.iter().map(|entry| entry.percentage));
    if total != Total::ALL {
        return Err(SpecError::Total {
            total: total.to_string(),
        });
    }
    Ok(versions.to_vec())
}

/// Routes with names, each at a place of its own.
fn named_routes(routes: &[Route]) -> Result<Vec<NamedRoute>, SpecError> {
    if routes.len() > 16 {
        return Err(SpecError::RouteCount(routes.len()));
    }
    let mut named: Vec<NamedRoute> = Vec::with_capacity(routes.len());
    for (index, route) in routes.iter().enumerate() {
        let name = match &route.name {
            Some(name) => name.clone(),
            None if routes.len() == 1 => RouteName::only(),
            None => return Err(SpecError::RouteUnnamed(index)),
        };
        if named.iter().any(|earlier| earlier.name == name) {
            return Err(SpecError::RouteTwice(name));
        }
        if !(1..=16).contains(&route.hostnames.len()) {
            return Err(SpecError::HostnameCount(name, route.hostnames.len()));
        }
        if let Some((hostname, why)) = (route.hostnames.iter())
            .find_map(|hostname| Some((hostname, rules::no_hostname(hostname)?)))
        {
            return Err(SpecError::Hostname {
                route: name,
                hostname: hostname.clone(),
                why,
            });
        }
        if !path_works(&route.path) {
            return Err(SpecError::Path {
                route: name,
                path: route.path.clone(),
            });
        }
        if let Some(clash) = named
            .iter()
            .find_map(|earlier| clash(earlier, &name, route))
        {
            return Err(clash);
        }
        named.push(NamedRoute {
            name,
            route: route.clone(),
        });
    }
    Ok(named)
}

/// What the Gateway API takes as a path prefix, below nothing that is reserved.
fn path_works(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains(['?', '#'])
        && !path.contains("//")
        && !path.split('/').any(|part| part == "." || part == "..")
        && !path.to_ascii_lowercase().contains("%2f")
        && !path.starts_with("/.well-known/cutwater")
}

/// A hostname and path that both routes take on one gateway.
fn clash(earlier: &NamedRoute, name: &RouteName, route: &Route) -> Option<SpecError> {
    let other = &earlier.route;
    let same_path = path_key(&other.path) == path_key(&route.path);
    let hostname = other
        .hostnames
        .iter()
        .find(|hostname| route.hostnames.contains(hostname))?;
    (same_path && other.gateway == route.gateway).then(|| SpecError::RouteClash {
        first: earlier.name.clone(),
        second: name.clone(),
        hostname: hostname.clone(),
        path: route.path.clone(),
        gateway: route.gateway.name.clone(),
    })
}

/// Mode and parts, as one thing.
fn override_rule(given: Option<&Override>) -> Result<OverrideRule, SpecError> {
    let Some(given) = given else {
        return Ok(OverrideRule::default());
    };
    match (given.mode, &given.header, &given.secret_ref) {
        (OverrideMode::Header, None, None) => Ok(OverrideRule::Header),
        (OverrideMode::None, None, None) => Ok(OverrideRule::None),
        (OverrideMode::Key, Some(header), Some(secret)) => Ok(OverrideRule::Key {
            header: header.clone(),
            secret: secret.clone(),
        }),
        _ => Err(SpecError::Override),
    }
}

/// Each with one match, for a version that is listed.
fn checked_rules(
    rules: &[VersionRule],
    versions: &[WantedVersion],
) -> Result<Vec<WantedRule>, SpecError> {
    if rules.len() > 16 {
        return Err(SpecError::RuleCount(rules.len()));
    }
    let checked = |(index, rule): (usize, &VersionRule)| {
        let version = rule.version.clone();
        if !versions.iter().any(|entry| entry.version == version) {
            let rule = index + 1;
            return Err(SpecError::RuleVersion { rule, version });
        }
        let requests = match (rule.header.clone(), rule.cookie.clone(), rule.query.clone()) {
            (Some(HeaderRule { name, value }), None, None) => RequestMatch::Header { name, value },
            (None, Some(CookieRule { name, value }), None) => RequestMatch::Cookie { name, value },
            (None, None, Some(QueryRule { name, value })) => RequestMatch::Query { name, value },
            _ => return Err(SpecError::Rule(index + 1)),
        };
        Ok(WantedRule { version, requests })
    };
    rules.iter().enumerate().map(checked).collect()
}

/// Exactly one key.
fn affinity(given: Option<&Affinity>) -> Result<Option<AffinityKey>, SpecError> {
    match given.map(|given| (given.header.clone(), given.cookie.clone())) {
        None => Ok(None),
        Some((Some(header), None)) => Ok(Some(AffinityKey::Header(header))),
        Some((None, Some(cookie))) => Ok(Some(AffinityKey::Cookie(cookie))),
        Some(_) => Err(SpecError::Affinity),
    }
}

#[cfg(test)]
mod tests;
