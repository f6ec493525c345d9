//! What the gateway is to do for an app.

use std::collections::{BTreeMap, BTreeSet};

use super::app::App;
use super::claims;
use super::state::Served;
use crate::api::{self, NamedRoute, RequestMatch, Wanted};
use crate::gateway::{Entry, Overrides, Route};
use crate::plan::{Owner, OwnerKind};
use crate::releases::Release;
use crate::words::{FunctionName, Share, Shares, VersionNumber, VersionWord};

/// How an owner has a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    /// The number of its claim.
    since: u64,
    /// It has not answered there yet.
    waits: bool,
    /// Nobody has it, because it is not decided whose it is.
    undecided: bool,
}

impl App {
    /// A route for each place that an owner has. One that serves nothing yet has a route all the same: its clients are told to
    /// come again, and not that there is no such place.
    pub(super) fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for (owner, release) in &self.shown {
            let served = self.remembered.served.get(owner);
            let slots = self.remembered.slots.get(owner).cloned();
            let rules = self.rules(owner, &release.wanted);
            let overrides = self.overrides.get(owner).unwrap_or(&Overrides::Nobody);
            let route = |function: Option<&FunctionName>, path: &str| {
                let function = self.function(function, served);
                let entries = match (served, &function) {
                    (Some(served), Some(function)) => self.entries(served, function),
                    _ => Vec::new(),
                };
                Route {
                    hostnames: Vec::new(),
                    path: path.to_owned(),
                    owner: shown_as(owner),
                    app: release.app().clone(),
                    entries,
                    function,
                    overrides: overrides.clone(),
                    rules: rules.clone(),
                    affinity: release.wanted.affinity.clone().zip(slots.clone()),
                    holds: holds(release),
                    since: 0,
                    waits: false,
                }
            };
            for NamedRoute { route: named, .. } in &release.wanted.routes {
                let route = route(named.function.as_ref(), &named.path);
                for (held, hostnames) in self.hostnames(owner, named) {
                    let entries = if held.undecided {
                        Vec::new()
                    } else {
                        route.entries.clone()
                    };
                    routes.push(Route {
                        hostnames,
                        entries,
                        since: held.since,
                        waits: held.waits,
                        ..route.clone()
                    });
                }
            }
            // Behind its own: what it has again is there already. It was there before all who claim the place now.
            let staying = self.remembered.staying.get(owner).into_iter().flatten();
            routes.extend(staying.map(|left| Route {
                hostnames: left.hostnames.clone(),
                ..route(left.function.as_ref(), &left.path)
            }));
            routes.extend(self.awaited(owner, release));
        }
        routes
    }

    /// Routes for places that an owner wants and that the gateway does not know of it yet: their clients are told to come again.
    fn awaited(&self, owner: &Owner, shown: &Release) -> Vec<Route> {
        let known: BTreeSet<String> = claims::places(&shown.wanted.routes).collect();
        let wanted = self.wanted.get(owner);
        let wanted = wanted.iter().flat_map(|release| &release.wanted.routes);
        let held = wanted.flat_map(|named| {
            let held = self.hostnames(owner, &named.route);
            held.into_iter()
                .map(|(held, all)| (&named.route, held, all))
        });
        held.filter_map(|(route, held, mut hostnames)| {
            hostnames.retain(|name| !known.contains(&claims::place(name, &route.path)));
            (!hostnames.is_empty()).then(|| Route {
                hostnames,
                path: route.path.clone(),
                owner: shown_as(owner),
                app: shown.app().clone(),
                entries: Vec::new(),
                function: None,
                overrides: Overrides::Nobody,
                rules: Vec::new(),
                affinity: None,
                holds: false,
                since: held.since,
                waits: held.waits,
            })
        })
        .collect()
    }

    /// False where all places of an owner are somebody else's, so that no request reaches its versions.
    pub(super) fn has_a_place(&self, owner: &Owner) -> bool {
        let Some(refused) = self.refused.get(owner) else {
            return true;
        };
        let shown = self.shown.get(owner).into_iter();
        let mut places = shown.flat_map(|release| release.wanted.routes.iter());
        let stays = self.remembered.staying.contains_key(owner);
        stays || places.any(|named| claims::places_of(named).any(|it| !refused.contains_key(&it)))
    }

    /// The places of an owner at which a process takes requests.
    pub(super) fn answering_at(&self, owner: &Owner) -> BTreeSet<String> {
        let served = self.remembered.served.get(owner);
        let (Some(release), Some(served)) = (self.shown.get(owner), served) else {
            return BTreeSet::new();
        };
        let answers = |named: &&NamedRoute| {
            let function = self.function(named.route.function.as_ref(), Some(served));
            let entries = function.map(|function| self.entries(served, &function));
            let mut entries = entries.iter().flatten();
            entries.any(|entry| !entry.share.is_zero() && entry.upstream.is_some())
        };
        let routes = release.wanted.routes.iter().filter(answers);
        routes.flat_map(claims::places_of).collect()
    }

    /// What is so of the split of an owner: the versions of which a process takes requests. The gateway gives them in proportion
    /// what the others would get, but where `onLoss: hold` has those requests fail. Empty where there are none: then nobody is answered.
    pub(super) fn answering(&self, owner: &Owner) -> Shares {
        let served = self.remembered.served.get(owner);
        let shares = served.iter().flat_map(|served| served.shares.iter());
        let shares: Shares = shares
            .filter(|(number, _)| self.answers(owner, *number))
            .copied()
            .collect();
        if self.shown.get(owner).is_some_and(|release| holds(release)) {
            return shares;
        }
        in_full(&shares)
    }

    /// True where a process of a version answers at one of the routes of an owner, or anywhere where it has none.
    fn answers(&self, owner: &Owner, number: VersionNumber) -> bool {
        let Some(running) = self.running.get(&number) else {
            return false;
        };
        let served = self.remembered.served.get(owner);
        let release = self.shown.get(owner);
        let routes = release.iter().flat_map(|release| &release.wanted.routes);
        let functions: Vec<FunctionName> = routes
            .filter_map(|named| self.function(named.route.function.as_ref(), served))
            .collect();
        if functions.is_empty() {
            return running.takes_requests();
        }
        (functions.iter()).any(|function| running.upstream(function).is_some())
    }

    /// The hostnames of a route that its owner has, or nobody, by how they are held.
    fn hostnames(&self, owner: &Owner, route: &api::Route) -> BTreeMap<Held, Vec<String>> {
        let refused = self.refused.get(owner);
        let claims = self.remembered.claims.get(owner);
        let taken = self.taken(owner);
        let mut all: BTreeMap<Held, Vec<String>> = BTreeMap::new();
        for hostname in &route.hostnames {
            let place = claims::place(hostname, &route.path);
            let refusal = refused.and_then(|refused| refused.get(&place));
            if refusal.is_some_and(|refusal| !refusal.undecided) {
                continue;
            }
            let held = Held {
                since: claims.and_then(|it| it.get(&place)).copied().unwrap_or(0),
                waits: !taken.contains(&place),
                undecided: refusal.is_some(),
            };
            all.entry(held).or_default().push(hostname.clone());
        }
        all
    }

    /// The rules of an owner. One for a word that is not resolved yet does not count until it is.
    pub(super) fn rules(
        &self,
        owner: &Owner,
        wanted: &Wanted,
    ) -> Vec<(RequestMatch, VersionNumber)> {
        let words = self.remembered.words.get(owner);
        let pinned = words.or_else(|| self.remembered.pinned.get(owner));
        let number = |word: &VersionWord| {
            let mut entries = pinned.into_iter().flatten();
            match word {
                VersionWord::Number(number) => Some(*number),
                word => Some(entries.find(|entry| entry.word == *word)?.number),
            }
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

fn holds(release: &Release) -> bool {
    release.wanted.on_loss == api::OnLoss::Hold
}

/// Shares in the same proportion that total 100 %; those that are it already stay as they are.
fn in_full(shares: &Shares) -> Shares {
    let all = u64::from(Share::ALL.basis_points());
    let points = |share: &Share| u64::from(share.basis_points());
    let total: u64 = shares.iter().map(|(_, share)| points(share)).sum();
    let (mut sum, mut given) = (0, 0);
    let part = |(number, share): &(VersionNumber, Share)| {
        sum += points(share);
        let until = (sum * all).checked_div(total).unwrap_or(0);
        let part = u32::try_from(until - given).unwrap_or(0);
        given = until;
        (*number, Share::from_basis_points(part))
    };
    shares.iter().map(part).collect()
}

/// An owner in words.
fn shown_as(owner: &Owner) -> String {
    match owner.kind {
        OwnerKind::Deployment => format!("Deployment {}", owner.name),
        OwnerKind::Alias => format!("Alias {}", owner.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_versions_that_answer_total_everything() {
        let shares = |all: &[(u32, u32)]| -> Shares {
            let one = |(number, points): &(u32, u32)| {
                let number = VersionNumber::new(*number).unwrap();
                (number, Share::from_basis_points(*points))
            };
            all.iter().map(one).collect()
        };
        for (some, whole) in [
            (&[][..], &[][..]),
            (&[(1, 1_000)], &[(1, 10_000)]),
            (&[(1, 9_000), (2, 1_000)], &[(1, 9_000), (2, 1_000)]),
            (&[(1, 1), (2, 2)], &[(1, 3_333), (2, 6_667)]),
        ] {
            assert_eq!(in_full(&shares(some)), shares(whole), "{some:?}");
        }
    }
}
