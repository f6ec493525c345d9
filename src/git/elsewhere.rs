//! Whether pushes to a remote lead to the repository that fetches come from: git lets a person set the two apart.

use std::path::{Path, PathBuf};

use super::ask::ask;
use super::url::redact;
use super::whereabouts::whereabouts;

/// The settings that send pushes elsewhere.
const RULES: &str = r"^(remote\..*\.pushurl|url\..*\.pushinsteadof)$";

/// Where git finds the repository of a path, as it looks for it.
const ENDINGS: [&str; 4] = ["/.git", "", ".git/.git", ".git"];

/// What forges call the host of their ssh, beside that of the web.
const SSH_HOSTS: [&str; 2] = ["ssh.", "altssh."];

/// Both addresses of a remote, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where fetches come from.
    pub fetch: String,
    /// Where pushes go.
    pub push: String,
}

/// The addresses of the remote `name` of the clone at `dir`, where pushes reach another repository than fetches. Nothing where they
/// reach the same one, be it by another protocol, and where git does not say.
#[must_use]
pub fn pushes_elsewhere(dir: &Path, name: &str) -> Option<Elsewhere> {
    // Mostly there is no such setting, and one question is enough.
    ask(dir, &["config", "--get-regexp", RULES])?;
    let fetch = ask(dir, &["remote", "get-url", "--", name])?;
    let pushes = ask(dir, &["remote", "get-url", "--push", "--all", "--", name])?;
    let there = Place::of(&fetch, dir);
    // Further addresses are copies: what is read is at one of them.
    if pushes.lines().any(|push| Place::of(push, dir).is(&there)) {
        return None;
    }
    let pushes: Vec<String> = pushes.lines().map(redact).collect();
    Some(Elsewhere {
        fetch: redact(&fetch),
        push: pushes.join(", "),
    })
}

/// Whether two addresses lead to one repository, however protocols write them; nothing where they do not tell. Paths are absolute.
#[must_use]
pub fn are_one(one: &str, other: &str) -> Option<bool> {
    let place = |address| Place::of(address, Path::new("/"));
    let (one, other) = (place(one), place(other));
    if one.is_surely(&other) {
        Some(true)
    } else {
        (!one.is(&other)).then_some(false)
    }
}

/// What an address leads to.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Local(PathBuf),
    Host {
        /// It is spoken to by ssh.
        ssh: bool,
        /// Without user and port.
        host: String,
        /// The protocol with its port, where one is named: two servers may share a host.
        port: Option<(String, String)>,
        /// Without what protocols write differently: the slash before it, and `.git` behind it.
        path: String,
    },
}

impl Place {
    /// `base` is where relative paths begin.
    fn of(address: &str, base: &Path) -> Self {
        let lower = address.to_ascii_lowercase();
        let host = match lower.split_once("://") {
            Some(("file", _)) | None if !is_short_ssh(&lower) => None,
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                Some((scheme, authority, path))
            }
            None => lower.split_once(':').map(|(host, path)| ("", host, path)),
        };
        let Some((scheme, authority, path)) = host else {
            let path = address.strip_prefix("file://").unwrap_or(address);
            return Self::Local(repository_at(&base.join(path)));
        };
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = match host.rsplit_once(':') {
            // The colons of an address in brackets are its own.
            Some((name, port)) if !scheme.is_empty() && !port.ends_with(']') => (name, Some(port)),
            _ => (host, None),
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        Self::Host {
            ssh: scheme.is_empty() || scheme.contains("ssh"),
            host: host.to_owned(),
            port: port.map(|port| (scheme.to_owned(), port.to_owned())),
            path: path.trim_matches('/').to_owned(),
        }
    }

    /// True where both are one repository, or where an alias of `~/.ssh/config` keeps that from being known.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Host {
                    ssh, host, path, ..
                },
                Self::Host {
                    ssh: their_ssh,
                    host: their_host,
                    path: their_path,
                    ..
                },
            ) => {
                // A web server and ssh mostly begin at different folders of one machine.
                let is_path = path == their_path
                    || (ssh != their_ssh
                        && (is_below(path, their_path) || is_below(their_path, path)));
                let is_host = host == their_host
                    || (*ssh && is_name_of(host, their_host))
                    || (*their_ssh && is_name_of(their_host, host));
                is_path && is_host
            }
            _ => self == other,
        }
    }

    /// True where both are one repository, by what every set-up has in common.
    fn is_surely(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Host {
                    ssh,
                    host,
                    port,
                    path,
                },
                Self::Host {
                    ssh: their_ssh,
                    host: their_host,
                    port: their_port,
                    path: their_path,
                },
            ) => {
                // One forge begins each path of its web like this, and none of its ssh.
                let path_of = |path: &str, ssh: bool| {
                    let start = if ssh { "" } else { "scm/" };
                    path.strip_prefix(start).unwrap_or(path).to_owned()
                };
                let is_path = path_of(path, *ssh) == path_of(their_path, *their_ssh);
                let is_host = host == their_host
                    || (*ssh && is_forge_of(host, their_host))
                    || (*their_ssh && is_forge_of(their_host, host));
                let other_port = match (port, their_port) {
                    (Some((scheme, port)), Some((their_scheme, their_port))) => {
                        scheme == their_scheme && port != their_port
                    }
                    _ => false,
                };
                is_path && is_host && !other_port
            }
            _ => self == other,
        }
    }
}

