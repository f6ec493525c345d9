//! Which version gets which share now: the one place where a weight is decided.
//!
//! Pure and total. [`effective`] looks at what is wanted, at what the routes say now, and at how each version stands.

use crate::words::{Share, Shares, VersionNumber};

/// How a version stands, as far as sending to it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
pub struct Standing {
    /// It has ready pods behind every function that the routes reach, so it can keep the share that it has.
    pub serves: bool,
    /// The routes name it already, so that the next write may give it a share.
    pub named: bool,
    /// Each function has ready pods, and the gateways know it and its pods for sure, so it may get a share for the first time.
    pub eligible: bool,
    /// The most that its ready pods may bear; see [`super::capacity`].
    pub bears: Share,
    /// The most that it may be sent in place of a lost version; see [`super::capacity`].
    pub steps_in: Share,
    /// It does not serve, and is not lost either: see [`super::Version::awaited`].
    pub awaited: bool,
}

impl Standing {
    /// Of a version that nothing is known of.
    pub const NONE: Self = Self {
        serves: false,
        named: false,
        eligible: false,
        bears: Share::ZERO,
        steps_in: Share::ZERO,
        awaited: false,
    };
}

/// What happens to the share of a served version that loses its last ready pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The ready versions take it over until it is back.
    #[default]
    Shift,
    /// It keeps its share: its requests fail, and no other version gets more.
    Hold,
}

/// The split that can be served now, or `None` where nothing at all is ready: then the last route stays untouched.
///
/// - A wanted version gets its share as far as it is ready and its pods can bear it; a share that it has is never
///   taken from it for want of capacity, only a rise waits. Where no version that serves is ready, it gets all of its share.
/// - What is left over stays with the versions that have it, or had it in the split `intact` before they were lost, and
///   are ready, in proportion to what that is beyond their own wanted share, so that no third version's share moves while
///   a newcomer starts. Those that stepped in for a lost one keep what else they have.
/// - A version that is awaited keeps what it has as one that is ready does, but gets nothing in addition.
/// - If that does not use it up, a version was lost. The ready ones step in for it, in proportion to their shares and as
///   far as their pods allow; the rest stays with the lost one.
/// - If nothing serves yet, the ready wanted ones take all, in proportion to their wanted shares.
///
/// `last` is what the routes say now. `intact` is the same but where versions stepped in for others; see [`super::loss`].
///
/// With [`OnLoss::Hold`] nobody steps in for a lost version that has a share.
///
/// Planning again with the result as `last` gives the result again.
///
/// Order: wanted entries in their order, then carried ones in theirs. Entries without a share are left out.
pub fn effective(
    wanted: &[(VersionNumber, Share)],
    last: &[(VersionNumber, Share)],
    intact: &[(VersionNumber, Share)],
    on_loss: OnLoss,
    standing: impl Fn(VersionNumber) -> Standing,
) -> Option<Shares> {
    let mut entries: Vec<Entry> = Vec::with_capacity(wanted.len() + last.len());
    for &(version, _) in wanted.iter().chain(intact).chain(last) {
        if !entries.iter().any(|entry| entry.version == version) {
            entries.push(Entry {
                version,
                wanted: share_of(wanted, version).basis_points(),
                last: share_of(last, version).basis_points(),
                intact: share_of(intact, version).basis_points(),
                standing: standing(version),
                given: 0,
            });
        }
    }

    if !entries.iter().any(Entry::can_serve) {
        return None;
    }
    // With nobody who serves now there is no capacity to compare with.
    let some_served = entries
        .iter()
        .any(|entry| entry.standing.serves && entry.last > 0);
    for entry in &mut entries {
        entry.given = if some_served || !entry.standing.serves {
            entry.allowed(on_loss)
        } else if entry.standing.named {
            entry.wanted
        } else {
            0
        };
    }
    let all = Share::ALL.basis_points();
    let mut left = all.saturating_sub(entries.iter().map(|entry| entry.given).sum());
    let all = |entry: &Entry, share: u32| share.saturating_sub(entry.given);
    let mut keep = |entries: &mut [Entry], share: &dyn Fn(&Entry) -> u32| {
        let stays = weights(entries, Entry::keeps, |entry| all(entry, share(entry)));
        left -= spread(entries, left.min(stays.iter().sum()), &stays);
    };
    // What a version has of its own, what it comes back to, and what it has in place of others.
    keep(&mut entries, &|entry| entry.intact.min(entry.last));
    keep(&mut entries, &|entry| entry.comes_to(some_served));
    keep(&mut entries, &|entry| entry.last);
    let stays_away = |entries: &mut [Entry], left: u32| {
        let gone = weights(
            entries,
            |entry| !entry.keeps(),
            |entry| all(entry, entry.last),
        );
        spread(entries, left.min(gone.iter().sum()), &gone)
    };
    if on_loss == OnLoss::Hold {
        left -= stays_away(&mut entries, left);
    }
    left -= step_in(&mut entries, left);
    left -= stays_away(&mut entries, left);
    // Nothing was lost that could keep the rest: nobody serves yet, or the routes did not total 100 %.
    let is_ready = |entry: &Entry| entry.standing.serves;
    let served = weights(&entries, is_ready, |entry| entry.last);
    left -= spread(&mut entries, left, &served);
    let named = weights(&entries, is_ready, |entry| {
        if entry.standing.named {
            entry.wanted.max(entry.intact)
        } else {
            0
        }
    });
    left -= spread(&mut entries, left, &named);
    (left == 0).then(|| {
        (entries.iter().filter(|entry| entry.given > 0))
            .map(|entry| (entry.version, Share::from_basis_points(entry.given)))
            .collect()
    })
}

