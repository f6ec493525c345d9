use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cutwater::git::Credentials;

use super::web::{ca, mirror};
use super::{publishes, set_url, web};
use crate::it::shop::{Shop, text};
use crate::support::sshd::Sshd;
use crate::support::web::{PASSWORD, PASSWORD_ESCAPED, TOKEN, USER, Web};

/// The address of the remote with the user name and this password in it.
fn with_login(web: &Web, password: &str) -> String {
    let login = format!("://{USER}:{password}@");
    web.http("/basic/remote.git").replace("://", &login)
}

/// The password in each form that it may take on its way.
fn forms() -> [String; 3] {
    [
        PASSWORD.to_owned(),
        PASSWORD_ESCAPED.to_owned(),
        STANDARD.encode(format!("{USER}:{PASSWORD}")),
    ]
}

/// Command lines of all processes that work for this shop: other tests change addresses meanwhile.
fn command_lines(shop: &Shop) -> BTreeSet<String> {
    let root = shop.dir.path();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let line = |process: fs::DirEntry| {
        let at = fs::read_link(process.path().join("cwd")).ok()?;
        let line = fs::read(process.path().join("cmdline")).ok()?;
        at.starts_with(root).then(|| text(&line).replace('\0', " "))
    };
    processes.filter_map(line).collect()
}

#[test]
fn an_address_with_a_password_works_however_git_is_told_of_it() {
    let shop = Shop::new();
    let web = web(&shop);
    let plain = web.http("/basic/remote.git");
    let full = with_login(&web, PASSWORD_ESCAPED);

    set_url(&shop, &full);
    publishes(&shop);

    // As a pipeline does it that knows the host only.
    set_url(&shop, &plain);
    let prefix = full.replace("/basic/remote.git", "/");
    shop.config(&format!("url.{prefix}.insteadOf"), &web.http("/"));
    assert!(shop.publish(&[]).starts_with("unchanged checkout v1"));
    shop.git(
        shop.dir.path(),
        &[
            "config",
            "--global",
            "--remove-section",
            &format!("url.{prefix}"),
        ],
    );

    // Read in one way, and written in another.
    shop.config("http.sslCAInfo", &web.ca().display().to_string());
    let login = format!("://{USER}:{PASSWORD_ESCAPED}@");
    let full = web.https("/half/remote.git").replace("://", &login);
    set_url(&shop, &web.http("/half/remote.git"));
    shop.git(&shop.remote(), &["config", "http.receivepack", "false"]);
    let denied = shop.run(&["versions", "publish", "--label", "denied"]);
    assert!(!denied.status.success());
    shop.git(&shop.remote(), &["config", "--unset", "http.receivepack"]);
    shop.git(
        &shop.clone_dir(),
        &["remote", "set-url", "--push", "origin", &full],
    );
    shop.publish(&["--label", "pushed"]);
    let push = |args: &[&str]| shop.git(&shop.clone_dir(), args);
    push(&["config", "--unset", "remote.origin.pushurl"]);
    shop.config(
        &format!("url.{}.pushInsteadOf", full.replace("remote.git", "")),
        &web.http("/half/"),
    );
    shop.publish(&["--label", "rewritten"]);
    let list = shop.ok(&["versions", "list"]);
    assert!(list.contains("first, pushed, rewritten"), "{list}");
}

