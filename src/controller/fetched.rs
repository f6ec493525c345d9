//! What one fetch of a Repository led to, for its sync and its status. Data.

use jiff::Timestamp;

use super::mirrors::{Fetched, Unfetched};
use crate::api::{Reason, Repository, condition};
use crate::store::Mirror;
use crate::words::CommitId;

/// What one fetch led to.
#[derive(Clone)]
pub(super) struct Fetch {
    /// The commit of the branch, or why not all could be read that was asked for.
    pub(super) head: Result<Option<CommitId>, (Reason, String)>,
    /// The commit of the branch, where that came, whatever became of the versions, and where it is.
    pub(super) branch: Option<(CommitId, Mirror)>,
    /// The copy into which versions are still being fetched.
    pub(super) filling: Option<Mirror>,
    of: FetchOf,
}

/// Of what a fetch speaks: the object, and its spec as it was when the fetch began.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchOf {
    uid: Option<String>,
    generation: Option<i64>,
    url: String,
    branch: String,
}

impl FetchOf {
    fn new(repository: &Repository) -> Self {
        let metadata = &repository.metadata;
        Self {
            uid: metadata.uid.clone(),
            generation: metadata.generation,
            url: repository.spec.url.clone(),
            branch: repository.spec.branch.clone(),
        }
    }
}

impl Fetch {
    /// All of it came, or the branch, and the rest takes long.
    pub(super) fn came(repository: &Repository, fetched: Fetched) -> Self {
        let Fetched {
            head,
            mirror,
            is_part,
            ..
        } = fetched;
        Self {
            branch: head.clone().map(|head| (head, mirror.clone())),
            head: Ok(head),
            filling: is_part.then_some(mirror),
            of: FetchOf::new(repository),
        }
    }

    /// Not all of it came. Versions are known as of a time.
    pub(super) fn failed(
        repository: &Repository,
        unfetched: Unfetched,
        as_of: Option<Timestamp>,
    ) -> Self {
        let (reason, message) = unfetched.failure;
        Self {
            head: Err((reason, since(message, as_of))),
            branch: unfetched.branch.map(|branch| *branch),
            filling: None,
            of: FetchOf::new(repository),
        }
    }

    /// True where it speaks of the Repository as it is now: one that changed meanwhile is fetched again.
    pub(super) fn is_of(&self, repository: &Repository) -> bool {
        self.of == FetchOf::new(repository)
    }

    /// The address that was fetched from.
    pub(super) fn url(&self) -> &str {
        &self.of.url
    }
}

/// Of when what is known is, where it is not of now.
pub(super) fn since(message: String, as_of: Option<Timestamp>) -> String {
    match as_of.map(|time| condition::whole_second(time).0) {
        Some(time) => format!("{message}; versions are known as of {time}"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_speaks_of_the_spec_that_it_was_made_for() {
        let repository = |uid: &str, generation: i64, url: &str, branch: &str| -> Repository {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "cutwater.dev/v1alpha1", "kind": "Repository",
                "metadata": {"name": "main", "uid": uid, "generation": generation},
                "spec": {"url": url, "branch": branch},
            }))
            .unwrap()
        };
        let fetched = repository("a", 1, "https://git.example/shop", "main");
        let away = Unfetched::from((Reason::RepositoryUnreachable, "away".to_owned()));
        let fetch = Fetch::failed(&fetched, away, None);
        assert!(fetch.is_of(&fetched));
        for other in [
            repository("b", 1, "https://git.example/shop", "main"),
            repository("a", 2, "https://git.example/shop", "main"),
            repository("a", 1, "https://git.example/other", "main"),
            repository("a", 1, "https://git.example/shop", "next"),
        ] {
            assert!(!fetch.is_of(&other), "{other:?}");
        }
    }
}
