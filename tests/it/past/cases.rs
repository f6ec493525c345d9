//! The table of histories.

/// A commit that is not in the branch.
pub(super) const GONE: usize = usize::MAX;
/// A record that was never written.
pub(super) const LOST: usize = usize::MAX - 1;

/// A history, and what is right.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Commits of the branch, the oldest first: `1:90 2:10` are shares, `2<3` was rolled back from v3, `stable` is a label,
    /// `move` puts the file into another folder, and `name` gives the object another name there;
    /// `=2` is by `cutwater deploy`, and `revert2` by `git revert`; `copy4` puts v4 into a copied file that keeps the object's name,
    /// `-copy` removes it, and `-own` the file that was copied;
    /// `fork` makes a commit beside the branch (`fork4` deploys v4 there), and `pull` merges the branch into that one; `elsewhere` does it
    /// in words that name a repository which nobody knows, and `upstream` in words that name a remote;
    /// `broken` a file that cannot be read, `old` one of another time, `+other` and `-other` a file of others, `note` nothing.
    pub(super) branch: &'static [&'static str],
    /// Records of the ledger: the commit of the branch that asked, by its index, or `GONE`, and shares.
    pub(super) ledger: &'static [(usize, &'static str)],
    /// Seconds between two commits or records: a clock may step back.
    pub(super) clock: i64,
    /// Where it goes and from where, or parts of what is said instead.
    pub(super) rollback: &'static [&'static str],
    /// What is listed, the newest first; `!` was never served, `~` is not recorded, and `^` only as what was recorded before.
    pub(super) list: &'static str,
}