/// The share of a version in a split; none where it is not listed.
#[must_use]
pub fn share_of(shares: &[(VersionNumber, Share)], version: VersionNumber) -> Share {
    shares
        .iter()
        .find(|(listed, _)| *listed == version)
        .map_or(Share::ZERO, |(_, share)| *share)
}

/// True for splits that give each version the same, in whatever order.
#[must_use]
pub fn is_same(some: &[(VersionNumber, Share)], others: &[(VersionNumber, Share)]) -> bool {
    some.len() == others.len() && some.iter().all(|share| others.contains(share))
}

/// The same split as `last`, where it is that in another order.
pub(super) fn in_order_of(shares: Shares, last: &Shares) -> Shares {
    if is_same(&shares, last) {
        last.clone()
    } else {
        shares
    }
}

struct Entry {
    version: VersionNumber,
    wanted: u32,
    last: u32,
    intact: u32,
    standing: Standing,
    given: u32,
}

impl Entry {
    /// What the version gets of its own wanted share.
    fn allowed(&self, on_loss: OnLoss) -> u32 {
        if !self.standing.serves {
            return if self.keeps() || on_loss == OnLoss::Hold {
                self.wanted.min(self.last)
            } else {
                0
            };
        }
        if self.last == 0 && !self.standing.eligible {
            return 0;
        }
        let bears = self.standing.bears.basis_points();
        self.wanted.min(self.last.max(bears))
    }

    /// What it gets again after it was lost, until a wanted version takes it.
    fn comes_to(&self, some_served: bool) -> u32 {
        let standing = &self.standing;
        if !standing.serves || (some_served && self.last == 0 && !standing.eligible) {
            return 0;
        }
        match (some_served, standing.named) {
            (true, _) => (self.intact).min(self.last.max(standing.bears.basis_points())),
            (false, true) => self.intact,
            (false, false) => 0,
        }
    }

    /// Nobody takes over what it has.
    fn keeps(&self) -> bool {
        self.standing.serves || self.standing.awaited
    }

    /// It is ready, and has a share or may get one.
    fn can_serve(&self) -> bool {
        let standing = &self.standing;
        let may_get = standing.named && (self.wanted > 0 || self.intact > 0);
        standing.serves && (self.last > 0 || may_get)
    }

    /// What it can take over beyond what it is given.
    fn room(&self) -> u32 {
        let most = self.standing.steps_in.basis_points();
        if self.standing.serves && self.given > 0 {
            most.saturating_sub(self.given)
        } else {
            0
        }
    }
}

/// One weight per entry; none for those of which `counts` is not so.
fn weights(
    entries: &[Entry],
    counts: impl Fn(&Entry) -> bool,
    weight: impl Fn(&Entry) -> u32,
) -> Vec<u32> {
    (entries.iter())
        .map(|entry| if counts(entry) { weight(entry) } else { 0 })
        .collect()
}

/// Gives `amount` to the entries in proportion to `weights`, by largest remainder, earlier entries first where
/// remainders are equal. Returns what was given: all of it, or nothing where no entry has a weight.
fn spread(entries: &mut [Entry], amount: u32, weights: &[u32]) -> u32 {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 || amount == 0 {
        return 0;
    }
    let mut given = 0;
    let mut remainders = Vec::with_capacity(entries.len());
    for (index, (entry, weight)) in entries.iter_mut().zip(weights).enumerate() {
        let exact = u64::from(amount) * u64::from(*weight);
        let part = u32::try_from(exact / total).unwrap_or(amount);
        entry.given += part;
        given += part;
        remainders.push((std::cmp::Reverse(exact % total), index));
    }
    remainders.sort_unstable();
    for (_, index) in remainders.into_iter().take((amount - given) as usize) {
        entries[index].given += 1;
    }
    amount
}

/// As [`spread`] in proportion to the shares, but no entry beyond its room: what one cannot take goes to the others.
fn step_in(entries: &mut [Entry], amount: u32) -> u32 {
    let shares: Vec<u32> = (entries.iter())
        .map(|entry| entry.last.max(entry.given))
        .collect();
    let mut left = amount;
    while left > 0 {
        let rooms: Vec<u32> = entries.iter().map(Entry::room).collect();
        let open: Vec<u32> = (rooms.iter().zip(&shares))
            .map(|(room, share)| if *room > 0 { *share } else { 0 })
            .collect();
        let before: Vec<u32> = entries.iter().map(|entry| entry.given).collect();
        if spread(entries, left, &open) == 0 {
            break;
        }
        for (entry, (before, room)) in entries.iter_mut().zip(before.iter().zip(&rooms)) {
            entry.given = entry.given.min(before + room);
            left -= entry.given - before;
        }
    }
    amount - left
}
