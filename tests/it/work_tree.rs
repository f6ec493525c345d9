//! `versions publish --working-tree` in a clone that has some of its files alone on the disk, and in the middle of a merge.

use std::fs;

use super::shop::{Shop, text};

/// A shop with an app of two files, v1 of which is published.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.commit("apps/checkout/big/page", "one");
    shop.git(&shop.clone_dir(), &["push", "-q", "origin", "HEAD:main"]);
    shop.publish(&[]);
    shop
}

fn content(shop: &Shop, path: &str) -> String {
    shop.git(&shop.remote(), &["show", path])
}

#[test]
fn what_is_on_the_disk_counts_also_where_a_sparse_checkout_leaves_files_out() {
    let shop = shop();
    let clone = shop.clone_dir();
    let patterns = ["/*", "!/apps/checkout/big/"];
    let sparse = ["sparse-checkout", "set", "--no-cone"];
    shop.git(&clone, &[&sparse[..], &patterns].concat());
    assert!(!clone.join("apps/checkout/big").exists());
    // What is left out is as it is committed.
    let line = shop.publish(&["--working-tree"]);
    assert!(line.starts_with("unchanged checkout v1"), "{line}");
    shop.write("apps/checkout/big/new", "new");
    let line = shop.publish(&["--working-tree"]);
    assert!(line.starts_with("published checkout v2"), "{line}");
    assert_eq!(content(&shop, "checkout/v2:big/new"), "new");
    assert_eq!(content(&shop, "checkout/v2:big/page"), "one");
    fs::remove_file(clone.join("apps/checkout/big/new")).unwrap();
    shop.write("apps/checkout/big/page", "two");
    let line = shop.publish(&["--working-tree"]);
    assert!(line.starts_with("published checkout v3"), "{line}");
    assert_eq!(content(&shop, "checkout/v3:big/page"), "two");
}

#[test]
fn an_app_that_is_committed_and_not_on_the_disk_is_said_with_what_brings_it() {
    let shop = shop();
    let clone = shop.clone_dir();
    shop.commit("docs/page", "x");
    let args = ["versions", "publish", "checkout", "--working-tree"];
    shop.git(&clone, &["sparse-checkout", "set", "docs"]);
    let error = shop.refused(&args);
    assert!(
        error.contains("is not in the work tree")
            && error.contains("this clone is sparse and leaves apps/checkout out")
            && !error.contains("did you mean"),
        "{error}"
    );
    let add = "git sparse-checkout add apps/checkout";
    assert!(error.contains(&format!("`{add}`")), "{error}");
    let words: Vec<&str> = add.split(' ').skip(1).collect();
    shop.git(&clone, &words);
    assert!(shop.ok(&args).starts_with("unchanged checkout v1"));
    shop.git(&clone, &["sparse-checkout", "disable"]);
    fs::remove_dir_all(clone.join("apps/checkout")).unwrap();
    let error = shop.refused(&args);
    assert!(
        error.contains("it is committed and not on the disk")
            && error.contains("`git checkout HEAD -- apps/checkout`"),
        "{error}"
    );
}

#[test]
fn a_conflict_elsewhere_holds_up_no_app() {
    for prepare in [&["status"][..], &["update-index", "--split-index"]] {
        let shop = shop();
        let clone = shop.clone_dir();
        let git = |args: &[&str]| shop.git(&clone, args);
        // Its name begins as that of the app does.
        let file = "apps/checkout-new";
        shop.commit(file, "base");
        git(&["checkout", "-q", "-b", "theirs"]);
        shop.commit(file, "theirs");
        git(&["checkout", "-q", "main"]);
        shop.commit(file, "ours");
        git(prepare);
        let mut merge = shop.sealed("git", &clone);
        let merge = merge.args(["merge", "-q", "theirs"]).output().unwrap();
        assert!(!merge.status.success(), "{}", text(&merge.stdout));
        let undecided = git(&["ls-files", "--unmerged"]);
        assert!(!undecided.is_empty());
        let line = shop.publish(&["--working-tree"]);
        assert!(line.starts_with("unchanged checkout v1"), "{line}");
        shop.write("apps/checkout/big/page", "two");
        let line = shop.publish(&["--working-tree"]);
        assert!(line.starts_with("published checkout v2"), "{line}");
        assert_eq!(content(&shop, "checkout/v2:big/page"), "two");
        assert_eq!(git(&["ls-files", "--unmerged"]), undecided);
    }
}
