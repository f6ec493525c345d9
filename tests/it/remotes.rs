//! Versions at remotes of every kind, on real servers: sshd, and lighttpd in front of `git http-backend`.

/// Clones of every kind: shallow, bare, linked.
mod clones;
/// Publishers, deleters and servers that are killed at any moment.
mod crashes;
/// What a server may refuse or be unable to do, and what is said then.
mod faults;
/// Many publishers of one app at the same time.
mod races;
/// Credentials are in no message, no list of processes, no trace.
mod secrets;
/// A server that is far away.
mod slow;
/// ssh: keys, agents, host keys.
mod ssh;
/// http and https: logins, authorities, proxies.
mod web;

use super::shop::Shop;
use crate::support::sshd::Sshd;
use crate::support::web::Web;

/// A web server in front of the shop's remote, which anybody may push to at `/open/`.
fn web(shop: &Shop) -> Web {
    shop.git(&shop.remote(), &["config", "http.receivepack", "true"]);
    Web::start(&shop.dir.path().join("web"), shop.dir.path())
}

/// An ssh server, and a person who uses it with the right key.
fn ssh(shop: &Shop) -> Sshd {
    let sshd = Sshd::start(&shop.dir.path().join("ssh"));
    let key = sshd.file("user_key").display().to_string();
    shop.config(
        "core.sshCommand",
        &sshd.client("known_hosts", &format!("IdentityFile {key}")),
    );
    set_url(shop, &sshd.url(&shop.remote()));
    sshd
}

/// Changes the address of the remote.
fn set_url(shop: &Shop, url: &str) {
    shop.git(&shop.clone_dir(), &["remote", "set-url", "origin", url]);
}

/// Publishes, which must work, and looks the version up again.
fn publishes(shop: &Shop) {
    let line = shop.publish(&[]);
    assert!(line.starts_with("published checkout v1 "), "{line}");
    let line = shop.publish(&["--label", "first"]);
    assert!(line.starts_with("unchanged checkout v1 "), "{line}");
    let list = shop.ok(&["versions", "list"]);
    assert!(list.contains("first"), "{list}");
}

/// What `versions publish` says where it must fail.
fn refused(shop: &Shop) -> String {
    shop.refused(&["versions", "publish"])
}
