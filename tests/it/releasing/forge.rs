//! `--pull-request`, against a forge that says what it is told to, and a real repository behind ssh.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value as Json, json};

use super::{ALIAS_FILE, alias_file, shop};
use crate::it::delete::push;
use crate::it::shop::{Shop, text};

const TOKEN: &str = "t0ken-8f14e45fceea167a";
const PAGE: &str = "https://git.example/acme/shop/pulls/12";

/// A request, as it came.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    authorization: String,
    body: String,
}

/// What is answered: a status, a header, and a body. With status 0 the connection is closed.
type Told = (u16, String, String);

/// A forge that gives these answers, one after the other.
struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<Told>>>,
}

impl Fake {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self {
            port: listener.local_addr().unwrap().port(),
            asked: Arc::default(),
            answers: Arc::default(),
        };
        let (asked, answers) = (fake.asked.clone(), fake.answers.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                asked.lock().unwrap().push(read(&stream));
                let told = answers.lock().unwrap().pop_front();
                let (status, header, body) = told.expect("an answer for each request");
                if status > 0 {
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n\r\n"
                    );
                    stream.write_all((head + &body).as_bytes()).unwrap();
                }
            }
        });
        fake
    }

    fn will_say(&self, answers: &[(u16, &str, &str)]) {
        let told = answers.iter().map(|(status, header, body)| {
            let header = if header.is_empty() { "X-A: b" } else { header };
            (*status, header.to_owned(), (*body).to_owned())
        });
        self.answers.lock().unwrap().extend(told);
    }

    /// What was asked since it was looked at last; all that was to be said was said.
    fn asked(&self) -> Vec<Asked> {
        assert!(self.answers.lock().unwrap().is_empty());
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn read(stream: &TcpStream) -> Asked {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let found = lines.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Asked {
        line: lines[0].clone(),
        authorization: header("authorization"),
        body: text(&body),
    }
}

/// A shop whose remote is at a forge by ssh, as `acme/shop`.
fn proposing(fake: &Fake) -> Shop {
    let shop = shop(2);
    shop.commit(ALIAS_FILE, alias_file("  version: v1\n"));
    let api = format!("http://127.0.0.1:{}/api/v1", fake.port);
    settings(&shop, &format!("{{kind: gitea, api: '{api}'}}"));
    push(&shop, "main");
    let root = shop.dir.path().join("acme");
    fs::create_dir(&root).unwrap();
    symlink(shop.remote(), root.join("shop.git")).unwrap();
    let ssh = shop.dir.path().join("ssh");
    let script = format!(
        "#!/bin/sh\nfor last; do :; done\ncd '{}' && exec sh -c \"$last\"\n",
        shop.dir.path().display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    shop.config("core.sshCommand", ssh.to_str().unwrap());
    let set = ["remote", "set-url", "origin", "git@127.0.0.1:acme/shop.git"];
    shop.git(&shop.clone_dir(), &set);
    shop
}

fn settings(shop: &Shop, forge: &str) {
    let text = format!("apiVersion: cutwater.dev/v1alpha1\nkind: Settings\nforge: {forge}\n");
    shop.commit("cutwater.yaml", text);
}

fn run(shop: &Shop, args: &[&str]) -> Output {
    let mut command = shop.command_in(&shop.clone_dir(), args);
    let output = command.env("GITEA_TOKEN", TOKEN).output().unwrap();
    let said = text(&output.stderr) + &text(&output.stdout);
    assert!(!said.contains(TOKEN), "{said}");
    output
}

/// The branches for pull requests.
fn proposed(shop: &Shop) -> Vec<String> {
    let mut refs = shop.refs();
    refs.retain(|name| name.starts_with("refs/heads/") && name != "refs/heads/main");
    refs.iter()
        .map(|name| name.replace("refs/heads/", ""))
        .collect()
}

fn pull(branch: &str) -> Json {
    json!({"number": 12, "html_url": PAGE, "head": {"ref": branch, "repo_id": 1}, "base": {"ref": "main", "repo_id": 1}})
}

#[test]
fn a_pull_request_is_opened_with_what_the_merge_does() {
    let fake = Fake::start();
    let shop = proposing(&fake);
    let opened = pull("x").to_string();
    let deploy = ["deploy", "checkout", "v2", "--pull-request"];
    let dry = run(&shop, &[&deploy[..], &["--dry-run"]].concat());
    let said = text(&dry.stderr);
    assert!(
        said.contains("would push branch cutwater/checkout-v2-"),
        "{said}"
    );
    assert!(
        said.contains("a pull request in acme/shop at 127.0.0.1"),
        "{said}"
    );
    assert_eq!((proposed(&shop).len(), fake.asked().len()), (0, 0));
    fake.will_say(&[(201, "", &opened)]);
    let output = run(&shop, &[&deploy[..], &["-m", "The new cart"]].concat());
    let said = text(&output.stdout);
    assert_eq!(
        said,
        format!("proposed checkout: v2 100%\n{PAGE}\n"),
        "{}",
        text(&output.stderr)
    );
    let branch = proposed(&shop).pop().unwrap();
    assert!(branch.starts_with("cutwater/checkout-v2-"), "{branch}");
    let asked = fake.asked();
    assert_eq!(asked[0].line, "POST /api/v1/repos/acme/shop/pulls HTTP/1.1");
    assert_eq!(asked[0].authorization, format!("token {TOKEN}"));
    let body: Json = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(
        (body["head"].as_str(), body["base"].as_str()),
        (Some(branch.as_str()), Some("main"))
    );
    assert_eq!(body["title"], "Deploy checkout: v2 100%");
    let plan = body["body"].as_str().unwrap();
    shop.git(&shop.clone_dir(), &["fetch", "-q"]);
    let shown = shop.ok(&[
        "plan",
        "origin/main",
        "--head",
        &format!("origin/{branch}"),
        "--markdown",
    ]);
    assert_eq!(plan, format!("The new cart\n\n{}", shown.trim_end()));
    assert!(plan.contains("| `v2` | 0% | 100% |"), "{plan}");
    // The others, as JSON.
    fake.will_say(&[(201, "", &opened), (201, "", &opened)]);
    let set = run(
        &shop,
        &[
            "alias",
            "set",
            "checkout",
            "staging",
            "v2",
            "--pull-request",
            "--json",
        ],
    );
    let document: Json = serde_json::from_slice(&set.stdout).unwrap();
    assert_eq!(
        document["openedPullRequest"],
        json!({"number": 12, "url": PAGE})
    );
    assert_eq!(
        (&document["pullRequest"], &document["outcome"]),
        (&json!(PAGE), &json!("proposed"))
    );
    let delete = [
        "alias",
        "delete",
        "checkout",
        "staging",
        "--pull-request",
        "--branch",
        "gone",
    ];
    assert_eq!(
        text(&run(&shop, &delete).stdout),
        format!("proposed checkout staging\n{PAGE}\n")
    );
    assert!(proposed(&shop).contains(&"gone".to_owned()));
    fake.asked();
    // Nothing to do, and what makes no sense.
    let same = run(&shop, &["deploy", "checkout", "v1", "--pull-request"]);
    assert_eq!(text(&same.stdout), "unchanged checkout: v1 100%\n");
    let wait = run(&shop, &[&deploy[..], &["--wait"]].concat());
    assert_eq!(wait.status.code(), Some(2), "{}", text(&wait.stderr));
}

#[test]
fn nothing_is_pushed_where_no_pull_request_could_be_opened() {
    let fake = Fake::start();
    let shop = proposing(&fake);
    let deploy = ["deploy", "checkout", "v2", "--pull-request"];
    let (error, cause) = shop.error(&deploy);
    assert_eq!(cause, "TokenMissing fix");
    assert!(
        error.contains("nothing was pushed: there is no token for Gitea"),
        "{error}"
    );
    assert!(
        error.contains("CUTWATER_FORGE_TOKEN") && error.contains("write:repository"),
        "{error}"
    );
    for (forge, said) in [
        (
            "{kind: gitea, api: 'https://evil.example/api/v1'}",
            "CUTWATER_FORGE_API=https://evil.example/api/v1",
        ),
        (
            "{kind: gitea, api: 'https://127.0.0.1/deep/api/v1'}",
            "there is no token",
        ),
        ("", "which forge is at `127.0.0.1` is not known"),
    ] {
        settings(&shop, forge);
        let (error, _) = shop.error(&deploy);
        assert!(error.contains(said), "{error}");
    }
    let api = format!("http://127.0.0.1:{}/api/v1", fake.port);
    settings(&shop, &format!("{{kind: gitea, api: '{api}'}}"));
    shop.config("http.sslCAInfo", "/nowhere.pem");
    let output = run(&shop, &deploy);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("nothing was pushed") && said.contains("/nowhere.pem"),
        "{said}"
    );
    assert_eq!((proposed(&shop).len(), fake.asked().len()), (0, 0));
}

/// What a command says that pushed a branch and got no pull request: the message, the reason with its class, and the first hint.
fn unopened(output: &Output) -> [String; 3] {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let document: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["outcome"], "proposed");
    assert_eq!(document["openedPullRequest"], Json::Null);
    let failure: Json = serde_json::from_str(error.lines().last().unwrap()).unwrap();
    let failure = &failure["error"];
    let word = |value: &Json| value.as_str().unwrap().to_owned();
    let cause = format!("{} {}", word(&failure["reason"]), word(&failure["class"]));
    [word(&failure["message"]), cause, word(&failure["hints"][0])]
}

