//! Pushes of versions and labels whose answer is lost while the remote goes away: what may be there is said, and what to do.

use std::fs;

use serde_json::Value as Json;

use super::delete::shop_with;
use super::json::{schemas, wrong};
use super::shop::{Shop, app_with_image, text};

/// Lets the remote take each push, go away with it, and give no answer.
fn goes_with_the_push(shop: &Shop) {
    let remote = shop.remote().display().to_string();
    shop.losing_server(&format!("$lost\nmv '{remote}' '{remote}.away'"));
}

/// The remote is there again, and answers.
fn comes_back(shop: &Shop) {
    let remote = shop.remote().display().to_string();
    fs::rename(format!("{remote}.away"), &remote).unwrap();
    shop.server("exec git receive-pack \"$@\"");
}

#[test]
fn what_may_be_there_is_said_and_the_same_command_tells() {
    let shop = shop_with(1);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    for (args, said, again) in [
        (
            &["versions", "publish", "checkout"][..],
            "whether the version was published is not known: ",
            "unchanged checkout v2",
        ),
        (
            &["versions", "label", "checkout", "v2", "beta"],
            "whether the label was changed is not known: ",
            "unchanged checkout v2 beta",
        ),
    ] {
        goes_with_the_push(&shop);
        let (error, cause) = shop.error(args);
        assert!(error.contains(said), "{error}");
        assert_eq!(cause, "NotARepository fix", "{error}");
        comes_back(&shop);
        let line = shop.ok(args);
        assert!(line.starts_with(again), "{line}");
    }
    let delete = ["versions", "delete", "checkout", "v1", "--yes"];
    goes_with_the_push(&shop);
    let output = shop.run(&[&delete[..], &["--json"]].concat());
    let error = text(&output.stderr);
    assert!(
        error.contains("whether checkout v1 is deleted is not known: "),
        "{error}"
    );
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["results"][0]["outcome"], "unknown");
    assert_eq!(wrong(&schemas(), "versions delete", &json), [""; 0]);
    comes_back(&shop);
    let line = shop.ok(&delete);
    assert!(line.starts_with("checkout v1 was deleted before"), "{line}");
    let other = shop_with(2);
    let from = other.remote().display().to_string();
    let empty = Shop::new();
    goes_with_the_push(&empty);
    let import = ["versions", "import", from.as_str()];
    let (error, _) = empty.error(&import);
    assert!(
        error.contains("; what arrived is not known: ")
            && error.ends_with("another run goes on from there"),
        "{error}"
    );
    comes_back(&empty);
    let line = empty.ok(&import);
    assert!(line.starts_with("imported checkout: v1 to v2"), "{line}");
}

#[test]
fn a_version_that_is_there_is_named_where_its_label_is_not_given() {
    let shop = shop_with(1);
    shop.commit("apps/checkout/app.yaml", app_with_image("2"));
    // Somebody gives the label to another version before the answer.
    let tag = "refs/tags/checkout/";
    shop.losing_server(&format!(
        "$lost\ngit -C '{}' update-ref {tag}beta {tag}v1",
        shop.remote().display()
    ));
    let args = ["versions", "publish", "checkout", "--label", "beta"];
    let (error, cause) = shop.error(&args);
    assert!(
        error.starts_with("checkout v2 is published, and not all that was asked for is done: label `beta` of `checkout` names v1 already"),
        "{error}"
    );
    assert_eq!(cause, "LabelTaken fix");
}
