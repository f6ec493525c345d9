//! Who has a hostname and path: whoever claimed it first, for as long as it claims it.
//!
//! A claim gets a number when it is first seen, and all that come with one commit get the same: of two of those nobody knows
//! which is older, so neither gets the place. Numbers are counted and not taken from a clock, which may go back.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{NamedRoute, Route, covers_hostname};
use crate::plan::Owner;
use crate::words::AppName;

/// The claims of an owner: places with their numbers.
pub(super) type Claims = BTreeMap<String, u64>;
/// The places that an owner claims and does not get.
pub(super) type Refused = BTreeMap<String, Refusal>;

/// Why an owner does not get a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Nobody gets it.
    pub(super) undecided: bool,
    /// Who has it leaves it, and only has not left yet.
    pub(super) is_left: bool,
    /// For people.
    pub(super) text: String,
}

/// One owner.
pub(super) struct Claimant<'a> {
    pub(super) app: &'a AppName,
    pub(super) owner: Owner,
    /// Where it wants to be reached, and where it is reached.
    pub(super) places: Vec<String>,
    /// Those of them where it wants to be reached.
    pub(super) wants: BTreeSet<String>,
    /// The claims that it had, and those that an object of its app left which is there no more: one that gets another name keeps
    /// its places.
    pub(super) before: Claims,
}

/// What one owner has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) claims: Claims,
    pub(super) refused: Refused,
}

/// A hostname and path, in the one way in which both are compared.
pub(super) fn place(hostname: &str, path: &str) -> String {
    let (hostname, path) = (hostname.to_ascii_lowercase(), path.trim_end_matches('/'));
    format!("{hostname}{path}/")
}

/// True where requests for the place `inner` came to `outer` while nobody had `inner`: it is below it, or one of its hostnames.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let ((wide, above), (hostname, path)) = (parts(outer), parts(inner));
    outer != inner && covers_hostname(wide, hostname) && path.starts_with(above)
}

/// Of two places that cover a request, the one with the higher rank gets it: a hostname before any wildcard, then the longer
/// wildcard, then the longer path.
pub(super) fn rank(place: &str) -> (bool, usize, usize) {
    let (hostname, path) = parts(place);
    let is_wildcard = hostname.starts_with('*');
    let length = if is_wildcard { hostname.len() } else { 0 };
    (!is_wildcard, length, path.len())
}

/// The hostname of a place, and its path with a slash at both ends.
fn parts(place: &str) -> (&str, &str) {
    place.split_at(place.find('/').unwrap_or(place.len()))
}

/// The same route at a place that it covers.
pub(super) fn narrowed(mut route: Route, inner: &str) -> Route {
    let (hostname, path) = parts(inner);
    route.hostnames = vec![hostname.to_owned()];
    let path = path.trim_end_matches('/');
    path.clone_into(&mut route.path);
    if path.is_empty() {
        route.path.push('/');
    }
    route
}

/// The places of some routes.
pub(super) fn places(routes: &[NamedRoute]) -> impl Iterator<Item = String> {
    routes.iter().flat_map(places_of)
}

/// The places of one route.
pub(super) fn places_of(named: &NamedRoute) -> impl Iterator<Item = String> {
    let hostnames = named.route.hostnames.iter();
    hostnames.map(|hostname| place(hostname, &named.route.path))
}

/// Numbers the places of owners that had them before anybody counted, in the order in which they had them.
pub(super) fn seed(places: impl IntoIterator<Item = Vec<String>>) -> Vec<Claims> {
    let numbered = (1..).zip(places);
    numbered
        .map(|(number, places)| places.into_iter().map(|place| (place, number)).collect())
        .collect()
}

