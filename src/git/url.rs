//! Addresses of remotes, checked before `git` sees them, and printed without credentials.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::words;

/// Address of a remote that the controller may use: `https://`, `ssh://` or `user@host:path`; where local ones are
/// allowed, also an absolute path, `file://` and `http://`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUrl {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Web,
    Ssh,
    Local,
}

/// Why an address was refused. Holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not one of the forms that are understood.
    #[error(
        "`{0}` is not the address of a git repository; write https://host/path or ssh://user@host/path"
    )]
    Form(String),
    /// A path, `file://` or `http://` where that is not allowed.
    #[error(
        "`{0}` is a local or unencrypted repository, which is not allowed here; use https:// or ssh://, or start the controller with --allow-local-repositories"
    )]
    Local(String),
    /// A query or fragment, in which a token may stand. Neither is part of what is shown.
    #[error(
        "`{0}` is followed by a query or fragment, which the address of a repository has not: leave out what stands from the first `?` or `#` on; a token is kept in a Secret or a file"
    )]
    Query(String),
    /// A password in the address itself.
    #[error("`{0}` holds a password or token; keep it in a Secret and name that in spec.secretRef")]
    Password(String),
}

impl RemoteUrl {
    /// Reads an address. `allow_local` permits absolute paths, `file://` and `http://`.
    ///
    /// # Errors
    /// Says which forms are allowed.
    pub fn parse(text: &str, allow_local: bool) -> Result<Self, UrlError> {
        let clean = redact(text);
        let plain = without_query(&clean);
        let shown = words::shown(plain, words::WORD_MAX);
        let bad = text.is_empty()
            || text.starts_with('-')
            || text.len() > 2048
            || text.chars().any(|c| c.is_control() || c.is_whitespace());
        if bad {
            return Err(UrlError::Form(shown));
        }
        let kind = kind_of(text).ok_or_else(|| UrlError::Form(shown.clone()))?;
        let unencrypted = text.to_ascii_lowercase().starts_with("http://");
        if (kind == Kind::Local || unencrypted) && !allow_local {
            return Err(UrlError::Local(shown));
        }
        if kind != Kind::Local && plain != clean {
            return Err(UrlError::Query(shown));
        }
        if kind == Kind::Web && clean != text {
            return Err(UrlError::Password(shown));
        }
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The directory, where the remote is a path of this machine.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        // Without encryption is taken for local, and is no path.
        (self.kind == Kind::Local && !self.text.starts_with("http:"))
            .then(|| PathBuf::from(self.text.strip_prefix("file://").unwrap_or(&self.text)))
    }

    /// The host that answers, without user and port; empty for a path of this machine.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.kind == Kind::Local {
            return "";
        }
        let (authority, is_url) = match self.text.split_once("://") {
            Some((_, rest)) => (rest.split('/').next().unwrap_or(rest), true),
            None => (self.text.split(':').next().unwrap_or_default(), false),
        };
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        // The colons of an address in brackets are its own.
        match host.rsplit_once(':') {
            Some((name, port)) if is_url && !port.ends_with(']') => name,
            _ => host,
        }
    }

    /// `https://host:port/` of an address of the web: what a credential belongs to.
    pub(super) fn origin(&self) -> Option<String> {
        if self.kind != Kind::Web {
            return None;
        }
        let (scheme, rest) = self.text.split_once("://")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Some(format!("{scheme}://{host}/"))
    }
}

fn kind_of(text: &str) -> Option<Kind> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" if !host.is_empty() => Some(Kind::Web),
            "ssh" if !host.is_empty() && !host.starts_with('-') => Some(Kind::Ssh),
            "file" if rest.starts_with('/') => Some(Kind::Local),
            _ => None,
        };
    }
    if text.contains("::") {
        return None;
    }
    if Path::new(text).is_absolute() {
        return Some(Kind::Local);
    }
    // The short form of ssh: `user@host:path`.
    let (host, path) = text.split_once(':')?;
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    let good =
        !name.is_empty() && !name.starts_with('-') && !host.contains('/') && !path.is_empty();
    good.then_some(Kind::Ssh)
}

/// An address up to its query or fragment. In a path of this machine both signs are letters like others.
fn without_query(text: &str) -> &str {
    let is_path = Path::new(text).is_absolute() || text.starts_with("file://");
    let end = text.find(['?', '#']).filter(|_| !is_path);
    &text[..end.unwrap_or(text.len())]
}

