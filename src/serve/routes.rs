//! What the gateway is to do for an app.

use super::app::App;
use super::claims;
use super::state::Served;
use crate::api::{NamedRoute, RequestMatch, Wanted};
use crate::gateway::{Entry, Overrides, Route};
use crate::plan::{Owner, OwnerKind};
use crate::words::{FunctionName, Share, VersionNumber, VersionWord};

impl App {
    /// A route for each place that an owner has. One that serves nothing yet has a route all the same: its clients are told to
    /// come again, and not that there is no such place.
    pub(super) fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for (owner, release) in &self.wanted {
            let served = self.remembered.served.get(owner);
            let slots = self.remembered.slots.get(owner).cloned();
            let rules = self.rules(owner, &release.wanted);
            let overrides = self.overrides.get(owner).unwrap_or(&Overrides::Nobody);
            for named in &release.wanted.routes {
                let function = self.function(named.route.function.as_ref(), served);
                let entries = match (served, &function) {
                    (Some(served), Some(function)) => self.entries(served, function),
                    _ => Vec::new(),
                };
                let (own, undecided) = self.hostnames(owner, named);
                let route = Route {
                    hostnames: own,
                    path: named.route.path.clone(),
                    owner: shown(owner),
                    app: release.app().clone(),
                    entries,
                    function,
                    overrides: overrides.clone(),
                    rules: rules.clone(),
                    affinity: release.wanted.affinity.clone().zip(slots.clone()),
                };
                if !undecided.is_empty() {
                    routes.push(Route {
                        hostnames: undecided,
                        entries: Vec::new(),
                        ..route.clone()
                    });
                }
                if !route.hostnames.is_empty() {
                    routes.push(route);
                }
            }
        }
        routes
    }

    /// The hostnames of a route that its owner has, and those that nobody has because it is not decided whose they are.
    fn hostnames(&self, owner: &Owner, named: &NamedRoute) -> (Vec<String>, Vec<String>) {
        let refused = self.refused.get(owner);
        let (mut own, mut undecided) = (Vec::new(), Vec::new());
        for hostname in &named.route.hostnames {
            let place = claims::place(hostname, &named.route.path);
            match refused.and_then(|refused| refused.get(&place)) {
                None => own.push(hostname.clone()),
                Some(refusal) if refusal.undecided => undecided.push(hostname.clone()),
                Some(_) => {}
            }
        }
        (own, undecided)
    }

    /// The rules of an owner. One for a word that is not resolved yet does not count until it is.
    fn rules(&self, owner: &Owner, wanted: &Wanted) -> Vec<(RequestMatch, VersionNumber)> {
        let pinned = self.remembered.pinned.get(owner);
        let number = |word: &VersionWord| {
            let mut entries = pinned.into_iter().flatten();
            Some(entries.find(|entry| entry.word == *word)?.number)
        };
        (wanted.rules.iter())
            .filter_map(|rule| Some((rule.requests.clone(), number(&rule.version)?)))
            .collect()
    }

    fn function(
        &self,
        named: Option<&FunctionName>,
        served: Option<&Served>,
    ) -> Option<FunctionName> {
        let (number, _) = served?.shares.first()?;
        match (
            named,
            self.remembered.records.get(number)?.functions.as_slice(),
        ) {
            (Some(named), _) => Some(named.clone()),
            (None, [only]) => Some(only.name.clone()),
            (None, _) => None,
        }
    }

    fn entries(&self, served: &Served, function: &FunctionName) -> Vec<Entry> {
        let share = |number: VersionNumber| {
            let found = served.shares.iter().find(|(other, _)| *other == number);
            found.map_or(Share::ZERO, |(_, share)| *share)
        };
        let numbers = served.shares.iter().map(|(number, _)| *number);
        let mut all: Vec<VersionNumber> = numbers.collect();
        all.extend(
            served
                .overrides
                .iter()
                .filter(|number| share(**number).is_zero()),
        );
        all.into_iter()
            .map(|version| Entry {
                version,
                share: share(version),
                upstream: (self.running.get(&version)).and_then(|it| it.upstream(function)),
            })
            .collect()
    }
}

/// An owner in words.
fn shown(owner: &Owner) -> String {
    match owner.kind {
        OwnerKind::Deployment => format!("Deployment {}", owner.name),
        OwnerKind::Alias => format!("Alias {}", owner.name),
    }
}
