//! `cutwater versions list` and `view`: pages, filters, what is in a version, and who uses it, in git and in a real cluster.

use std::fs;
use std::process::Output;

use serde_json::{Value as Json, json};

use super::delete::{alias, deployment, push, record, shop_with};
use super::shop::{Shop, app_with_image, text};
use crate::support::apiserver::succeed;
use crate::support::{ApiServer, Options, User};

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn numbers(shop: &Shop, args: &[&str]) -> Vec<u64> {
    let list = shop.ok(&[&["versions", "list", "checkout", "--json"], args].concat());
    let list = parsed(&list);
    let versions = list["versions"].as_array().unwrap().iter();
    versions.map(|v| v["number"].as_u64().unwrap()).collect()
}

#[test]
fn versions_come_in_pages_each_of_which_names_the_next() {
    let shop = shop_with(5);
    shop.ok(&["versions", "delete", "checkout", "3", "--yes"]);
    let first = shop.run(&[
        "-C",
        ".",
        "versions",
        "list",
        "checkout",
        "--limit",
        "2",
        "--author",
        "ada lovelace",
    ]);
    let hint = text(&first.stderr);
    let next = "cutwater -C . versions list checkout --author 'ada lovelace' --limit 2 --before v4";
    assert!(
        hint.contains(&format!("2 of 5; the next page: {next}")),
        "{hint}"
    );
    assert_eq!(numbers(&shop, &["--limit", "2"]), [5, 4]);
    assert_eq!(numbers(&shop, &["--limit", "2", "--before", "v4"]), [3, 2]);
    let last = shop.ok(&[
        "versions", "list", "--json", "--limit", "2", "--before", "2",
    ]);
    assert_eq!(parsed(&last)["next"], Json::Null);
    assert_eq!(parsed(&last)["total"], 5);
    assert_eq!(numbers(&shop, &["--limit", "2", "--before", "1"]), [0; 0]);
}

