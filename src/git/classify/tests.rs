//! What git 2.39, OpenSSH 9.2 and servers have really printed, as it looks once it is cleaned.

use super::super::error::{Caller, GitError, GitErrorKind};

/// Kind, a part of the advice, and what was printed.
const PRINTED: &[(GitErrorKind, &str, &str)] = &[
    // Who asks.
    (
        GitErrorKind::Authentication,
        "credential helper",
        "fatal: could not read Username for 'https://git.example': terminal prompts disabled",
    ),
    (
        GitErrorKind::Authentication,
        "credential helper",
        "fatal: Authentication failed for 'https://git.example/shop.git/'",
    ),
    (
        GitErrorKind::Forbidden,
        "right to push",
        "fatal: unable to access \'https://git.example/shop.git/\': The requested URL returned error: 403",
    ),
    (
        GitErrorKind::Forbidden,
        "right to push",
        "ERROR: The key you are authenticating with has been marked as read only.; fatal: Could not read from remote repository.",
    ),
    (
        GitErrorKind::Key,
        "ssh-add",
        "git@git.example: Permission denied (publickey).; fatal: Could not read from remote repository.",
    ),
    // Whom we ask.
    (
        GitErrorKind::HostKey,
        "fingerprint",
        "No ED25519 host key is known for git.example and you have requested strict checking.; Host key verification failed.; fatal: Could not read from remote repository.",
    ),
    (
        GitErrorKind::Certificate,
        "sslCAInfo",
        "fatal: unable to access \'https://git.example/shop.git/\': server certificate verification failed. CAfile: none CRLfile: none",
    ),
    (
        GitErrorKind::Certificate,
        "sslCAInfo",
        "fatal: unable to access \'https://git.example/shop.git/\': SSL certificate problem: unable to get local issuer certificate",
    ),
    (
        GitErrorKind::Certificate,
        "sslCAInfo",
        "fatal: unable to access \'https://git.example/shop.git/\': Problem with the SSL CA cert (path? access rights?)",
    ),
    // The way there.
    (
        GitErrorKind::UnknownHost,
        "DNS",
        "fatal: unable to access \'https://git.example/shop.git/\': Could not resolve host: git.example",
    ),
    (
        GitErrorKind::UnknownHost,
        "DNS",
        "ssh: Could not resolve hostname git.example: Name or service not known; fatal: Could not read from remote repository.",
    ),
    (
        GitErrorKind::Proxy,
        "http.proxy",
        "fatal: unable to access \'https://git.example/shop.git/\': CONNECT tunnel failed, response 407",
    ),
    (
        GitErrorKind::Proxy,
        "http.proxy",
        "fatal: unable to access \'https://git.example/shop.git/\': Received HTTP code 407 from proxy after CONNECT",
    ),
    (
        GitErrorKind::Proxy,
        "http.proxy",
        "fatal: unable to access \'https://git.example/shop.git/\': Could not resolve proxy: proxy.example",
    ),
    (
        GitErrorKind::Proxy,
        "http.proxy",
        "fatal: unable to access \'https://git.example/shop.git/\': Failed to connect to proxy.example port 3128 after 0 ms: Couldn't connect to server",
    ),
    (
        GitErrorKind::Away,
        "nothing answers there",
        "fatal: unable to access \'https://git.example/shop.git/\': Failed to connect to git.example port 443 after 0 ms: Couldn't connect to server",
    ),
    (
        GitErrorKind::Away,
        "nothing answers there",
        "fatal: unable to access 'http://127.0.0.1:8081/shop.git/': Failed to connect to 127.0.0.1 port 8081 after 0 ms: Couldn't connect to server",
    ),
    (
        GitErrorKind::Away,
        "nothing answers there",
        "ssh: connect to host 127.0.0.1 port 2223: Connection refused; fatal: Could not read from remote repository.",
    ),
    (
        GitErrorKind::TimedOut,
        "--timeout",
        "fatal: unable to access \'https://git.example/shop.git/\': Operation too slow. Less than 1000 bytes/sec transferred the last 10 seconds",
    ),
    (
        GitErrorKind::Redirected,
        "another address",
        "fatal: unable to access \'https://git.example/shop.git/\': The requested URL returned error: 301",
    ),
    (
        GitErrorKind::Server,
        "try again later",
        "fatal: unable to access \'https://git.example/shop.git/\': The requested URL returned error: 502",
    ),
    // What is there.
    (
        GitErrorKind::NotARepository,
        "check the address",
        "fatal: repository 'https://git.example/none.git/' not found",
    ),
    (
        GitErrorKind::NotARepository,
        "check the address",
        "fatal: '/srv/none.git' does not appear to be a git repository; fatal: Could not read from remote repository.",
    ),
    (
        GitErrorKind::MissingRef,
        "",
        "fatal: couldn't find remote ref refs/heads/nope",
    ),
    (
        GitErrorKind::ObjectFormat,
        "SHA-256",
        "fatal: mismatched algorithms: client sha1; server sha256",
    ),
    (
        GitErrorKind::ObjectFormat,
        "SHA-256",
        "fatal: the receiving end does not support this repository's hash algorithm; fatal: the remote end hung up unexpectedly",
    ),
    (
        GitErrorKind::NotAtomic,
        "one ref at a time",
        "fatal: the receiving end does not support --atomic push; fatal: the remote end hung up unexpectedly",
    ),
    (
        GitErrorKind::Locked,
        "remove the file that is named",
        "error: cannot lock ref 'refs/x': Unable to create '/srv/clone/.git/refs/x.lock': File exists.",
    ),
    (
        GitErrorKind::Moved,
        "pushes lead to another repository",
        "error: failed to push some refs to 'x'; ! abc:refs/tags/checkout/v1 [rejected] (stale info)",
    ),
];

