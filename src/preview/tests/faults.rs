//! What is said to be wrong, and whether the merge brings it.

use super::*;

#[test]
fn what_can_never_work_is_told_from_what_was_so_before() {
    const V7: &str = "a.yaml Deployment shop: v7 @shop.test/";
    const GONE: &str = "b.yaml Alias old: v30 @old.test/";
    for (before, after, expected) in [
        (
            &[V7][..],
            &["a.yaml Deployment shop: v99 @shop.test/"][..],
            "Never VersionNotFound releases/a.yaml:1",
        ),
        (
            &[V7],
            &["a.yaml Deployment shop: v30 @shop.test/"],
            "Never VersionDeleted releases/a.yaml:1",
        ),
        (
            &[V7],
            &["a.yaml Deployment shop: v7=50 stable=50 @shop.test/"],
            "Never VersionTwice releases/a.yaml:1",
        ),
        (
            &[V7],
            &["a.yaml Deployment shop: v7=50 v20=50 @shop.test/"],
            "Never FunctionNotFound releases/a.yaml:1",
        ),
        (
            &[V7],
            &["a.yaml Deployment shop: v7 @shop.test/#api"],
            "Never FunctionNotFound releases/a.yaml:1",
        ),
        (
            &[V7],
            &[V7, "b.yaml Deployment shop: v7 @b.test/"],
            "Never - releases/b.yaml:1",
        ),
        (
            &[V7],
            &[V7, "b.yaml Deployment other: v7 @b.test/"],
            "Never AppTaken releases/b.yaml:1",
        ),
        // A copy in a folder inside, which who follows the outer one has too; the new one is named, whatever the order of the files.
        (
            &[V7],
            &["0/a.yaml Deployment shop: v7 @eu.test/", V7],
            "Warning AppTaken releases/0/a.yaml:1",
        ),
        (
            &[V7],
            &["a.yaml Deployment shop/blog: v7 @shop.test/"],
            "Never InvalidSpec releases/a.yaml:1",
        ),
        // Who had the hostname keeps it, whatever the order of the files.
        (
            &[V7],
            &["0.yaml Deployment blog/blog: v7 @shop.test/", V7],
            "Never RouteClaimed releases/0.yaml:1",
        ),
        (
            &[],
            &[V7, "b.yaml Alias next: v7 @shop.test/"],
            "Never RouteClaimed releases/b.yaml:1",
        ),
        // What was so, and is not touched, is none of this merge's.
        (
            &[V7, GONE],
            &["a.yaml Deployment shop: v8 @shop.test/", GONE],
            "Before VersionDeleted releases/b.yaml:1",
        ),
        (
            &[V7, GONE],
            &[V7, "b.yaml Alias old: v30 @older.test/"],
            "Never VersionDeleted releases/b.yaml:1",
        ),
    ] {
        let preview = merge(before, after);
        let faults: Vec<String> = (said(&preview).into_iter())
            .filter(|line| line.contains("releases/"))
            .collect();
        assert_eq!(
            faults,
            [expected],
            "{before:?} {after:?}: {:?}",
            preview.faults
        );
        assert_eq!(
            preview.hopeless().count(),
            usize::from(expected.starts_with("Never"))
        );
    }
}

#[test]
fn what_may_be_meant_so_is_said_once() {
    let (none, v8) = (
        "a.yaml Deployment shop: v7",
        "b.yaml Alias next: v8 @b.test/",
    );
    let said = |before: &[&str], after: &[&str]| merge(before, after).faults.len();
    assert_eq!(said(&[], &[none]), 1);
    assert_eq!(said(&[none], &[none, v8]), 0);
    assert_eq!(said(&[none], &["a.yaml Deployment shop: v8"]), 1);
}

#[test]
fn what_cannot_be_as_it_is_wanted_starts_and_stops_no_pods() {
    let preview = merge(
        &["a.yaml Deployment shop: v7 @shop.test/"],
        &["a.yaml Deployment shop: v8=50 v99=50 @shop.test/"],
    );
    assert!(preview.pods.is_empty(), "{:?}", preview.pods);
}

#[test]
fn a_place_is_a_hostname_and_a_path_at_a_gateway() {
    for (first, second, clashes) in [
        ("@shop.test/", "@shop.test/", true),
        ("@shop.test/a", "@shop.test/a/", true),
        ("@shop.test/a", "@shop.test/b", false),
        ("@shop.test/", "@shop.test/a", false),
        ("@*.test/", "@shop.test/", false),
    ] {
        let lines = [
            format!("a.yaml Deployment shop: v7 {first}"),
            format!("b.yaml Alias next: v7 {second}"),
        ];
        let preview = merge(&[], &[&lines[0], &lines[1]]);
        let found = preview
            .faults
            .iter()
            .any(|fault| fault.reason == Some("RouteClaimed"));
        assert_eq!(found, clashes, "{first} {second}");
    }
    // Other folders may be other namespaces, with gateways of their own.
    let preview = merge(
        &[],
        &[
            "a/a.yaml Deployment shop: v7 @shop.test/",
            "b/a.yaml Deployment shop: v7 @shop.test/",
        ],
    );
    assert!(preview.faults.is_empty(), "{:?}", preview.faults);
}