/// True for `user@host:path`, as git tells it from a path.
fn is_short_ssh(address: &str) -> bool {
    !address.contains("://")
        && address
            .split_once(':')
            .is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
}

/// True where the words of `short` are the last ones of `long`.
fn is_below(short: &str, long: &str) -> bool {
    let before = long.strip_suffix(short);
    !short.is_empty() && before.is_some_and(|before| before.ends_with('/'))
}

/// True where the host of an ssh address may be the other one: an alias has no dot.
fn is_name_of(ssh: &str, other: &str) -> bool {
    !ssh.contains('.') || is_forge_of(ssh, other)
}

/// True where the host of an ssh address is what forges call the other one there.
fn is_forge_of(ssh: &str, other: &str) -> bool {
    let forge = |start: &str| ssh.strip_prefix(start) == Some(other);
    SSH_HOSTS.iter().any(|start| forge(start))
}

/// The repository that git finds by a path of this machine.
fn repository_at(path: &Path) -> PathBuf {
    let path = path.display().to_string();
    let path = path.trim_end_matches('/');
    let is_there = |ending: &&&str| {
        let found = PathBuf::from(format!("{path}{ending}"));
        found.join("HEAD").exists() || (ending.ends_with("/.git") && found.is_file())
    };
    let ending = ENDINGS.iter().find(is_there).unwrap_or(&"");
    whereabouts(Path::new(&format!("{path}{ending}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let place = |address| Place::of(address, Path::new("/srv"));
        let is_one = place(one).is(&place(other));
        assert_eq!(is_one, place(other).is(&place(one)), "{one} {other}");
        is_one
    }

    #[test]
    fn another_protocol_is_no_other_repository() {
        for (one, other) in [
            (
                "https://git.example/acme/shop.git",
                "git@git.example:acme/shop.git",
            ),
            (
                "https://ci:token@git.example/acme/shop",
                "ssh://git@git.example:2222/acme/shop.git/",
            ),
            (
                "git://git.example/acme/shop",
                "https://Git.Example:8443/Acme/shop.git",
            ),
            (
                "https://github.example/acme/shop",
                "ssh://git@ssh.github.example:443/acme/shop.git",
            ),
            // An alias of `~/.ssh/config`.
            ("https://git.example/acme/shop", "work:acme/shop.git"),
            (
                "https://git.example/scm/acme/shop.git",
                "ssh://git@git.example:7999/acme/shop.git",
            ),
            (
                "https://git.example/git/shop.git",
                "git.example:/srv/git/shop.git",
            ),
            ("https://[::1]:8443/shop", "ssh://[::1]/shop"),
            ("/srv/shop.git", "file:///srv/shop.git/"),
            ("/srv/shop.git", "shop.git"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            (
                "https://git.example/acme/shop.git",
                "git@git.example:ada/shop.git",
            ),
            (
                "https://git.example/acme/shop.git",
                "https://git.example/shop.git",
            ),
            (
                "https://git.example/acme/shop.git",
                "https://git.other/acme/shop.git",
            ),
            ("git@git.example:shop", "git@git.example:ada/shop"),
            ("work:acme/shop", "home:ada/shop"),
            ("https://git.example/srv/shop.git", "/srv/shop.git"),
            ("/srv/shop.git", "/srv/fork.git"),
            ("/srv/shop.git", "git.example:/srv/shop.git"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_two_addresses_do_not_tell_is_not_guessed() {
        let web = "https://git.example/acme/shop.git";
        for (one, other, expected) in [
            (web, "git@git.example:acme/shop", Some(true)),
            (web, "ssh://git@git.example:7999/Acme/shop", Some(true)),
            (
                web,
                "ssh://git@ssh.git.example:443/acme/shop.git",
                Some(true),
            ),
            (
                "https://git.example/scm/acme/shop.git",
                "ssh://git@git.example:7999/acme/shop.git",
                Some(true),
            ),
            ("/srv/shop.git", "file:///srv/shop.git", Some(true)),
            (web, "https://git.eu.example/acme/shop.git", Some(false)),
            (web, "https://git.example/eu/acme/shop.git", Some(false)),
            (web, "git@git.example:ada/shop", Some(false)),
            // An alias may be that of any host.
            (web, "work:acme/shop", None),
            // A folder of the machine, or a group of the forge.
            (web, "git@git.example:eu/acme/shop", None),
            // One machine may have two servers.
            (
                "http://git.example:3000/acme/shop",
                "http://git.example:4000/acme/shop",
                None,
            ),
        ] {
            assert_eq!(are_one(one, other), expected, "{one} {other}");
            assert_eq!(are_one(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_path_is_the_repository_that_git_finds_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["bare.git", "clone/.git"] {
            fs::create_dir_all(path(name)).unwrap();
            fs::write(dir.path().join(name).join("HEAD"), "").unwrap();
        }
        std::os::unix::fs::symlink("bare.git", dir.path().join("link")).unwrap();
        for (one, other) in [
            ("bare", "bare.git"),
            ("link", "bare"),
            ("clone", "clone/.git/"),
        ] {
            assert!(same(&path(one), &path(other)), "{one} {other}");
        }
        assert!(!same(&path("bare"), &path("clone")));
    }
}
