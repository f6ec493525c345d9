//! Who goes on answering at a hostname and path that it has left, because nobody of those who want it now answers there yet.
//!
//! A place is taken once its owner has answered there. From then on it is that owner's, whether it answers or not. Until then whoever
//! had it goes on there, also where it wants nothing any more, and also through a restart: its routes are remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::app::App;
use super::claims;
use crate::api::Route;
use crate::branch;
use crate::plan::Owner;
use crate::releases::Release;
use crate::words::AppName;

/// An owner that wants places, or had some.
pub(super) struct Holder {
    pub(super) app: AppName,
    pub(super) owner: Owner,
    /// It is not among the releases any more.
    pub(super) is_gone: bool,
    /// Where it wants to be reached.
    pub(super) wants: BTreeSet<String>,
    /// It does not get all of that, because others have it.
    pub(super) is_refused: bool,
    /// Where it has answered as the one that has the place.
    pub(super) taken: BTreeSet<String>,
    /// Where it goes on though it has left.
    pub(super) stays: BTreeSet<String>,
}

impl Holder {
    /// True where it had places that it does not want any more.
    pub(super) fn leaves(&self) -> bool {
        !self.taken.is_subset(&self.wants) || !self.stays.is_empty()
    }
}

/// The places at which each goes on, and for each place the others that are waited for, as places in `holders`. One that does not get
/// all that it wants stays where it was, also where nobody else wants that. Pure.
pub(super) fn stays(holders: &[Holder]) -> Vec<BTreeMap<String, Vec<usize>>> {
    let mut wanted: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    let mut taken: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for (index, holder) in holders.iter().enumerate() {
        for place in &holder.wants {
            wanted.entry(place).or_default().push(index);
        }
        for place in &holder.taken {
            taken.entry(place).or_default().push(index);
        }
    }
    let stays = holders.iter().enumerate().map(|(index, holder)| {
        let left = holder.taken.difference(&holder.wants);
        let left = left.chain(holder.stays.difference(&holder.taken));
        let is_open = |place: &String| {
            let mut takers = taken.get(place).into_iter().flatten();
            takers.all(|taker| *taker == index)
        };
        // What others want below it came here too, but for what came to a narrower place of somebody else.
        let is_nearest = |place: &String, inner: &String| {
            let others = (holders.iter().enumerate()).filter(|(other, _)| *other != index);
            let mut places = others.flat_map(|(_, other)| other.taken.union(&other.stays));
            let between =
                |it: &String| claims::covers(it, inner) && claims::rank(it) > claims::rank(place);
            claims::covers(place, inner) && !places.any(between)
        };
        left.filter(|place| is_open(place))
            .flat_map(|place| {
                let below = wanted.iter().filter(|(inner, all)| {
                    is_nearest(place, inner) && !all.contains(&index) && is_open(inner)
                });
                let below = below.map(|(inner, all)| ((*inner).clone(), all.clone()));
                let others = wanted.get(place).cloned();
                let others = others.or_else(|| holder.is_refused.then(Vec::new));
                let own = others.map(|all| (place.clone(), all));
                own.into_iter().chain(below)
            })
            .collect()
    });
    stays.collect()
}

impl App {
    /// Where an owner has answered. What was served before anybody counted had answered where it was.
    pub(super) fn taken(&self, owner: &Owner) -> BTreeSet<String> {
        if let Some(taken) = &self.remembered.taken {
            return taken.get(owner).cloned().unwrap_or_default();
        }
        let served = self.remembered.served.contains_key(owner);
        let shown = served.then(|| self.was(owner)).flatten();
        let routes = shown.iter().flat_map(|release| &release.wanted.routes);
        routes.flat_map(claims::places_of).collect()
    }

    /// Each owner that wants places, or had some. `asked`: what is wanted.
    pub(super) fn holders(&self, name: &AppName, asked: &[Arc<Release>]) -> Vec<Holder> {
        let asked = asked.iter().map(|release| {
            let wants = claims::places(&release.wanted.routes).collect();
            (branch::owner(release), wants)
        });
        let asked: BTreeMap<Owner, BTreeSet<String>> = asked.collect();
        let gone = (self.remembered.served.keys()).filter(|owner| !asked.contains_key(*owner));
        let gone: Vec<Owner> = gone.cloned().collect();
        let gone = gone.into_iter().map(|owner| (owner, None));
        let here = asked.into_iter().map(|(owner, wants)| (owner, Some(wants)));
        here.chain(gone)
            .map(|(owner, wants)| {
                let stays = self.remembered.staying.get(&owner).into_iter().flatten();
                Holder {
                    app: name.clone(),
                    is_gone: wants.is_none(),
                    wants: wants.unwrap_or_default(),
                    is_refused: false,
                    taken: self.taken(&owner),
                    stays: stays.flat_map(places_of).collect(),
                    owner,
                }
            })
            .collect()
    }