#[test]
fn a_refusal_says_what_to_do_and_that_the_branch_stands() {
    let fake = Fake::start();
    let shop = proposing(&fake);
    let elsewhere = format!("Location: http://localhost:{}/api/v1/x", fake.port);
    let echo = format!(r#"{{"message":"bad token {TOKEN}"}}"#);
    let scope = r#"{"message":"token does not have at least one of required scope(s): [write:repository]"}"#;
    let (token, refused, away) = (
        "CredentialsRefused fix",
        "PullRequestRefused fix",
        "ForgeUnreachable fix",
    );
    let none = r#"{"message":"no commits"}"#;
    let page = "<html>Sign in</html>";
    let mut commits = Vec::new();
    for (answers, cause, said) in [
        (
            vec![(401, "", echo.as_str())],
            token,
            "the token of GITEA_TOKEN (401: bad token ***)",
        ),
        (
            vec![(403, "", scope)],
            token,
            "the scope `write:repository`",
        ),
        (vec![(404, "", "{}")], refused, "no repository acme/shop"),
        (
            vec![(429, "Retry-After: 60", "{}")],
            away,
            "try again in 60 s",
        ),
        // The token goes to no other host.
        (vec![(307, &elsewhere, "")], refused, "git remote set-url"),
        (
            vec![(200, "", page), (200, "", "[]")],
            refused,
            "no answer of Gitea",
        ),
        (
            vec![(502, "", page), (502, "", page)],
            away,
            "is in trouble (502)",
        ),
        (
            vec![(422, "", none), (200, "", "[]")],
            refused,
            "(422: no commits)",
        ),
        (vec![(0, "", ""), (0, "", "")], away, "cannot be reached"),
    ] {
        fake.will_say(&answers);
        let words = "deploy checkout v2 --pull-request --branch ship --json";
        let words: Vec<&str> = words.split(' ').collect();
        let [message, found, hint] = unopened(&run(&shop, &words));
        assert!(message.contains(said), "{message}");
        let stands = "branch ship is at remote `origin` with the change";
        assert!(message.contains(stands), "{message}");
        assert_eq!(found, cause, "{message}");
        assert_eq!(
            hint,
            format!("`cutwater {}` goes on from there", words.join(" "))
        );
        commits.push(shop.rev(&shop.remote(), "ship"));
        assert_eq!(fake.asked().len(), answers.len());
    }
    // The branch was pushed once.
    commits.dedup();
    assert_eq!(commits.len(), 1);
}

#[test]
fn one_that_is_open_already_is_shown_and_a_branch_with_another_change_is_never_touched() {
    let fake = Fake::start();
    let shop = proposing(&fake);
    let list = json!([pull("other"), pull("ship")]).to_string();
    let exists = r#"{"message":"pull request already exists for these targets [id: 1, issue_id: 12, head_repo_id: 1, base_repo_id: 1, head_branch: ship, base_branch: main]"}"#;
    let words = ["--pull-request", "--branch", "ship"];
    let deploy = [&["deploy", "checkout", "v2"][..], &words].concat();
    // It was opened, and nobody heard of it; or somebody did it by hand.
    for answer in [(0, "", ""), (409, "", exists)] {
        fake.will_say(&[answer, (200, "", &list)]);
        let output = run(&shop, &deploy);
        let hint = text(&output.stderr);
        let expected = format!("proposed checkout: v2 100%\n{PAGE}\n");
        assert_eq!(text(&output.stdout), expected, "{hint}");
        assert!(hint.contains("was open already"), "{hint}");
        assert_eq!(fake.asked().len(), 2);
    }
    let other = [&["deploy", "checkout", "v1=50", "v2"][..], &words].concat();
    let error = text(&run(&shop, &other).stderr);
    let said = "is at remote `origin` already; choose another";
    assert!(error.contains(said), "{error}");
    // What git has is shown where no variable is set.
    let helper = "!f() { test \"$1\" = get && echo username=ada && echo password=hunter2; }; f";
    shop.config("credential.helper", helper);
    fake.will_say(&[(201, "", &pull("ship").to_string())]);
    shop.ok(&deploy);
    assert_eq!(fake.asked()[0].authorization, "Basic YWRhOmh1bnRlcjI=");
}
