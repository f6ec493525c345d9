use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Standalone, until};
use crate::it::shop::text;
use crate::support::http::get;
use crate::support::sshd::Sshd;
use crate::support::web::{PASSWORD, USER, Web};

const SECRET: &str = "a secret of both";

impl Standalone {
    /// Serves the repository through a web server, at this path, and looks there once an hour.
    fn by(&mut self, path: &str) -> Web {
        let root = self.shop.dir.path();
        let web = Web::start(&root.join("web"), root);
        self.source = Some(web.http(path));
        self.more = vec!["--interval".to_owned(), "1h".to_owned()];
        web
    }

    /// A file with a secret, for a flag.
    fn secret(&mut self, flag: &str, secret: &str) -> PathBuf {
        let file = self.shop.dir.path().join(flag);
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        self.more.push(format!("--{flag}"));
        self.more.push(file.display().to_string());
        file
    }

    /// What curl gets for a webhook with these arguments: the status, and what is said.
    fn hook(&self, args: &[&str]) -> (u16, String) {
        let address = format!("http://{}/hook", self.admin);
        let output = (self.shop.sealed("curl", self.shop.dir.path()))
            .args(["--silent", "--show-error", "--max-time", "60"])
            .args(["--write-out", "%{http_code}", "--noproxy", "*"])
            .args(args)
            .arg(&address)
            .output()
            .expect("curl is there (apt-get install curl)");
        let said = text(&output.stdout);
        let (said, code) = said.split_at(said.len() - 3);
        (code.parse().unwrap(), said.to_owned())
    }