#[test]
fn versions_are_found_by_label_author_and_time() {
    let shop = shop_with(2);
    let remote = shop.remote();
    shop.git(&remote, &["tag", "checkout/v1.4.0", "checkout/v1"]);
    shop.git(&remote, &["tag", "checkout/spring", "checkout/v2"]);
    shop.commit("apps/checkout/app.yaml", app_with_image("9"));
    let mut publish = shop.command_in(&shop.clone_dir(), &["versions", "publish"]);
    let publish = publish
        .env("GIT_AUTHOR_NAME", "Grace Hopper")
        .output()
        .unwrap();
    assert!(publish.status.success(), "{}", text(&publish.stderr));
    assert_eq!(numbers(&shop, &["--label", "v1.*"]), [1]);
    assert_eq!(numbers(&shop, &["--label", "*"]), [2, 1]);
    assert_eq!(numbers(&shop, &["--author", "HOPPER"]), [3]);
    assert_eq!(numbers(&shop, &["--author", "ada@example"]), [3, 2, 1]);
    assert_eq!(numbers(&shop, &["--since", "1 hour ago"]), [3, 2, 1]);
    assert_eq!(numbers(&shop, &["--until", "1 hour ago"]), [0; 0]);
    assert_eq!(
        numbers(&shop, &["--since", "2020-01-01", "--until", "2020-12-31"]),
        [0; 0]
    );
    for bad in [["--since", "soon"], ["--label", "[x"]] {
        let output = shop.run(&[&["versions", "list", "checkout"][..], &bad].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn who_uses_a_version_stands_beside_it() {
    let shop = shop_with(4);
    shop.commit(
        "releases/checkout.yaml",
        deployment(&[("1", "87.5"), ("v2", "12.5")]),
    );
    shop.commit("releases/prod.yaml", alias("prod", "2"));
    push(&shop, "main");
    record(&shop, "eu", 1, &[("v4", "100")]);
    let list = shop.ok(&["versions", "list", "checkout"]);
    let row = |number: &str| {
        let mut lines = list.lines();
        lines
            .find(|line| line.starts_with(number))
            .unwrap()
            .to_owned()
    };
    assert!(row("v1 ").contains(" checkout 87.5%  "), "{list}");
    assert!(
        row("v2 ").contains(" checkout 12.5%, alias shop/prod 100%  "),
        "{list}"
    );
    assert!(row("v4 ").contains(" in eu 100%  "), "{list}");
    assert!(!row("v3 ").contains('%'), "{list}");
    assert_eq!(numbers(&shop, &["--live"]), [4, 2, 1]);
    let list = parsed(&shop.ok(&["versions", "list", "--json"]));
    let user = json!({
        "source": "releases", "branch": "main", "file": "releases/checkout.yaml", "line": 1,
        "kind": "Deployment", "namespace": null, "name": "checkout", "wanted": 87.5, "served": null,
    });
    assert_eq!(list["versions"][3]["live"], json!([user]));
    assert_eq!(list["versions"][1]["live"], json!([]));
    let plain = parsed(&shop.ok(&["versions", "list", "--json", "--no-live"]));
    assert_eq!(plain["versions"][3].get("live"), None);
    // The tracked branch alone counts, and what cannot be read in it is said.
    shop.commit("releases/more.yaml", "kind: Deployment # of checkout\n");
    push(&shop, "other");
    assert_eq!(text(&shop.run(&["versions", "list"]).stderr), "");
    push(&shop, "main");
    let warned = text(&shop.run(&["versions", "list"]).stderr);
    assert!(
        warned.contains("releases/more.yaml:1:1: apiVersion: is missing"),
        "{warned}"
    );
    let view = shop.ok(&["versions", "view", "checkout", "2"]);
    assert!(
        view.contains(
            "Used by:    Deployment checkout in releases/checkout.yaml:1 of branch main (12.5%)\n"
        ),
        "{view}"
    );
}

#[test]
fn a_version_shows_its_files_and_what_it_is_bound_to() {
    let shop = Shop::new();
    let more = "    env:
    - {name: DB, valueFrom: {secretKeyRef: {name: db, key: url}}}
    - {name: MODE, valueFrom: {configMapKeyRef: {name: modes, key: mode}}}
    mounts: [{mountPath: /tls, secret: tls}]\n";
    shop.commit("apps/checkout/app.yaml", app_with_image("1") + more);
    shop.write("apps/checkout/big.bin", vec![7; 5000]);
    std::os::unix::fs::symlink("big.bin", shop.clone_dir().join("apps/checkout/link")).unwrap();
    for n in 0..10 {
        shop.write(&format!("apps/checkout/public/{n}"), "x");
    }
    shop.commit_all();
    shop.publish(&[]);
    let view = shop.ok(&["versions", "view", "checkout", "1"]);
    assert!(
        view.contains("Secrets:    db, tls\nConfigMaps: modes\nFiles:      13 files, "),
        "{view}"
    );
    assert!(
        view.contains("   4.8 KiB  big.bin\n") && view.contains("  link (link)\n"),
        "{view}"
    );
    assert!(
        view.contains("and 5 more; see --files") && !view.contains("public/9"),
        "{view}"
    );
    assert!(
        shop.ok(&["versions", "view", "1", "--files"])
            .contains("public/9")
    );
    let view = parsed(&shop.ok(&["versions", "view", "1", "--json", "--files"]));
    assert_eq!(
        view["bound"],
        json!({"secrets": ["db", "tls"], "configMaps": ["modes"]})
    );
    assert_eq!(view["files"]["count"], 13);
    assert_eq!(
        view["files"]["list"][1],
        json!({"path": "big.bin", "bytes": 5000, "executable": false, "link": false})
    );
    assert_eq!(view["functions"][0]["name"], "web");
    assert_eq!(view["live"], json!([]));
}

/// A cluster with Cutwater's types and nothing that acts on them.
struct Cluster {
    server: ApiServer,
    shop: Shop,
}

impl Cluster {
    fn new(versions: usize) -> Self {
        let options = Options {
            crds: true,
            ..Options::default()
        };
        Self {
            server: ApiServer::start(options),
            shop: shop_with(versions),
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_as(User::Admin, args)
    }

    fn run_as(&self, user: User, args: &[&str]) -> Output {
        let mut command = self.shop.command_in(&self.shop.clone_dir(), args);
        command.env("KUBECONFIG", self.server.kubeconfig(user));
        command.output().unwrap()
    }

    fn apply(&self, namespace: &str, yaml: &str) {
        let file = self.shop.dir.path().join("object.yaml");
        fs::write(&file, yaml).unwrap();
        let file = file.to_str().unwrap();
        succeed(self.server.kubectl(&["-n", namespace, "apply", "-f", file]));
    }

    fn status(&self, namespace: &str, object: &str, status: &Json) {
        let patch = json!({"status": status}).to_string();
        let args = [
            "-n",
            namespace,
            "patch",
            object,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        succeed(self.server.kubectl(&args));
    }
}

#[test]
fn a_cluster_that_runs_a_version_counts_by_its_commit() {
    let cluster = Cluster::new(4);
    let shop = &cluster.shop;
    let here = cluster.server.namespace("live");
    let there = cluster.server.namespace("live");
    let commit = |n: u32| shop.rev(&shop.remote(), &format!("checkout/v{n}"));
    let entry = |n: u32, commit: &str, share: u32| {
        json!({
            "version": n, "number": n, "id": format!("g{commit}"), "commit": commit, "percentage": share,
            "readyReplicas": 1, "wantedReplicas": 1,
        })
    };
    cluster.apply(&here, &deployment(&[("1", "80"), ("2", "20")]));
    let (one, two) = (commit(1), commit(2));
    cluster.status(
        &here,
        "cwd/checkout",
        &json!({
            "wanted": [entry(1, &one, 80), entry(2, &two, 20)],
            "serving": [entry(1, &one, 95), entry(2, &two, 5)],
        "history": [{"sequence": 1, "time": "2026-11-20T10:00:00Z", "versions": [{"number": 1, "percentage": 100}], "stable": true}],
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "Rolling", "message": "v2 gets pods",
            "lastTransitionTime": "2026-11-20T10:00:00Z",
        }],
        }),
    );
    // Another repository has an app of this name: its v3 is not ours. Its v4 is not resolved yet, and could be ours.
    cluster.apply(&there, &deployment(&[("3", "50"), ("4", "50")]));
    let other = "e".repeat(40);
    cluster.status(
        &there,
        "cwd/checkout",
        &json!({"wanted": [entry(3, &other, 50)], "serving": [entry(3, &other, 50)]}),
    );

    let list = text(&cluster.run(&["versions", "list", "checkout"]).stdout);
    assert!(list.contains(&format!(" {here}/checkout 95% ")), "{list}");
    assert!(list.contains(&format!(" {there}/checkout 50% ")), "{list}");
    let list = parsed(&text(
        &cluster
            .run(&["versions", "list", "--live", "--json"])
            .stdout,
    ));
    let seen: Vec<_> = (list["versions"].as_array().unwrap().iter())
        .map(|v| {
            (
                v["number"].clone(),
                v["live"][0]["wanted"].clone(),
                v["live"][0]["served"].clone(),
            )
        })
        .collect();
    assert_eq!(json!(seen), json!([[4, 50, null], [2, 20, 5], [1, 80, 95]]));
    let output = cluster.run(&["versions", "delete", "checkout", "1", "3", "4", "--yes"]);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        out.starts_with("deleted checkout v3 (g") && out.lines().count() == 1,
        "{out}"
    );
    assert!(error.contains(&format!("checkout v1 is in use and stays:\n  cwd/checkout in namespace {here} of cluster test (95%)")), "{error}");
    assert!(error.contains("checkout v4 is in use"), "{error}");

    let status = cluster.run(&["deployments", "status", "checkout"]);
    let warned = text(&status.stderr);
    assert!(warned.contains(": v2 gets pods"), "{warned}");
    let status = text(&status.stdout);
    let row = |name: &str| {
        let row = status.lines().find(|line| line.starts_with(name)).unwrap();
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        row(&format!("{here}/")),
        format!(
            "{here}/checkout cluster test v1 80%, v2 20% v1 95%, v2 5% 2/2 False (Rolling) v2 gets pods"
        )
    );
    let list = parsed(&text(
        &cluster
            .run(&["deployments", "list", "--environment", &here, "--json"])
            .stdout,
    ));
    assert_eq!(list["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(
        list["deployments"][0]["versions"],
        json!([{"version": 1, "percentage": 100}])
    );
    assert_eq!(list["deployments"][0]["source"], "cluster");

    // Who may not list all namespaces asks the current one; without any right the cluster is left out.
    let namespace = ["config", "set-context", "test", "--namespace", &here];
    let config = cluster.server.kubeconfig(User::Cutwater);
    let config = format!("--kubeconfig={}", config.display());
    succeed(
        cluster
            .server
            .kubectl(&[&[config.as_str()][..], &namespace].concat()),
    );
    succeed(
        cluster
            .server
            .kubectl(&["delete", "clusterrolebinding", "cutwater"]),
    );
    let output = cluster.run_as(User::Cutwater, &["versions", "list"]);
    let error = text(&output.stderr);
    assert!(
        output.status.success() && error.contains("the cluster is left out: cluster test: "),
        "{error}"
    );
    assert!(text(&output.stdout).contains("v4 "));
    let output = cluster.run_as(
        User::Cutwater,
        &["versions", "delete", "checkout", "2", "--yes"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("--no-cluster"),
        "{}",
        text(&output.stderr)
    );
    let rights = [
        "create",
        "role",
        "reader",
        "--verb=list",
        "--resource=deployments.cutwater.dev,aliases.cutwater.dev",
    ];
    succeed(
        cluster
            .server
            .kubectl(&[&["-n", &here][..], &rights].concat()),
    );
    let bind = [
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        "--user=cutwater",
    ];
    succeed(
        cluster
            .server
            .kubectl(&[&["-n", &here][..], &bind].concat()),
    );
    let output = cluster.run_as(User::Cutwater, &["versions", "list"]);
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        error.contains(&format!("only namespace {here} of cluster test was asked")),
        "{error}"
    );
    assert!(
        out.contains(&format!(" {here}/checkout 95% ")) && !out.contains(&there),
        "{out}"
    );
}

#[test]
fn a_cluster_that_is_away_is_a_warning_to_readers_and_a_refusal_to_delete() {
    let shop = shop_with(1);
    let config = shop.dir.path().join("kubeconfig");
    fs::write(
        &config,
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:9\"}}]\n\
         users: [{name: u, user: {}}]\ncontexts: [{name: away, context: {cluster: c, user: u}}]\ncurrent-context: away\n",
    )
    .unwrap();
    let run = |args: &[&str]| {
        let mut command = shop.command_in(&shop.clone_dir(), args);
        command.env("KUBECONFIG", &config).output().unwrap()
    };
    let output = run(&["versions", "list"]);
    assert!(output.status.success() && text(&output.stdout).contains("Number 1"));
    assert!(
        text(&output.stderr).contains("the cluster is left out: cluster away"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(text(&run(&["versions", "list", "--no-cluster"]).stderr), "");
    let output = run(&["versions", "delete", "checkout", "1", "--yes"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("none is deleted: cluster away") && error.contains("--no-cluster"),
        "{error}"
    );
    let output = run(&["versions", "list", "--context", "nope"]);
    assert!(
        text(&output.stderr).contains("nope"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        run(&[
            "versions",
            "delete",
            "checkout",
            "1",
            "--yes",
            "--no-cluster"
        ])
        .status
        .success()
    );
}
