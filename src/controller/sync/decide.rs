//! What to do about the objects of a namespace: which to write, which to remove, and which to leave as they are, and why.
//!
//! Pure. What a commit wants and what the cluster holds are given, and so is which commit came after which.
//!
//! An object is removed where the commit at hand came after the one as of which it was written, and does not have it: then somebody
//! deleted it. It is written where the commit that wants it came after that one. Whatever else is so, it stays, and that is said; a person
//! who releases the commit decides all of that.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::Desired;
use super::live::{Cluster, Had, Live};
use crate::plan::Owner;
use crate::words::CommitId;

/// Objects that the API server keeps otherwise than they were written: the digest of what was wanted, and what it answered.
pub(super) type Settled = BTreeMap<Owner, (String, Live)>;

/// What is asked.
pub(super) struct Question<'a> {
    /// The uid of the Repository.
    pub(super) repository: &'a str,
    pub(super) wanted: Vec<Desired>,
    /// The commit of the branch.
    pub(super) head: &'a CommitId,
    /// True for an object that is not wanted, and that the commit does not take away either.
    pub(super) recalls: &'a dyn Fn(&Owner) -> bool,
    /// An object as the commit before had it, where that is known.
    pub(super) before: &'a dyn Fn(&Owner) -> Option<Desired>,
    /// True for an object that is wanted because it is there, as an older commit had it.
    pub(super) keeps: &'a dyn Fn(&Owner) -> bool,
    /// A person has said of this commit that it counts, whatever went before.
    pub(super) released: bool,
    /// The commit that was synced of another address, branch or path, where this one is not known to follow it.
    pub(super) elsewhere: Option<&'a CommitId>,
    /// The path of the releases.
    pub(super) path: &'a str,
    /// Nothing of it is ours in the commit.
    pub(super) empty: bool,
    pub(super) cluster: &'a Cluster,
    pub(super) settled: &'a Settled,
    /// True where the first commit came after the second, or is the same; nothing where that cannot be told.
    pub(super) came_after: &'a dyn Fn(&CommitId, &CommitId) -> Option<bool>,
}

/// An object that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Apply {
    pub(super) desired: Desired,
    /// As it is there.
    pub(super) live: Option<Live>,
    /// The fields that somebody changed by hand.
    pub(super) drift: Vec<String>,
    /// The commit has something else of it that is new.
    pub(super) is_new: bool,
}

/// An object that is to be removed.
#[derive(Debug, Clone)]
pub(super) struct Delete {
    pub(super) owner: Owner,
    pub(super) live: Live,
}

/// Why an object stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// A person has paused it.
    Paused,
    /// It is being deleted, and is made again once it is gone.
    Leaving,
    /// It is not there, and may have been removed in this commit, which was synced of another address, branch or path.
    Absent(CommitId),
    /// It is of this app and this Repository, and neither ever changes.
    OfAnother(String, String),
    /// Another Repository synced it; its name where that is known.
    Taken(Option<String>),
    /// It is as of a commit that came after the one that wants it otherwise.
    Newer(CommitId),
    /// It is as of a commit that this one does not follow.
    Rewritten(CommitId),
    /// Whether this commit follows the one as of which it is cannot be told.
    Unknown(Option<CommitId>),
    /// It would be removed, and nothing is left at the path.
    Empty,
    /// It would be removed, and stood in a file at another path.
    Elsewhere(String),
    /// It would be removed, and files of the commit cannot be read, or an older commit keeps it.
    Recalled,
    /// It would be removed, and what is known of the cluster may be old.
    Old(String),
    /// It would be removed, and cannot be read, so of which app it is is not known.
    Obscure,
    /// It would be removed, and an object of the same app that the commit has is not as the commit has it.
    Before(Owner),
    /// It would be removed, and another Repository has it.
    Moves(String),
    /// It would be removed, and another Repository has it, which syncs nothing for now.
    Suspended(String),
    /// It would be removed, and another Repository, of which not all is read, may have it; why that is so.
    Unread(String, String),
    /// The API server keeps these fields otherwise, however often they are written.
    Otherwise(Vec<String>),
    /// It would stay as it was, and is not there.
    Gone,
    /// A Repository that is gone synced it, and the commit does not have it; whether it stood below the path.
    Orphan { is_below: bool },
}

/// What to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Decision {
    pub(super) applies: Vec<Apply>,
    pub(super) deletes: Vec<Delete>,
    pub(super) held: Vec<(Owner, Why)>,
    /// Objects that are as the commit wants them.
    pub(super) in_place: usize,
    /// Objects that were written as of this very commit.
    pub(super) begun: usize,
}

