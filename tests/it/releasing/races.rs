//! Others who change `releases/` at the same time.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::{ALIAS_FILE, FILE, ONE, alias_file, at_remote, commits, file, message, shop};
use crate::it::delete::push;
use crate::it::shop::{Shop, text};

/// A second clone of the shop's remote.
fn second_clone(shop: &Shop) -> std::path::PathBuf {
    shop.git(
        shop.dir.path(),
        &["clone", "-q", "-b", "main", "remote.git", "second"],
    );
    shop.dir.path().join("second")
}

#[test]
fn of_two_who_deploy_at_once_nothing_is_lost_and_each_is_told() {
    for atomic in ["true", "false"] {
        let shop = shop(3);
        shop.git(
            &shop.remote(),
            &["config", "receive.advertiseAtomic", atomic],
        );
        let second = second_clone(&shop);
        let before: u32 = commits(&shop).trim().parse().unwrap();
        let start = |dir: &std::path::Path, version: &str| {
            let mut command = shop.command_in(dir, &["deploy", "checkout", version]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let racers = [start(&shop.clone_dir(), "v2"), start(&second, "v3")];
        let outputs = racers.map(|racer| racer.wait_with_output().unwrap());
        let won = outputs
            .iter()
            .filter(|output| output.status.success())
            .count();
        let added = commits(&shop).trim().parse::<u32>().unwrap() - before;
        // Each deployment that was confirmed is a commit, and the newest is what stands there.
        assert_eq!(usize::try_from(added).unwrap(), won);
        assert!(won >= 1);
        for output in &outputs {
            let error = text(&output.stderr);
            assert!(
                output.status.success()
                    || error.contains("was changed at the same time by Ada Lovelace"),
                "{error}"
            );
        }
        let now = at_remote(&shop, "main", FILE);
        let subject = message(&shop, "main");
        let version = if subject.contains("v2 100%") {
            "v2"
        } else {
            "v3"
        };
        assert!(now.contains(&format!("version: {version}\n")), "{now}");
    }
}

/// Lets `change` happen between the look of a deployer and their push: a hook of the remote makes it, once.
fn meanwhile(shop: &Shop, change: impl FnOnce(&Path)) {
    let commit = theirs(shop, change);
    shop.hook(
        "pre-receive",
        &format!(
            "test -e moved && exit 0\ntouch moved\nenv -u GIT_QUARANTINE_PATH git update-ref refs/heads/main {commit}"
        ),
    );
}

/// A commit of somebody else's, which is at the remote and in no branch.
fn theirs(shop: &Shop, change: impl FnOnce(&Path)) -> String {
    let second = second_clone(shop);
    change(&second);
    shop.git(&second, &["commit", "-q", "-a", "-m", "Meanwhile"]);
    shop.git(&second, &["push", "-q", "origin", "HEAD:refs/heads/theirs"]);
    shop.git(&shop.remote(), &["branch", "-m", "theirs", "set-aside"]);
    shop.rev(&second, "HEAD")
}

#[test]
fn a_change_of_something_else_meanwhile_is_kept_beside_ours() {
    let shop = shop(2);
    let theirs = file(ONE).replace("# Who serves", "# Theirs: who serves");
    meanwhile(&shop, |dir| fs::write(dir.join(FILE), &theirs).unwrap());
    assert_eq!(
        shop.ok(&["deploy", "checkout", "v2"]),
        "deployed checkout: v2 100%\n"
    );
    let now = at_remote(&shop, "main", FILE);
    assert!(
        now.starts_with("# Theirs:") && now.contains("version: v2\n"),
        "{now}"
    );
    assert_eq!(
        shop.git(&shop.remote(), &["log", "-2", "--format=%s", "main"]),
        "Deploy checkout: v2 100%\nMeanwhile\n"
    );
}

#[test]
fn a_change_of_the_same_deployment_meanwhile_is_an_error_that_says_who() {
    let shop = shop(2);
    let theirs = file(&(ONE.replace("100", "50") + "    - {version: 2, percentage: 50}\n"));
    meanwhile(&shop, |dir| fs::write(dir.join(FILE), &theirs).unwrap());
    let (error, cause) = shop.error(&["deploy", "checkout", "v2"]);
    assert!(
        error.contains("was changed at the same time by Ada Lovelace")
            && error.contains("Meanwhile) to v1 50%, v2 50%"),
        "{error}"
    );
    // The same command again would take that back.
    assert_eq!(cause, "ChangedMeanwhile fix");
    assert_eq!(at_remote(&shop, "main", FILE), theirs);
    // Who wanted the very same has it.
    let same = shop.ok(&["deploy", "checkout", "v1=50", "v2"]);
    assert_eq!(same, "unchanged checkout: v1 50%, v2 50%\n");
}

#[test]
fn what_others_did_meanwhile_is_said_as_it_is() {
    let remove = |dir: &Path| fs::remove_file(dir.join(ALIAS_FILE)).unwrap();
    let tear = |dir: &Path| fs::write(dir.join(FILE), "checkout: {").unwrap();
    for (change, args, said, expected) in [
        (
            &remove as &dyn Fn(&Path),
            &["alias", "delete", "checkout", "staging"][..],
            "app `checkout` has no alias `staging` on branch `main`",
            "ReleaseNotFound fix",
        ),
        (
            &tear,
            &["deploy", "checkout", "v2"],
            "files that may hold it cannot be read",
            "ReleaseUnreadable fix",
        ),
    ] {
        let shop = shop(2);
        shop.commit(ALIAS_FILE, alias_file("  version: 1\n"));
        push(&shop, "main");
        meanwhile(&shop, change);
        let (error, cause) = shop.error(args);
        assert!(error.contains(said), "{error}");
        assert_eq!(cause, expected, "{error}");
    }
}

#[test]
fn a_push_whose_answer_is_lost_is_done() {
    let shop = shop(2);
    shop.commit(ALIAS_FILE, alias_file("  version: 1\n"));
    push(&shop, "main");
    shop.losing_server("$lost");
    let probe = ["push", "-q", "origin", "HEAD:refs/heads/probe"];
    let probe = shop.sealed("git", &shop.clone_dir()).args(probe).output();
    assert!(!probe.unwrap().status.success());
    assert!(shop.refs().contains(&"refs/heads/probe".to_owned()));
    let count = commits(&shop).trim().parse::<u32>().unwrap();
    for (args, line) in [
        (
            &["alias", "delete", "checkout", "staging"][..],
            "deleted checkout staging\n",
        ),
        (
            &["deploy", "checkout", "v2"],
            "deployed checkout: v2 100%\n",
        ),
        (
            &["rollback", "checkout"],
            "rolled back checkout: v1 100% (back from v2)\n",
        ),
        (
            &["deploy", "checkout", "v2", "--branch", "ship"],
            "proposed checkout: v2 100%\n",
        ),
    ] {
        assert_eq!(shop.ok(args), line);
    }
    assert_eq!(commits(&shop).trim(), (count + 3).to_string());
}

#[test]
fn what_may_arrive_yet_is_nothing_to_try_again() {
    let shop = shop(2);
    shop.ok(&["deploy", "checkout", "v2"]);
    shop.server("exit 1");
    let further = "look whether it is there before anything is tried again: another rollback would go further back";
    let (error, cause) = shop.error(&["rollback", "checkout"]);
    assert!(
        error.contains(" is not in branch `main`, and the remote may take it yet; look whether")
            && error.ends_with(further),
        "{error}"
    );
    assert_eq!(cause, "PushUnknown fix");
    let (error, cause) = shop.error(&["deploy", "checkout", "v1", "--branch", "ship"]);
    assert!(
        error.contains(" is not in branch `ship`, and the remote may take it yet")
            && !error.contains("further back"),
        "{error}"
    );
    assert_eq!(cause, "PushUnknown fix");
    // A remote that nobody can look at any more, after no answer and after a refusal.
    let remote = shop.remote().display().to_string();
    let away = format!("mv '{remote}' '{remote}.away'\nexit 1");
    shop.server(&away);
    let (error, cause) = shop.error(&["rollback", "checkout"]);
    assert!(
        error.contains(
            " arrived in branch `main` is not known, because the remote cannot be looked at: "
        ) && error.ends_with(further),
        "{error}"
    );
    assert_eq!(cause, "PushUnknown fix");
    fs::rename(format!("{remote}.away"), &remote).unwrap();
    shop.hook("update", "echo 'not today' >&2; exit 1");
    shop.server(&format!("git receive-pack \"$@\"\n{away}"));
    let (error, cause) = shop.error(&["rollback", "checkout"]);
    assert!(
        error.contains("the remote refused to take the commit on branch `main`")
            && error.contains("not today"),
        "{error}"
    );
    assert_eq!(cause, "PushRefused fix");
}

#[test]
fn an_earlier_commit_that_arrives_late_is_the_one_that_was_asked_for() {
    let shop = shop(2);
    let content = file(ONE).replace("# Who serves", "# Theirs: who serves");
    let theirs = theirs(&shop, |dir| fs::write(dir.join(FILE), content).unwrap());
    let (remote, once) = (shop.remote(), shop.dir.path().join("once"));
    let (remote, once) = (remote.display(), once.display());
    // The first one has no answer, is not seen, and comes when the second one does, which is another commit.
    shop.losing_server(
        &format!(
            "ship() {{ git -C '{remote}' update-ref refs/$2/ship refs/$1/ship && git -C '{remote}' update-ref -d refs/$1/ship; }}
if test -e '{once}'; then ship hidden heads; exec git receive-pack \"$@\"; fi
touch '{once}'
$lost
ship heads hidden
git -C '{remote}' update-ref refs/heads/main {theirs}"
        ),
    );
    let line = shop.ok(&["deploy", "checkout", "v2", "--branch", "ship"]);
    assert_eq!(line, "proposed checkout: v2 100%\n");
    let parent = shop.rev(&shop.remote(), "ship^");
    assert_ne!(parent, theirs);
}
