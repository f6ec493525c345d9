//! Credentials that stand in the address of a person's remote, as pipelines write them.
//!
//! `git` hands an address to its helpers as an argument, where everybody on the machine can read it. So it is given the
//! address without the password, and the password goes along in a header, by the environment.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;

use super::ask::ask;
use super::credentials::basic;

/// What makes one remote work without a password in its address.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Embedded {
    /// Configuration for each call.
    pub(super) config: Vec<(String, String)>,
    /// What must not be seen in any message.
    pub(super) secrets: Vec<String>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded(***)")
    }
}

impl Embedded {
    /// Looks at the addresses of the remote `name` as git sees them, rewritten by `insteadOf` and its like.
    pub(super) fn of_remote(dir: &Path, name: &str) -> Self {
        let fetch = lines(dir, &["remote", "get-url", "--all", "--", name]);
        let push = lines(dir, &["remote", "get-url", "--push", "--all", "--", name]);
        if fetch.iter().chain(&push).all(|url| split(url).is_none()) {
            return Self::default();
        }
        let written = lines(dir, &["config", "--get-all", &format!("remote.{name}.url")]);
        let for_push = lines(
            dir,
            &["config", "--get-all", &format!("remote.{name}.pushurl")],
        );
        let mut found = Self::default();
        let mut seen = BTreeSet::new();
        for (raw, url) in written.iter().zip(&fetch) {
            found.hide("insteadOf", raw, url, &mut seen);
        }
        if for_push.is_empty() {
            for (raw, url) in written.iter().zip(&push) {
                found.hide("pushInsteadOf", raw, url, &mut seen);
            }
        }
        for (raw, url) in for_push.iter().zip(&push) {
            found.hide("insteadOf", raw, url, &mut seen);
        }
        found
    }

    /// Lets git read `raw`, which means `url`, as `url` without its password or token.
    fn hide(&mut self, rule: &str, raw: &str, url: &str, seen: &mut BTreeSet<String>) {
        let Some(Parts {
            clean,
            user,
            password,
        }) = split(url)
        else {
            return;
        };
        // The longest rule counts: the whole address is longer than any prefix that rewrote it.
        self.config
            .push((format!("url.{clean}.{rule}"), raw.into()));
        if !seen.insert(url.to_owned()) {
            return;
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = [decoded(user), decoded(password)];
        let header = basic(&pair[0], &pair[1]);
        self.config.push((
            format!("http.{clean}.extraHeader"),
            format!("Authorization: {header}"),
        ));
        self.secrets.extend([header, password.to_owned()]);
        let [user, password] = pair;
        // Some forges take a token as the user name, with a word for the password.
        if password.is_empty() || password == "x-oauth-basic" {
            self.secrets.push(user);
        }
        self.secrets.push(password);
        self.secrets.retain(|secret| secret.len() >= 4);
    }
}

struct Parts<'a> {
    clean: String,
    user: &'a str,
    password: &'a str,
}

/// Fewest characters of a user name that may be a token by its looks alone.
const TOKEN_MIN: usize = 32;
/// How the tokens of forges begin.
const TOKENS: [&str; 12] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "gloas-",
    "ATBB",
    "ATCTT",
];

/// True for a user name that looks like a token of a forge. A name has to stay in the address, because a helper may know a password
/// for it there.
fn is_token(user: &str) -> bool {
    let known = TOKENS.iter().any(|start| user.starts_with(start));
    let random = user.len() >= TOKEN_MIN
        && user.chars().all(|c| c.is_ascii_alphanumeric())
        && user.contains(|c: char| c.is_ascii_digit())
        && user.contains(|c: char| c.is_ascii_alphabetic());
    known || random
}

/// An address of the web with a password or a token in it, taken apart.
fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].contains(&scheme) {
        return None;
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@')?;
    let (user, password) = match user.split_once(':') {
        Some(pair) => pair,
        None if is_token(user) => (user, ""),
        None => return None,
    };
    Some(Parts {
        clean: format!("{scheme}://{host}{path}"),
        user,
        password,
    })
}

fn lines(dir: &Path, args: &[&str]) -> Vec<String> {
    let text = ask(dir, args).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_only_where_it_holds_a_password() {
        let parts = split("https://ci:t%40ken@git.example:8443/shop.git").unwrap();
        assert_eq!(parts.clean, "https://git.example:8443/shop.git");
        assert_eq!((parts.user, parts.password), ("ci", "t%40ken"));
        for plain in [
            "https://git.example/a@b:c",
            "https://me@git.example/shop.git",
            "https://ada.lovelace.of.the.release.team.42@git.example/shop.git",
            "https://release-robot-of-the-web-shop@git.example/shop.git",
            "ssh://git:x@git.example/shop.git",
            "git@git.example:shop.git",
            "/srv/a:b@c",
        ] {
            assert!(split(plain).is_none(), "{plain}");
        }
    }

    #[test]
    fn a_token_may_stand_in_the_place_of_the_user() {
        for token in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "github_pat_11ABCDEFG0aBcDeF",
            "glpat-x1y2z3",
            "0123456789abcdef0123456789abcdef01234567",
            "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst",
        ] {
            let url = format!("https://{token}@git.example/shop.git");
            let parts = split(&url).unwrap();
            assert_eq!(parts.clean, "https://git.example/shop.git");
            assert_eq!((parts.user, parts.password), (token, ""));
            let mut found = Embedded::default();
            found.hide("insteadOf", &url, &url, &mut BTreeSet::new());
            assert_eq!(
                found.config[1].1,
                format!("Authorization: {}", basic(token, ""))
            );
            assert!(found.secrets.contains(&token.to_owned()));
        }
    }

    #[test]
    fn what_is_hidden_is_not_printed() {
        let mut found = Embedded::default();
        let url = "https://ci:t%40ken1234@git.example/shop.git";
        found.hide("insteadOf", url, url, &mut BTreeSet::new());
        assert!(!format!("{found:?}").contains("ken1234"));
        assert!(found.secrets.contains(&"t@ken1234".to_owned()));
        assert!(found.secrets.contains(&"t%40ken1234".to_owned()));
        let names: Vec<&str> = found.config.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "url.https://git.example/shop.git.insteadOf",
                "http.https://git.example/shop.git.extraHeader"
            ]
        );
    }
}