/// What to do about all objects of a namespace.
pub(super) fn decide(mut question: Question<'_>) -> Decision {
    let mut decision = Decision::default();
    let wanted = std::mem::take(&mut question.wanted);
    // Apps of which something is not as it is wanted.
    let mut lacking: Vec<(String, Owner)> = Vec::new();
    let owners: BTreeSet<Owner> = wanted.iter().map(|it| it.owner.clone()).collect();
    for desired in wanted {
        let live = question.cluster.objects.get(&desired.owner);
        if live.is_none() && (question.keeps)(&desired.owner) {
            lacking.push((desired.app(), desired.owner.clone()));
            decision.held.push((desired.owner, Why::Gone));
            continue;
        }
        if live.is_none()
            && let Some(before) = question.elsewhere
        {
            lacking.push((desired.app(), desired.owner.clone()));
            decision
                .held
                .push((desired.owner, Why::Absent(before.clone())));
            continue;
        }
        let app = desired.app();
        let is_of_head = |live: &Live| live.commit().as_ref() == Some(question.head);
        let is_ours = |live: &Live| live.synced_by() == Some(question.repository);
        decision.begun += usize::from(live.is_some_and(|live| is_ours(live) && is_of_head(live)));
        match live.map(|live| question.stays(&desired, live)) {
            // What is as an older commit had it is not as this one has it.
            Some(Stays::AsItIs) => {
                decision.in_place += usize::from(!(question.keeps)(&desired.owner));
            }
            Some(Stays::Held(why @ Why::Otherwise(_))) => decision.held.push((desired.owner, why)),
            Some(Stays::Held(why)) => {
                lacking.push((app, desired.owner.clone()));
                decision.held.push((desired.owner, why));
            }
            Some(Stays::Differs { drift, is_new }) => decision.applies.push(Apply {
                desired,
                live: live.cloned(),
                drift,
                is_new,
            }),
            None => decision.applies.push(Apply {
                desired,
                live: None,
                drift: Vec::new(),
                is_new: true,
            }),
        }
    }
    for (owner, live) in &question.cluster.objects {
        if owners.contains(owner) || live.leaving {
            continue;
        }
        let why = match live.synced_by() {
            Some(by) if by == question.repository => question.keeps(owner, live),
            // Another Repository that has it takes it over.
            Some(by) if question.is_gone(by) && !question.is_had(owner) => {
                question.keeps_orphan(owner, live)
            }
            _ => continue,
        };
        // What is to take its place is waited for: without both, nothing serves the app.
        let why = why.or_else(|| {
            let app = live.of.as_ref().map(|(app, _)| app.as_str());
            let is_of = |(of, _): &&(String, Owner)| app.is_none_or(|app| app == of);
            let before = lacking.iter().find(is_of);
            before.map(|(_, owner)| Why::Before(owner.clone()))
        });
        match why {
            Some(why) => decision.held.push((owner.clone(), why)),
            None => decision.deletes.push(Delete {
                owner: owner.clone(),
                live: live.clone(),
            }),
        }
    }
    decision
}

/// What is to be done about an object that is wanted and there.
enum Stays {
    AsItIs,
    Held(Why),
    Differs { drift: Vec<String>, is_new: bool },
}

