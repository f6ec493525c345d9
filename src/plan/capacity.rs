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

/// The largest share that the ready pods may bear: the largest with `need(share) <= ready`.
#[must_use]
pub fn bears(pods: Pods) -> Share {
    if pods.ready < pods.min {
        return Share::ZERO;
    }
    if pods.ready >= pods.max || pods.ready >= pods.basis {
        return Share::ALL;
    }
    let all = Share::ALL.basis_points();
    let points = u64::from(pods.ready) * u64::from(all) / u64::from(pods.basis);
    Share::from_basis_points(u32::try_from(points).unwrap_or(all))
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
        assert_eq!(bears(pods(1)), Share::ZERO);
        assert_eq!(bears(pods(2)).basis_points(), 2_000);
        assert_eq!(bears(pods(7)).basis_points(), 7_000);
        assert_eq!(bears(pods(10)), Share::ALL);
        assert_eq!(need(Share::ALL, pods(0)), 10);
        assert_eq!(need(Share::from_basis_points(1), pods(0)), 2);
    }

    proptest! {
        #[test]
        fn bears_is_the_largest_share_whose_need_is_met(
            ready in 0..40_u32, min in 1..20_u32, above in 0..20_u32, basis in 0..50_u32,
        ) {
            let pods = Pods { ready, min, max: min + above, basis };
            let share = bears(pods);
            if share.is_zero() {
                prop_assert!(need(Share::from_basis_points(1), pods) > ready);
            } else {
                prop_assert!(need(share, pods) <= ready);
            }
            if share < Share::ALL {
                let more = Share::from_basis_points(share.basis_points() + 1);
                prop_assert!(need(more, pods) > ready);
            }
        }
    }
}
