use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Standalone, app, deployment, push, until};
use crate::it::shop::{Shop, text};
use crate::support::http;

impl Standalone {
    /// What a command that waits for this server gets: true where it succeeds, and all that it says.
    pub(super) async fn waits(&self, args: &[&str]) -> (bool, String) {
        self.waits_in(&self.shop, args).await
    }

    /// The same, in the clone of another shop.
    async fn waits_in(&self, shop: &Shop, args: &[&str]) -> (bool, String) {
        let mut command = shop.command_in(Path::new(&shop.clone_dir()), args);
        command.env("CUTWATER_ADMIN", self.admin.to_string());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.success(), said)
    }

    fn commits(&self) -> String {
        let count = ["rev-list", "--count", "main"];
        self.shop.git(&self.shop.remote(), &count)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_returns_when_the_split_is_served() {
    let mut standalone = Standalone::of(3);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    for (args, version) in [
        (&["deploy", "checkout", "v2", "--wait"][..], "v2"),
        // What is so already is waited for as well.
        (&["deploy", "checkout", "v2", "--wait=1m"], "v2"),
        // The record of each is there when it returns: the rollback goes to the one before, and does not stop.
        (&["deploy", "checkout", "v3", "--wait"], "v3"),
        (&["rollback", "checkout", "--wait"], "v2"),
        (&["rollback", "checkout", "--wait"], "v1"),
    ] {
        let (done, said) = standalone.waits(args).await;
        assert!(done && said.contains("served checkout: v"), "{said}");
        assert_eq!(standalone.get(&[]).await.1, version, "{args:?}");
    }
    let (done, said) = standalone
        .waits(&["deploy", "checkout", "v1=50", "v2=50", "--wait", "--json"])
        .await;
    assert!(done && said.starts_with('{'), "{said}");
    assert_eq!(standalone.counts(40).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_waited_for_and_so_is_its_end() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    // The object is called otherwise than the alias.
    let alias = "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: checkout-staging}\nspec:\n  app: checkout\n  repository: shop\n  name: staging\n  version: 1\n  routes:\n  - hostnames: [staging.localhost]\n    gateway: {name: any}\n";
    standalone.shop.commit("releases/staging.yaml", alias);
    push(&standalone.shop);
    standalone.start().await;
    let address = standalone.gateway.to_string();
    let (done, said) = standalone
        .waits(&["alias", "set", "checkout", "staging", "v2", "--wait"])
        .await;
    assert!(
        done && said.contains("served checkout staging: v2 100%"),
        "{said}"
    );
    let answer = http::get(&address, "staging.localhost", "/", &[]).await;
    assert_eq!(answer.unwrap().body, "v2");
    let (done, said) = standalone
        .waits(&["alias", "delete", "checkout", "staging", "--wait"])
        .await;
    assert!(done, "{said}");
    let answer = http::get(&address, "staging.localhost", "/", &[]).await;
    assert_eq!(answer.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_in_time_says_what_stands_in_the_way() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let nobodys = app("[python3, server.py]").replace("local:", "# local:");
    standalone.shop.commit("apps/checkout/app.yaml", nobodys);
    standalone.shop.publish(&[]);
    push(&standalone.shop);
    let (done, said) = standalone
        .waits(&["deploy", "checkout", "v2", "--wait=5s"])
        .await;
    assert!(!done && said.starts_with("deployed checkout"), "{said}");
    assert!(
        said.contains("cwd/checkout is not served as it says after 5s: ")
            && said.contains("does not say what runs it on this machine"),
        "{said}"
    );
    let (done, said) = (standalone.waits(&["deployments", "status", "checkout"])).await;
    assert!(
        done && said.contains("Warning: ")
            && said.contains("does not say what runs it on this machine"),
        "{said}"
    );
    // A program that ends at once: why it ended is said also while it is being started again.
    standalone.publish_program("print('no cart', flush=True)\nraise SystemExit(7)");
    let (done, said) = standalone
        .waits(&["deploy", "checkout", "v3", "--wait=5s"])
        .await;
    assert!(
        !done && said.contains("ended with code 7; its last line: no cart"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_before_and_is_not_any_more_is_waited_for() {
    let mut standalone = Standalone::of(1);
    let broken = standalone.shop.dir.path().join("broken");
    // It runs until that file is there, and never again.
    let program = format!(
        "import os, threading, time\ndef watch():\n    while not os.path.exists({0:?}):\n        time.sleep(0.05)\n    print('no cart', flush=True)\n    os._exit(7)\nif os.path.exists({0:?}):\n    print('no cart', flush=True)\n    raise SystemExit(7)\nthreading.Thread(target=watch, daemon=True).start()\nexec(open('server.py').read())\n",
        broken.to_str().unwrap()
    );
    standalone.publish_program(&program);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let deploy = ["deploy", "checkout", "v2", "--wait=3s"];
    let (done, said) = (standalone.waits(&["deploy", "checkout", "v2", "--wait"])).await;
    assert!(done && said.contains("served checkout: v2 100%"), "{said}");
    std::fs::write(&broken, "").unwrap();
    until("it is not served any more", async || {
        let status = standalone.status().await;
        let split = &status["apps"]["checkout"]["splits"]["cwd/checkout"];
        (split["complete"] == false).then_some(())
    })
    .await;
    let (done, said) = standalone.waits(&deploy).await;
    assert!(!done && said.contains("unchanged checkout: v2"), "{said}");
    assert!(
        said.contains("cwd/checkout is not served as it says after 3s: ")
            && said.contains("no cart"),
        "{said}"
    );
    // It runs again.
    std::fs::remove_file(&broken).unwrap();
    let (done, said) = (standalone.waits(&["deploy", "checkout", "v2", "--wait"])).await;
    assert!(done && said.contains("served checkout: v2 100%"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_server_nothing_is_changed() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let before = standalone.commits();
    let deploy = ["deploy", "checkout", "v1", "--wait", "--admin"];
    // Nobody.
    let (done, said) = standalone
        .waits(&[&deploy[..], &["127.0.0.1:1"]].concat())
        .await;
    assert!(
        !done && said.contains("no `cutwater serve` answers on 127.0.0.1:1"),
        "{said}"
    );
    // Somebody else: the gateway.
    let gateway = standalone.gateway.to_string();
    let (done, said) = standalone.waits(&[&deploy[..], &[&gateway]].concat()).await;
    assert!(!done && said.contains("is no `cutwater serve`"), "{said}");
    // The server of another repository.
    let other = Shop::new();
    other.commit("other", "another history");
    push(&other);
    let (done, said) = standalone
        .waits_in(&other, &["deploy", "checkout", "v1", "--wait"])
        .await;
    assert!(!done && said.contains("does not have"), "{said}");
    // The server of another branch.
    other.commit(
        "cutwater.yaml",
        "apiVersion: cutwater.dev/v1alpha1\nkind: Settings\nbranch: next\n",
    );
    let (done, said) = standalone
        .waits_in(&other, &["deploy", "checkout", "v1", "--wait"])
        .await;
    assert!(
        !done && said.contains("follows branch main, and not next"),
        "{said}"
    );
    assert_eq!(standalone.commits(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_the_waiting_is_told_that_the_change_stands() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    standalone.publish_program("print('no cart', flush=True)\nraise SystemExit(7)");
    let before = standalone.commits();
    let args = ["deploy", "checkout", "v2", "--wait"];
    let mut command = (standalone.shop).command_in(&standalone.shop.clone_dir(), &args);
    command.env("CUTWATER_ADMIN", standalone.admin.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("the server has the commit", async || {
        let status = standalone.status().await.to_string();
        status.contains("no cart").then_some(())
    })
    .await;
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("only the waiting ended, and the change is pushed and stands: commit "),
        "{said}"
    );
    assert_ne!(standalone.commits(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_is_away_while_it_is_waited_takes_nothing_back() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    // The clone has another address than the server, which goes with the push, and somebody commits right behind it.
    let shop = &standalone.shop;
    let link = shop.dir.path().join("link.git");
    symlink(shop.remote(), &link).unwrap();
    let address = link.to_str().unwrap();
    let clone = shop.clone_dir();
    shop.git(&clone, &["remote", "set-url", "origin", address]);
    shop.hook(
        "post-receive",
        &format!(
            "grep -q refs/heads/main || exit 0\nrm '{address}'\nnewer=$(git commit-tree -p main -m Newer 'main^{{tree}}')\ngit update-ref refs/heads/main \"$newer\""
        ),
    );
    let args = ["deploy", "checkout", "v2", "--wait=5s", "--json"];
    let (done, said) = standalone.waits(&args).await;
    assert!(!done && said.contains("\"outcome\": \"changed\""), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("\"reason\":\"NotServed\",\"class\":\"wait\"")
            && last.contains("is in branch main, and cwd/checkout is not "),
        "{said}"
    );
    symlink(standalone.shop.remote(), &link).unwrap();
    let (done, said) = (standalone.waits(&["deploy", "checkout", "v2", "--wait"])).await;
    assert!(done && said.contains("served checkout: v2 100%"), "{said}");
}

/// Two servers of one repository, each with a folder of its own: both have an object of the same name.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_folder_is_not_waited_for() {
    let mut standalone = Standalone::of(2);
    let one = |namespace: &str| {
        let text = deployment(&[(1, "100")]);
        text.replace(
            "{name: checkout}",
            &format!("{{name: checkout, namespace: {namespace}}}"),
        )
    };
    standalone
        .shop
        .commit("releases/prod/checkout.yaml", one("prod"));
    standalone
        .shop
        .commit("releases/eu/checkout.yaml", one("eu"));
    push(&standalone.shop);
    standalone.more = vec!["--releases".to_owned(), "releases/prod".to_owned()];
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let deploy = |name| ["deploy", "checkout", "v2", "--name", name, "--wait=1m"];
    let (done, said) = standalone.waits(&deploy("eu/checkout")).await;
    assert!(!done && said.contains("deployed checkout"), "{said}");
    for part in [
        "never serves it: releases of `releases/prod` count there",
        "releases/eu/checkout.yaml is not in it",
        "--admin",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    standalone.serves(&[(1, "100")]).await;
    let (done, said) = standalone.waits(&deploy("prod/checkout")).await;
    assert!(done, "{said}");
    standalone.serves(&[(2, "100")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_replaced_before_it_was_served_is_not_said_to_be_served() {
    let mut standalone = Standalone::of(1);
    let dir = standalone.shop.dir.path().to_owned();
    // It is never ready.
    standalone.publish_program("import time\ntime.sleep(600)");
    standalone.deploy(&[(1, "100")]);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let clone = standalone.shop.clone_dir();
    let mut waits = standalone.shop.command_in(
        Path::new(&clone),
        &["deploy", "checkout", "v2", "--wait=1m", "--json"],
    );
    waits.env("CUTWATER_ADMIN", standalone.admin.to_string());
    let waiting = tokio::task::spawn_blocking(move || waits.output().unwrap());
    let remote = standalone.shop.remote();
    until("it is pushed", async || {
        let file = (standalone.shop).git(&remote, &["show", "main:releases/checkout.yaml"]);
        file.contains("version: 2").then_some(())
    })
    .await;
    let other = dir.join("other");
    let args = [
        "clone",
        "-q",
        remote.to_str().unwrap(),
        other.to_str().unwrap(),
    ];
    standalone.shop.git(&dir, &args);
    let back = (standalone
        .shop
        .command_in(&other, &["rollback", "checkout", "v1"]))
    .output();
    assert!(text(&back.unwrap().stdout).starts_with("rolled back"));
    let output = waiting.await.unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("\"reason\":\"Replaced\",\"class\":\"fix\""),
        "{said}"
    );
    assert!(said.contains("now v1 100% is"), "{said}");
    standalone.serves(&[(1, "100")]).await;
}