/// Kind, a part of the advice, what the server said of a change, and why it did not make it.
const REFUSED: &[(GitErrorKind, &str, &str, &str)] = &[
    (
        GitErrorKind::Refused,
        "its own words",
        "remote: tags are closed on fridays",
        "pre-receive hook declined",
    ),
    (
        GitErrorKind::Refused,
        "its own words",
        "remote: Authentication failed: your commit is not signed",
        "pre-receive hook declined",
    ),
    (
        GitErrorKind::Protected,
        "create tags",
        "remote: GitLab: You are not allowed to create this tag as it is protected.",
        "pre-receive hook declined",
    ),
    (
        GitErrorKind::Protected,
        "create tags",
        "remote: error: GH006: Protected tag update failed for refs/tags/checkout/v1.; remote: error: You're not authorized to create a tag",
        "protected tag hook declined",
    ),
    (
        GitErrorKind::Protected,
        "create tags",
        "remote: error: GH013: Repository rule violations found for refs/tags/checkout/v1.; remote: - Cannot create ref due to creations being restricted.",
        "push declined due to repository rule violations",
    ),
    (
        GitErrorKind::Protected,
        "create tags",
        "remote: Forgejo: Tag checkout/v1 is protected",
        "pre-receive hook declined",
    ),
    (
        GitErrorKind::Full,
        "make room",
        "remote: fatal: pack exceeds maximum allowed size; error: remote unpack failed: unpack-objects abnormal exit",
        "unpacker error",
    ),
    (
        GitErrorKind::Full,
        "make room",
        "remote: Gitea: new repo size is over limitation 10000",
        "pre-receive hook declined",
    ),
    (
        GitErrorKind::Full,
        "make room",
        "remote: fatal: unable to write loose object file: No space left on device; error: remote unpack failed: unpack-objects abnormal exit",
        "unpacker error",
    ),
    (
        GitErrorKind::Full,
        "make room",
        "remote: fatal: write error: Disk quota exceeded",
        "unpacker error",
    ),
    (
        GitErrorKind::NotWritable,
        "owner and mode",
        "error: remote unpack failed: unable to create temporary object directory",
        "unpacker error",
    ),
    (
        GitErrorKind::Shallow,
        "--unshallow",
        "",
        "shallow update not allowed",
    ),
    (
        GitErrorKind::Shallow,
        "--unshallow",
        "remote: fatal: bad object 0790333896b5459b450214abd0171a00a132c0e5",
        "missing necessary objects",
    ),
    (
        GitErrorKind::Locked,
        "remove the file that is named",
        "remote: error: cannot lock ref 'refs/tags/checkout/v1': Unable to create '/srv/shop.git/./refs/tags/checkout/v1.lock': File exists.",
        "atomic transaction failed",
    ),
    (
        GitErrorKind::InTheWay,
        "name of the app",
        "remote: error: cannot lock ref 'refs/tags/checkout/v1': 'refs/tags/checkout' exists; cannot create 'refs/tags/checkout/v1'",
        "atomic transaction failed",
    ),
];

fn check(kind: GitErrorKind, advice: &str, text: &str) {
    let error = GitError::from_output(text, Caller::Person);
    assert_eq!(error.kind, kind, "{text}");
    let given = error.advice();
    assert!(
        given.contains(advice) && given.is_empty() == advice.is_empty(),
        "{text}: {given}"
    );
}

#[test]
fn each_fault_of_a_server_has_its_kind_and_its_advice() {
    for (kind, advice, text) in PRINTED {
        check(*kind, advice, text);
    }
    for (kind, advice, said, why) in REFUSED {
        let text = format!("{said}; ! abc:refs/tags/checkout/v1 [remote rejected] ({why})");
        check(*kind, advice, &text);
    }
}

#[test]
fn the_controller_is_told_of_its_secret_and_not_of_a_persons_tools() {
    for (text, wanted) in [
        ("fatal: Authentication failed for 'x'", "bearerToken"),
        ("git@h: Permission denied (publickey).", "ssh-privatekey"),
        ("Host key verification failed.", "known_hosts"),
        ("server certificate verification failed", "ca.crt"),
        (
            "CONNECT tunnel failed, response 407",
            "controller's environment",
        ),
        ("The requested URL returned error: 403", "in the Secret"),
    ] {
        let advice = GitError::from_output(text, Caller::Controller).advice();
        assert!(advice.contains(wanted), "{text}: {advice}");
        assert_ne!(advice, GitError::from_output(text, Caller::Person).advice());
        // Nobody who runs `serve` has such a field.
        let advice = GitError::from_output(text, Caller::Server).advice();
        assert!(!advice.is_empty(), "{text}");
        assert!(
            !advice.contains("spec.")
                && !advice.contains("Secret")
                && !advice.contains("controller"),
            "{text}: {advice}"
        );
    }
}