/// Settles who has what, in the order of the claimants.
pub(super) fn settle(claimants: &[Claimant<'_>]) -> Vec<Settled> {
    let known = claimants.iter().map(|claimant| &claimant.before);
    let last = known.flat_map(BTreeMap::values).max();
    let next = last.map_or(1, |last| last.saturating_add(1));
    let mut settled: Vec<Settled> = Vec::new();
    let mut by_place: BTreeMap<&str, Vec<(u64, usize)>> = BTreeMap::new();
    for (index, claimant) in claimants.iter().enumerate() {
        let mut claims = Claims::new();
        for place in &claimant.places {
            let number = *claimant.before.get(place).unwrap_or(&next);
            if claims.insert(place.clone(), number).is_none() {
                by_place.entry(place).or_default().push((number, index));
            }
        }
        settled.push(Settled {
            claims,
            refused: Refused::new(),
        });
    }
    let name = |index: usize| {
        let claimant = &claimants[index];
        format!("{} of app {}", claimant.owner, claimant.app)
    };
    for (place, mut all) in by_place {
        all.sort_unstable();
        let Some(&(oldest, first)) = all.first() else {
            continue;
        };
        let tied = all.iter().filter(|(number, _)| *number == oldest).count();
        for &(_, index) in all.iter().skip(usize::from(tied == 1)) {
            let undecided = tied > 1;
            let is_left = !undecided && !claimants[first].wants.contains(place);
            let text = if undecided {
                let others = all.iter().filter(|(_, other)| *other != index);
                let others: Vec<String> = others.map(|(_, other)| name(*other)).collect();
                format!(
                    "RouteClaimed: {place} is claimed in one commit by this and by {}, so nobody gets it; change the route of all but one of them",
                    others.join(", ")
                )
            } else if is_left {
                format!(
                    "RouteClaimed: {place} still belongs to {}, which wants it no more, but is not served yet as it is wanted now; once it is, the place is free",
                    name(first)
                )
            } else {
                format!(
                    "RouteClaimed: {place} belongs to {}, which claimed it first; choose another hostname or path, or take it out there",
                    name(first)
                )
            };
            let refusal = Refusal {
                undecided,
                is_left,
                text,
            };
            settled[index].refused.insert(place.to_owned(), refusal);
        }
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles these claims on top of those before; who has each place, or why not, by owner.
    fn step(
        memory: &mut BTreeMap<String, Claims>,
        wanted: &[(&str, &[&str])],
    ) -> BTreeMap<String, Vec<String>> {
        let apps: Vec<AppName> = (wanted.iter())
            .map(|(name, _)| name.split('/').next().unwrap().parse().unwrap())
            .collect();
        let claimants: Vec<Claimant<'_>> = (wanted.iter().zip(&apps))
            .map(|((name, places), app)| Claimant {
                app,
                owner: name
                    .split_once('/')
                    .unwrap()
                    .1
                    .to_owned()
                    .try_into()
                    .unwrap(),
                places: places.iter().map(|text| (*text).to_owned()).collect(),
                wants: places.iter().map(|text| (*text).to_owned()).collect(),
                before: memory.get(*name).cloned().unwrap_or_default(),
            })
            .collect();
        let settled = settle(&claimants);
        let mut has = BTreeMap::new();
        let mut after = BTreeMap::new();
        for ((name, _), settled) in wanted.iter().zip(settled) {
            let places = settled.claims.keys();
            let places = places.filter(|place| !settled.refused.contains_key(*place));
            has.insert((*name).to_owned(), places.cloned().collect());
            after.insert((*name).to_owned(), settled.claims);
        }
        *memory = after;
        has
    }

    #[test]
    fn the_older_claim_keeps_its_place_until_it_goes() {
        let mut memory = BTreeMap::new();
        let (shop, blog, other) = ("shop/cwd/shop", "blog/cwd/blog", "shop/cwa/other");
        let root: &[&str] = &["shop.test/"];
        let has = step(&mut memory, &[(shop, root)]);
        assert_eq!(has[shop], root);
        // A newer one, first by its name, has its other places alone.
        let more: &[&str] = &["blog.test/", "shop.test/"];
        let has = step(&mut memory, &[(blog, more), (shop, root)]);
        assert_eq!(
            (&has[shop], &has[blog]),
            (&vec![root[0].to_owned()], &vec![more[0].to_owned()])
        );
        // So does an Alias of the same app, which waits behind it.
        let has = step(&mut memory, &[(blog, more), (shop, root), (other, root)]);
        assert!(has[shop] == root && has[other].is_empty(), "{has:?}");
        let has = step(&mut memory, &[(blog, more), (other, root)]);
        assert!(has[blog] == more && has[other].is_empty(), "{has:?}");
        // One that comes back is the newest.
        let has = step(&mut memory, &[(blog, more), (shop, root), (other, root)]);
        assert!(has[blog] == more && has[shop].is_empty(), "{has:?}");
        let has = step(&mut memory, &[(shop, root), (other, root)]);
        assert!(has[other] == root && has[shop].is_empty(), "{has:?}");
    }

    #[test]
    fn of_two_in_one_commit_neither_gets_it_and_who_has_it_keeps_it() {
        let mut memory = BTreeMap::new();
        let (shop, blog, wiki) = ("shop/cwd/shop", "blog/cwd/blog", "wiki/cwd/wiki");
        let root: &[&str] = &["shop.test/"];
        let has = step(&mut memory, &[(shop, root), (blog, root)]);
        assert!(has[shop].is_empty() && has[blog].is_empty(), "{has:?}");
        let has = step(&mut memory, &[(shop, root)]);
        assert_eq!(has[shop], root);
        let has = step(&mut memory, &[(shop, root), (blog, root), (wiki, root)]);
        assert!(
            has[shop] == root && has[blog].is_empty() && has[wiki].is_empty(),
            "{has:?}"
        );
    }

    #[test]
    fn who_had_a_place_before_anybody_counted_keeps_it() {
        let root: &[&str] = &["shop.test/"];
        let (shop, blog) = ("shop/cwd/shop", "blog/cwd/blog");
        let places = || root.iter().map(|text| (*text).to_owned()).collect();
        let mut seeds = seed([places(), places()]).into_iter();
        let mut memory = BTreeMap::new();
        for owner in [blog, shop] {
            memory.insert(owner.to_owned(), seeds.next().unwrap());
        }
        let has = step(&mut memory, &[(blog, root), (shop, root)]);
        assert!(has[blog] == root && has[shop].is_empty(), "{has:?}");
    }

    #[test]
    fn who_has_a_place_and_cannot_leave_it_yet_is_told_apart() {
        let (shop, blog): (AppName, AppName) = ("shop".parse().unwrap(), "blog".parse().unwrap());
        for (wants, expected) in [(true, "take it out there"), (false, "once it is")] {
            let place = "shop.test/".to_owned();
            let claimant = |app, name: &str, wants: bool, number: Option<u64>| Claimant {
                app,
                owner: name.to_owned().try_into().unwrap(),
                places: vec![place.clone()],
                wants: wants.then(|| place.clone()).into_iter().collect(),
                before: number
                    .map(|number| (place.clone(), number))
                    .into_iter()
                    .collect(),
            };
            let shop = claimant(&shop, "cwd/shop", wants, Some(1));
            let settled = settle(&[shop, claimant(&blog, "cwd/blog", true, None)]);
            let text = &settled[1].refused[&place].text;
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_place_covers_those_below_it() {
        for (outer, inner, covers_it) in [
            ("shop.test/", "shop.test/api/", true),
            ("shop.test/api/", "shop.test/", false),
            ("shop.test/api/", "shop.test/apis/", false),
            ("shop.test/", "shop.test/", false),
            ("*.test/", "shop.test/", true),
            ("*.test/api/", "shop.test/", false),
            ("*.test/", "*.shop.test/", true),
            ("*.shop.test/", "*.test/", false),
            ("shop.test/", "blog.test/api/", false),
        ] {
            assert_eq!(covers(outer, inner), covers_it, "{outer} {inner}");
        }
    }

    #[test]
    fn places_are_compared_by_what_they_take() {
        assert_eq!(place("Shop.Test", "/"), "shop.test/");
        assert_eq!(place("shop.test", "/a/"), place("shop.test", "/a"));
        assert_ne!(place("shop.test", "/a"), place("shop.test", "/ab"));
        assert_ne!(place("*.test", "/"), place("shop.test", "/"));
    }
}