pub(super) const USUAL: Case = Case {
    name: "",
    branch: &[],
    ledger: &[],
    clock: 60,
    rollback: &[],
    list: "",
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    Case { name: "full", branch: &["1", "2", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case { name: "canary", branch: &["1", "2", "2:90 3:10"], rollback: &["v2 100% (back from v3)"], list: "2:90 3:10, 2, 1", ..USUAL },
    Case { name: "twice", branch: &["1", "2", "3", "2<3"], rollback: &["v1 100% (back from v2)"], list: "2<3, 3, 2, 1", ..USUAL },
    Case { name: "after a delete", branch: &["1", "5", "3"], rollback: &["v1 100% (back from v3)"], list: "3, 5, 1", ..USUAL },
    Case {
        name: "git revert, a squash merge or a hand edit", branch: &["1", "2", "3", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case {
        name: "twice by hand", branch: &["1", "2", "3", "2", "1"],
        rollback: &["not left for another; had all of the traffic, and were left for another: v2, v3; never had all of it, as far as is known: v4; to go to one of them all the same: cutwater rollback checkout VERSION\n"], list: "1, 2, 3, 2, 1", ..USUAL
    },
    Case { name: "deployed again", branch: &["1", "2", "3", "2<3", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2<3, 3, 2, 1", ..USUAL },
    Case {
        name: "named by a label", branch: &["1", "stable", "3"],
        rollback: &["deployed: it said `stable`, which means v2 now", "run `cutwater rollback checkout v2`; had all of the traffic before: v1; never had all of it, as far as is known: v2, v4\n"],
        list: "3, stable, 1", ..USUAL
    },
    Case {
        name: "a label that may have moved while it was served", branch: &["1", "2", "stable"],
        rollback: &["deployed: it said `stable`, which means v2 now, and may have meant", "run `cutwater rollback checkout v1`"], list: "stable, 2, 1", ..USUAL
    },
    Case {
        name: "a label that moved, and what it meant", branch: &["1", "2", "stable"], ledger: &[(0, "1"), (1, "2"), (2, "3")],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a label of a canary that moved", branch: &["1", "2", "2:90 stable:10"], ledger: &[(0, "1"), (1, "2"), (2, "2:90 3:10")],
        rollback: &["v2 100% (back from v3)"], list: "2:90 3:10, 2, 1", ..USUAL
    },
    Case {
        name: "a label that the ledger does not know", branch: &["1", "3", "stable"], ledger: &[(0, "1"), (1, "3")],
        rollback: &["deployed: it said `stable`, which means v2 now, and may have meant", "run `cutwater rollback checkout v3`"], list: "stable~, 3, 1", ..USUAL
    },
    Case {
        name: "a label in the past that the ledger knows", branch: &["1", "stable", "4"], ledger: &[(0, "1"), (1, "3"), (2, "4")],
        rollback: &["v3 100% (back from v4)"], list: "4, 3, 1", ..USUAL
    },
    Case {
        name: "over a commit that cannot be read", branch: &["1", "2", "broken", "3"],
        rollback: &["it is not known what commit", "releases/checkout.yaml:8:5: spec.versions: the percentages total 99", "run `cutwater rollback checkout v2`"],
        list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "over a file of another time", branch: &["1", "old", "old", "3"],
        rollback: &["releases/checkout.yaml:9:3: spec.wheight: unknown field", "run `cutwater rollback checkout v1`"],
        list: "3, 1", ..USUAL
    },
    Case { name: "behind what cannot be read", branch: &["1", "broken", "2", "3"], rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case {
        name: "a moment in which nothing could be read", branch: &["1", "2", "broken", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 1", ..USUAL
    },
    Case {
        name: "by way of a canary", branch: &["1", "2", "3", "2:90 4:10", "2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 2:90 4:10, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a hand edit to a split with older versions", branch: &["=1", "=3", "=2", "1:10 4:90"],
        rollback: &["v2 100% (back from v4, v1)"], list: "1:10 4:90, 2, 3, 1", ..USUAL
    },
    Case {
        name: "the same by deploy", branch: &["=1", "=3", "=2", "=1:10 4:90"],
        rollback: &["v2 100% (back from v4, v1)"], list: "1:10 4:90, 2, 3, 1", ..USUAL
    },
    Case {
        name: "a hand edit back by way of a split", branch: &["=1", "=3", "=2", "1:10 4:90", "1"],
        rollback: &["had all of the traffic, and were left for another: v2, v3;"], list: "1, 1:10 4:90, 2, 3, 1", ..USUAL
    },
    Case {
        name: "beside versions at 0 %", branch: &["=1", "=3", "1:0 3:0 2:100"],
        rollback: &["v3 100% (back from v2)"], list: "1:0 3:0 2, 3, 1", ..USUAL
    },
    Case {
        name: "a canary named by a label", branch: &["1", "2", "3", "1:90 stable:10", "1"],
        rollback: &["deployed: it said `stable`, which means v2 now", "had all of the traffic, and were left for another: v3, v2;"],
        list: "1, 1:90 stable:10, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a canary named by a label that is gone", branch: &["1", "2", "3:90 gone:10", "3"],
        rollback: &["it said `gone`, which means no version now", "run `cutwater rollback checkout v2`"], list: "3, 3:90 gone:10, 2, 1", ..USUAL
    },
    Case {
        name: "a pull before the push", branch: &["1", "fork", "2", "3", "pull"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a pull over a release of its own", branch: &["1", "fork4", "2", "3", "pull"],
        rollback: &["it is not known what commit", "both may have been deployed", "run `cutwater rollback checkout v2`"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a merge from nobody knows where", branch: &["1", "fork", "2", "3", "elsewhere"],
        rollback: &["it is not known what commit", "both may have been deployed"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a merge from nobody knows where of one release", branch: &["1", "fork", "2", "elsewhere"],
        rollback: &["v1 100% (back from v2)"], list: "2, 1", ..USUAL
    },
    Case {
        name: "beside files of others", branch: &["1", "+other", "2", "3", "-other", "note"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "beside a broken file of others", branch: &["1", "+broken", "2", "3", "-other"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "removed in between", branch: &["1", "2", "", "3"], rollback: &["v2 100% (back from v3)"],
        list: "3, , 2, 1", ..USUAL
    },
    Case {
        name: "removed, and recorded before", branch: &["1", "2", ""], ledger: &[(0, "1"), (1, "2")],
        rollback: &["so there is nothing to roll back"], list: "~, 2, 1", ..USUAL
    },
    Case {
        name: "not readable now, and recorded before", branch: &["1", "2", "broken"], ledger: &[(0, "1"), (1, "2")],
        rollback: &["releases/checkout.yaml"], list: "2, 1", ..USUAL
    },
    Case {
        name: "moved to another folder, and named otherwise", branch: &["1", "2", "3", "move", "2", "name"],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case { name: "nothing before", branch: &["1"], rollback: &["nothing was changed, `checkout` stays at v1 100%: ", "knows no earlier version", "never had all of it, as far as is known: v4, v3, v2; to go to one"], list: "1", ..USUAL },
    Case { name: "a ledger that began late", branch: &["1", "1:90 2:10", "1:50 2:50", "3"], ledger: &[(1, "1:90 2:10"), (2, "1:50 2:50"), (3, "3")], rollback: &["v1 100% (back from v3)"], list: "3, 1:50 2:50, 1:90 2:10, 1", ..USUAL },
    Case { name: "a ledger that began now", branch: &["1", "2"], ledger: &[(1, "2")], rollback: &["v1 100% (back from v2)"], list: "2, 1", ..USUAL },
    Case { name: "never converged", branch: &["1", "2", "4", "2<4", "3"], ledger: &[(0, "1"), (1, "2"), (4, "3")], rollback: &["v2 100% (back from v3)"], list: "3, 2<4, 4!, 2, 1", ..USUAL },
    Case { name: "left before it was served, if it was", branch: &["1", "2", "4", "2<4"], ledger: &[(0, "1"), (1, "2")], rollback: &["v1 100% (back from v2)"], list: "2<4^, 4~, 2, 1", ..USUAL },
    Case {
        name: "two steps back in one push", branch: &["1", "2", "3", "4", "3", "2"], ledger: &[(0, "1"), (1, "2"), (2, "3"), (3, "4"), (5, "2")],
        rollback: &["v1 100% (back from v2)"], list: "2, 3!, 4, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a branch that was taken back", branch: &["1", "2"], ledger: &[(0, "1"), (1, "2"), (GONE, "3"), (1, "2")],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a ledger that is behind", branch: &["1", "2", "3", "4"], ledger: &[(0, "1"), (1, "2")],
        rollback: &["it is not known whether what commit", "was served: no record of the ledger tells; to go to v2, run `cutwater rollback checkout v2`; had all of the traffic before: v2, v1;"],
        list: "4~, 3~, 2, 1", ..USUAL
    },
    Case { name: "a ledger that is behind by one", branch: &["1", "2", "3"], ledger: &[(0, "1"), (1, "2")], rollback: &["v2 100% (back from v3)"], list: "3~, 2, 1", ..USUAL },
    Case {
        name: "a ledger that is behind a rollback", branch: &["1", "2", "3", "4", "3<4"], ledger: &[(0, "1"), (1, "2")],
        rollback: &["v2 100% (back from v3)"], list: "3<4~, 4~, 3~, 2, 1", ..USUAL
    },
    Case {
        name: "a ledger of a branch that was written anew", branch: &["2", "3"], ledger: &[(GONE, "1")],
        rollback: &["was served: no record of the ledger tells; to go to v1, run"], list: "3~, 2~, 1", ..USUAL
    },
    Case {
        name: "a ledger that goes on behind a gap", branch: &["1", "2", "3", "4"], ledger: &[(0, "1"), (LOST, "2"), (LOST, "3"), (3, "4")],
        rollback: &["was served: no record of the ledger tells; to go to v1, run"], list: "4, 3~, 2~, 1", ..USUAL
    },
    Case {
        name: "a deploy of an older version, and a revert", branch: &["=1", "=3", "=2", "=3", "revert2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 3, 1", ..USUAL
    },
    Case {
        name: "older versions, deployed again", branch: &["=1", "=2", "=3", "=1", "=2"],
        rollback: &["v1 100% (back from v2)"], list: "2, 1, 3, 2, 1", ..USUAL
    },
    Case { name: "deployed in any order", branch: &["=2", "=4", "=3", "=1"], rollback: &["v3 100% (back from v1)"], list: "1, 3, 4, 2", ..USUAL },
    Case {
        name: "deployed and recorded", branch: &["=1", "=2", "=3", "=2"], ledger: &[(0, "1"), (1, "2"), (2, "3"), (3, "2")],
        rollback: &["v3 100% (back from v2)"], list: "2, 3, 2, 1", ..USUAL
    },
    Case {
        name: "a copied file that kept the name, until it was removed", branch: &["1", "2", "copy4", "3", "-copy"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a copied file that says the same, and took the place", branch: &["1", "2", "copy2", "-own", "3"],
        rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL
    },
    Case {
        name: "a copied file that says another thing, and took the place", branch: &["1", "2", "copy4", "-own"],
        rollback: &["deployed: Deployment `checkout` is in releases/checkout.yaml and in releases/copy.yaml; to go to v2, run"],
        list: "4, 2, 1", ..USUAL
    },
    Case {
        name: "reverted before it was served", branch: &["1", "2", "3", "2"], ledger: &[(0, "1"), (1, "2"), (2, "3")],
        rollback: &["not known whether v3 was left on purpose", "to go to v1, run"], list: "2~, 3, 2, 1", ..USUAL
    },
    Case {
        name: "rolled back before it was served, and again", branch: &["=1", "=2", "=3", "=4", "3<4", "=5"], ledger: &[(0, "1"), (1, "2"), (2, "3")],
        rollback: &["v3 100% (back from v5)"], list: "5~, 3<4^, 4~, 3, 2, 1", ..USUAL
    },
    Case { name: "clocks that step back", branch: &["1", "2", "3"], clock: -7_200, rollback: &["v2 100% (back from v3)"], list: "3, 2, 1", ..USUAL },
    Case { name: "a ledger with such a clock", branch: &["1", "2", "3"], ledger: &[(0, "1"), (1, "2"), (2, "3")], clock: -7_200, rollback: &["v2 100% (back from v3)"], list: "3, 2, 1" },
    Case { name: "left in the branch, by such a clock", branch: &["1", "2", "3", "2<3"], ledger: &[(0, "1"), (1, "2"), (2, "3"), (3, "2")], clock: -7_200, rollback: &["v1 100% (back from v2)"], list: "2, 3, 2, 1" },
];
