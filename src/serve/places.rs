//! Who of all apps has which hostname and path, and who goes on at one that it has left: what one app cannot decide alone.
//!
//! What is decided is decided in [`super::claims`] and [`super::handover`]; here all apps are asked and told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::claims::{self, Claimant, Claims, Settled};
use super::engine::Engine;
use super::handover;
use crate::branch;
use crate::panics::guarded_now;
use crate::plan::Owner;
use crate::releases::Release;
use crate::words::AppName;

impl Engine {
    /// Gives owners that are served, where nobody has claims because they were not remembered yet, the places that they had:
    /// of one place the first app by its name had it.
    pub(super) fn seed(&mut self) {
        let mut all = self.apps.values();
        if !all.all(|app| app.remembered.claims.is_empty()) {
            return;
        }
        let mut owners = Vec::new();
        for (name, app) in &self.apps {
            for owner in app.remembered.served.keys() {
                let spec = app.remembered.asked.get(owner);
                let release = spec
                    .and_then(|spec| spec.release(&owner.name))
                    .map(Arc::new);
                let mut tip = self.found.tip.releases.iter();
                let release = release.or_else(|| {
                    tip.find(|it| it.app() == name && branch::owner(it) == *owner)
                        .cloned()
                });
                let routes = release.iter().flat_map(|it| &it.wanted.routes);
                let places: Vec<String> = routes.flat_map(claims::places_of).collect();
                owners.push((name.clone(), owner.clone(), places));
            }
        }
        let seeds = claims::seed(owners.iter().map(|(_, _, places)| places.clone()));
        for ((name, owner, _), claims) in owners.into_iter().zip(seeds) {
            if let Some(app) = self.apps.get_mut(&name) {
                app.remembered.claims.insert(owner, claims);
                self.keeper.note(&name, app.remembered.clone());
            }
        }
    }

    /// Has owners go on at places that they have left, until somebody who wants them answers there. True where that changes.
    pub(super) fn hand_over(&mut self) -> bool {
        let mut holders = Vec::new();
        for (name, app) in &mut self.apps {
            app.lingering.clear();
            app.handed.clear();
            let asked = guarded_now(|| app.asked(name, &self.found.tip));
            // After a panic, which its step says, it is where it was.
            let asked = asked.unwrap_or_else(|_| app.wanted.values().cloned().collect());
            holders.extend(app.holders(name, &asked));
        }
        if holders.iter().any(handover::Holder::leaves) {
            let settled = self.settle();
            for holder in &mut holders {
                let own = settled.get(&holder.app);
                let own = own.and_then(|owners| owners.get(&holder.owner));
                holder.is_refused = own.is_some_and(|own| {
                    let mut wants = holder.wants.iter();
                    let is_refused =
                        |place| (own.refused.get(place)).is_some_and(|refused| !refused.is_left);
                    !holder.is_gone && wants.any(is_refused)
                });
            }
        }
        let mut changed = false;
        let all = handover::stays(&holders);
        for (index, (holder, stays)) in holders.iter().zip(all).enumerate() {
            for (place, waited) in &stays {
                for waited in waited.iter().filter(|other| **other != index) {
                    let waited = &holders[*waited];
                    let Some(app) = self.apps.get_mut(&waited.app) else {
                        continue;
                    };
                    app.handed.push(format!(
                        "{}: {place} is answered by {} of app {}, which had it, until this answers there",
                        waited.owner, holder.owner, holder.app
                    ));
                }
            }
            let Some(app) = self.apps.get_mut(&holder.app) else {
                continue;
            };
            let kept = stays.iter().filter(|(_, waited)| waited.is_empty());
            app.handed.extend(kept.map(|(place, _)| {
                format!(
                    "{}: goes on at {place}, which it wants no more, until it gets all that it wants now",
                    holder.owner
                )
            }));
            if app.go_on(holder, &stays.into_keys().collect()) {
                self.keeper.note(&holder.app, app.remembered.clone());
                changed = true;
            }
        }
        changed
    }

    /// Gives each owner its places. True where that are others than before, or it has begun to answer at one.
    pub(super) fn claim(&mut self) -> bool {
        let mut changed = false;
        // What each wants is known now: a place that one left in this step goes to whoever waits for it in this step.
        let mut settled = self.settle();
        for (name, app) in &mut self.apps {
            changed |= app.claim(settled.remove(name).unwrap_or_default());
            changed |= app.take();
            app.judge(&self.found.tip);
        }
        changed
    }

    /// Who has which hostname and path, of each owner of each app.
    fn settle(&self) -> BTreeMap<AppName, BTreeMap<Owner, Settled>> {
        let wanted: Vec<(&AppName, Owner, Arc<Release>)> = (self.apps.iter())
            .flat_map(|(name, app)| {
                let asked = guarded_now(|| app.asked(name, &self.found.tip));
                // After a panic, which its step has said, it is where it was.
                let asked = asked.unwrap_or_else(|_| app.wanted.values().cloned().collect());
                asked
                    .into_iter()
                    .map(move |release| (name, branch::owner(&release), release))
            })
            .collect();
        // One that only lingers leaves its claims to an object of its app with another name.
        let lingers = |app: &AppName, owner: &Owner| {
            (self.apps.get(app)).is_some_and(|app| app.lingering.contains_key(owner))
        };
        let here: BTreeSet<(&AppName, &Owner)> = (wanted.iter())
            .filter(|(app, owner, _)| !lingers(app, owner))
            .map(|(app, owner, _)| (*app, owner))
            .collect();
        let claimants = wanted.iter().map(|(app, owner, release)| {
            let remembered = self.apps.get(*app).map(|app| &app.remembered);
            // What it wants may not be to be had yet: until then it is where it was.
            let now = remembered.and_then(|it| it.asked.get(owner)?.release(&owner.name));
            let mut places: Vec<String> = claims::places(&release.wanted.routes).collect();
            // Nor may it serve there yet.
            let shown = remembered.and_then(|it| it.shown.get(owner)?.release(&owner.name));
            let wants: BTreeSet<String> = places.iter().cloned().collect();
            let served = now.iter().chain(&shown);
            places.extend(served.flat_map(|served| claims::places(&served.wanted.routes)));
            Claimant {
                app,
                owner: owner.clone(),
                places,
                wants,
                before: remembered.map_or_else(Claims::new, |remembered| {
                    let claims = remembered.claims.iter();
                    let left = claims.filter(|(other, _)| !here.contains(&(*app, *other)));
                    let own = remembered.claims.get(owner);
                    left.map(|(_, claims)| claims)
                        .chain(own)
                        .flatten()
                        .map(|(place, number)| (place.clone(), *number))
                        .collect()
                }),
            }
        });
        let claimants: Vec<Claimant<'_>> = claimants.collect();
        let settled = claims::settle(&claimants);
        let mut by_app: BTreeMap<AppName, BTreeMap<Owner, Settled>> = BTreeMap::new();
        for (claimant, settled) in claimants.into_iter().zip(settled) {
            let app = by_app.entry(claimant.app.clone()).or_default();
            app.insert(claimant.owner, settled);
        }
        by_app
    }
}
