//! Slips of a newcomer. Each message says what is wrong, where it is, and what to do, and none of them succeeds at nothing.
//!
//! A row is a slip and three parts of the answer. The rows share one repository, which none of them changes.

use std::fs;

use super::shop::{Shop, digest, text};

/// What was typed, and what the answer holds: what is wrong, where, and what to do.
type Slip = (&'static str, [&'static str; 3]);

/// Slips on the command line, in a repository with the apps `orders` and `blog`, with v1 and v3 of `orders`.
#[rustfmt::skip]
const COMMANDS: &[Slip] = &[
    // Flags of other tools.
    ("rollback orders --version v1", ["unexpected argument '--version'", "usage: cutwater rollback", "cutwater rollback orders v1"]),
    ("deploy orders --version v3", ["unexpected argument '--version'", "usage: cutwater deploy", "cutwater deploy orders v3"]),
    ("rollback orders --to-revision=1", ["unexpected argument '--to-revision'", "usage: cutwater rollback", "cutwater rollback orders 1"]),
    ("deploy orders v3 --percent 50", ["unexpected argument '--percent'", "behind its version", "v8=10"]),
    ("deploy orders v3 -n prod", ["unexpected argument '-n'", "namespace", "--name NAMESPACE/NAME"]),
    ("versions list --app orders", ["unexpected argument '--app'", "usage: cutwater versions list", "first word"]),
    ("versions list orders -o json", ["unexpected argument '-o'", "usage: cutwater versions list", "--json"]),
    // Commands of other tools.
    ("publish orders", ["unrecognized subcommand 'publish'", "usage: cutwater", "cutwater versions publish"]),
    ("status", ["unrecognized subcommand 'status'", "usage: cutwater", "cutwater deployments status"]),
    ("get orders", ["unrecognized subcommand 'get'", "usage: cutwater", "cutwater deployments status"]),
    ("promote orders", ["unrecognized subcommand 'promote'", "usage: cutwater", "cutwater deploy APP VERSION"]),
    ("undo orders", ["unrecognized subcommand 'undo'", "usage: cutwater", "cutwater rollback"]),
    ("logs orders", ["unrecognized subcommand 'logs'", "usage: cutwater", "kubectl logs"]),
    ("list", ["unrecognized subcommand 'list'", "usage: cutwater", "cutwater versions list"]),
    ("orders deploy v3", ["unrecognized subcommand 'orders'", "usage: cutwater", "cutwater deploy orders v3"]),
    ("--json list", ["unrecognized subcommand 'list'", "usage: cutwater", "cutwater versions list"]),
    ("--timeout 5 deploy orders v3 --percent 50", ["unexpected argument '--percent'", "usage: cutwater deploy", "v8=10"]),
    ("init --name orders", ["unexpected argument '--name'", "usage: cutwater init", "cutwater init DIR --app NAME"]),
    ("versions pubish", ["unrecognized subcommand 'pubish'", "usage: cutwater versions", "'publish'"]),
    // Apps and aliases that are not there.
    ("versions list odrers", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions list odrers --json", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions view odrers v1", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions diff odrers v1 v3", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions export odrers v1 out", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions label odrers v1 stable", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions delete odrers v1 --yes", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("versions files odrers v1 -C apps/orders", ["`v1` reads as a version", "wrong order", "or was the app `orders` meant?"]),
    ("deployments list odrers --json", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("deployments status odrers --json", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("alias list odrers --json", ["there is no app `odrers`", "not in HEAD", "did you mean orders?"]),
    ("deploy order v3", ["there is no app `order`", "on branch `main`", "did you mean orders?"]),
    ("rollback nope", ["there is no app `nope`", "on branch `main`", "there are: blog, orders"]),
    ("rollback nope v1", ["there is no app `nope`", "on branch `main`", "there are: blog, orders"]),
    ("alias set odrers staging v1", ["there is no app `odrers`", "on branch `main`", "did you mean orders?"]),
    ("alias delete orders stagng", ["app `orders` has no alias `stagng`", "on branch `main`", "did you mean staging?"]),
    ("alias view orders stagng", ["app `orders` has no alias `stagng`", "orders", "did you mean staging?"]),
    ("versions publish odrers", ["app `odrers` is not in HEAD", "there is no apps/odrers/app.yaml", "did you mean orders?"]),
    ("versions publish draft", ["app `draft` is not in HEAD", "apps/draft is on the disk and not committed", "--working-tree"]),
    ("versions publish wiki", ["apps/wiki at HEAD: `app.yaml` is missing", "it makes a directory an app", "rename app.yml"]),
    ("versions publish", ["which app is meant?", "name one of", "blog, orders"]),
    ("versions diff v1 v3", ["which app is meant?", "name one of", "blog, orders"]),
    ("versions publish apps/orders", ["app name", "apps/orders`", "write `orders`"]),
    ("versions publish orders/", ["app name `orders/` holds '/'", "lower-case", "write `orders`"]),
    ("deploy apps/orders v3", ["app name", "apps/orders`", "write `orders`"]),
    ("deploy orders@v3", ["app name `orders@v3` holds '@'", "lower-case", "write `orders v3`"]),
    ("deploy orders/v3", ["app name `orders/v3` holds '/'", "lower-case", "write `orders v3`"]),
    ("versions list orders --limit x", ["'x'", "--limit", "write a whole number"]),
    // Objects that are not there: what to write says what was asked for.
    ("deploy blog v1=90 v2=10", ["a Deployment of `blog` is not in `releases` of branch `main`", "write it to releases/blog.yaml", "  - version: 1\n    percentage: 90\n  - version: 2\n    percentage: 10\n  routes:\n  - hostnames: [blog.localhost]"]),
    ("rollback blog", ["a Deployment of `blog` is not in `releases` of branch `main`", "nothing to roll back", "`git log --diff-filter=D -- releases`"]),
    ("rollback blog v1", ["a Deployment of `blog` is not in `releases` of branch `main`", "write it to releases/blog.yaml", "  - version: 1\n    percentage: 100"]),
    ("alias set orders prod v3 --canary v1=10", ["alias `prod` of `orders` is not in `releases`", "releases/orders-prod.yaml", "  version: 3\n  canary:\n    version: 1\n    percentage: 10"]),
    ("alias set orders stagng v3", ["app `orders` has no alias `stagng`", "did you mean staging?", "a new alias is a new file: write it to releases/orders-stagng.yaml"]),
    ("alias set orders orders-staging v3", ["app `orders` has no alias `orders-staging`", "on branch `main`", "did you mean staging? an alias is named without its app"]),
    ("alias delete orders orders-staging", ["app `orders` has no alias `orders-staging`", "on branch `main`", "did you mean staging? an alias is named without its app"]),
    ("alias view orders orders-staging", ["app `orders` has no alias `orders-staging`", "orders", "did you mean staging? an alias is named without its app"]),
    ("alias set orders v1 10", ["app `orders` has no alias `v1`", "on branch `main`", "there are: broken, staging, vague"]),
    // What is proposed is to be written as it stands: not with versions that are not there.
    ("alias set orders prod v9", ["app `orders` has no version `v9`", "there are", "v3, v1"]),
    ("alias set orders prod v2", ["version v2 of `orders`", "was deleted", "too slow"]),
    // Versions and shares.
    ("deploy orders v9", ["has no version `v9`", "app `orders`", "there are: v3, v1"]),
    ("deploy orders V3", ["has no version `V3`", "did you mean v3?", "there are: v3, v1"]),
    ("deploy orders latest", ["has no version `latest`", "`LATEST` is the tracked branch", "there are: v3, v1"]),
    ("deploy orders v2", ["v2", "was deleted", "too slow"]),
    ("deploy orders v1 = 90 v3", ["`v1 = 90 v3`", "without a space", "cutwater deploy orders v1=90 v3"]),
    ("deploy orders v1 =90 v3", ["`v1 =90 v3`", "without a space", "cutwater deploy orders v1=90 v3"]),
    ("deploy orders LATEST", ["LATEST", "branch", "version"]),
    ("deploy orders 3.0", ["`3.0` names no version", "label", "write a number"]),
    ("deploy orders v1@90 v3", ["`v1@90`", "a share is written behind `=`", "v1=90"]),
    ("deploy orders v1=90,v3=10", ["`v1=90,v3=10` is not one version", "with a blank between them, not `,`", ": v1=90 v3=10"]),
    ("deploy orders v1=90, v3=10", ["`v1=90,` is not one version", "with a blank between them", ": v1=90"]),
    ("deploy orders v1,v3", ["`v1,v3` is not one version", "with a blank between them", ": v1 v3"]),
    ("deploy v1,v3 -C apps/orders", ["`v1,v3` is not one version", "with a blank between them", ": v1 v3"]),
    ("rollback orders v1,v3", ["`v1,v3` is not one version", "with a blank between them", ": v1 v3"]),
    ("versions diff orders v1..v3", ["`v1..v3` is not one version", "with a blank between them, not `..` or `,`", ": v1 v3"]),
    ("versions diff v1...v3 -C apps/orders", ["`v1...v3` is not one version", "with a blank between them", ": v1 v3"]),
    ("deploy orders v1=60 v3=50", ["total 110", "must total exactly 100", "leave one out"]),
    ("deploy orders v1=60 v3=35", ["total 95", "must total exactly 100", "leave one out"]),
    ("deploy orders v1=33.333 v3", ["`33.333`", "percentage", "two decimals"]),
    ("deploy orders v3 v3", ["are both v3", "`v3`", "name it once"]),
    ("deploy orders v1 10", ["`10` reads as version v10", "cutwater deploy orders v1=10 VERSION=90", "cutwater deploy orders v1 v10"]),
    ("deploy orders v1=60 3", ["`3` reads as version v3", "cutwater deploy orders v1=60 VERSION=3", "cutwater deploy orders v1=60 v3"]),
    ("deploy orders v3 10%", ["`10%` is no version", "behind its version", "cutwater deploy orders v3=10 VERSION=90"]),
    ("rollback orders v1=90", ["`v1=90` has a share", "a rollback goes to one version", "cutwater deploy orders VERSION=PERCENT"]),
    ("rollback orders v1 90", ["`v1 90` are several", "a rollback goes to one version", "cutwater deploy orders VERSION=PERCENT"]),
    ("alias set orders staging v1 10", ["`10` is one word too many", "cutwater alias set [APP] NAME VERSION", "--canary VERSION=PERCENT"]),
    ("alias set orders staging v1 --canary 10", ["--canary v10 names a version and no percentage", "--canary VERSION=PERCENT", "--canary v10=10"]),
    ("deploy orders", ["VERSION is missing", "cutwater deploy orders", "VERSION"]),
    ("rollback orders v1 v3", ["`v1 v3` are several", "a rollback goes to one version", "rollback"]),
    ("deploy orders v3 --wait 10s", ["`10s` is no version", "written with `=`", "--wait=10s"]),
    ("rollback orders --wait 10s", ["`10s` is no version", "written with `=`", "--wait=10s"]),
    ("alias set staging v3 --wait 10s", ["`10s` is no version", "written with `=`", "--wait=10s"]),
    // Words in the wrong order.
    ("deploy 1 orders", ["wrong order", "`orders` is an app", "cutwater deploy orders 1"]),
    ("rollback v1 orders", ["wrong order", "`orders` is an app", "cutwater rollback orders v1"]),
    ("rollback stable orders", ["wrong order", "`orders` is an app", "cutwater rollback orders stable"]),
    ("alias set orders v3 staging", ["wrong order", "no alias of `orders` is called `v3`", "cutwater alias set orders staging v3"]),
    ("alias set staging orders v3", ["wrong order", "`orders` is an app", "cutwater alias set orders staging v3"]),
    ("alias set v3 staging orders", ["wrong order", "`orders` is an app", "cutwater alias set orders staging v3"]),
    ("alias delete staging orders", ["wrong order", "`orders` is an app", "cutwater alias delete orders staging"]),
    ("versions diff v1 v3 orders", ["wrong order", "`orders` is an app", "cutwater versions diff orders v1 v3"]),
    ("versions delete v1 orders --yes -C apps/blog", ["wrong order", "`orders` is an app", "cutwater versions delete orders v1"]),
    ("versions label orders stable v3", ["wrong order", "`v3` reads as a version", "cutwater versions label orders v3 stable"]),
    ("versions label v3 orders", ["wrong order", "`orders` is an app", "cutwater versions label orders v3 LABEL"]),
    ("versions export orders out v3", ["wrong order", "`v3` reads as a version", "cutwater versions export orders v3 out"]),
    ("versions export orders /tmp/out v3", ["wrong order", "`v3` reads as a version", "cutwater versions export orders v3 /tmp/out"]),
    ("versions files orders src/page v3", ["wrong order", "`v3` reads as a version", "cutwater versions files orders v3 src/page"]),
    ("versions files orders page v3", ["wrong order", "`v3` reads as a version", "cutwater versions files orders v3 page"]),
    ("versions import orders ../hub.git", ["`../hub.git`", "the repository stands first", "cutwater versions import ../hub.git orders"]),
    ("versions import orders origin", ["wrong order", "`origin` is one", "cutwater versions import origin APP"]),
    // Words too many.
    ("alias set orders staging v1 v3=10", ["`v3=10` is one word too many", "cutwater alias set [APP] NAME VERSION", "--canary VERSION=PERCENT"]),
    ("alias set orders staging --wait v3 10s", ["`10s` is no version", "written with `=`", "--wait=10s"]),
    ("versions view orders --files v1 v3", ["`v3` is one word too many", "cutwater versions view [APP] VERSION", "versions diff"]),
    ("versions view orders", ["VERSION is missing", "cutwater versions view", "orders VERSION"]),
    ("versions list orders v3", ["'v3'", "usage: cutwater versions list", "cutwater versions view APP VERSION"]),
    ("deployments status orders v3", ["'v3'", "usage: cutwater deployments status", "cutwater versions view APP VERSION"]),
    ("alias set orders staging", ["VERSION is missing", "cutwater alias set", "orders staging VERSION"]),
    ("versions delete v3 --yes -m x -C apps/orders", ["orders", "releases/orders.yaml", "v3"]),
    // The parts of a release that do not fit each other.
    ("alias set orders broken v3", ["route `main` wants function `webb`", "correct the route in releases/broken.yaml", "it has site, api"]),
    ("alias set orders vague v3", ["route `main` does not say which function answers", "correct the route in releases/vague.yaml", "several: site, api"]),
];

/// Slips in `apps/orders/app.yaml`, as text that stands in the place of other text.
#[rustfmt::skip]
const APP_FILE: &[(&str, &str, [&str; 3])] = &[
    ("functions:", "function:", ["unknown field", "app.yaml:6:", "did you mean `functions`?"]),
    ("port: 8080", "prot: 8080", ["unknown field", "app.yaml:", "did you mean `port`?"]),
    ("port: 8080", "ports: 8080", ["unknown field", "app.yaml:", "did you mean `port`?"]),
    ("port: 8080", "port: \"8080\"", ["port", "app.yaml:", "quotes"]),
    ("    image:", "    # image:", ["image: is missing", "app.yaml:7:", "for `cutwater serve` on one machine write `local: {command: [...]}`"]),
    ("    port: 8080", "<<<<<<< HEAD\n    port: 8080\n=======\n    port: 80\n>>>>>>> theirs", ["conflict markers of a merge", "app.yaml:8:1:", "take the markers out"]),
    ("    port: 8080", "\tport: 8080", ["tab", "app.yaml:", "blanks"]),
    ("name: orders", "name: order", ["order", "app.yaml:", "orders"]),
    ("@sha256:1", ":v1 #", ["is not pinned", "app.yaml:9:", "@sha256"]),
    ("    port: 8080", "    port: 8080\n    env: {A: b}", ["env", "app.yaml:", "dash"]),
];

const APP: &str = "\
apiVersion: cutwater.dev/v1alpha1
kind: App
metadata:
  name: orders
spec:
  functions:
  - name: site
    port: 8080
    image: IMAGE
  - name: api
    port: 8081
    image: IMAGE
";

fn release(kind: &str, name: &str, rest: &str) -> String {
    format!(
        "apiVersion: cutwater.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  app: orders\n  repository: shop\n{rest}"
    )
}

fn route(function: &str) -> String {
    let route = "  routes:\n  - hostnames: [orders.localhost]\n    gateway: {name: web}\n";
    match function {
        "" => route.to_owned(),
        name => format!("{route}    function: {name}\n"),
    }
}

/// A repository with two apps, three versions of one of which one is deleted, an alias, and Deployments.
fn repository() -> Shop {
    let shop = Shop::new();
    shop.git(&shop.clone_dir(), &["rm", "-rq", "apps/checkout"]);
    let app = APP.replace("IMAGE", &digest("1"));
    shop.write("apps/blog/app.yaml", app.replace("orders", "blog"));
    shop.write("apps/wiki/app.yml", app.replace("orders", "wiki"));
    for message in ["one", "two", "three"] {
        shop.write("apps/orders/page", message);
        shop.commit("apps/orders/app.yaml", &app);
        shop.ok(&["versions", "publish", "orders", "-m", message]);
    }
    shop.ok(&[
        "versions", "delete", "orders", "v2", "--yes", "-m", "too slow",
    ]);
    let split = "  versions:\n  - {version: 1, percentage: 60}\n  - {version: 3, percentage: 40}\n";
    let text = release("Deployment", "orders", &format!("{split}{}", route("site")));
    shop.write("releases/orders.yaml", text);
    for (name, function) in [("broken", "webb"), ("vague", "")] {
        let alias = format!("  name: {name}\n  version: 1\n{}", route(function));
        let text = release("Alias", &format!("orders-{name}"), &alias);
        shop.write(&format!("releases/{name}.yaml"), text);
    }
    let alias = release("Alias", "orders-staging", "  name: staging\n  version: 1\n");
    shop.commit("releases/staging.yaml", alias);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    shop.write("apps/draft/app.yaml", app.replace("orders", "draft"));
    shop
}

/// What stands against an answer, if anything does.
fn graded(shop: &Shop, line: &str, parts: &[&str]) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let output = shop.run(&words);
    let said = text(&output.stderr);
    let printed = text(&output.stdout);
    if output.status.success() {
        return Some(format!("`{line}` succeeds: {printed}{said}"));
    }
    let missing: Vec<&&str> = parts.iter().filter(|part| !said.contains(**part)).collect();
    (!missing.is_empty()).then(|| format!("`{line}` does not say {missing:?}: {said}"))
}

#[test]
fn each_slip_is_answered_with_what_is_wrong_where_and_what_to_do() {
    let shop = repository();
    let before = shop.refs();
    let mut failed: Vec<String> = COMMANDS
        .iter()
        .filter_map(|(line, parts)| {
            let line = line.replace("apps/", shop.clone_dir().join("apps/").to_str()?);
            graded(&shop, &line, parts)
        })
        .collect();
    assert_eq!(shop.refs(), before, "a slip changed the remote");
    let path = shop.clone_dir().join("apps/orders/app.yaml");
    let right = fs::read_to_string(&path).unwrap();
    for (there, slip, parts) in APP_FILE {
        fs::write(&path, right.replacen(there, slip, 1)).unwrap();
        let line = "versions publish orders --working-tree --dry-run";
        failed.extend(graded(&shop, line, parts).map(|failure| format!("{slip:?}: {failure}")));
    }
    assert!(
        COMMANDS.len() + APP_FILE.len() >= 40,
        "fewer slips than there were"
    );
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn an_object_of_a_mistyped_app_is_named_and_nothing_is_said_that_would_replace_it() {
    let shop = repository();
    let versions = format!(
        "  versions:\n  - {{version: 1, percentage: 100}}\n{}",
        route("")
    );
    let typed = release("Deployment", "blog", &versions).replace("app: orders", "app: blgo");
    shop.commit("releases/blog.yaml", typed);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    for line in ["deploy blog v1", "rollback blog"] {
        let parts = [
            "releases/blog.yaml:1",
            "app `blgo`",
            "correct `spec.app` there",
        ];
        let failure = graded(&shop, line, &parts);
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    }
}

#[test]
fn a_second_deployment_of_an_app_in_one_place_is_refused_before_anything_is_committed() {
    let shop = repository();
    let versions = format!(
        "  versions:\n  - {{version: 1, percentage: 100}}\n{}",
        route("site")
    );
    shop.commit(
        "releases/copy.yaml",
        release("Deployment", "orders-copy", &versions),
    );
    let push = ["push", "-q", "origin", "HEAD:refs/heads/main"];
    shop.git(&shop.clone_dir(), &push);
    let before = shop.refs();
    let parts = [
        "app `orders` has two Deployments",
        "releases/copy.yaml:1",
        "releases/orders.yaml:1",
    ];
    for line in [
        "deploy orders v3 --name orders-copy",
        "deploy orders v3 --name orders",
        "deploy orders v3",
    ] {
        let failure = graded(&shop, line, &parts);
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    }
    assert_eq!(shop.refs(), before);
    // Nothing may hold up a rollback: a cluster takes the older of the two.
    let output = shop.run(&["rollback", "orders", "v3", "--name", "orders"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("releases/copy.yaml:1) is a Deployment of app `orders` too"),
        "{}",
        text(&output.stderr)
    );
    // In a folder of its own it is for another place.
    shop.git(
        &shop.clone_dir(),
        &["pull", "-q", "--ff-only", "origin", "main"],
    );
    std::fs::create_dir_all(shop.clone_dir().join("releases/blue")).unwrap();
    shop.git(
        &shop.clone_dir(),
        &["mv", "releases/copy.yaml", "releases/blue/copy.yaml"],
    );
    shop.commit("README.md", "moved");
    shop.git(&shop.clone_dir(), &push);
    let output = shop.run(&["deploy", "orders", "v3", "--name", "orders-copy"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn what_succeeds_without_a_change_says_so() {
    let shop = repository();
    // What is not committed is not published, and the warning says which flag takes it.
    shop.write("apps/orders/page", "four");
    let output = shop.run(&["versions", "publish", "orders"]);
    assert!(output.status.success());
    assert!(
        text(&output.stdout).starts_with("unchanged"),
        "{}",
        text(&output.stdout)
    );
    let said = text(&output.stderr);
    assert!(
        said.contains("not committed") && said.contains("--working-tree"),
        "{said}"
    );
    for (line, said) in [
        (
            "deploy orders v1=60 v3=40",
            "releases/orders.yaml on branch main says this already",
        ),
        (
            "versions label orders v1 gone --remove",
            "no version of `orders` has label `gone`",
        ),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let output = shop.run(&words);
        assert!(output.status.success() && text(&output.stdout).starts_with("unchanged"));
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
    // A release without a route reaches nobody.
    let bare = release(
        "Deployment",
        "orders-bare",
        "  versions:\n  - {version: 1, percentage: 100}\n",
    );
    let bare = bare.replace("metadata: {", "metadata: {namespace: bare, ");
    shop.commit("releases/bare.yaml", bare);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    let output = shop.run(&["deploy", "orders", "v3", "--name", "orders-bare"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("has no routes") && said.contains("releases/bare.yaml"),
        "{said}"
    );
    assert!(
        said.contains("kubectl apply -f releases/bare.yaml"),
        "{said}"
    );
}
