//! Capacity before share: how many ready pods a share takes, and the share that ready pods may bear.
//!
//! Pure. A share of the app's traffic takes the same share of the pods that serve the app now (the basis), within the
//! version's own limits: `clamp(ceil(share * basis), min, max)`.

use crate::words::Share;

/// The pods of one function of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pods {
    /// Ready ones, as the endpoints say.
    pub ready: u32,
    /// Fewest that the version declares, at least 1.
    pub min: u32,
    /// Most that the version declares, at least `min`.
    pub max: u32,
    /// Ready pods of this function that served the app when the shift began; 0 for a function that is new.
    pub basis: u32,
}

/// Ready pods that a share takes.
#[must_use]
pub fn need(share: Share, pods: Pods) -> u32 {
    let all = u64::from(Share::ALL.basis_points());
    let exact = u64::from(share.basis_points()) * u64::from(pods.basis);
    let count = u32::try_from(exact.div_ceil(all)).unwrap_or(u32::MAX);
    count.clamp(pods.min, pods.max.max(pods.min))
}

/// The largest share that the ready pods may bear: the largest with `need(share) <= ready`; of a version that is short of
/// its minimum, as much of what its minimum bears as it has of its pods.
#[must_use]
pub fn bears(pods: Pods) -> Share {
    if pods.ready < pods.min {
        let ready = pods.min;
        let whole = bears(Pods { ready, ..pods }).basis_points();
        return part(whole, pods.ready, pods.min);
    }
    if pods.ready >= pods.max || pods.ready >= pods.basis {
        return Share::ALL;
    }
    part(Share::ALL.basis_points(), pods.ready, pods.basis)
}

/// Pods by which a version that leaves gives way, and by which the share of one that comes runs ahead, where there is no room
/// for both: a tenth of those that served when the shift began.
#[must_use]
pub fn step(basis: u32) -> u32 {
    (basis / 10).max(1)
}

/// Pods by which a share runs ahead: a step, or the last pods of as many versions where those are all that is left to leave, as long as
/// no pod is sent more than [`STEPS_IN`] times what each bore before. Where it then has as many as served before, there is no place for
/// more of those that it declares.
#[must_use]
pub fn ahead(pods: Pods, last: Option<u32>) -> u32 {
    let step = step(pods.basis);
    let bears = pods.ready.saturating_mul(STEPS_IN) >= pods.basis;
    let Some(last) = last.filter(|_| bears) else {
        return step;
    };
    if pods.ready.saturating_add(last) >= pods.basis {
        return last.max(step).max(pods.min.saturating_sub(pods.ready));
    }
    last.max(step)
}

/// Pods that a share takes of a version that had so many at another one. A basis point more than whole pods take, as two thirds are,
/// takes none more.
#[must_use]
pub fn due(share: Share, had_share: Share, had: u32) -> u32 {
    let exact = u64::from(had) * u64::from(share.basis_points().saturating_sub(1));
    let due = exact.div_ceil(u64::from(had_share.basis_points().max(1)));
    u32::try_from(due).unwrap_or(u32::MAX).max(1)
}

/// Pods that all traffic takes, where that many bear a share.
#[must_use]
pub fn whole(share: Share, ready: u32) -> u32 {
    let exact = u64::from(ready) * u64::from(Share::ALL.basis_points());
    let whole = exact.div_ceil(u64::from(share.basis_points().max(1)));
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// The largest share that ready pods may be sent when they step in for a lost version: none bears more than
/// [`STEPS_IN`] times what each of the `all` pods that served before bore.
#[must_use]
pub fn steps_in(ready: u32, all: u32) -> Share {
    let ready = ready.saturating_mul(STEPS_IN);
    if ready >= all {
        return Share::ALL;
    }
    part(Share::ALL.basis_points(), ready, all)
}

/// An app that loses half of its pods goes on whole. Beyond that, more requests would take the pods down that are left.
const STEPS_IN: u32 = 2;

/// `points * some / all`
fn part(points: u32, some: u32, all: u32) -> Share {
    let exact = u64::from(points) * u64::from(some) / u64::from(all.max(1));
    Share::from_basis_points(u32::try_from(exact).unwrap_or(points))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_pods_of_ten_bear_a_fifth() {
        let pods = |ready| Pods {
            ready,
            min: 2,
            max: 10,
            basis: 10,
        };
        assert_eq!(bears(pods(0)), Share::ZERO);
        assert_eq!(bears(pods(1)).basis_points(), 1_000);
        assert_eq!(bears(pods(2)).basis_points(), 2_000);
        assert_eq!(bears(pods(7)).basis_points(), 7_000);
        assert_eq!(bears(pods(10)), Share::ALL);
        assert_eq!(need(Share::ALL, pods(0)), 10);
        assert_eq!(need(Share::from_basis_points(1), pods(0)), 2);
    }

    #[test]
    fn short_of_its_minimum_a_version_bears_in_proportion() {
        let fixed = |ready, basis| {
            bears(Pods {
                ready,
                min: 10,
                max: 10,
                basis,
            })
        };
        assert_eq!(fixed(9, 10).basis_points(), 9_000);
        assert_eq!(fixed(1, 10).basis_points(), 1_000);
        assert_eq!(fixed(5, 200).basis_points(), 5_000);
        assert_eq!(fixed(10, 200), Share::ALL);
        assert_eq!(fixed(0, 10), Share::ZERO);
    }

    #[test]
    fn two_thirds_take_two_pods_of_three() {
        let due = |points, had_points, had| {
            let of = Share::from_basis_points;
            due(of(points), of(had_points), had)
        };
        assert_eq!(due(6_667, 10_000, 3), 2);
        assert_eq!(due(3_334, 10_000, 3), 1);
        assert_eq!(due(10_000, 10_000, 3), 3);
        assert_eq!(due(5_000, 10_000, 3), 2);
        assert_eq!(due(4_000, 5_000, 10), 8);
        assert_eq!(due(10_000, 5_000, 10), 20);
        assert_eq!(due(0, 0, 0), 1);
    }

    #[test]
    fn half_of_the_pods_step_in_for_all_and_one_of_eleven_does_not() {
        assert_eq!(steps_in(1, 2), Share::ALL);
        assert_eq!(steps_in(3, 6), Share::ALL);
        assert_eq!(steps_in(1, 11).basis_points(), 1_818);
        assert_eq!(steps_in(0, 11), Share::ZERO);
        assert_eq!(steps_in(u32::MAX, u32::MAX), Share::ALL);
        assert_eq!(steps_in(1, 0), Share::ALL);
    }

    proptest! {
        #[test]
        fn bears_is_the_largest_share_whose_need_is_met(
            ready in 0..40_u32, min in 1..20_u32, above in 0..20_u32, basis in 0..50_u32,
        ) {
            let pods = Pods { ready, min, max: min + above, basis };
            let share = bears(pods);
            prop_assert_eq!(share.is_zero(), ready == 0 || u64::from(ready) * 10_000 < u64::from(min));
            if ready >= min {
                prop_assert!(need(share, pods) <= ready);
            }
            if share < Share::ALL {
                let more = Share::from_basis_points(share.basis_points() + 1);
                prop_assert!(need(more, pods) > ready);
            }
        }
    }
}