#[test]
fn nothing_is_taken_away_while_a_file_cannot_be_read() {
    let before = objects(&[
        "a.yaml Deployment shop: v7 @shop.test/",
        "b.yaml Alias next: v8 @next.test/",
    ]);
    let problems: Problems = releases::read("releases/a.yaml", b"kind: [").unwrap_err();
    let text = problems.to_string();
    let broken = [Unread {
        file: "releases/a.yaml",
        problem: &text,
        places: &problems.list,
    }];
    let after = &before[1..];
    let merged = preview(&side(&before, &[]), &side(after, &broken), &known(), &[]);
    let lines = said(&merged);
    assert_eq!(lines[0], "Stays shop v7 100->100");
    assert!(
        lines[1].starts_with("Never MalformedObject releases/a.yaml:1:"),
        "{lines:?}"
    );
    assert!(merged.is_empty() && merged.hopeless().count() == 1);
    // It was so before: this merge does not bring it.
    let same = preview(&side(after, &broken), &side(after, &broken), &known(), &[]);
    assert!(
        said(&same)[0].starts_with("Before MalformedObject"),
        "{same:?}"
    );
    // It is mended: what it held before is not known.
    let mended = preview(&side(after, &broken), &side(&before, &[]), &known(), &[]);
    assert_eq!(
        said(&mended),
        [
            "Added shop v7 -->100 +r0",
            "+shop v7 web 2",
            "Warning - releases/a.yaml"
        ]
    );
}

#[test]
fn an_empty_folder_and_an_emptied_file_take_nothing_away() {
    let before = objects(&[
        "a.yaml Deployment shop: v7 @shop.test/",
        "b.yaml Alias next: v8 @next.test/",
    ]);
    let gone = preview(&side(&before, &[]), &side(&[], &[]), &known(), &[]);
    assert_eq!(
        said(&gone),
        [
            "Stays shop v7 100->100",
            "Stays next v8 100->100",
            "Warning - releases"
        ]
    );
    let bare = ["releases/b.yaml".to_owned()];
    let emptied = Side {
        bare: &bare,
        ..side(&before[..1], &[])
    };
    let emptied = preview(&side(&before, &[]), &emptied, &known(), &[]);
    assert_eq!(
        said(&emptied),
        ["Stays next v8 100->100", "Warning - releases/b.yaml"]
    );
}

#[test]
fn a_shift_that_a_rule_cannot_hold_is_a_warning() {
    let list = |from: u32| {
        let versions: Vec<String> = (from..from + 10).map(|n| format!("v{n}=10")).collect();
        format!("a.yaml Deployment shop: {} @shop.test/", versions.join(" "))
    };
    for (to, count) in [(7, 0), (8, 1)] {
        let preview = merge(&[&list(1)], &[&list(to)]);
        let found = preview.faults.iter();
        let found = found.filter(|fault| fault.reason == Some("RouteTooLarge"));
        assert_eq!(found.count(), count, "{to}");
        assert_eq!(preview.hopeless().count(), 0);
    }
}

#[test]
fn who_takes_back_what_never_changes_is_not_told_that_it_can_never_work() {
    let shop = objects(&["a.yaml Deployment shop: v7 @shop.test/"]);
    let slip = objects(&["a.yaml Deployment shop/blog: v7 @shop.test/"]);
    let plan = |earlier: &[Release]| {
        preview(&side(&slip, &[]), &side(&shop, &[]), &known(), earlier).faults
    };
    let standing = |faults: &[Fault]| {
        let mut all = faults.iter();
        all.find(|fault| fault.reason == Some("InvalidSpec"))
            .map(|fault| fault.standing)
    };
    assert_eq!(standing(&plan(&[])), Some(Standing::Never));
    assert_eq!(standing(&plan(&shop)), Some(Standing::Warning));
    assert_eq!(standing(&plan(&slip)), Some(Standing::Never));
}

#[test]
fn of_an_object_that_stood_there_twice_neither_goes() {
    const FIRST: &str = "a.yaml Deployment shop: v7 @shop.test/";
    const COPY: &str = "x.yaml Deployment shop: v8 @shop.test/";
    for (after, changes) in [
        (FIRST, &[][..]),
        (COPY, &["Changed shop v8 -->100 v7 100->-"]),
    ] {
        let merged = merge(&[FIRST, COPY], &[after]);
        let said = said(&merged);
        let of_objects: Vec<&String> = said
            .iter()
            .filter(|line| !line.starts_with(['+', '-']) && !line.starts_with("Warning"))
            .collect();
        assert_eq!(of_objects, changes, "{after}");
        let mut faults = merged.faults.iter();
        assert!(
            faults.any(|fault| fault.message.contains("stood in releases/a.yaml:1 and")),
            "{:?}",
            merged.faults
        );
    }
}
