//! Where requests go: routes by hostname and path, and for each the split.
//!
//! Immutable and pure but for the state of the upstreams: [`Rule::pick`] is given its random number.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

use super::Upstream;
use super::metrics::{Counts, Metrics};
use super::request_key::{Key, Match, header_name, only};
use crate::api::{AffinityKey, RequestMatch};
use crate::plan::slots::{COUNT, Slots, key_hash};
use crate::words::{AppName, FunctionName, Share, VersionNumber};

/// One place at which a function of an app is reached.
#[derive(Debug, Clone)]
pub struct Route {
    /// Lower-case hostnames, or `*.suffix` for every name below the suffix.
    pub hostnames: Vec<String>,
    /// Path prefix, starting with a slash; `/` is every path.
    pub path: String,
    /// Whose route it is, in words for an error page: `Deployment checkout`.
    pub owner: String,
    /// The app.
    pub app: AppName,
    /// The function; nothing while it is not known which one it is.
    pub function: Option<FunctionName>,
    /// The versions that may be reached. Shares need not total 100 %: they count in proportion.
    pub entries: Vec<Entry>,
    /// Who may ask for a version.
    pub overrides: Overrides,
    /// Which requests go to which version, whatever the shares; the first that fits counts.
    pub rules: Vec<(RequestMatch, VersionNumber)>,
    /// What keeps a user on a version, and the version of each slot.
    pub affinity: Option<(AffinityKey, Arc<Slots>)>,
    /// Requests for a version without a ready process fail, and nobody answers for it (`onLoss: hold`).
    pub holds: bool,
    /// When it was claimed: of two routes, the one with the lower number was there first.
    pub since: u64,
    /// It has not answered since it was claimed: until it does, its requests are for who would have them without it and was
    /// there first.
    pub waits: bool,
}

/// A version of a route.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The version.
    pub version: VersionNumber,
    /// Its share; at 0 % only an override reaches it.
    pub share: Share,
    /// Its process; `None` where none is ready.
    pub upstream: Option<Arc<Upstream>>,
}

/// Who may ask for a version with the header `Cutwater-Version-<app>`.
#[derive(Clone, PartialEq, Eq)]
pub enum Overrides {
    /// Anyone.
    Anyone,
    /// Anyone who sends this key in this header.
    Key {
        /// Name of the header.
        header: String,
        /// The key.
        key: String,
    },
    /// Nobody.
    Nobody,
}

/// Where requests go.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<String, Vec<Arc<Rule>>>,
    /// By what follows `*.`.
    below: HashMap<String, Vec<Arc<Rule>>>,
    /// The headers that hold keys of overrides, each with the digests of its keys: no program gets one, whoever's it is.
    keys: Vec<(HeaderName, Vec<[u8; 32]>)>,
    /// Routes are not known yet.
    starting: bool,
}

/// A route, made ready for requests.
#[derive(Debug)]
pub(super) struct Rule {
    /// Without a slash at its end.
    prefix: String,
    pub(super) owner: String,
    pub(super) app: AppName,
    pub(super) function: Option<FunctionName>,
    pub(super) targets: Vec<Target>,
    overrides: Option<Asked>,
    rules: Vec<(Match, VersionNumber)>,
    affinity: Option<(Key, Arc<Slots>)>,
    pub(super) holds: bool,
    since: u64,
    waits: bool,
    /// Counts requests that no version could take.
    pub(super) unserved: Arc<Counts>,
}

/// A version, made ready for requests.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) version: VersionNumber,
    share: u64,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) counts: Arc<Counts>,
}

/// What of a request decides who answers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The version that it asks for, where it may.
    asked: Option<VersionNumber>,
    /// That of the first rule that fits.
    ruled: Option<VersionNumber>,
    /// That of its user, and the number that chooses in place of chance where that one is not ready.
    user: Option<(VersionNumber, u64)>,
}

impl Wish {
    /// True where chance decides who answers, and so any of the versions may.
    pub(super) fn is_by_chance(&self) -> bool {
        self.asked.is_none() && self.ruled.is_none() && self.user.is_none()
    }
}

