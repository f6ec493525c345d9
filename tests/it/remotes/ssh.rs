use std::fs;
use std::process::Command;
use std::time::Duration;

use cutwater::git::{Credentials, RemoteUrl};
use cutwater::store::Mirror;

use super::{publishes, refused, ssh};
use crate::it::shop::{Shop, text};
use crate::support::Process;
use crate::support::tools::system;

#[test]
fn a_person_publishes_with_a_key_that_ssh_is_configured_with() {
    let shop = Shop::new();
    let _sshd = ssh(&shop);
    publishes(&shop);
}

#[test]
fn a_person_publishes_with_a_key_that_only_the_agent_has() {
    let shop = Shop::new();
    let sshd = ssh(&shop);
    let socket = shop.dir.path().join("agent");
    shop.config(
        "core.sshCommand",
        &sshd.client(
            "known_hosts",
            &format!("IdentityAgent {}\nIdentityFile none", socket.display()),
        ),
    );
    let agent = [
        "-D".to_owned(),
        "-a".to_owned(),
        socket.display().to_string(),
    ];
    let program = system("ssh-agent", "openssh-client");
    let _agent = Process::start("ssh-agent", &program, &agent, shop.dir.path());
    let add = |arguments: &[&str]| {
        let mut add = Command::new("ssh-add");
        add.args(arguments).env("SSH_AUTH_SOCK", &socket);
        add.output().unwrap()
    };
    // It answers 1 for an agent without keys, and 2 where there is none yet.
    let start = std::time::Instant::now();
    while add(&["-l"]).status.code() != Some(1) {
        assert!(start.elapsed() < Duration::from_secs(20), "no agent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let error = refused(&shop);
    assert!(error.contains("ssh-add -l"), "{error}");
    let added = add(&[sshd.file("user_key").to_str().unwrap()]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    publishes(&shop);
}

#[test]
fn a_server_that_is_not_known_or_another_one_is_not_trusted() {
    let shop = Shop::new();
    let sshd = ssh(&shop);
    let key = format!("IdentityFile {}", sshd.file("user_key").display());
    for (hosts, said) in [
        ("no_hosts", "Host key verification failed"),
        ("wrong_hosts", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    ] {
        shop.config("core.sshCommand", &sshd.client(hosts, &key));
        let error = refused(&shop);
        assert!(
            error.contains(said) && error.contains("compare the server's fingerprint"),
            "{error}"
        );
    }
    assert!(shop.refs().is_empty());
}

#[test]
fn a_key_that_is_not_accepted_is_said() {
    let shop = Shop::new();
    let sshd = ssh(&shop);
    let key = format!(
        "IdentitiesOnly yes\nIdentityFile {}",
        sshd.file("other_key").display()
    );
    shop.config("core.sshCommand", &sshd.client("known_hosts", &key));
    let error = refused(&shop);
    assert!(
        error.contains("Permission denied (publickey)") && error.contains("ssh-add -l"),
        "{error}"
    );
}

#[test]
fn the_controller_reads_with_the_key_and_the_hosts_of_its_secret() {
    let shop = Shop::new();
    let sshd = ssh(&shop);
    shop.publish(&[]);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    let url = RemoteUrl::parse(&sshd.url(&shop.remote()), false).unwrap();
    let read = |key: Option<&str>, hosts: Option<&str>| {
        let file = |name: &str| fs::read_to_string(sshd.file(name)).unwrap();
        let credentials = Credentials {
            ssh_private_key: key.map(file),
            known_hosts: hosts.map(file),
            ..Credentials::default()
        };
        let dir = tempfile::tempdir_in(shop.dir.path()).unwrap();
        let mirror = Mirror::open(dir.path(), &url, Some(credentials)).unwrap();
        let apps = ["checkout".parse().unwrap()].into();
        mirror.fetch("main", &apps, Duration::from_secs(30))
    };
    let fetched = read(Some("user_key"), Some("known_hosts")).unwrap();
    let head = shop.rev(&shop.clone_dir(), "HEAD");
    assert_eq!(fetched.head.unwrap().as_str(), head);
    for (key, hosts, reason, wanted) in [
        (
            None,
            Some("known_hosts"),
            "CredentialsRefused",
            "ssh-privatekey in the Secret",
        ),
        (
            Some("other_key"),
            Some("known_hosts"),
            "CredentialsRefused",
            "ssh-privatekey in the Secret",
        ),
        (
            Some("user_key"),
            None,
            "RepositoryUnreachable",
            "known_hosts of the Secret",
        ),
        (
            Some("user_key"),
            Some("wrong_hosts"),
            "RepositoryUnreachable",
            "known_hosts of the Secret",
        ),
    ] {
        let error = read(key, hosts).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(wanted), "{key:?} {hosts:?}: {text}");
        assert_eq!(format!("{:?}", error.reason()), reason, "{text}");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    }
}
