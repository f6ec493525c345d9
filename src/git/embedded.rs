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

    /// Lets git read `raw`, which means `url`, as `url` without its password.
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

/// An address of the web with a password in it, taken apart.
fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].contains(&scheme) {
        return None;
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = authority.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
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
            "ssh://git:x@git.example/shop.git",
            "git@git.example:shop.git",
            "/srv/a:b@c",
        ] {
            assert!(split(plain).is_none(), "{plain}");
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
