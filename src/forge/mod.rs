//! Pull requests, by the API of the forge that the remote is of.
//!
//! ```text
//! address, settings --> Place --+
//! environment, git ---> Login --+--> Request --send--> Reply --> PullRequest, or why there is none
//! plan ------------> Proposal --+
//! ```
//!
//! Requests and answers are data, in one file for each API; [`send`] alone reaches the network. What is pushed and what is proposed is
//! decided elsewhere. No token is in a message, in an argument or in a log.

mod error;
mod gitea;
mod github;
mod gitlab;
mod place;
mod place_error;
#[cfg(test)]
mod place_test;
mod reply;
mod send;
mod text;
mod token;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use self::reply::{Reply, Request};
use crate::settings::ForgeKind;

pub use error::{ForgeError, NoToken, Refusal};
pub use place::Place;
pub use place_error::PlaceError;
pub use reply::Again;
pub use send::Sender;
pub use token::{Login, Origin};

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The branch into which is to be merged.
    pub base: String,
    /// The branch that is to be merged.
    pub branch: String,
    /// In one line.
    pub title: String,
    /// As Markdown.
    pub body: String,
}

/// A pull request of a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// Its page.
    pub url: String,
}

/// A pull request that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The pull request.
    pub pull_request: PullRequest,
    /// It was not opened by this call, or nobody knows: it was there when it was looked for.
    pub was_there: bool,
}

/// The API of one kind of forge.
struct Api {
    open: fn(&Place, &Proposal) -> Request,
    find: fn(&Place, &Proposal) -> Request,
    opened: fn(&Json) -> Option<PullRequest>,
    found: fn(&Json, &Proposal) -> Option<PullRequest>,
    body_max: usize,
}

impl ForgeKind {
    fn speaks(self) -> Api {
        match self {
            Self::GitHub => Api {
                open: github::open,
                find: github::find,
                opened: github::opened,
                found: github::found,
                body_max: github::BODY_MAX,
            },
            Self::GitLab => Api {
                open: gitlab::open,
                find: gitlab::find,
                opened: gitlab::opened,
                found: gitlab::found,
                body_max: gitlab::BODY_MAX,
            },
            Self::Gitea | Self::Forgejo => Api {
                open: gitea::open,
                find: gitea::find,
                opened: gitea::opened,
                found: gitea::found,
                body_max: gitea::BODY_MAX,
            },
        }
    }
}

impl Proposal {
    /// The same, within what the forge takes; `rest` is said in the place of what is left out.
    #[must_use]
    pub fn fitting(self, kind: ForgeKind, rest: &str) -> Self {
        let body = text::body(&self.body, kind.speaks().body_max, rest);
        Self {
            title: text::title(&self.title),
            body,
            ..self
        }
    }

    #[cfg(test)]
    fn example() -> Self {
        Self {
            base: "main".to_owned(),
            branch: "ship/v8".to_owned(),
            title: "Deploy checkout: v8 100%".to_owned(),
            body: "What it does".to_owned(),
        }
    }
}

impl Login {
    /// What the forge is shown: a token of the environment, which `get` reads, else what git has, which `ask` asks it for.
    ///
    /// # Errors
    /// Says which variable to set where there is none.
    pub fn of(
        place: &Place,
        get: impl Fn(&str) -> Option<String>,
        ask: impl FnOnce() -> Option<(String, String)>,
    ) -> Result<Self, ForgeError> {
        if let Some(login) = Self::of_environment(place, &get) {
            return Ok(login);
        }
        let (user, password) =
            ask().ok_or_else(|| ForgeError::NoToken(Box::new(NoToken::of(place, get))))?;
        Ok(Self::of_git(place, user, password))
    }
}

/// Opens a pull request; one of the same branch that is open already is as good.
///
/// # Errors
/// Why there is none, or why nobody knows.
pub fn open(sender: &Sender, proposal: &Proposal) -> Result<Opened, ForgeError> {
    let (place, login) = (&sender.place, &sender.login);
    let api = place.kind.speaks();
    let told = sender.send(&(api.open)(place, proposal));
    let is_there = matches!(&told, Ok(reply) if matches!(reply.status, 409 | 422));
    let error = match told.and_then(|reply| success(place, login, reply)) {
        Ok(reply) => match reply.json().as_ref().and_then(api.opened) {
            Some(pull_request) => {
                return Ok(Opened {
                    pull_request,
                    was_there: false,
                });
            }
            None => garbage(place, &reply),
        },
        Err(error) => error,
    };
    // Where the answer was lost, it may be open.
    if is_there || error.may_be_open() {
        let looked = sender.send(&(api.find)(place, proposal));
        let looked = looked.ok().filter(|reply| reply.status == 200);
        let found = looked.and_then(|reply| (api.found)(&reply.json()?, proposal));
        if let Some(pull_request) = found {
            return Ok(Opened {
                pull_request,
                was_there: true,
            });
        }
    }
    Err(error)
}

/// The answer, where it is one of success.
fn success(place: &Place, login: &Login, reply: Reply) -> Result<Reply, ForgeError> {
    if matches!(reply.status, 200..=299) {
        return Ok(reply);
    }
    let said = login.hidden(&reply.said());
    let refusal = Refusal::of(place, login.origin, &reply, said);
    Err(ForgeError::Refused(Box::new(refusal)))
}

fn garbage(place: &Place, reply: &Reply) -> ForgeError {
    let what = if reply.json().is_some() {
        "JSON of another kind"
    } else {
        "no JSON"
    };
    ForgeError::garbage(place, format!("{} and {what}", reply.status))
}
