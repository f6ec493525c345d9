//! Which token belongs to a forge: of the variables of the environment, the one that is meant for its host. Pure.

use std::fmt;

use super::place::Place;
use crate::settings::ForgeKind;

/// The variable that is meant for whatever forge the remote is of.
pub(super) const OWN: &str = "CUTWATER_FORGE_TOKEN";

/// What a forge is shown. It is printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub(super) secret: Secret,
    /// Where it is from.
    pub(super) origin: Origin,
}

/// How a forge takes it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    Token(String),
    Password { user: String, password: String },
}

/// Where a token is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This variable of the environment.
    Variable(&'static str),
    /// What git is set up to ask for a password.
    Git,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login(*** of {:?})", self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the token of {name}"),
            Self::Git => f.write_str("the password that git has for it"),
        }
    }
}

/// A variable that holds a token of one host.
struct Variable {
    name: &'static str,
    /// Variables that say of which host, by name or address; the first that is set counts.
    hosts: &'static [&'static str],
    /// The host where none is set; with none either, it is that of any forge of these kinds.
    host: Option<&'static str>,
    /// The kinds of forges that it is for, where no variable names the host.
    kinds: &'static [ForgeKind],
}

/// In the order in which they count.
const VARIABLES: [Variable; 7] = [
    Variable {
        name: "GH_TOKEN",
        hosts: &["GITHUB_SERVER_URL"],
        host: Some("github.com"),
        kinds: &[ForgeKind::GitHub],
    },
    // A pipeline of Gitea or Forgejo calls its own so too.
    Variable {
        name: "GITHUB_TOKEN",
        hosts: &["GITHUB_SERVER_URL"],
        host: Some("github.com"),
        kinds: &[ForgeKind::GitHub],
    },
    Variable {
        name: "GH_ENTERPRISE_TOKEN",
        hosts: &["GH_HOST"],
        host: Some(""),
        kinds: &[ForgeKind::GitHub],
    },
    Variable {
        name: "GITHUB_ENTERPRISE_TOKEN",
        hosts: &["GH_HOST"],
        host: Some(""),
        kinds: &[ForgeKind::GitHub],
    },
    Variable {
        name: "GITLAB_TOKEN",
        hosts: &["GITLAB_HOST", "CI_SERVER_URL"],
        host: Some("gitlab.com"),
        kinds: &[ForgeKind::GitLab],
    },
    Variable {
        name: "GITEA_TOKEN",
        hosts: &["GITEA_SERVER_URL", "GITHUB_SERVER_URL"],
        host: None,
        kinds: &[ForgeKind::Gitea],
    },
    Variable {
        name: "FORGEJO_TOKEN",
        hosts: &["FORGEJO_SERVER_URL", "GITHUB_SERVER_URL"],
        host: None,
        kinds: &[ForgeKind::Forgejo],
    },
];

impl Login {
    /// The token of the environment, which `get` reads; nothing where none belongs to the forge.
    #[must_use]
    pub fn of_environment(place: &Place, get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let get = |name: &str| {
            let value = get(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let login = |name: &'static str, token: String| Self {
            secret: Secret::Token(token),
            origin: Origin::Variable(name),
        };
        if let Some(token) = get(OWN) {
            return Some(login(OWN, token));
        }
        let mut variables = VARIABLES.iter();
        variables.find_map(|variable| {
            let token = get(variable.name)?;
            variable
                .is_of(place, &get)
                .then(|| login(variable.name, token))
        })
    }

    /// What git has for the address of the repository.
    #[must_use]
    pub fn of_git(place: &Place, user: String, password: String) -> Self {
        // Where people have passwords, they are shown as such, and a token passes for one.
        let secret = match place.kind {
            ForgeKind::Gitea | ForgeKind::Forgejo => Secret::Password { user, password },
            ForgeKind::GitHub | ForgeKind::GitLab => Secret::Token(password),
        };
        Self {
            secret,
            origin: Origin::Git,
        }
    }

    /// What must be seen in no message.
    pub(super) fn hidden<'a>(&'a self, text: &str) -> String {
        let secret: &'a str = match &self.secret {
            Secret::Token(token) => token,
            Secret::Password { password, .. } => password,
        };
        text.replace(secret, "***")
    }
}

