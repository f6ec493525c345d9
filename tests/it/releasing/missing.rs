//! Objects that are not there, or there twice.

use super::{FILE, ONE, at_remote, file};
use crate::it::delete::{push, shop_with};
use crate::it::shop::{self, Shop};

#[test]
fn what_is_not_there_or_there_twice_is_said_with_what_to_write() {
    let shop = shop_with(1);
    let error = shop.refused(&["deploy", "checkout", "v1"]);
    assert!(
        error.contains("branch `main` is not at remote `origin`"),
        "{error}"
    );
    push(&shop, "main");
    let error = shop.refused(&["deploy", "checkout", "v1"]);
    assert!(
        error.contains("write it to releases/checkout.yaml")
            && error.contains("kind: Deployment\n")
            && error.contains("- version: 1\n"),
        "{error}"
    );
    // What the error says can be written.
    let start = error.find("apiVersion").unwrap();
    shop.commit(FILE, &error[start..]);
    push(&shop, "main");
    assert_eq!(
        shop.ok(&["deploy", "checkout", "v1"]),
        "unchanged checkout: v1 100%\n"
    );
    let error = shop.refused(&["alias", "set", "checkout", "Live_1", "v1"]);
    let start = error.find("apiVersion").unwrap();
    shop.commit("releases/checkout-live-1.yaml", &error[start..]);
    push(&shop, "main");
    let same = shop.ok(&["alias", "set", "checkout", "Live_1", "v1"]);
    assert_eq!(same, "unchanged checkout Live_1: v1 100%\n");
    // A folder for each namespace.
    let test = file(ONE).replace("{name: checkout}", "{name: checkout, namespace: test}");
    shop.commit("releases/test/checkout.yaml", &test);
    push(&shop, "main");
    shop.publish(&["--image", &format!("web={}", shop::digest("9"))]);
    let error = shop.refused(&["deploy", "checkout", "v2"]);
    assert!(
        error.contains("2 objects are a Deployment of `checkout`; name one with --name")
            && error.contains("test/checkout (releases/test/checkout.yaml)"),
        "{error}"
    );
    shop.ok(&["deploy", "checkout", "v2", "--name", "test/checkout"]);
    assert!(at_remote(&shop, "main", "releases/test/checkout.yaml").contains("version: v2"));
    assert!(!at_remote(&shop, "main", FILE).contains("version: 2"));
    shop.ok(&["deploy", "checkout", "v2", "--name", FILE]);
    assert!(at_remote(&shop, "main", FILE).contains("version: 2"));
}

/// What a command says of an object that the clone alone has.
fn unpushed(shop: &Shop, words: &[&str], parts: &[&str]) {
    let error = shop.refused(words);
    for part in parts {
        assert!(error.contains(part), "{words:?}: {error}");
    }
    assert!(!error.contains("write it to"), "{words:?}: {error}");
}

#[test]
fn an_object_that_is_in_the_clone_and_not_pushed_is_not_written_a_second_time() {
    let shop = shop_with(1);
    shop.commit("README.md", "x");
    push(&shop, "main");
    let set = ["alias", "set", "checkout", "staging", "v1"];
    let deploy = ["deploy", "checkout", "v1"];
    let alias = super::alias_file("  version: 1\n");
    // Beside another object, and in a file that is called otherwise than the one that would be proposed.
    shop.write("releases/eu/web.yaml", format!("{}---\n{alias}", file(ONE)));
    for (words, what) in [
        (&set[..], "alias `staging` of `checkout`"),
        (&deploy, "a Deployment of `checkout`"),
        (&["rollback", "checkout"], "a Deployment of `checkout`"),
    ] {
        let place = format!("{what} is in releases/eu/web.yaml on the disk");
        unpushed(&shop, words, &[&place, "commit it and push it"]);
    }
    shop.commit_all();
    let place = "alias `staging` of `checkout` is in releases/eu/web.yaml of HEAD";
    unpushed(&shop, &set, &[place, "origin; push it, then"]);
    push(&shop, "main");
    shop.ok(&set);
    // Where the branch gave it up and the clone is behind, a new one is proposed.
    let old = shop.rev(&shop.clone_dir(), "HEAD");
    shop.commit("releases/eu/web.yaml", file(ONE));
    push(&shop, "main");
    shop.git(&shop.clone_dir(), &["reset", "-q", "--hard", &old]);
    let error = shop.refused(&set);
    assert!(error.contains("write it to releases/"), "{error}");
}
