//! Tables of pasts, the newest first, and where a rollback goes.

use super::*;

fn number(text: &str) -> VersionNumber {
    text.parse().unwrap()
}

fn parts(text: &str) -> Vec<Part> {
    let part = |word: &str| {
        let (version, share) = word.split_once(':').unwrap_or((word, "100"));
        Part {
            version: number(version),
            percentage: share.parse().unwrap(),
        }
    };
    text.split_whitespace().map(part).collect()
}

/// `1` is version 1 alone by hand, `=1` by `cutwater deploy`, `1:90 2:10` a split, what stands behind a `<` was rolled back from,
/// `?` is not known, `?2` was version 2 as it seems, of `~2` it is not known whether it was served, and `!2` was never served.
fn event(text: &str) -> Event {
    if let Some(passed) = text.strip_prefix('!') {
        return Event::Passed(parts(passed));
    }
    if let Some(guess) = text.strip_prefix('?') {
        return Event::Unknown {
            why: "it cannot be read".to_owned(),
            guess: parts(guess),
        };
    }
    let (plain, doubt) = (text.trim_start_matches('~'), text.starts_with('~'));
    let (plain, by_hand) = (plain.trim_start_matches('='), !plain.starts_with('='));
    let (shares, from) = plain.split_once('<').unwrap_or((plain, ""));
    let left: Vec<_> = from.split_whitespace().map(number).collect();
    match (shares, left.is_empty()) {
        ("", false) => Event::Left(left),
        _ => Event::Deployed(Deployed {
            parts: parts(shares),
            left,
            by_hand,
            doubt: doubt.then(|| "whether it was served".to_owned()),
        }),
    }
}

/// The target: a version, `?` and the guess, or `-`.
fn back(past: &[&str], cut: bool, dead: &[&str]) -> String {
    let past: Vec<Event> = past.iter().map(|text| event(text)).collect();
    let dead: Vec<VersionNumber> = dead.iter().map(|text| number(text)).collect();
    let lives = |version| !dead.contains(&version);
    let (target, _) = target(&past, cut.then_some("the rest is not here"), lives);
    match target {
        Target::Version(version) => version.to_string(),
        Target::Unknown { guess, .. } => {
            format!(
                "?{}",
                guess.map(|guess| guess.to_string()).unwrap_or_default()
            )
        }
        Target::Nothing => "-".to_owned(),
    }
}

