use super::{Hostile, bounded, commit_text, refused, trailers};

/// A title and good trailers.
fn good(number: u32) -> String {
    format!("checkout v{number}\n\n{}", trailers("checkout", number))
}

#[test]
fn a_tag_whose_commit_says_something_else_is_foreign_and_says_why() {
    bounded(|| {
        let hostile = Hostile::new();
        let tree = hostile.shop.rev(&hostile.remote(), "checkout/v1^{tree}");
        let parent = hostile.shop.rev(&hostile.remote(), "checkout/v1");
        let blob = hostile.blob("x");
        let commit = |message: &str| hostile.object("commit", commit_text(&tree, message));
        let raw = |from: &str, to: &str, number: u32| {
            let text = commit_text(&tree, &good(number)).replace(from, to);
            hostile.object("commit", text)
        };
        let tag = |object: &str, kind: &str| {
            let text =
                format!("object {object}\ntype {kind}\ntag x\ntagger E <e@x> 1 +0000\n\nx\n");
            hostile.object("tag", text)
        };
        let annotated = tag(&parent, "commit");
        let latin = [
            commit_text(&tree, "caf").as_bytes(),
            b"\xe9\n\n",
            trailers("checkout", 10).as_bytes(),
        ]
        .concat();
        let cases = [
            (2, commit(&good(9)), "says that it is v9 of `checkout`"),
            (
                3,
                commit(&format!("pay v3\n\n{}", trailers("pay", 3))),
                "says that it is v3 of `pay`",
            ),
            (4, commit("release 4\n"), "no Cutwater trailers"),
            (
                5,
                commit(&format!("{}{}", good(5), trailers("checkout", 5))),
                "no Cutwater trailers",
            ),
            (
                6,
                raw("\nauthor", &format!("\nparent {parent}\nauthor"), 6),
                "has parents",
            ),
            (7, raw("1700000000", "99999999999999", 7), "out of range"),
            (8, blob.clone(), "a blob, not to a commit"),
            (9, tree.clone(), "a tree, not to a commit"),
            (10, hostile.object("commit", latin), "not UTF-8"),
            (11, annotated.clone(), "a tag, not to a commit"),
            (12, tag(&annotated, "tag"), "a tag, not to a commit"),
            (
                13,
                commit(&format!("{}Cutwater-Deleted: true\n", good(13))),
                "neither a version nor a tombstone",
            ),
        ];
        for (number, oid, _) in &cases {
            hostile.tag(&format!("v{number}"), oid);
        }
        let mirror = hostile.mirror();
        let listed = hostile.list();
        for (number, _, why) in &cases {
            let word = format!("v{number}");
            refused(
                &mirror,
                &word,
                "VersionForeign",
                &[&format!("checkout/{word}"), why],
            );
            assert_eq!(listed.state(*number), "foreign");
            let said = listed.problem(&format!("refs/tags/checkout/{word}"));
            assert!(said.contains(why), "{word}: {said}");
            assert!(hostile.view(&word).unwrap().contains(why));
        }
        assert!(
            listed
                .warnings
                .contains("refs/tags/checkout/v2 is not a version"),
            "{}",
            listed.warnings
        );
        assert!(
            listed.warnings.contains("2 more refs"),
            "{}",
            listed.warnings
        );
        hostile.goes_on(&mirror);
        // Their numbers are spent.
        hostile.shop.commit("apps/checkout/new", "content");
        let published = hostile.shop.publish(&[]);
        assert!(
            published.starts_with("published checkout v14 "),
            "{published}"
        );
    });
}

#[test]
fn a_message_of_100_mb_is_not_loaded() {
    bounded(|| {
        let hostile = Hostile::new();
        let tree = hostile.shop.rev(&hostile.remote(), "checkout/v1^{tree}");
        let message = format!("{}\n\n{}", "x".repeat(100 << 20), trailers("checkout", 2));
        hostile.tag(
            "v2",
            &hostile.object("commit", commit_text(&tree, &message)),
        );
        let mirror = hostile.mirror();
        refused(&mirror, "v2", "VersionForeign", &["too much"]);
        assert_eq!(hostile.list().state(2), "foreign");
        hostile.goes_on(&mirror);
    });
}

#[test]
fn what_a_publisher_wrote_cannot_rule_a_terminal() {
    bounded(|| {
        let hostile = Hostile::new();
        let tree = hostile.shop.rev(&hostile.remote(), "checkout/v1^{tree}");
        let empty = hostile.tree(&[]);
        let message = |number: u32| {
            format!(
                "checkout v{number}: \u{1b}]0;owned\u{7}\u{9b}31m\rx\n\n{}",
                trailers("checkout", number)
            )
        };
        let by_eve = |tree: &str, message: &str| {
            let text = commit_text(tree, message).replace("Eve", "\u{1b}[31mEve\u{9b}2J");
            hostile.object("commit", text)
        };
        hostile.tag("v2", &by_eve(&tree, &message(2)));
        let dead = format!("{}Cutwater-Deleted: true\n", message(3));
        hostile.tag("v3", &by_eve(&empty, &dead));
        // `list`, `view` and `refused` look at each character.
        let mirror = hostile.mirror();
        let listed = hostile.list();
        assert_eq!((listed.state(2), listed.state(3)), ("living", "deleted"));
        assert!(hostile.view("v2").unwrap().contains("Eve"));
        hostile.view("v3").unwrap();
        refused(&mirror, "v3", "VersionDeleted", &["Eve"]);
        hostile.goes_on(&mirror);
    });
}
