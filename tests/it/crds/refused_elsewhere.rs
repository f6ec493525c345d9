//! What the API server says to an Alias or a Repository that can never work.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn an_alias_that_can_never_work_is_refused() {
    let same =
        "the canary is the main version itself; name another version, or leave the canary out";
    let form = "an alias name is a letter or `_`, then at most 127 letters, digits, `_` and `-`";
    let nameless = "the object's name cannot be the alias's name (a letter or `_`, then letters, digits, `_` and `-`); set spec.name";
    let changed = |spec: Value| with(alias(), spec);
    let canary = |version: Value, canary: Value| {
        changed(json!({"version": version, "canary": {"version": canary, "percentage": 5}}))
    };
    let at = "spec.canary.version";
    all_refused(vec![
        (canary(json!(8), json!(8)), at, same),
        (canary(json!(8), json!("v8")), at, same),
        (canary(json!("v8"), json!("8")), at, same),
        (canary(json!("gabcdef0"), json!("gABCDEF0")), at, same),
        (canary(json!("green"), json!("green")), at, same),
        (
            canary(json!("LATEST"), json!(8)),
            "spec.version",
            "`LATEST` is the tracked branch and changes with it; publish, and name the version by number (8), id or label",
        ),
        (
            changed(json!({"version": null})),
            "spec.version",
            "Required value",
        ),
        (
            changed(json!({"canary": {"percentage": 12.345}})),
            "spec.canary.percentage",
            "a percentage has at most two decimals, such as 12.5 or 14.29; round it",
        ),
        (
            changed(json!({"canary": {"percentage": 101}})),
            "spec.canary.percentage",
            "in body should be less than or equal to 100",
        ),
        (changed(json!({"name": "1st"})), "spec.name", form),
        (changed(json!({"name": "a.b"})), "spec.name", form),
        (
            changed(json!({"name": "LATEST"})),
            "spec.name",
            "`LATEST` is the tracked branch itself; choose another name for the alias",
        ),
        (named(alias(), "1st"), "<nil>", nameless),
        (named(alias(), "a.b"), "<nil>", nameless),
        (
            changed(json!({"routes": [route(json!({"path": "shop"}))]})),
            "spec.routes[0].path",
            "a path starts with a slash; write one in front of it",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_repository_that_can_never_be_read_is_refused() {
    let changed = |spec: Value| with(repository(), spec);
    let form = "an address is https://host/path, ssh://user@host/path or user@host:path (http://host/path, file:///path and /path only where the controller allows them)";
    let secret = "an address holds no password, token or user name for http or https; put them into the Secret of secretRef";
    let branch =
        "write the name of the branch alone, such as main or release/2026, as git would take it";
    let releases = "a path in the repository is written without a slash at either end and without `.`, `..` and `.git` in it, such as releases/prod";
    let interval = "a length of time goes from 5s to 24h and is written in hours, minutes and seconds, such as 30s, 5m or 1h30m";
    let mut cases = vec![
        (changed(json!({"url": null})), "spec.url", "Required value"),
        (
            changed(json!({"url": "https://git.example.com/a b"})),
            "spec.url",
            "an address holds no spaces and no line breaks; remove them",
        ),
        (
            changed(json!({"environment": "Prod"})),
            "spec.environment",
            "an environment name is at most 63 lower-case letters, digits and dashes, with no dash at either end",
        ),
        (
            changed(json!({"ledger": {"url": "git://git.example.com/x"}})),
            "spec.ledger.url",
            form,
        ),
        (
            changed(json!({"secretRef": {"name": "A"}})),
            "spec.secretRef.name",
            "the name of an object is lower-case letters, digits, dashes and dots, and begins and ends with a letter or a digit",
        ),
        (
            changed(json!({"webhookSecretRef": {"name": "a_b"}})),
            "spec.webhookSecretRef.name",
            "the name of an object is lower-case letters, digits, dashes and dots, and begins and ends with a letter or a digit",
        ),
    ];
    for bad in [
        "http://",
        "git://git.example.com/x",
        "ext::sh -c true",
        "-oProxyCommand=x",
        "shop",
        "../shop",
        "file://host/x",
        "https://",
        "ssh://host",
        "--upload-pack=x",
    ] {
        // One of them has a space too.
        if !bad.contains(' ') {
            cases.push((changed(json!({"url": bad})), "spec.url", form));
        }
    }
    for bad in [
        "https://me:secret@git.example.com/x",
        "https://token@git.example.com/x",
        "http://token@git.example.com/x",
        "ssh://me:secret@git.example.com/x",
    ] {
        cases.push((changed(json!({"url": bad})), "spec.url", secret));
    }
    for bad in [
        "-x",
        "a..b",
        "a//b",
        "a/",
        "a.lock",
        "refs/heads/main",
        "a b",
        "a~1",
        "a@{1}",
        "a/.b",
        "a:b",
    ] {
        cases.push((changed(json!({"branch": bad})), "spec.branch", branch));
    }
    for bad in [
        "/releases",
        "releases/",
        "../x",
        "a/../b",
        "./a",
        "a//b",
        ".git/hooks",
    ] {
        cases.push((changed(json!({"releases": bad})), "spec.releases", releases));
    }
    for bad in ["4s", "25h", "0s", "1", "1d"] {
        cases.push((changed(json!({"interval": bad})), "spec.interval", interval));
    }
    all_refused(cases).await;
}
