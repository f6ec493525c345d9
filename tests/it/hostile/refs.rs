use super::{Hostile, bounded, commit_text, refused, trailers};

#[test]
fn labels_that_lead_to_no_version_are_said_and_resolve_to_nothing() {
    bounded(|| {
        let hostile = Hostile::new();
        let remote = hostile.remote();
        let tree = hostile.shop.rev(&remote, "checkout/v1^{tree}");
        let blob = hostile.blob("x");
        let empty = hostile.tree(&[]);
        let old = hostile.commit(2, &tree);
        let dead = format!(
            "checkout v2\n\n{}Cutwater-Deleted: true\n",
            trailers("checkout", 2)
        );
        hostile.tag("v2", &hostile.object("commit", commit_text(&empty, &dead)));
        hostile.set("refs/cutwater/checkout/last", &old);
        hostile.tag("deleted", &old);
        hostile.tag("blob", &blob);
        hostile.tag("gone", &hostile.commit(7, &tree));
        hostile.tag(
            "moved",
            &hostile.object(
                "commit",
                commit_text(&tree, &format!("other\n\n{}", trailers("checkout", 1))),
            ),
        );
        hostile.tag("v08", &hostile.shop.rev(&remote, "checkout/v1"));
        hostile.tag("below/first", &blob);
        hostile.tag("c1-\u{9b}31m", &blob);
        let cases = [
            ("blob", "VersionForeign", "is a label of no version"),
            (
                "gone",
                "VersionForeign",
                "is a label of v7, whose tag is gone",
            ),
            ("moved", "VersionForeign", "says it is v1, and is not"),
        ];
        let mirror = hostile.mirror();
        let listed = hostile.list();
        for (label, reason, said) in cases {
            let name = format!("refs/tags/checkout/{label}");
            assert!(
                listed.problem(&name).contains(said),
                "{label}: {}",
                listed.problem(&name)
            );
            refused(&mirror, label, reason, &[]);
        }
        // A label outlives its version, and says why it went.
        refused(&mirror, "deleted", "VersionDeleted", &[]);
        for name in ["v08", "below/first", "c1-\\u{9b}31m"] {
            let name = format!("refs/tags/checkout/{name}");
            assert_eq!(
                listed.problem(&name),
                "is neither a version nor a label",
                "{name}"
            );
        }
        assert_eq!(listed.refs().len(), 6, "{:?}", listed.refs());
        assert!(
            listed
                .warnings
                .contains("refs/tags/checkout/gone is a label of v7"),
            "{}",
            listed.warnings
        );
        // The label of a deleted version stays, and says why it is gone.
        refused(&mirror, "deleted", "VersionDeleted", &["Eve"]);
        // What is near is named, and what is no label is not.
        refused(&mirror, "c1-31m", "VersionNotFound", &["there are:"]);
        hostile.goes_on(&mirror);
    });
}

#[test]
fn last_and_hints_that_lie_are_said_and_put_right_by_the_next_publish() {
    bounded(|| {
        let hostile = Hostile::new();
        let remote = hostile.remote();
        let first = hostile.shop.rev(&remote, "checkout/v1");
        let tree = hostile.shop.rev(&remote, "checkout/v1^{tree}");
        let blob = hostile.blob("x");
        hostile.shop.commit("apps/checkout/new", "content");
        let wanted = hostile
            .shop
            .rev(&hostile.shop.clone_dir(), "HEAD:apps/checkout");
        let hint = |tree: &str| format!("refs/cutwater/checkout/ids/{tree}");
        // The new content is said to be there already, and the old one nowhere.
        hostile.set(&hint(&wanted), &first);
        hostile.set(&hint(&tree), &blob);
        hostile.set(&hint("junk"), &first);
        let last = "refs/cutwater/checkout/last";
        hostile.set(last, &blob);
        let listed = hostile.list();
        assert_eq!(listed.refs().len(), 4, "{:?}", listed.refs());
        for name in [&hint(&wanted), &hint(&tree), &hint("junk")] {
            assert!(
                listed
                    .problem(name)
                    .contains("no version with this content"),
                "{name}"
            );
        }
        assert!(listed.problem(last).contains("leads to no version"));
        let mirror = hostile.mirror();
        hostile.goes_on(&mirror);
        let published = hostile.shop.publish(&[]);
        assert!(
            published.starts_with("published checkout v2 "),
            "{published}"
        );
        let again = hostile.shop.publish(&["--ref", "HEAD~1"]);
        assert!(again.starts_with("unchanged checkout v1 "), "{again}");
        assert_eq!(hostile.list().refs(), [hint("junk")]);
        // Behind the tags, and ahead of them: a number that was spent stays spent.
        hostile.set(last, &first);
        let listed = hostile.list();
        assert!(
            listed
                .problem(last)
                .contains("says that v1 is the newest, and v2 is"),
            "{}",
            listed.problem(last)
        );
        hostile.set(last, &hostile.commit(40, &tree));
        let listed = hostile.list();
        assert!(
            listed
                .problem(last)
                .contains("says that v40 was given, and no tag does"),
            "{}",
            listed.problem(last)
        );
        hostile.shop.commit("apps/checkout/new", "other content");
        let error = hostile.shop.refused(&["versions", "publish", "checkout"]);
        assert!(error.contains("says that v40 was given"), "{error}");
        let published = hostile.shop.publish(&["--trust-last"]);
        assert!(
            published.starts_with("published checkout v41 "),
            "{published}"
        );
    });
}

