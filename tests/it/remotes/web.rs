use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use cutwater::git::{Credentials, RemoteUrl};
use cutwater::store::{Mirror, StoreError};
use cutwater::words::CommitId;

use super::{publishes, refused, set_url, web};
use crate::it::shop::Shop;
use crate::support::proxy::{self, Proxy};
use crate::support::web::{PASSWORD, PASSWORD_ESCAPED, TOKEN, USER, Web};

#[test]
fn a_person_publishes_over_http() {
    let shop = Shop::new();
    let web = web(&shop);
    set_url(&shop, &web.http("/open/remote.git"));
    publishes(&shop);
}

#[test]
fn an_authority_of_ones_own_is_taken_from_gits_configuration() {
    let shop = Shop::new();
    let web = web(&shop);
    set_url(&shop, &web.https("/open/remote.git"));
    let error = refused(&shop);
    assert!(error.contains("http.sslCAInfo"), "{error}");
    shop.config("http.sslCAInfo", "/nowhere.pem");
    let error = refused(&shop);
    assert!(error.contains("http.sslCAInfo"), "{error}");
    shop.config("http.sslCAInfo", &web.ca().display().to_string());
    publishes(&shop);
}

#[test]
fn a_password_comes_from_a_credential_helper() {
    let shop = Shop::new();
    let web = web(&shop);
    let url = web.http("/basic/remote.git");
    set_url(&shop, &url);
    let error = refused(&shop);
    assert!(
        error.contains("terminal prompts disabled") && error.contains("credential helper"),
        "{error}"
    );
    let store = shop.dir.path().join("passwords");
    let remember = |password: &str| {
        let login = format!("://{USER}:{password}@");
        fs::write(&store, format!("{}\n", url.replace("://", &login))).unwrap();
    };
    shop.config(
        "credential.helper",
        &format!("store --file={}", store.display()),
    );
    remember("wrong-password");
    let error = refused(&shop);
    assert!(
        error.contains("Authentication failed") && error.contains("credential helper"),
        "{error}"
    );
    remember(PASSWORD_ESCAPED);
    publishes(&shop);
}

#[test]
fn a_token_comes_from_a_header_in_gits_configuration() {
    let shop = Shop::new();
    let web = web(&shop);
    set_url(&shop, &web.http("/bearer/remote.git"));
    let error = refused(&shop);
    assert!(
        error.contains("403") && error.contains("the right to push"),
        "{error}"
    );
    shop.config(
        &format!("http.{}.extraHeader", web.http("/")),
        &format!("Authorization: Bearer {TOKEN}"),
    );
    publishes(&shop);
}

#[test]
fn a_proxy_is_taken_from_gits_configuration() {
    let shop = Shop::new();
    let web = web(&shop);
    let proxy = Proxy::start(&shop.dir.path().join("proxy"));
    set_url(&shop, &web.https("/open/remote.git"));
    shop.config("http.sslCAInfo", &web.ca().display().to_string());
    shop.config("http.proxy", &proxy.url(""));
    let error = refused(&shop);
    assert!(
        error.contains("407") && error.contains("HTTPS_PROXY"),
        "{error}"
    );
    // A port that is taken and does not listen: nobody answers there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    shop.config("http.proxy", &format!("http://127.0.0.1:{port}"));
    let error = refused(&shop);
    assert!(error.contains("HTTPS_PROXY"), "{error}");
    let login = format!("{}:{}@", proxy::USER, proxy::PASSWORD);
    shop.config("http.proxy", &proxy.url(&login));
    publishes(&shop);
    let wanted = format!(
        "CONNECT {}",
        web.https("").strip_prefix("https://").unwrap()
    );
    assert!(proxy.log().contains(&wanted), "{}", proxy.log());
}

/// What the controller's mirror says of a remote.
pub(super) fn mirror(
    shop: &Shop,
    url: &str,
    credentials: Credentials,
) -> Result<Option<CommitId>, StoreError> {
    let dir = tempfile::tempdir_in(shop.dir.path()).unwrap();
    let url = RemoteUrl::parse(url, true).unwrap();
    let mirror = Mirror::open(dir.path(), &url, Some(credentials)).unwrap();
    let apps = ["checkout".parse().unwrap()].into();
    let fetched = mirror.fetch("main", &apps, Duration::from_secs(30))?;
    assert_eq!(fetched.changed.len(), 1);
    Ok(fetched.head)
}

pub(super) fn ca(web: &Web) -> Credentials {
    Credentials {
        ca: Some(fs::read_to_string(web.ca()).unwrap()),
        ..Credentials::default()
    }
}

#[test]
fn the_controller_reads_with_what_its_secret_holds() {
    let shop = Shop::new();
    let web = web(&shop);
    shop.publish(&[]);
    shop.git(
        &shop.clone_dir(),
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    );
    let head = Some(shop.rev(&shop.clone_dir(), "HEAD").parse().unwrap());
    let password = |password: &str| Credentials {
        username: Some(USER.to_owned()),
        password: Some(password.to_owned()),
        ..ca(&web)
    };
    let token = |token: &str| Credentials {
        bearer_token: Some(token.to_owned()),
        ..ca(&web)
    };
    let read = |path: &str, credentials| mirror(&shop, &web.https(path), credentials);
    assert_eq!(read("/open/remote.git", ca(&web)).unwrap(), head);
    assert_eq!(read("/basic/remote.git", password(PASSWORD)).unwrap(), head);
    assert_eq!(read("/bearer/remote.git", token(TOKEN)).unwrap(), head);

    for (path, credentials, reason, wanted) in [
        (
            "/open/remote.git",
            Credentials::default(),
            "RepositoryUnreachable",
            "ca.crt of the Secret",
        ),
        (
            "/basic/remote.git",
            ca(&web),
            "CredentialsRefused",
            "username and password",
        ),
        (
            "/basic/remote.git",
            password("another-password"),
            "CredentialsRefused",
            "username and password",
        ),
        (
            "/bearer/remote.git",
            token("another-token"),
            "CredentialsRefused",
            "in the Secret",
        ),
        // A header must not follow a server elsewhere.
        (
            "/moved/remote.git",
            token(TOKEN),
            "RepositoryUnreachable",
            "sends to another address",
        ),
        (
            "/broken/remote.git",
            ca(&web),
            "RepositoryUnreachable",
            "a problem of its own",
        ),
        (
            "/open/none.git",
            ca(&web),
            "NotARepository",
            "check the address",
        ),
    ] {
        let error = read(path, credentials).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(wanted), "{path}: {text}");
        assert_eq!(format!("{:?}", error.reason()), reason, "{text}");
        for secret in [PASSWORD, TOKEN, "another-password", "another-token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
