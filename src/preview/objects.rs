//! Which object after a merge is which one before it, and which ones go on though they are missing.

use super::side::{Resolved, Side};
use crate::releases::{Release, collide};

/// An object before and after; one of the two may be missing.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) before: Option<&'a Resolved<'a>>,
    pub(super) after: Option<&'a Resolved<'a>>,
    /// It is missing after, and goes on all the same.
    pub(super) stays: bool,
}

impl<'a> Pair<'a> {
    /// The object, as it is after where it is there.
    pub(super) fn shown(&self) -> Option<&'a Release> {
        self.after.or(self.before).map(|seen| seen.release)
    }
}

/// The objects of both sides, in the order of those after; what is missing comes last.
pub(super) fn pairs<'a>(
    before: &'a [Resolved<'a>],
    after: &'a [Resolved<'a>],
    side: &Side<'_>,
) -> Vec<Pair<'a>> {
    let mut left: Vec<&Resolved<'_>> = before.iter().collect();
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for now in after {
        let is_it = |old: &&Resolved<'_>| collide(old.release, now.release);
        let found = left.iter().position(is_it);
        pairs.push(Pair {
            before: found.map(|index| left.remove(index)),
            after: Some(now),
            stays: false,
        });
    }
    // What stood there twice was one object.
    left.retain(|old| !(after.iter()).any(|now| collide(old.release, now.release)));
    // One that has gone into another folder keeps its past, where it is clear which one it is.
    for pair in pairs.iter_mut().filter(|pair| pair.before.is_none()) {
        let Some(now) = pair.after else { continue };
        let is_named_so = |old: &Resolved<'_>| {
            let identity = |it: &Resolved<'_>| {
                let namespace = it.release.namespace().map(str::to_owned);
                (it.release.kind(), namespace, it.release.name().to_owned())
            };
            identity(old) == identity(now) && old.release.app() == now.release.app()
        };
        let mut found = (left.iter().enumerate()).filter(|(_, old)| is_named_so(old));
        if let (Some((index, _)), None) = (found.next(), found.next()) {
            pair.before = Some(left.remove(index));
        }
    }
    let may_stand_elsewhere = side.is_empty() || side.unknown().next().is_some();
    pairs.extend(left.into_iter().map(|old| Pair {
        before: Some(old),
        after: None,
        stays: may_stand_elsewhere || side.bare.contains(&old.release.file),
    }));
    pairs
}