    /// The code of a body, as openssl makes it.
    fn code(&self, body: &str) -> String {
        let file = self.shop.dir.path().join("body");
        std::fs::write(&file, body).unwrap();
        let output = (self.shop.sealed("openssl", self.shop.dir.path()))
            .args(["dgst", "-sha256", "-hmac", SECRET, "-r", "body"])
            .output()
            .unwrap();
        text(&output.stdout).split(' ').next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_has_the_repository_looked_at_where_it_knows_the_secret() {
    let mut standalone = Standalone::of(2);
    standalone.deploy(&[(1, "100")]);
    let _web = standalone.by("/open/remote.git");
    standalone.secret("webhook-secret-file", SECRET);
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    let ledger = &standalone.status().await["ledger"];
    assert!(
        ledger.is_null(),
        "others may share the repository: {ledger}"
    );
    standalone.deploy(&[(2, "100")]);
    let body = r#"{"ref": "refs/heads/main"}"#;
    let code = standalone.code(body);
    let github = format!("X-Hub-Signature-256: sha256={code}");
    let post = |header: &str, body: &str| standalone.hook(&["--header", header, "--data", body]);
    let before = standalone.status().await["seen"].clone();
    let (status, said) = post("X-Else: x", body);
    assert!(
        status == 401 && said.contains("there is no signature"),
        "{said}"
    );
    for (header, body) in [
        (github.as_str(), "another body"),
        ("X-Hub-Signature-256: sha256=00", body),
        ("X-Gitlab-Token: another", body),
        (&format!("X-Gitea-Signature: sha256={code}"), body),
    ] {
        let (status, said) = post(header, body);
        assert!(
            status == 401 && said.contains("is not one of the secret"),
            "{said}"
        );
    }
    let large = standalone.shop.dir.path().join("large");
    std::fs::write(&large, vec![b'x'; 26 * 1024 * 1024]).unwrap();
    let data = format!("@{}", large.display());
    let (status, said) = standalone.hook(&["--header", &github, "--data-binary", &data]);
    assert_eq!(status, 413, "{said}");
    let (status, _) = standalone.hook(&["--request", "GET"]);
    assert_eq!(status, 405);
    // None of them had it looked at.
    assert_eq!(standalone.status().await["seen"], before);
    assert_eq!(post(&github, body).0, 202);
    standalone.serves(&[(2, "100")]).await;
    // The others, and many at once.
    standalone.deploy(&[(1, "100")]);
    for header in [
        format!("X-Forgejo-Signature: {code}"),
        format!("X-Gitea-Signature: {code}"),
        format!("X-Gitlab-Token: {SECRET}"),
    ] {
        assert_eq!(post(&header, body).0, 202, "{header}");
    }
    standalone.serves(&[(1, "100")]).await;
    assert!(!standalone.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_do_not_end_leave_room_for_who_asks_how_it_is() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    let _web = standalone.by("/open/remote.git");
    standalone.secret("webhook-secret-file", SECRET);
    standalone.start().await;
    let begun = format!(
        "POST /hook HTTP/1.1\r\nHost: hooks.example.com\r\nX-Hub-Signature-256: sha256={}\r\nContent-Length: 1000\r\n\r\n{{",
        "00".repeat(32)
    );
    let mut flood = Vec::new();
    for _ in 0..40 {
        let mut client = TcpStream::connect(standalone.admin).await.unwrap();
        client.write_all(begun.as_bytes()).await.unwrap();
        flood.push(client);
    }
    let admin = standalone.admin.to_string();
    let asked = get(&admin, "localhost", "/live", &[]);
    let answer = tokio::time::timeout(Duration::from_secs(5), asked).await;
    assert_eq!(answer.expect("it is alive").unwrap().status, 200);
    assert_eq!(standalone.hook(&["--data", "x"]).0, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_repository_and_is_never_told() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    let web = standalone.by("/basic/remote.git");
    standalone.source = Some(web.https("/basic/remote.git"));
    let ca = ["--ca-file".to_owned(), web.ca().display().to_string()];
    standalone.more.extend(ca);
    standalone
        .more
        .extend(["--username".to_owned(), USER.to_owned()]);
    let named = ["--environment".to_owned(), "local".to_owned()];
    standalone.more.extend(named);
    let file = standalone.secret("token-file", "not-the-password");
    standalone.start().await;
    until("the wrong token is refused", async || {
        let status = standalone.status().await;
        let said = status["problems"].to_string();
        (status["commit"].is_null() && said.contains("cannot fetch from")).then_some(())
    })
    .await;
    assert!(!standalone.log().contains("not-the-password"));
    standalone.serving.take().unwrap().kill();
    std::fs::write(&file, PASSWORD).unwrap();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
    // It pushes, too.
    standalone.ledger_says(&[(1, "1 100")]).await;
    assert!(!standalone.log().contains(PASSWORD));
    let program = standalone.serving.as_ref().unwrap().id();
    let line = std::fs::read_to_string(format!("/proc/{program}/cmdline")).unwrap();
    assert!(line.contains("--token-file") && !line.contains(PASSWORD));
    // No webhooks without a secret, and no token for a path.
    assert_eq!(standalone.hook(&["--data", "x"]).0, 404);
    let remote = standalone.shop.remote().display().to_string();
    let token = file.display().to_string();
    let output = standalone
        .shop
        .run(&["serve", &remote, "--token-file", &token]);
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(2)
            && said.contains("is for a repository at an https:// address"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_a_repository_over_ssh_and_no_other_host_is_trusted() {
    let mut standalone = Standalone::of(1);
    standalone.deploy(&[(1, "100")]);
    let sshd = Sshd::start(&standalone.shop.dir.path().join("ssh"));
    standalone.source = Some(sshd.url(&standalone.shop.remote()));
    let refused = |more: &[&str]| {
        let mut arguments = standalone.arguments();
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        let output = (standalone.shop)
            .sealed(env!("CARGO_BIN_EXE_cutwater"), standalone.shop.dir.path())
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        text(&output.stderr)
    };
    let said = refused(&[]);
    assert!(
        said.contains("no key in ~/.ssh") && said.contains("--ssh-key-file"),
        "{said}"
    );
    let said = refused(&["--token-file", "/dev/null"]);
    assert!(said.contains("is empty"), "{said}");
    let flags = |hosts: &str| {
        let file = |name| sshd.file(name).display().to_string();
        let (key, hosts) = (file("user_key"), file(hosts));
        [
            "--ssh-key-file",
            &key,
            "--known-hosts-file",
            &hosts,
            "--interval",
            "1s",
        ]
        .map(str::to_owned)
    };
    standalone.more = flags("wrong_hosts").into();
    standalone.start().await;
    standalone.says("host key").await;
    standalone
        .serving
        .take()
        .unwrap()
        .stop(Duration::from_secs(20));
    standalone.more = flags("known_hosts").into();
    standalone.start().await;
    standalone.serves(&[(1, "100")]).await;
}