    /// Has an owner go on at these places, which it has left. True where that changes something.
    pub(super) fn go_on(&mut self, holder: &Holder, places: &BTreeSet<String>) -> bool {
        let owner = &holder.owner;
        let before = self.remembered.staying.get(owner).cloned();
        let mut left = places.clone();
        let shown = self.was(owner).map(|release| release.wanted.routes);
        let shown = shown.into_iter().flatten().map(|named| named.route);
        let known: Vec<Route> = before.iter().flatten().cloned().chain(shown).collect();
        let own = known.iter().cloned().filter_map(|mut route| {
            let path = route.path.clone();
            let stays = |hostname: &String| left.remove(&claims::place(hostname, &path));
            route.hostnames.retain(stays);
            (!route.hostnames.is_empty()).then_some(route)
        });
        let mut routes: Vec<Route> = own.collect();
        for inner in left {
            let covering = known.iter().filter_map(|route| {
                let outer = places_of(route).filter(|outer| claims::covers(outer, &inner));
                Some((outer.map(|outer| claims::rank(&outer)).max()?, route))
            });
            // The first of them is the one that got its requests.
            let covering = covering.max_by_key(|(rank, _)| *rank);
            routes.extend(covering.map(|(_, route)| claims::narrowed(route.clone(), &inner)));
        }
        let changed = before.as_deref().unwrap_or_default() != routes.as_slice();
        if routes.is_empty() {
            self.remembered.staying.remove(owner);
            return changed;
        }
        self.remembered.staying.insert(owner.clone(), routes);
        if holder.is_gone
            && let Some(spec) = self.remembered.asked.get_mut(owner)
        {
            // All its other places go with it.
            spec.leave();
            let release = spec.release(&owner.name).map(Arc::new);
            self.lingering
                .extend(release.map(|release| (owner.clone(), release)));
        }
        changed
    }

    /// Takes over at which of their places owners have answered by now. True where that are others than before.
    pub(super) fn take(&mut self) -> bool {
        let mut now: BTreeMap<Owner, BTreeSet<String>> = BTreeMap::new();
        for (owner, claims) in &self.remembered.claims {
            let (before, answers) = (self.taken(owner), self.answering_at(owner));
            let refused = self.refused.get(owner);
            let has = |place: &&String| {
                !refused.is_some_and(|refused| refused.contains_key(*place))
                    && (before.contains(*place) || answers.contains(*place))
            };
            let taken: BTreeSet<String> = claims.keys().filter(has).cloned().collect();
            if !taken.is_empty() {
                now.insert(owner.clone(), taken);
            }
        }
        let served = &self.remembered.served;
        (self.remembered.staying).retain(|owner, _| served.contains_key(owner));
        // Of an app of which nothing is left, nothing is to be remembered.
        let now = Some(now).filter(|_| !self.remembered.claims.is_empty());
        let changed = self.remembered.taken != now;
        self.remembered.taken = now;
        changed
    }

    /// What the gateway went by last for an owner, also where only a process before this one knew it.
    fn was(&self, owner: &Owner) -> Option<Release> {
        let spec = self.remembered.shown.get(owner);
        spec.or_else(|| self.remembered.asked.get(owner))?
            .release(&owner.name)
    }
}