impl fmt::Display for RemoteUrl {
    /// The address without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

/// Replaces every `user:password@` and `token@` behind a `https://` with `***@`, and every `user:password@` behind
/// another scheme; the query of an address of the web, in which forges take tokens too, becomes `?***`. Also used on what
/// `git` prints.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let is_end = |c: char| c.is_whitespace() || c == '\'' || c == '"';
        // A second address may stand in the path, as in that of a proxy.
        let address = &after[..after.find("://").unwrap_or(after.len())];
        let address = &address[..address.find(is_end).unwrap_or(address.len())];
        let authority = &address[..address.find('/').unwrap_or(address.len())];
        let web = before.to_ascii_lowercase();
        let web = web.ends_with("https://") || web.ends_with("http://");
        let host = match authority.rsplit_once('@') {
            Some((user, host)) if web || user.contains(':') => {
                out.push_str("***@");
                host
            }
            _ => authority,
        };
        let place = &address[authority.len() - host.len()..];
        if let Some((place, _)) = place.split_once('?').filter(|_| web) {
            out.extend([place, "?***"]);
            rest = &after[after.find(is_end).unwrap_or(after.len())..];
        } else {
            out.push_str(host);
            rest = &after[authority.len()..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_remotes_unless_local_ones_are_allowed() {
        for good in [
            "https://git.example/acme/shop.git",
            "ssh://git@git.example:22/acme/shop",
            "git@git.example:acme/shop.git",
        ] {
            assert!(RemoteUrl::parse(good, false).is_ok(), "{good}");
        }
        for local in [
            "/srv/shop.git",
            "file:///srv/shop.git",
            "http://git.example/a",
        ] {
            assert!(matches!(
                RemoteUrl::parse(local, false),
                Err(UrlError::Local(_))
            ));
            assert!(RemoteUrl::parse(local, true).is_ok(), "{local}");
        }
        for bad in [
            "",
            "-u",
            "--upload-pack=x",
            "ext::sh -c id",
            "ext::sh",
            "git://h/x",
            "relative/path",
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "https:///x",
            "file://host/x",
            "a b",
            "https://h/a\nb",
            "fd::17",
            "host:",
        ] {
            assert!(RemoteUrl::parse(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_host_is_what_answers() {
        for (text, host) in [
            ("https://git.example/acme/shop.git", "git.example"),
            ("http://127.0.0.1:8080/shop", "127.0.0.1"),
            ("https://[::1]:8443/shop", "[::1]"),
            ("https://[::1]/shop", "[::1]"),
            ("ssh://git@git.example:22/acme/shop", "git.example"),
            ("git@git.example:acme/shop.git", "git.example"),
            ("/srv/shop.git", ""),
            ("file:///srv/shop.git", ""),
        ] {
            assert_eq!(RemoteUrl::parse(text, true).unwrap().host(), host, "{text}");
        }
    }

    #[test]
    fn a_query_is_refused_and_not_printed() {
        for address in [
            "https://h/x.git?access_token=hunter2",
            "https://h/x.git#hunter2",
            "https://h?hunter2/x",
            "https://h/x?a=https://b/hunter2",
            "http://h/x.git?private_token=hunter2",
            "ssh://git@h/x?hunter2",
            "git@h:x?hunter2",
            "ext::h?hunter2",
            "https://h/x ?hunter2",
        ] {
            let error = RemoteUrl::parse(address, true).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let both = RemoteUrl::parse("https://me:hun?ter2@h/x", true).unwrap_err();
        assert!(!both.to_string().contains("hun"), "{both}");
        for path in ["/srv/what?.git", "file:///srv/c#.git"] {
            assert!(RemoteUrl::parse(path, true).is_ok(), "{path}");
        }
        assert_eq!(
            redact("unable to access 'https://h/x?token=a/b@c': x, see http://h?a and ssh://h/x?y"),
            "unable to access 'https://h/x?***': x, see http://h?*** and ssh://h/x?y"
        );
        assert_eq!(
            redact("https://p/https://a:b@h/x"),
            "https://p/https://***@h/x"
        );
    }

    #[test]
    fn credentials_are_never_printed() {
        let error = RemoteUrl::parse("https://me:hunter2@h/x", true).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(RemoteUrl::parse("https://ghp_token@h/x", true).is_err());
        assert_eq!(
            redact("fatal: 'https://a:b@h/x' and http://tok@h and ssh://git@h/x"),
            "fatal: 'https://***@h/x' and http://***@h and ssh://git@h/x"
        );
    }
}
