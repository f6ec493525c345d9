//! Why there is no pull request, and what to do about it. No token is in any of it.

use super::gitea;
use super::github;
use super::gitlab;
use super::place::Place;
use super::place_error::PlaceError;
use super::reply::{Again, Reply};
use super::token::{self, OWN, Origin};
use crate::settings::ForgeKind;

/// Why no pull request was opened, or none is known to be open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The remote is of no forge that may be asked.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Nothing was found that the forge could be shown.
    #[error(transparent)]
    NoToken(Box<NoToken>),
    /// It cannot be sent.
    #[error("{0} holds what no token can hold, such as a line break; set it again")]
    NotAToken(Origin),
    /// The forge said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// It cannot be reached.
    #[error("{host} cannot be reached: {problem}")]
    Unreachable {
        /// The host of the API.
        host: String,
        /// Why.
        problem: String,
        /// The request may have come there.
        is_sent: bool,
    },
    /// Nobody vouches for who answers there.
    #[error(
        "{host} shows a certificate that is not trusted ({problem}); name the file of its authority in SSL_CERT_FILE, or for git too with `git config http.https://{host}/.sslCAInfo FILE`"
    )]
    Untrusted {
        /// The host of the API.
        host: String,
        /// Why.
        problem: String,
    },
    /// It did not answer in time.
    #[error("{host} did not answer within {seconds} s")]
    Silent {
        /// The host of the API.
        host: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// What it said is no answer.
    #[error("{api} answered with {what}, which is no answer of {}; look at `forge` in cutwater.yaml, and for a proxy or a page for signing in that stands before it", kind.name())]
    Garbage {
        /// The forge.
        kind: ForgeKind,
        /// The API.
        api: String,
        /// What came.
        what: String,
    },
    /// Nothing could be sent.
    #[error("no request can be made: {0}")]
    Client(String),
    /// The person stopped it.
    #[error("stopped before it was known to be open")]
    Interrupted,
}

/// No token belongs to the forge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no token for {} at {host}: set {OWN} to one, or let git know one for {web} (git credential); it needs {right}{}",
    kind.name(), self.others()
)]
pub struct NoToken {
    kind: ForgeKind,
    host: String,
    web: String,
    right: &'static str,
    /// Variables that are set and were not taken.
    others: Vec<&'static str>,
}

impl NoToken {
    /// What is said where none was found in the environment, which `get` reads, nor by git.
    pub(super) fn of(place: &Place, get: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            kind: place.kind,
            host: place.host(),
            web: place.web(),
            right: right(place.kind),
            others: token::of_others(get),
        }
    }

    fn others(&self) -> String {
        let (what, names) = match self.others.as_slice() {
            [] => return String::new(),
            [name] => ("belongs", (*name).to_owned()),
            names => ("belong", names.join(" and ")),
        };
        format!("; what is in {names} {what} to another host, as far as the environment says")
    }
}

/// What the forge said no to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct Refusal {
    kind: ForgeKind,
    repository: String,
    /// What it was shown.
    origin: Origin,
    status: u16,
    /// What it said.
    said: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Token,
    Right { sign_on: Option<String> },
    Repository,
    Limit(Again),
    Moved(Option<String>),
    Server,
    Request,
}

impl Refusal {
    /// What an answer that is no success means.
    pub(super) fn of(place: &Place, origin: Origin, reply: &Reply, said: String) -> Self {
        let why = match (reply.status, &reply.limit) {
            (_, Some(again)) => Why::Limit(again.clone()),
            (401, _) => Why::Token,
            (403, _) => Why::Right {
                sign_on: reply.sign_on.clone(),
            },
            (404, _) => Why::Repository,
            (300..=399, _) => Why::Moved(reply.location.clone()),
            (500.., _) => Why::Server,
            _ => Why::Request,
        };
        Self {
            kind: place.kind,
            repository: place.repository().to_owned(),
            origin,
            status: reply.status,
            said,
            why,
        }
    }

    /// True where the same may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.why, Why::Limit(_) | Why::Server)
    }

    /// True where it is about what the forge was shown.
    #[must_use]
    pub fn is_of_token(&self) -> bool {
        matches!(self.why, Why::Token | Why::Right { .. })
    }

    fn text(&self) -> String {
        let Self {
            repository, origin, ..
        } = self;
        let (forge, right) = (self.kind.name(), right(self.kind));
        let status = match self.said.as_str() {
            "" => format!("({})", self.status),
            said => format!("({}: {said})", self.status),
        };
        match &self.why {
            Why::Token => format!(
                "{forge} does not take {origin} {status}: it is wrong, expired or taken back; make a new one, which needs {right}"
            ),
            Why::Right { sign_on } => {
                let sign_on = sign_on.as_ref().map_or_else(String::new, |url| {
                    format!("; the organization wants it to be let in first: {url}")
                });
                format!(
                    "{forge} lets nobody open a pull request in {repository} with {origin} {status}: it needs {right}{sign_on}"
                )
            }
            Why::Repository => format!(
                "{forge} shows no repository {repository} with {origin} {status}: it is called otherwise, or is private and not among what that may see; it needs {right}"
            ),
            Why::Limit(again) => {
                format!("{forge} takes no more requests for now {status}; try again {again}")
            }
            Why::Moved(Some(to)) => format!(
                "{repository} is not there any more {status}: {forge} sends to {to}; set the remote to its new address with `git remote set-url`"
            ),
            Why::Moved(None) => format!(
                "{repository} is not there any more {status}; set the remote to its new address with `git remote set-url`"
            ),
            Why::Server => format!("{forge} is in trouble {status}; try again"),
            Why::Request => format!("{forge} refused the pull request {status}"),
        }
    }
}