#[test]
fn the_newest_stable_version_is_the_target() {
    for (past, expected) in [
        (&["2", "1"][..], "v1"),
        (&["1"], "-"),
        (&["1:90 2:10"], "-"),
        (&["1:90 2:10", "1"], "v1"),
        (&["2", "1:50 2:50", "1:90 2:10", "1"], "v1"),
        (&["3:100 2:0", "3", "2"], "v2"),
        (&["3", "1:50 2:50", "1:100 2:0", "2"], "v1"),
        // The same version again is no way back.
        (&["2", "2", "1"], "v1"),
        // Removed is nothing to go back to.
        (&["2", "", "1"], "v1"),
        (&["", "2", "1"], "v2"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn what_was_rolled_back_from_comes_back_only_after_it_was_promoted_again() {
    for (past, expected) in [
        (&["1<2", "2", "1"][..], "-"),
        (&["2<3", "3", "2", "1"], "v1"),
        (&["1<2", "2<3", "3", "2", "1"], "-"),
        // Promoted again since, so it counts again.
        (&["4", "3", "2<3", "3", "2"], "v3"),
        (&["3", "2<3", "3", "2", "1"], "v2"),
        // A newer one came, and is bad too: not to the one that was bad before.
        (&["4", "2<3", "3", "2", "1"], "v2"),
        (&["2<4", "4", "2<3", "3", "2", "1"], "v1"),
        // From a split, to its older half, and once more.
        (&["1<2", "1:90 2:10", "1"], "-"),
        (&["2<3 1", "2:20 3:70 1:10", "3", "1", "2"], "-"),
        // Left by what was never served.
        (&["2", "<3", "2", "3", "1"], "v1"),
        (&["4", "3", "<3", "3", "2"], "v3"),
        // What a commit says that it left is what it left where it was made first; where it stands, it left others.
        (&["2<3", "=5", "=4", "2<3", "=3", "=2", "=1"], "v1"),
        (&["2<3", "=4", "=3", "=2", "=1"], "v1"),
        (&["2<3", "=4", "=3", "=2"], "-"),
        // Over versions in between, which are left as well.
        (&["2<4", "=4", "=3", "=2", "=1"], "v1"),
        (&["2<4", "=4", "=3", "=2"], "-"),
        (&["2<5", "=5", "2:50 4:50", "=3", "=2", "=1"], "v1"),
        // But for what was promoted again, and what came after that.
        (&["=6", "=3", "2<4", "=4", "=3", "=2", "=1"], "v3"),
        // Over one that had been promoted again before that.
        (&["1<3", "=3", "=2", "1<2", "=2", "=1"], "-"),
        (&["1<3", "=3", "=2", "=1", "=2", "=1"], "-"),
        // To one that never had all of the traffic: it goes on from there.
        (&["5<3", "=3", "=2"], "v2"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn who_goes_back_by_hand_goes_back_too() {
    for (past, expected) in [
        // `git revert`, a squash that lost the words, or a hand edit; then once more.
        (&["2", "3", "2", "1"][..], "v1"),
        (&["1", "2", "3", "2", "1"], "-"),
        (&["1", "3", "2", "1"], "-"),
        (&["2", "4", "3", "2", "1"], "v1"),
        // The branch goes back to the commit of a way back, over one that was promoted again since.
        (&["2", "=4", "=3", "2<3", "=3", "=2", "=1"], "v1"),
        // By hand to one that a way back went over.
        (&["2", "4", "1", "3", "2", "1"], "v1"),
        (&["3", "5", "2<4", "=4", "=3", "=2", "=1"], "v2"),
        (&["2", "3:90 2:10", "3", "2", "1"], "v1"),
        (&["2", "2:90 3:10", "2", "1"], "v1"),
        // By way of a split: with a newer canary, or with an older version.
        (&["2", "2:90 4:10", "3", "2", "1"], "v1"),
        (&["2", "2:50 4:50", "2:90 4:10", "3", "2", "1"], "v1"),
        (&["2", "1:50 2:50", "3", "2", "1"], "v1"),
        // That way was given up.
        (&["3", "2:90 3:10", "3", "2", "1"], "v2"),
        // Then a newer one, which is bad as well.
        (&["4", "2", "3", "2", "1"], "v2"),
        (&["2<4", "4", "2", "3", "2", "1"], "v1"),
        // What was left is promoted again, whatever its number.
        (&["3", "2", "3", "2", "1"], "v2"),
        (&["4", "3", "2", "3", "2"], "v3"),
        (&["3", "2<3", "3", "2"], "v2"),
        // Reverting the rollback, and then rolling back again.
        (&["2<3", "3", "2<3", "3", "2", "1"], "v1"),
        // Removed in between.
        (&["2", "", "3", "2", "1"], "v1"),
        // A smaller number that was never stable is new.
        (&["2", "3", "1"], "v3"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn a_split_by_hand_is_no_way_back_before_one_version_has_it_all() {
    for (past, expected) in [
        // As `cutwater deploy` would have it, whatever the split is made of: older versions, newer ones, both, or what was there.
        (&["2:10 9:90", "7", "12", "2"][..], "v7"),
        (&["=2:10 9:90", "7", "12", "2"], "v7"),
        (&["2:90 4:10", "3", "2", "1"], "v3"),
        (&["=2:90 4:10", "3", "2", "1"], "v3"),
        (&["2:90 3:10", "3", "2", "1"], "v3"),
        (&["1:50 2:50", "3", "2", "1"], "v3"),
        (&["2:10 9:90", "2:90 9:10", "7", "2"], "v7"),
        // Once it arrives, all on the way is left.
        (&["2", "2:10 9:90", "7", "12", "2"], "-"),
        (&["12", "12:50 9:50", "7", "12", "2"], "v2"),
        (&["2", "2:50 4:50", "!2:90 4:10", "3", "2", "1"], "v1"),
        // It arrives at what is new, or was given up.
        (&["9", "2:10 9:90", "7", "12", "2"], "v7"),
        (&["4", "2:90 4:10", "3", "2", "1"], "v3"),
        (&["7", "2:10 9:90", "7", "12", "2"], "v12"),
        // What was asked for and never served.
        (&["9", "!2:10 9:90", "7", "12", "2"], "v7"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn a_deploy_of_an_older_version_promotes_it_and_is_no_way_back() {
    for (past, expected) in [
        (&["=2", "=3", "=2", "=1"][..], "v3"),
        (&["=2", "=1", "=3", "=2", "=1"], "v1"),
        (&["=1", "=3", "=4", "=2"], "v3"),
        (&["=2:90 4:10", "=3", "=2", "=1"], "v3"),
        // Then by hand: what was just reverted is left.
        (&["2", "=3", "=2", "=3", "=1"], "v1"),
        (&["3", "=2", "=3", "=2", "=1"], "v1"),
        (&["=4", "2", "=3", "=2", "=1"], "v2"),
        // Then by a command that says so.
        (&["2<3", "=3", "=2", "=3", "=1"], "v1"),
        (&["=3", "2<3", "=3", "=2", "=1"], "v2"),
        // It says what it is where older ones are not known, too.
        (&["=2", "=3", "?", "=1"], "v3"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
    assert_eq!(back(&["=2", "=3"], true, &[]), "v3");
}

#[test]
fn what_may_not_have_been_served_is_no_target_and_hides_none() {
    for (past, expected) in [
        // What is advised surely had all of the traffic.
        (&["=4", "~=3", "=2", "=1"][..], "?v2"),
        (&["~=4", "~=3", "=2", "=1"], "?v2"),
        // What was served last is the target, whatever became of what is asked for now.
        (&["~=3", "=2", "=1"], "v2"),
        (&["~=3:90 4:10", "~=3:100 4:0", "=2"], "?v2"),
        // What was asked for again is the target whether or not it was served again.
        (&["~=5", "~=3<4", "~=4", "=3", "=2"], "v3"),
        (&["~=5", "~3", "~=4", "=3", "=2"], "v3"),
        (&["~=5", "~=3", "~=3", "<4", "=3", "=2"], "v3"),
        (&["~=5", "~=3", "~=2<4", "=3", "=1"], "?v3"),
        (&["~=5", "~=3", "~=4", "=3", "=2"], "?v3"),
        (&["~=5", "~=3", "~=2<3", "=3", "=1"], "?v1"),
        (&["~=5", "~=3", "?", "=3", "=1"], "?v3"),
        (&["~=5", "~=3", "=1"], "?v1"),
        (&["~=5", "~=3"], "?"),
        // What somebody went away from is no target, served or not.
        (&["2<4", "~=4", "=2", "=1"], "v1"),
        (&["~2", "~3", "=2", "=1"], "v1"),
        (&["~=2", "~=3", "=2", "=1"], "?v1"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn a_step_by_hand_counts_though_what_it_asked_for_was_never_served() {
    for (past, expected) in [
        // Two reverts in one push: what lies between was left too.
        (&["2", "!3", "4", "3", "2", "1"][..], "v1"),
        // A new version that never ran is no step back, and hides none.
        (&["5", "!4", "3", "2", "1"], "v3"),
        (&["2", "!4", "3", "2", "1"], "v1"),
        (&["3", "!4", "3", "2", "1"], "v2"),
        (&["2", "!3:50 2:50", "3", "2", "1"], "v1"),
        // An older version that never came up may be a way back, or a slip while the newer one serves on.
        (&["~2", "=3", "=2", "=1"], "?v1"),
        (&["~2", "3", "2", "1"], "?v1"),
        (&["=4", "!2", "=3", "=2", "=1"], "?v2"),
        // Who was told so, and stays with the newer one, is at the place from where others went on before.
        (&["=4<2", "~2", "=4", "=3", "=2"], "v3"),
        (&["4", "!2", "4", "3", "2"], "v3"),
        // No slip where a command says what was left, where what is left was not served itself, and where a newer step left it.
        (&["~=2<3", "=3", "=2", "=1"], "v1"),
        (&["~2", "~3", "=2", "=1"], "v1"),
        (&["<3", "!2", "=3", "=2", "=1"], "v2"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn what_the_newest_one_means_decides_what_is_gone_back_to() {
    for (past, expected) in [
        (&["?2", "2", "1"][..], "?v1"),
        (&["?3", "2", "1"], "?v2"),
        (&["?2:90 3:10", "2"], "?v2"),
        // A split of which one version is a guess, and the step from it.
        (&["1", "?1:90 2:10", "3", "2", "1"], "?"),
        (&["2", "3", "?2", "1"], "?v1"),
    ] {
        assert_eq!(back(past, false, &[]), expected, "{past:?}");
    }
}

#[test]
fn who_has_to_choose_is_told_which_versions_had_all_the_traffic() {
    for (past, left, expected) in [
        (&["2<3", "3", "2", "1"][..], "3", "v1; v3; v5 v4"),
        (&["1<2", "2<3", "3", "2", "1"], "2 3", "; v2 v3; v5 v4"),
        (&["1:90 2:10", "1"], "", "v1; ; v2 v5 v4 v3"),
        (&["3", "1:90 2:10", "1"], "2", "v1; ; v5 v4 v2"),
        (&["=4", "~=3", "?2", "1"], "", "v1; ; v3 v2 v5"),
        (&["?2", "2", "1"], "", "v1; ; v5 v4 v3"),
    ] {
        let past: Vec<Event> = past.iter().map(|text| event(text)).collect();
        let left = left.split_whitespace().map(number).collect();
        let found = candidates(&past, &left, (1..=5).map(|n| number(&n.to_string())));
        let list = |versions: &[VersionNumber]| {
            let names = versions.iter().map(ToString::to_string);
            names.collect::<Vec<_>>().join(" ")
        };
        let shown = [&found.stable, &found.left, &found.others].map(|versions| list(versions));
        assert_eq!(shown.join("; "), expected, "{past:?}");
        let best = shown
            .iter()
            .flat_map(|list| list.split(' '))
            .find(|word| !word.is_empty());
        assert_eq!(found.best().map(|best| best.to_string()).as_deref(), best);
    }
}

#[test]
fn what_is_not_known_is_never_passed_over() {
    for (past, cut, expected) in [
        (&["3", "?", "1"][..], false, "?v1"),
        (&["3", "?2", "1"], false, "?v2"),
        (&["3", "?3", "1"], false, "?v1"),
        (&["3", "?"], false, "?"),
        (&["?", "2", "1"], false, "?v2"),
        // Newer than what is not known.
        (&["3", "2", "?", "1"], false, "v2"),
        (&["3", "2"], true, "v2"),
        (&["3"], true, "?"),
        (&["3:90 4:10", "3"], true, "v3"),
        (&["2<3", "3"], true, "?"),
        // A step down may be a way back: what would tell is not known.
        (&["2", "3"], true, "?"),
        (&["2", "3", "1"], true, "?v1"),
        (&["2:90 4:10", "3"], true, "v3"),
        (&["2", "2:90 4:10", "3", "1"], true, "?v1"),
        (&["2", "3", "?", "1"], false, "?v1"),
        (&["2", "3", "2", "1"], true, "v1"),
        (&["2", "3", "?", "2", "1"], false, "?v1"),
    ] {
        assert_eq!(back(past, cut, &[]), expected, "{past:?} {cut}");
    }
    let past = [event("2"), event("3")];
    let (found, left) = target(&past, Some("this clone is shallow"), |_| true);
    let why = "whether v3 was left for an older version, because this clone is shallow";
    let why = why.to_owned();
    assert_eq!(found, Target::Unknown { why, guess: None });
    assert_eq!(left, [number("3")].into());
}

#[test]
fn a_version_that_does_not_live_is_passed_over() {
    assert_eq!(back(&["3", "2", "1"], false, &["v2"]), "v1");
    assert_eq!(back(&["3", "2", "1"], false, &["v1", "v2"]), "-");
}

#[test]
fn a_rollback_leaves_all_others_that_had_a_share_the_largest_first() {
    for (now, to, expected) in [
        ("1:20 2:10 3:70", "1", "v3 v2"),
        ("1:20 2:10 3:70", "9", "v3 v1 v2"),
        ("2:0 12:0 7:100", "12", "v7"),
        ("7:100 2:0", "7", ""),
    ] {
        let left = left_by(&parts(now), number(to));
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        assert_eq!(left.join(" "), expected, "{now} to {to}");
    }
}