#[test]
fn a_symbolic_ref_is_what_it_leads_to() {
    bounded(|| {
        let hostile = Hostile::new();
        hostile.set("refs/tags/checkout/v2", "ref: refs/tags/checkout/v1");
        hostile.set(
            "refs/tags/checkout/nowhere",
            "ref: refs/tags/checkout/absent",
        );
        hostile.set(
            "refs/tags/checkout/circle",
            "ref: refs/tags/checkout/circle",
        );
        let mirror = hostile.mirror();
        // git sends what a symbolic ref leads to, and nothing where it leads nowhere.
        refused(&mirror, "v2", "VersionForeign", &["says that it is v1"]);
        for word in ["nowhere", "circle"] {
            refused(&mirror, word, "VersionNotFound", &[]);
        }
        hostile.goes_on(&mirror);
        // In the copy itself, where git never puts one, it is said and not followed.
        std::fs::write(
            hostile.mirror_dir().join("refs/tags/checkout/v3"),
            "ref: refs/tags/checkout/v1\n",
        )
        .unwrap();
        let again = hostile.open();
        let problems = again.history(&super::checkout()).unwrap().problems;
        let said = problems
            .iter()
            .find(|problem| problem.name.ends_with("/v3"))
            .unwrap();
        assert!(said.problem.contains("symbolic"), "{said:?}");
        refused(&again, "v3", "VersionNotFound", &[]);
        assert!(super::resolve(&again, "v1").is_ok());
    });
}

#[test]
fn a_name_inside_another_does_not_hide_the_others() {
    bounded(|| {
        let hostile = Hostile::new();
        let remote = hostile.remote();
        let first = hostile.shop.rev(&remote, "checkout/v1");
        let tree = hostile.shop.rev(&remote, "checkout/v1^{tree}");
        hostile.tag("v3/below", &first);
        hostile.version(2, &tree);
        let mirror = hostile.mirror();
        let listed = hostile.list();
        assert_eq!(listed.refs(), ["refs/tags/checkout/v3/below"]);
        assert_eq!(listed.state(2), "living");
        // Both at once, as only a list of packed refs can hold them.
        hostile.version(4, &tree);
        hostile.shop.git(&remote, &["pack-refs", "--all"]);
        let packed = std::fs::read_to_string(remote.join("packed-refs")).unwrap();
        let clash = format!("{first} refs/tags/checkout/v3\n");
        let at = packed
            .find(&format!("{first} refs/tags/checkout/v3/below"))
            .unwrap();
        std::fs::write(
            remote.join("packed-refs"),
            format!("{}{clash}{}", &packed[..at], &packed[at..]),
        )
        .unwrap();
        // git says which ref it cannot take; all the others have come.
        if let Err(error) = super::fetch(&mirror) {
            assert!(error.contains("refs/tags/checkout/v3"), "{error}");
        }
        assert_eq!(super::resolve(&mirror, "v4").unwrap().number.get(), 4);
        assert!(super::resolve(&mirror, "first").is_ok());
    });
}