/// What a token has to be allowed.
fn right(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => github::RIGHT,
        ForgeKind::GitLab => gitlab::RIGHT,
        ForgeKind::Gitea | ForgeKind::Forgejo => gitea::RIGHT,
    }
}

impl ForgeError {
    /// True where the forge may have opened it all the same.
    #[must_use]
    pub fn may_be_open(&self) -> bool {
        match self {
            Self::Unreachable { is_sent, .. } => *is_sent,
            Self::Silent { .. } | Self::Garbage { .. } | Self::Interrupted => true,
            Self::Refused(refusal) => matches!(refusal.why, Why::Server),
            _ => false,
        }
    }

    /// What came is no answer of the forge.
    pub(super) fn garbage(place: &Place, what: String) -> Self {
        Self::Garbage {
            kind: place.kind,
            api: place.shown_api().to_owned(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str, status: u16, headers: &[(&str, &str)], body: &str) -> String {
        let place = Place::of(address, None, None).unwrap();
        let header = |name: &str| {
            let mut headers = headers.iter();
            let (_, value) = headers.find(|(other, _)| *other == name)?;
            Some((*value).to_owned())
        };
        let reply = Reply::new(status, header, body.as_bytes().to_vec());
        let origin = Origin::Variable("GITHUB_TOKEN");
        Refusal::of(&place, origin, &reply, reply.said()).to_string()
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let (github, gitlab, forgejo) = (
            "git@github.com:acme/shop",
            "git@gitlab.com:acme/eu/shop",
            "git@codeberg.org:acme/shop",
        );
        let sso = (
            "x-github-sso",
            "required; url=https://github.com/orgs/acme/sso?x=1",
        );
        for (address, status, headers, body, expected) in [
            (
                github,
                401,
                vec![],
                r#"{"message":"Bad credentials"}"#,
                vec![
                    "the token of GITHUB_TOKEN (401: Bad credentials)",
                    "Pull requests: Read and write",
                ],
            ),
            (
                github,
                403,
                vec![],
                r#"{"message":"Resource not accessible by integration"}"#,
                vec!["in acme/shop", "pull-requests: write"],
            ),
            (
                github,
                403,
                vec![sso],
                "{}",
                vec!["https://github.com/orgs/acme/sso?x=1"],
            ),
            (
                github,
                403,
                vec![("retry-after", "30")],
                r#"{"message":"You have exceeded a secondary rate limit"}"#,
                vec!["try again in 30 s"],
            ),
            (
                gitlab,
                404,
                vec![],
                r#"{"message":"404 Project Not Found"}"#,
                vec!["acme/eu/shop", "private", "scope `api`"],
            ),
            (
                forgejo,
                403,
                vec![],
                r#"{"message":"token does not have at least one of required scope(s): [write:repository]"}"#,
                vec!["Forgejo lets nobody", "the scope `write:repository`"],
            ),
            (
                forgejo,
                301,
                vec![("location", "https://elsewhere/x")],
                "",
                vec!["sends to https://elsewhere/x", "set-url"],
            ),
            (
                gitlab,
                502,
                vec![],
                "<html>",
                vec!["GitLab is in trouble (502)"],
            ),
            (
                github,
                422,
                vec![],
                r#"{"message":"Validation Failed","errors":[{"message":"No commits between main and x"}]}"#,
                vec![
                    "refused the pull request (422: Validation Failed; No commits between main and x)",
                ],
            ),
        ] {
            let said = refusal(address, status, &headers, body);
            for part in expected {
                assert!(said.contains(part), "{said}");
            }
        }
    }

    #[test]
    fn a_token_of_another_host_is_named_where_none_was_found() {
        let place = Place::of("git@codeberg.org:a/b", None, None).unwrap();
        let get = |name: &str| (name == "GITHUB_TOKEN").then(|| "secret".to_owned());
        let said = NoToken::of(&place, get).to_string();
        assert!(
            said.contains("Forgejo at codeberg.org: set CUTWATER_FORGE_TOKEN"),
            "{said}"
        );
        assert!(
            said.contains("GITHUB_TOKEN belongs to another host") && !said.contains("secret"),
            "{said}"
        );
    }
}