#[test]
fn no_password_is_in_a_list_of_processes_while_a_push_runs() {
    let shop = Shop::new();
    let web = web(&shop);
    set_url(&shop, &with_login(&web, PASSWORD_ESCAPED));
    let (here, go) = (shop.dir.path().join("here"), shop.dir.path().join("go"));
    shop.hook(
        "pre-receive",
        &format!(
            "touch {}; n=0; while [ ! -e {} ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done",
            here.display(),
            go.display()
        ),
    );
    let mut publisher = shop
        .command_in(&shop.clone_dir(), &["versions", "publish"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = BTreeSet::new();
    let start = Instant::now();
    while !here.exists() {
        seen.extend(command_lines(&shop));
        assert!(start.elapsed() < Duration::from_secs(25), "no push");
    }
    seen.extend(command_lines(&shop));
    fs::write(&go, "").unwrap();
    while publisher.try_wait().unwrap().is_none() {
        seen.extend(command_lines(&shop));
    }
    let output = publisher.wait_with_output().unwrap();
    assert!(output.status.success());
    let remote = format!("{} ", web.http("/basic/remote.git"));
    let helper =
        |line: &&String| line.contains("git-remote-http") && format!("{line} ").contains(&remote);
    assert!(seen.iter().any(|line| helper(&line)), "{seen:#?}");
    for secret in forms() {
        let told = seen.iter().find(|line| line.contains(&secret));
        assert_eq!(told, None);
    }
}

#[test]
fn no_token_in_the_place_of_the_user_is_in_a_list_of_processes() {
    const FORGE: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let shop = Shop::new();
    let web = web(&shop);
    let token = web
        .http("/basic/remote.git")
        .replace("://", &format!("://{FORGE}@"));
    set_url(&shop, &token);
    let start = Instant::now();
    let mut seen = BTreeSet::new();
    while !seen
        .iter()
        .any(|line: &String| line.contains("git-remote-http"))
    {
        assert!(start.elapsed() < Duration::from_mins(1), "{seen:#?}");
        let mut publisher = shop
            .command_in(&shop.clone_dir(), &["versions", "publish"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while publisher.try_wait().unwrap().is_none() {
            seen.extend(command_lines(&shop));
        }
    }
    let told = seen.iter().find(|line| line.contains(FORGE));
    assert_eq!(told, None);
    // A name goes on to a helper that asks by it.
    let url = web.http("/basic/remote.git");
    let named = url.replace("://", &format!("://{USER}@"));
    set_url(&shop, &named);
    let store = shop.dir.path().join("passwords");
    let line = |user: &str, password: &str| {
        let login = format!("://{user}:{password}@");
        format!("{}\n", url.replace("://", &login))
    };
    let all = line("another", "wrong-password") + &line(USER, PASSWORD_ESCAPED);
    fs::write(&store, all).unwrap();
    shop.config(
        "credential.helper",
        &format!("store --file={}", store.display()),
    );
    publishes(&shop);
}

#[test]
fn no_secret_of_the_controller_is_in_a_list_of_processes() {
    let shop = Shop::new();
    let web = web(&shop);
    shop.publish(&[]);
    let branch = ["push", "-q", "origin", "HEAD:refs/heads/main"];
    shop.git(&shop.clone_dir(), &branch);
    let sshd = Sshd::start(&shop.dir.path().join("ssh"));
    let key = fs::read_to_string(sshd.file("user_key")).unwrap();
    let key_line = key.lines().nth(1).unwrap().to_owned();
    let reads = [
        (
            web.https("/basic/remote.git"),
            Credentials {
                username: Some(USER.to_owned()),
                password: Some(PASSWORD.to_owned()),
                ..ca(&web)
            },
            "git-remote-http",
        ),
        (
            web.https("/bearer/remote.git"),
            Credentials {
                bearer_token: Some(TOKEN.to_owned()),
                ..ca(&web)
            },
            "git-remote-http",
        ),
        (
            sshd.url(&shop.remote()),
            Credentials {
                ssh_private_key: Some(key),
                known_hosts: Some(fs::read_to_string(sshd.file("known_hosts")).unwrap()),
                ..Credentials::default()
            },
            "ssh -F none",
        ),
    ];
    let secrets = forms().into_iter().chain([TOKEN.to_owned(), key_line]);
    let secrets: Vec<String> = secrets.collect();
    for (url, credentials, helper) in reads {
        let start = Instant::now();
        let mut seen = BTreeSet::new();
        // Until the program that talks to the server was seen at work.
        let host = url.split('/').nth(2).unwrap().to_owned();
        let port = host.split(':').nth(1).unwrap();
        while !seen
            .iter()
            .any(|line: &String| line.contains(helper) && line.contains(port))
        {
            assert!(start.elapsed() < Duration::from_mins(1), "{seen:#?}");
            std::thread::scope(|scope| {
                let read = scope.spawn(|| mirror(&shop, &url, credentials.clone()).unwrap());
                while !read.is_finished() {
                    seen.extend(command_lines(&shop));
                }
            });
        }
        for secret in &secrets {
            let told = seen.iter().find(|line| line.contains(secret));
            assert_eq!(told, None);
        }
    }
}

#[test]
fn no_password_is_in_a_message_or_a_trace() {
    let shop = Shop::new();
    let web = web(&shop);
    let traces = shop.dir.path().join("traces");
    fs::create_dir(&traces).unwrap();
    let trace = |name: &str| traces.join(name).display().to_string();
    let said = |args: &[&str]| {
        let output = shop
            .command_in(&shop.clone_dir(), args)
            .envs([
                ("GIT_TRACE", trace("trace")),
                ("GIT_TRACE_SETUP", trace("setup")),
                ("GIT_TRACE_CURL", trace("curl")),
                ("GIT_TRACE_PACKET", trace("packet")),
                ("GIT_TRACE_REDACT", "0".to_owned()),
                ("GIT_TRACE2", trace("trace2")),
                ("GIT_TRACE2_EVENT", trace("event")),
                ("GIT_TRACE2_PERF", trace("perf")),
                ("GIT_TRACE2_CONFIG_PARAMS", "http.*,url.*".to_owned()),
                ("GIT_CURL_VERBOSE", "1".to_owned()),
                ("RUST_LOG", "trace".to_owned()),
            ])
            .output()
            .unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let mut all = Vec::new();
    // It works; the password is wrong; there is no such repository, or no server.
    for url in [
        with_login(&web, PASSWORD_ESCAPED),
        with_login(&web, &format!("{PASSWORD_ESCAPED}-not")),
        with_login(&web, PASSWORD_ESCAPED).replace("remote.git", "none.git"),
        with_login(&web, PASSWORD_ESCAPED).replace("http:", "https:"),
        format!("http://{USER}:{PASSWORD_ESCAPED}@no-such-host.invalid/x.git"),
        format!("http://{TOKEN}:@no-such-host.invalid/x.git"),
        format!("http://{TOKEN}@no-such-host.invalid/x.git"),
    ] {
        set_url(&shop, &url);
        for args in [
            &["versions", "publish"][..],
            &["versions", "list"],
            &["versions", "publish", "--json"],
        ] {
            all.push(said(args));
        }
    }
    assert!(all[0].starts_with("published checkout v1"), "{}", all[0]);
    assert!(
        all[3].contains("refuses the user name and password"),
        "{}",
        all[3]
    );
    assert_eq!(files(&traces), [""; 0], "a trace was written");
    for said in all {
        for secret in forms().iter().map(String::as_str).chain([TOKEN]) {
            assert!(!said.contains(secret), "{said}");
        }
    }
    // Nor does the clone remember it anywhere but in the address that the person wrote.
    let config = shop.clone_dir().join(".git/config");
    fs::write(
        &config,
        fs::read_to_string(&config).unwrap().replace(TOKEN, ""),
    )
    .unwrap();
    let found = shop
        .sealed("grep", &shop.clone_dir())
        .args([
            "-rl",
            "-e",
            PASSWORD,
            "-e",
            PASSWORD_ESCAPED,
            "-e",
            TOKEN,
            ".git",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&found.stdout), "");
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}