impl Variable {
    fn is_of(&self, place: &Place, get: &impl Fn(&str) -> Option<String>) -> bool {
        let host = self.hosts.iter().find_map(|name| get(name));
        let is_kind = self.kinds.contains(&place.kind);
        match (host, self.host) {
            (Some(named), _) => host_of(&named) == place.host(),
            (None, Some(host)) => is_kind && host == place.host(),
            (None, None) => is_kind,
        }
    }
}

/// The names of variables whose tokens are set, and belong to another host.
pub(super) fn of_others(get: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let is_set = |name: &&'static str| get(name).is_some_and(|value| !value.trim().is_empty());
    let names = VARIABLES.iter().map(|variable| variable.name);
    names.filter(is_set).collect()
}

/// The host that a name or an address names.
fn host_of(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split('/').next().unwrap_or_default();
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::ForgeSettings;

    fn place(address: &str, kind: ForgeKind) -> Place {
        let settings = ForgeSettings { kind, api: None };
        Place::of(address, Some(&settings), None).unwrap()
    }

    fn variable(place: &Place, set: &[(&'static str, &'static str)]) -> Option<Origin> {
        let set: BTreeMap<_, _> = set.iter().copied().collect();
        let get = |name: &str| set.get(name).map(|value| (*value).to_owned());
        Login::of_environment(place, get).map(|login| login.origin)
    }

    #[test]
    fn a_token_is_for_the_host_that_it_is_of() {
        use ForgeKind::{Forgejo, GitHub, GitLab, Gitea};
        let github = place("git@github.com:a/b", GitHub);
        let enterprise = place("git@git.acme.com:a/b", GitHub);
        let gitlab = place("git@gitlab.acme.com:a/b", GitLab);
        let gitea = place("https://git.acme.com:8443/a/b", Gitea);
        let codeberg = place("https://codeberg.org/a/b", Forgejo);
        let token = ("GITHUB_TOKEN", "t");
        let here = ("GITHUB_SERVER_URL", "https://git.acme.com");
        for (place, set, expected) in [
            (&github, vec![token], Some("GITHUB_TOKEN")),
            (&github, vec![token, ("GH_TOKEN", "t")], Some("GH_TOKEN")),
            (&github, vec![token, (OWN, "t")], Some(OWN)),
            (&github, vec![(OWN, " "), token], Some("GITHUB_TOKEN")),
            (&github, vec![token, here], None),
            (
                &github,
                vec![("GITLAB_TOKEN", "t"), ("GITEA_TOKEN", "t")],
                None,
            ),
            (&enterprise, vec![token], None),
            (&enterprise, vec![token, here], Some("GITHUB_TOKEN")),
            (&enterprise, vec![("GH_ENTERPRISE_TOKEN", "t")], None),
            (
                &enterprise,
                vec![("GH_ENTERPRISE_TOKEN", "t"), ("GH_HOST", "git.acme.com")],
                Some("GH_ENTERPRISE_TOKEN"),
            ),
            (&gitlab, vec![("GITLAB_TOKEN", "t")], None),
            (
                &gitlab,
                vec![
                    ("GITLAB_TOKEN", "t"),
                    ("CI_SERVER_URL", "https://gitlab.acme.com/"),
                ],
                Some("GITLAB_TOKEN"),
            ),
            (&gitea, vec![("GITEA_TOKEN", "t")], Some("GITEA_TOKEN")),
            (
                &gitea,
                vec![token, ("GITHUB_SERVER_URL", "https://git.acme.com:8443/")],
                Some("GITHUB_TOKEN"),
            ),
            (&gitea, vec![token, here], None),
            (&gitea, vec![("FORGEJO_TOKEN", "t")], None),
            (
                &codeberg,
                vec![("FORGEJO_TOKEN", "t")],
                Some("FORGEJO_TOKEN"),
            ),
            (&codeberg, vec![("FORGEJO_TOKEN", "t"), here], None),
        ] {
            let found = variable(place, &set);
            assert_eq!(found, expected.map(Origin::Variable), "{place:?} {set:?}");
        }
    }

    #[test]
    fn a_token_is_in_no_message() {
        let place = place("git@github.com:a/b", ForgeKind::GitHub);
        let login = Login::of_git(&place, "ada".to_owned(), "hunter2".to_owned());
        assert!(!format!("{login:?}").contains("hunter2"));
        assert_eq!(login.hidden("bad token hunter2"), "bad token ***");
    }
}
