//! Who gets a place next: one that its owner gives up stays with it until another one that asks for it answers there.

use super::{Claim, Claimant, Claims, Place, ROUTE, Standing, was_refused};
use crate::api::gateway::Gateway;
use crate::controller::key::AppKey;

impl Claims {
    /// True for a route of ours that takes a place for which its owner, which is known, does not ask any more.
    pub(super) fn gives_up(&self, route: &Claimant, place: &Place) -> bool {
        let owner = (route.namespace.clone(), route.name.clone());
        let wish = self
            .by_object
            .get(&owner)
            .filter(|_| route.object != route.name);
        wish.is_some_and(|wish| wish.claims.iter().all(|claim| claim.place != *place))
    }

    /// Who gets a place that `name` in `namespace` gives up: the app, and the name of the route that takes it already.
    pub(in crate::controller) fn next(
        &self,
        claim: &Claim,
        gateway: Option<&Gateway>,
        namespace: &str,
        name: &str,
    ) -> Option<(&AppKey, Option<&str>)> {
        let claimants = self.by_place.get(&claim.place)?;
        let others = claimants.iter().filter(|(other, listeners)| {
            (other.namespace.as_str(), other.name.as_str()) != (namespace, name)
                && listeners.overlaps(&claim.listeners, gateway)
        });
        let mut wishes = others.filter(|(other, _)| {
            matches!(other.standing, Standing::Served | Standing::Wished)
                && !was_refused(claimants, other)
        });
        let (next, _) = wishes.next()?;
        let route = claimants.iter().find(|(other, _)| {
            other.standing == Standing::Live
                && (&other.namespace, &other.name) == (&next.namespace, &next.name)
        });
        let route = route.and_then(|(route, _)| route.object.strip_prefix(ROUTE));
        Some((next.app.as_ref()?, route))
    }
}