/// How a request asks for a version.
#[derive(Debug)]
struct Asked {
    header: HeaderName,
    /// The header that must hold a key, and the key's digest: comparing digests takes as long for any guess.
    key: Option<(HeaderName, [u8; 32])>,
}

impl Table {
    /// The table of a gateway that does not know its routes yet: each request is told to come again.
    #[must_use]
    pub fn starting() -> Self {
        Self {
            starting: true,
            ..Self::default()
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        self.starting
    }

    /// A table of these routes. Where two take one hostname and path, the earlier keeps it.
    #[must_use]
    pub fn new(routes: Vec<Route>, metrics: &Metrics) -> Self {
        let mut table = Self::default();
        for route in routes {
            let hostnames = route.hostnames.clone();
            let rule = Arc::new(Rule::new(route, metrics));
            table.guard(&rule);
            for hostname in hostnames {
                let (hosts, name) = match hostname.strip_prefix("*.") {
                    Some(suffix) => (&mut table.below, suffix),
                    None => (&mut table.exact, hostname.as_str()),
                };
                let rules = hosts.entry(name.to_ascii_lowercase()).or_default();
                rules.push(Arc::clone(&rule));
            }
        }
        for rules in table.exact.values_mut().chain(table.below.values_mut()) {
            rules.sort_by_key(|rule| Reverse(rule.prefix.len()));
        }
        table
    }

    /// Keeps the key of a rule from all programs.
    fn guard(&mut self, rule: &Rule) {
        let Some((name, digest)) = (rule.overrides.as_ref()).and_then(|asked| asked.key.as_ref())
        else {
            return;
        };
        match self.keys.iter_mut().find(|(other, _)| other == name) {
            Some((_, digests)) if digests.contains(digest) => {}
            Some((_, digests)) => digests.push(*digest),
            None => self.keys.push((name.clone(), vec![*digest])),
        }
    }

    /// Takes keys of overrides away: no program is to see one, or to write it into a log.
    pub(super) fn conceal(&self, headers: &mut HeaderMap) {
        for (name, digests) in &self.keys {
            if !headers.contains_key(name) {
                continue;
            }
            let is_key =
                |value: &HeaderValue| digests.contains(&Sha256::digest(value.as_bytes()).into());
            let all = headers.get_all(name).iter();
            let (keys, others): (Vec<_>, Vec<_>) = all.cloned().partition(is_key);
            if keys.is_empty() {
                continue;
            }
            headers.remove(name);
            for other in others {
                headers.append(name.clone(), other);
            }
        }
    }

    /// The rule for a lower-case hostname without port, and a path.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Arc<Rule>> {
        let wider = (host.match_indices('.')).filter_map(|(at, _)| self.below.get(&host[at + 1..]));
        let all = (self.exact.get(host).into_iter().chain(wider)).flatten();
        let mut all = all.filter(|rule| rule.covers(path));
        let first = all.next()?;
        let had = |rule: &&Arc<Rule>| !rule.waits && rule.since < first.since;
        let before = first.waits.then(|| all.find(had)).flatten();
        Some(before.unwrap_or(first))
    }
}

fn has_key(headers: &HeaderMap, (name, digest): &(HeaderName, [u8; 32])) -> bool {
    let given = only(headers, name).map(|given| <[u8; 32]>::from(Sha256::digest(given)));
    given.as_ref() == Some(digest)
}

impl Rule {
    fn new(route: Route, metrics: &Metrics) -> Self {
        let Route { app, function, .. } = route;
        let asked = header_name(&format!("cutwater-version-{app}"));
        let overrides = match route.overrides {
            Overrides::Anyone => asked.map(|header| Asked { header, key: None }),
            Overrides::Key { header: name, key } => {
                asked.zip(header_name(&name)).map(|(header, name)| Asked {
                    header,
                    key: Some((name, Sha256::digest(key).into())),
                })
            }
            Overrides::Nobody => None,
        };
        let rules = (route.rules.into_iter())
            .filter_map(|(requests, version)| Some((Match::new(requests)?, version)))
            .collect();
        let affinity = (route.affinity).and_then(|(key, slots)| Some((Key::new(key)?, slots)));
        let targets = (route.entries.into_iter())
            .map(|entry| Target {
                version: entry.version,
                share: entry.share.basis_points().into(),
                counts: metrics.counts(&app, Some(entry.version), function.as_ref()),
                upstream: entry.upstream,
            })
            .collect();
        Self {
            prefix: route.path.trim_end_matches('/').to_owned(),
            owner: route.owner,
            unserved: metrics.counts(&app, None, function.as_ref()),
            app,
            function,
            targets,
            overrides,
            rules,
            affinity,
            holds: route.holds,
            since: route.since,
            waits: route.waits,
        }
    }

