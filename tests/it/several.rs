//! Several apps at once, those that a commit changed, other folders, and what a pipeline leaves in a version.

use std::process::Command;

use serde_json::Value as Json;

use super::shop::{Shop, app_with_image, text};

fn app(name: &str, digit: &str) -> String {
    app_with_image(digit).replace("checkout}", &format!("{name}}}"))
}

fn json(output: &std::process::Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

/// App, outcome, and number or error of each.
fn told(result: &Json) -> Vec<String> {
    let tell = |app: &Json| {
        let name = app["app"].as_str().or(app["version"]["app"].as_str());
        let outcome = app["outcome"].as_str().unwrap();
        format!("{} {outcome} {}", name.unwrap(), app["version"]["number"])
    };
    result["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(tell)
        .collect()
}

#[test]
fn each_of_several_apps_is_told_and_one_that_fails_hides_no_other() {
    let shop = Shop::new();
    shop.commit("apps/broken/app.yaml", "kind: App\n");
    shop.commit("apps/pay/app.yaml", app("pay", "1"));
    let args = [
        "versions", "publish", "checkout", "broken", "pay", "checkout",
    ];
    let output = shop.run(&args);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    let lines: Vec<&str> = lines
        .lines()
        .map(|line| line.split(" (").next().unwrap())
        .collect();
    assert_eq!(lines, ["published checkout v1", "published pay v1"]);
    let error = text(&output.stderr);
    assert!(
        error.contains("Error: broken: apps/broken/app.yaml:1:1"),
        "{error}"
    );
    assert!(
        error.contains("1 of 3 apps could not be published"),
        "{error}"
    );
    let output = shop.run(&[&args[..], &["--json", "--label", "first"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let result = json(&output);
    assert_eq!(
        told(&result),
        [
            "checkout unchanged 1",
            "broken failed null",
            "pay unchanged 1"
        ]
    );
    assert!(
        result["apps"][1]["error"]
            .as_str()
            .unwrap()
            .contains("app.yaml:1:1")
    );
    assert_eq!(result["removed"], serde_json::json!([]));
    assert!(shop.refs().contains(&"refs/tags/pay/first".to_owned()));
    for flag in [
        ["--add", "apps"],
        [
            "--image",
            "web=r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        ],
    ] {
        let output = shop.run(&[&["versions", "publish", "checkout", "pay"][..], &flag].concat());
        assert_eq!(output.status.code(), Some(2), "{flag:?}");
    }
}

#[test]
fn what_changed_since_a_commit_is_published_new_apps_too_and_removed_ones_are_named() {
    let shop = Shop::new();
    for name in ["gone", "same", "pay"] {
        shop.commit(&format!("apps/{name}/app.yaml"), app(name, "1"));
    }
    let run = |args: &[&str]| shop.run(&[&["versions", "publish"], args].concat());
    shop.git(&shop.clone_dir(), &["tag", "base"]);
    let output = run(&["--changed", "base"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("no app differs from base"));
    assert_eq!(told(&json(&run(&["--changed", "base", "--json"]))), [""; 0]);
    std::fs::remove_dir_all(shop.clone_dir().join("apps/gone")).unwrap();
    shop.write("apps/pay/new", "x");
    shop.write("apps/new/app.yaml", app("new", "1"));
    shop.commit("README.md", "no app");
    let output = run(&["--changed", "base", "--dry-run"]);
    assert!(
        text(&output.stdout).starts_with("would publish new v1"),
        "{}",
        text(&output.stderr)
    );
    assert!(shop.refs().is_empty());
    let output = run(&["--changed", "base", "--json"]);
    assert!(output.status.success());
    let result = json(&output);
    assert_eq!(told(&result), ["new published 1", "pay published 1"]);
    assert_eq!(result["removed"], serde_json::json!(["gone"]));
    assert!(text(&output.stderr).contains("`gone` is not in HEAD any more"));
    // From an older commit, and a base that the clone does not have.
    let output = run(&["--changed", "HEAD~1", "--ref", "base"]);
    assert_eq!(text(&output.stdout), "");
    let output = run(&["--changed", "0000000000000000000000000000000000000000"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("fetch-depth: 0"),
        "{}",
        text(&output.stderr)
    );
    for args in [
        &["checkout", "--changed", "base"][..],
        &["--changed", "base", "--working-tree"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn apps_are_published_from_the_folder_that_the_settings_name() {
    let shop = Shop::new();
    let settings =
        "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\napps: src/services\nremote: upstream\n";
    shop.write("cutwater.yaml", settings);
    shop.write("src/services/pay/app.yaml", app("pay", "1"));
    shop.commit_all();
    shop.git(
        &shop.clone_dir(),
        &["remote", "rename", "origin", "upstream"],
    );
    let tree = shop.rev(&shop.clone_dir(), "HEAD:src/services/pay");
    let line = shop.ok(&["versions", "publish"]);
    assert_eq!(line, format!("published pay v1 (g{})\n", &tree[..12]));
    shop.write("src/services/pay/dist/x", "x");
    let inside = shop.clone_dir().join("src/services/pay/dist");
    let args = [
        "versions",
        "publish",
        "--working-tree",
        "--add",
        "../dist",
        "--json",
    ];
    let output = shop.command_in(&inside, &args).output().unwrap();
    let version = &json(&output)["version"];
    assert_eq!(version["number"], 2);
    assert_eq!(
        version["overlays"],
        serde_json::json!(["working-tree", "add ../dist=dist"])
    );
    let error = shop.refused(&["versions", "publish", "checkout"]);
    assert!(
        error.contains("there is no src/services/checkout/app.yaml"),
        "{error}"
    );
    let output = shop.run(&["versions", "publish", "--changed", "HEAD~1"]);
    assert!(
        text(&output.stdout).starts_with("unchanged pay v1"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_version_says_which_run_of_a_pipeline_published_it_and_who_started_that() {
    let shop = Shop::new();
    let pipeline = |command: &mut Command| {
        let vars = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://bot:hunter2@github.com"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "901"),
            ("GITHUB_ACTOR", "eve\nCutwater-Deleted: true"),
        ];
        command.envs(vars).output().unwrap()
    };
    let args = ["versions", "publish", "--json"];
    let output = pipeline(&mut shop.command_in(&shop.clone_dir(), &args));
    let version = &json(&output)["version"];
    assert_eq!(version["source"], "github-actions");
    assert_eq!(
        version["run"],
        "https://github.com/acme/shop/actions/runs/901"
    );
    assert_eq!(version["actor"], "eveCutwater-Deleted: true");
    assert_eq!(version["author"]["name"], "Ada Lovelace");
    let view = shop.ok(&["versions", "view", "v1"]);
    assert!(
        view.contains("Run:        https://github.com/acme/shop/actions/runs/901\n"),
        "{view}"
    );
    let message = shop.git(&shop.remote(), &["log", "-1", "--format=%B", "checkout/v1"]);
    assert!(!message.contains("hunter2"), "{message}");
    // Where git does not know who it is, the system may.
    shop.commit("apps/checkout/new", "x");
    let nobody = |command: &mut Command| {
        for name in [
            "GIT_AUTHOR_NAME",
            "GIT_AUTHOR_EMAIL",
            "GIT_COMMITTER_NAME",
            "GIT_COMMITTER_EMAIL",
        ] {
            command.env_remove(name);
        }
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "user.useConfigOnly");
        command.env("GIT_CONFIG_VALUE_0", "true");
    };
    let mut command = shop.command_in(&shop.clone_dir(), &args);
    nobody(&mut command);
    let output = pipeline(&mut command);
    assert_eq!(
        output.status.code(),
        Some(1),
        "no address is made up for a forge that is not known"
    );
    assert!(
        text(&output.stderr).contains("GIT_AUTHOR_EMAIL"),
        "{}",
        text(&output.stderr)
    );
    let mut command = shop.command_in(&shop.clone_dir(), &args);
    nobody(&mut command);
    let gitlab = [
        ("GITLAB_CI", "true"),
        ("GITLAB_USER_NAME", "Grace Hopper"),
        ("GITLAB_USER_EMAIL", "grace@example.com"),
    ];
    let version = &json(&command.envs(gitlab).output().unwrap())["version"];
    let author = serde_json::json!({"name": "Grace Hopper", "email": "grace@example.com"});
    assert_eq!(version["author"], author);
    assert_eq!(version["run"], Json::Null);
}

#[test]
fn many_apps_are_one_look_at_the_remote_and_few_pushes() {
    let shop = Shop::new();
    shop.git(&shop.clone_dir(), &["tag", "base"]);
    for number in 0..300 {
        let name = format!("app{number}");
        shop.write(&format!("apps/{name}/app.yaml"), app(&name, "1"));
    }
    shop.commit_all();
    let main = ["push", "-q", "origin", "HEAD:main"];
    shop.git(&shop.clone_dir(), &main);
    let args = ["versions", "publish", "--changed", "base", "--json"];
    let (output, calls) = shop.exchanges(&args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(told(&json(&output)).len(), 300);
    // A push takes 100 of them, and the refs that were made are looked for once.
    assert_eq!(calls, ["fetch", "push", "push", "push", "fetch"]);
    let (output, calls) = shop.exchanges(&args);
    let unchanged = told(&json(&output));
    assert!(
        unchanged.iter().all(|line| line.contains(" unchanged 1")),
        "{unchanged:?}"
    );
    assert_eq!(calls, ["fetch"]);
    // An app that another publisher was faster with is published by itself.
    shop.write("apps/app7/new", "x");
    shop.write("apps/app8/new", "x");
    shop.commit_all();
    shop.hook("pre-receive", "while read old new ref; do case $ref in */app7/v2) test -e taken || { touch taken; unset GIT_QUARANTINE_PATH; git update-ref refs/tags/app7/v2 app7/v1; exit 1; };; esac; done");
    let (output, _) = shop.exchanges(&["versions", "publish", "app7", "app8", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        told(&json(&output)),
        ["app7 published 3", "app8 published 2"]
    );
}

#[test]
fn a_folder_that_is_nearly_an_app_is_named_and_no_pipeline_goes_green_over_it() {
    let shop = Shop::new();
    shop.git(&shop.clone_dir(), &["tag", "base"]);
    shop.write("apps/My_App/app.yaml", "x");
    shop.commit("apps/pay/app.yml", "x");
    let output = shop.run(&["versions", "publish", "--changed", "base"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("apps/My_App changed, and is no app: app name `My_App` holds 'M'")
            && error.contains(
                "apps/pay changed, and is no app: the file is called app.yaml, not app.yml"
            ),
        "{error}"
    );
    let output = shop.run(&["versions", "publish", "--changed", "HEAD"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    shop.git(&shop.clone_dir(), &["rm", "-q", "-r", "apps/checkout"]);
    shop.commit_all();
    let output = shop.run(&["versions", "publish"]);
    let error = text(&output.stderr);
    assert!(
        error.contains("there is no app in this commit") && error.contains("apps/pay is no app"),
        "{error}"
    );
}

#[test]
fn what_a_version_will_never_say_is_said_at_publish() {
    let shop = Shop::new();
    let dir = shop.clone_dir();
    shop.git(&dir, &["push", "-q", "origin", "HEAD:main"]);
    let publish = |args: &[&str]| {
        let output = shop.run(&[&["versions", "publish", "--json"], args].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let json: Json = serde_json::from_slice(&output.stdout).unwrap();
        let warnings = json["warnings"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<String> = warnings
            .iter()
            .map(|one| one["reason"].to_string())
            .collect();
        reasons.join(" ")
    };
    assert_eq!(publish(&[]), "");
    assert_eq!(publish(&["-m", "other words"]), "\"messageNotRecorded\"");
    shop.commit("apps/checkout/page", "x");
    assert_eq!(publish(&[]), "\"sourceNotPushed\"");
    // A pipeline's own ref is as good as a branch.
    shop.commit("apps/checkout/page", "y");
    shop.git(&dir, &["update-ref", "refs/pipelines/7", "HEAD"]);
    assert_eq!(publish(&[]), "");
    // Neither warning hides the other.
    shop.hook("update", "case $1 in refs/cutwater/*) exit 1;; esac");
    shop.commit("apps/checkout/page", "z");
    assert_eq!(publish(&[]), "\"sourceNotPushed\" \"numbersNotKept\"");
    // A remote that has no branch yet.
    let shop = Shop::new();
    let warning =
        |args: &[&str]| text(&shop.run(&[&["versions", "publish"], args].concat()).stderr);
    assert!(warning(&[]).contains("no branch of remote `origin`"));
    let dir = shop.clone_dir();
    shop.git(&dir, &["push", "-q", "origin", "HEAD:main"]);
    shop.git(&dir, &["update-ref", "-d", "refs/remotes/origin/main"]);
    shop.commit("apps/checkout/page", "x");
    assert!(!warning(&[]).contains("no branch"));
}