impl Question<'_> {
    fn stays(&self, desired: &Desired, live: &Live) -> Stays {
        let is_ours = live.synced_by() == Some(self.repository);
        if !is_ours && let Some(why) = self.taken(&desired.owner, live) {
            return Stays::Held(why);
        }
        if live.is_paused() {
            return Stays::Held(Why::Paused);
        }
        if live.leaving {
            return Stays::Held(Why::Leaving);
        }
        let wanted = (desired.app(), desired.repository());
        if let Some((app, repository)) = live
            .of
            .as_ref()
            .map(|(app, of)| (app.to_string(), of.clone()))
            && wanted != (app.clone(), repository.clone())
        {
            return Stays::Held(Why::OfAnother(app, repository));
        }
        let answer = self.answer(desired);
        let differences = desired.differences(live, answer);
        let is_wish = live.digest() == Some(desired.digest.as_str());
        let is_so = is_ours && is_wish && live.commit().is_some() && differences.is_empty();
        if is_so && !self.is_outdated(desired, live) {
            let otherwise = desired.differences(live, None);
            return if otherwise.is_empty() {
                Stays::AsItIs
            } else {
                Stays::Held(Why::Otherwise(otherwise))
            };
        }
        if let Some(why) = self.stands_against(&desired.commit, live) {
            return Stays::Held(why);
        }
        let is_new = !(is_ours && is_wish);
        let drift = if is_new {
            self.edited(&desired.owner, live)
        } else {
            differences
        };
        Stays::Differs { drift, is_new }
    }

    /// What the API server answered when an object was written just so.
    fn answer(&self, desired: &Desired) -> Option<&Live> {
        let settled = self.settled.get(&desired.owner)?;
        (settled.0 == desired.digest).then_some(&settled.1)
    }

    /// The fields that somebody changed by hand of an object that was as the commit before had it.
    fn edited(&self, owner: &Owner, live: &Live) -> Vec<String> {
        let before = (self.before)(owner).filter(|it| live.digest() == Some(it.digest.as_str()));
        let is_ours = live.synced_by() == Some(self.repository);
        before.filter(|_| is_ours).map_or_else(Vec::new, |before| {
            before.differences(live, self.answer(&before))
        })
    }

    /// Why an object that the commit does not have stays.
    fn keeps(&self, owner: &Owner, live: &Live) -> Option<Why> {
        if live.is_paused() {
            return Some(Why::Paused);
        }
        if !self.released {
            if self.empty {
                return Some(Why::Empty);
            }
            if !self.is_below(live) {
                let file = live.file().unwrap_or_default();
                return Some(Why::Elsewhere(file.to_owned()));
            }
        }
        if (self.recalls)(owner) {
            return Some(Why::Recalled);
        }
        if !self.released {
            if live.of.is_none() {
                return Some(Why::Obscure);
            }
            // What this very commit wrote was not deleted by it.
            let commit = live.commit();
            if commit.as_ref().is_none_or(|commit| commit == self.head) {
                return Some(Why::Unknown(commit));
            }
            if let Some(why) = self.stands_against(self.head, live) {
                return Some(why);
            }
        }
        match self.cluster.had_by(owner) {
            Some(Had::By(name)) => return Some(Why::Moves(name.to_owned())),
            Some(Had::BySuspended(name)) => return Some(Why::Suspended(name.to_owned())),
            Some(Had::Unread(name, why)) if !self.released => {
                return Some(Why::Unread(name.to_owned(), why));
            }
            _ => {}
        }
        self.cluster.failing.clone().map(Why::Old)
    }

    /// Why an object stays that a Repository synced which is gone: a person removes it, or says of the commit that it counts.
    fn keeps_orphan(&self, owner: &Owner, live: &Live) -> Option<Why> {
        let is_below = self.is_below(live);
        if self.released && is_below {
            return self.keeps(owner, live);
        }
        Some(Why::Orphan { is_below })
    }

    /// True where an object is as it is wanted, and what it says of its commit or file would stand against a later commit all the same: it
    /// stood at another path, or is as of a commit that a person went over.
    fn is_outdated(&self, desired: &Desired, live: &Live) -> bool {
        let is_moved = !self.is_below(live) && live.file() != Some(desired.file.as_str());
        let is_over = self.released
            && (live.commit())
                .is_some_and(|of| (self.came_after)(&desired.commit, &of) != Some(true));
        (is_moved || is_over) && self.stands_against(&desired.commit, live).is_none()
    }

    /// True where an object stood below the path.
    fn is_below(&self, live: &Live) -> bool {
        let below = live.file().and_then(|file| file.strip_prefix(self.path));
        below.is_some_and(|rest| rest.starts_with('/'))
    }

    /// True where another Repository has an object in its commit.
    fn is_had(&self, owner: &Owner) -> bool {
        matches!(
            self.cluster.had_by(owner),
            Some(Had::By(_) | Had::BySuspended(_))
        )
    }

    /// True of the uid of a Repository that is no more.
    fn is_gone(&self, by: &str) -> bool {
        let cluster = self.cluster;
        !cluster.unread_others
            && !cluster.others.contains_key(by)
            && !cluster.repositories.contains(by)
    }

    /// Whose an object is that another Repository synced.
    fn taken(&self, owner: &Owner, live: &Live) -> Option<Why> {
        let by = live.synced_by()?;
        if self.cluster.is_given_up(by, owner) {
            return None;
        }
        let other = self.cluster.others.get(by);
        (other.is_some() || self.cluster.unread_others).then(|| Why::Taken(other.cloned()))
    }

    /// Why a commit must not change an object that was written as of another one.
    fn stands_against(&self, commit: &CommitId, live: &Live) -> Option<Why> {
        let of = live.synced_by().and_then(|_| live.commit())?;
        if self.released || of == *commit {
            return None;
        }
        match (self.came_after)(commit, &of) {
            Some(true) => None,
            None => Some(Why::Unknown(Some(of))),
            Some(false) => Some(match (self.came_after)(&of, commit) {
                Some(true) => Why::Newer(of),
                Some(false) => Why::Rewritten(of),
                None => Why::Unknown(Some(of)),
            }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