    /// True for the prefix itself and everything below it.
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What of a request decides who answers it. A gateway changes heads on their way, so that is asked of the one that the client sent.
    pub(super) fn wish(&self, head: &Parts) -> Wish {
        let ruled = self.rules.iter().find(|(requests, _)| requests.fits(head));
        let user = self.affinity.as_ref().and_then(|(key, slots)| {
            let key = key.of(&head.headers)?;
            Some((slots.version(key), key_hash(key) / COUNT))
        });
        Wish {
            asked: self.asked(&head.headers),
            ruled: ruled.map(|(_, version)| *version),
            user,
        }
    }

    /// Which target takes a request: the one it asks for, that of the first rule that fits, that of its user, or one by
    /// chance. `None` where none is ready. One `without` which it is to be counts as one that is not.
    pub(super) fn pick(
        &self,
        wish: &Wish,
        random: u64,
        without: &[VersionNumber],
    ) -> Option<&Target> {
        let ready = |version| {
            let target = self.ready(version);
            target.filter(|target| !without.contains(&target.version))
        };
        let named = wish.asked.and_then(ready);
        if let Some(target) = named.or_else(|| wish.ruled.and_then(ready)) {
            return Some(target);
        }
        let Some((version, number)) = wish.user else {
            return self.by_share(random, without);
        };
        let own = ready(version);
        if own.is_none() && self.holds && self.has_share(version) {
            return None;
        }
        own.or_else(|| self.by_share(number, without))
    }

    fn ready(&self, version: VersionNumber) -> Option<&Target> {
        (self.targets.iter()).find(|target| target.version == version && target.is_ready())
    }

    fn has_share(&self, version: VersionNumber) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|target| target.version == version && target.share > 0)
    }

    /// A ready target, in proportion to the shares. `None` where none is, or where the share is held of one that is not.
    fn by_share(&self, number: u64, without: &[VersionNumber]) -> Option<&Target> {
        let is_ready = |target: &&Target| target.is_ready() && !without.contains(&target.version);
        if self.holds {
            let all = self.targets.iter();
            let total: u64 = all.clone().map(|target| target.share).sum();
            let mut point = number.checked_rem(total)?;
            let mut all = all.skip_while(|target| {
                let passes = point >= target.share;
                point = point.saturating_sub(target.share);
                passes
            });
            return all.next().filter(is_ready);
        }
        let ready = || self.targets.iter().filter(is_ready);
        let total: u64 = ready().map(|target| target.share).sum();
        let mut point = number.checked_rem(total)?;
        for target in ready() {
            if point < target.share {
                return Some(target);
            }
            point -= target.share;
        }
        // A process was drained between the two passes.
        self.targets
            .iter()
            .find(|target| target.share > 0 && is_ready(target))
    }

    /// The version that a request asks for, where it may.
    fn asked(&self, headers: &HeaderMap) -> Option<VersionNumber> {
        let asked = self.overrides.as_ref()?;
        let value = only(headers, &asked.header)?;
        if let Some(key) = &asked.key
            && !has_key(headers, key)
        {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        if text.starts_with('v') {
            return None;
        }
        text.parse().ok()
    }
}

impl Target {
    fn is_ready(&self) -> bool {
        (self.upstream.as_ref()).is_some_and(|upstream| upstream.takes_requests())
    }
}

/// Says that there is a key, and not which.
impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anyone => f.write_str("Anyone"),
            Self::Key { header, .. } => write!(f, "Key({header})"),
            Self::Nobody => f.write_str("Nobody"),
        }
    }
}

#[cfg(test)]
mod tests;