fn places_of(route: &Route) -> impl Iterator<Item = String> {
    let hostnames = route.hostnames.iter();
    hostnames.map(|hostname| claims::place(hostname, &route.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(places: &[&str]) -> BTreeSet<String> {
        places.iter().map(|place| (*place).to_owned()).collect()
    }

    fn holder(name: &str, wants: &[&str], taken: &[&str], stays: &[&str]) -> Holder {
        Holder {
            app: name.parse().unwrap(),
            owner: format!("cwd/{name}").try_into().unwrap(),
            is_gone: false,
            wants: set(wants),
            is_refused: false,
            taken: set(taken),
            stays: set(stays),
        }
    }

    #[test]
    fn who_had_a_place_goes_on_there_until_who_wants_it_answers() {
        let p = &["p/"][..];
        for (why, shop, others, goes_on) in [
            ("it is wanted by none", (&[][..], p, &[][..]), vec![], false),
            ("it moves", (&[], p, &[]), vec![(p, &[][..])], true),
            ("it has moved on", (&[], &[], p), vec![(p, &[])], true),
            ("the other has answered", (&[], &[], p), vec![(p, p)], false),
            (
                "the other gave it up",
                (&[], &[], p),
                vec![(&[], &[])],
                false,
            ),
            ("two want it", (&[], p, &[]), vec![(p, &[]), (p, &[])], true),
            ("it comes back", (p, &[], p), vec![(&[], &[])], true),
            ("it is back", (p, p, p), vec![(&[], &[])], false),
            ("it wants it", (p, p, &[]), vec![(p, &[])], false),
            (
                "a third one wants it",
                (&[], &[], p),
                vec![(&[], p), (p, &[])],
                false,
            ),
        ] {
            let (wants, taken, stays_at) = shop;
            let mut holders = vec![holder("shop", wants, taken, stays_at)];
            for (index, (wants, taken)) in others.into_iter().enumerate() {
                holders.push(holder(&format!("other{index}"), wants, taken, &[]));
            }
            let found = stays(&holders);
            assert_eq!(found[0].contains_key("p/"), goes_on, "{why}");
        }
    }

    #[test]
    fn who_leaves_a_place_goes_on_below_it_where_others_want_that_and_do_not_answer_yet() {
        let (all, api) = (&["p/"][..], &["p/api/"][..]);
        for (why, wants, other, goes_on) in [
            ("it left", &[][..], (api, &[][..]), true),
            ("the other answers", &[], (api, api), false),
            ("it is still there", all, (api, &[]), false),
            ("nobody wants it", &[], (&["q/"], &[]), false),
        ] {
            let shop = holder("shop", wants, all, &[]);
            let found = stays(&[shop, holder("api", other.0, other.1, &[])]);
            assert_eq!(found[0].contains_key("p/api/"), goes_on, "{why}");
            assert!(!found[0].contains_key("p/") && found[1].is_empty(), "{why}");
        }
        // Somebody else answers on the way there, or leaves a place on the way there as well.
        for wants in [api, &[]] {
            let shop = holder("shop", &[], all, &[]);
            let between = holder("api", wants, api, &[]);
            let new = holder("new", &["p/api/v2/"], &[], &[]);
            let found = stays(&[shop, between, new]);
            assert!(found[0].is_empty());
            assert_eq!(found[1].contains_key("p/api/v2/"), wants.is_empty());
        }
        // A hostname comes before a wildcard, whatever their paths.
        let wide = holder("wide", &[], &["*.p/api/"], &[]);
        let exact = holder("exact", &["a.p/"], &["a.p/"], &[]);
        let found = stays(&[wide, exact, holder("new", &["a.p/api/v2/"], &[], &[])]);
        assert!(found.iter().all(BTreeMap::is_empty));
        // Once it goes on there, that is a place of its own.
        let shop = holder("shop", &[], &[], api);
        assert!(stays(&[shop, holder("api", api, &[], &[])])[0].contains_key("p/api/"));
    }

    #[test]
    fn who_does_not_get_what_it_wants_stays_where_it_was() {
        for (is_refused, stays_at) in [(true, &["pay/"][..]), (false, &[])] {
            let mut pay = holder("pay", &["web/"], &["pay/"], &[]);
            pay.is_refused = is_refused;
            let found = stays(&[pay, holder("web", &["web/"], &["web/"], &[])]);
            let at: Vec<&str> = found[0].keys().map(String::as_str).collect();
            assert_eq!(at, stays_at);
            assert!(found[0].values().all(Vec::is_empty) && found[1].is_empty());
        }
    }

    #[test]
    fn a_path_that_moves_leaves_the_others_of_its_hostname() {
        let all = [
            holder("shop", &["p/"], &["p/", "p/api/"], &[]),
            holder("api", &["p/api/"], &[], &[]),
        ];
        let found = stays(&all);
        assert_eq!(found[0].keys().collect::<Vec<_>>(), ["p/api/"]);
        assert_eq!(found[0]["p/api/"], [1]);
        assert!(found[1].is_empty());
    }
}
