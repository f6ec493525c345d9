//! Pull requests of Gitea and Forgejo, at `/repos/OWNER/NAME/pulls`. Pure.

use serde_json::Value as Json;

use super::place::Place;
use super::reply::Request;
use super::{Proposal, PullRequest};

// The API is made after that of GitHub.
pub(super) use super::github::{open, opened};

/// What a token has to be allowed.
pub(super) const RIGHT: &str =
    "the scope `write:repository`, of somebody who may write to the repository";

/// Longest text, in bytes.
pub(super) const BODY_MAX: usize = 1_000_000;

/// How many are looked at; the one that was opened last comes first.
const FOUND_MAX: &str = "50";

/// Lists those that are open: not all versions can look for a branch.
pub(super) fn find(place: &Place, _: &Proposal) -> Request {
    let (owner, name) = place.owner_and_name();
    let mut url = place.api(&["repos", owner, name, "pulls"]);
    url.query_pairs_mut()
        .append_pair("state", "open")
        .append_pair("sort", "recentupdate")
        .append_pair("limit", FOUND_MAX);
    Request { url, body: None }
}

/// The one among those that are open.
pub(super) fn found(answer: &Json, proposal: &Proposal) -> Option<PullRequest> {
    let is_it = |one: &&Json| {
        // A branch of a fork may have the name too.
        one["head"]["ref"] == proposal.branch.as_str()
            && one["base"]["ref"] == proposal.base.as_str()
            && one["head"]["repo_id"] == one["base"]["repo_id"]
    };
    opened(answer.as_array()?.iter().find(is_it)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pull_request_is_asked_for_and_found_again() {
        let place = Place::of("git@codeberg.org:acme/shop.git", None, None).unwrap();
        let proposal = Proposal::example();
        let request = open(&place, &proposal);
        let address = "https://codeberg.org/api/v1/repos/acme/shop/pulls";
        assert_eq!(request.url.as_str(), address);
        assert_eq!(
            request.body.unwrap(),
            json!({"title": "Deploy checkout: v8 100%", "body": "What it does", "head": "ship/v8", "base": "main"})
        );
        let request = find(&place, &proposal);
        assert_eq!(
            request.url.as_str(),
            format!("{address}?state=open&sort=recentupdate&limit=50")
        );
        // As its documentation has it, without what is not read.
        let one = json!({
            "id": 900,
            "url": "https://codeberg.org/acme/shop/pulls/12",
            "number": 12,
            "state": "open",
            "html_url": "https://codeberg.org/acme/shop/pulls/12",
            "base": {"label": "main", "ref": "main", "sha": "1", "repo_id": 5},
            "head": {"label": "ship/v8", "ref": "ship/v8", "sha": "2", "repo_id": 5},
        });
        let it = PullRequest {
            number: 12,
            url: "https://codeberg.org/acme/shop/pulls/12".to_owned(),
        };
        assert_eq!(opened(&one), Some(it.clone()));
        let mut of_fork = one.clone();
        of_fork["head"]["repo_id"] = json!(7);
        assert_eq!(found(&json!([of_fork, one]), &proposal), Some(it));
        assert_eq!(found(&json!([of_fork]), &proposal), None);
    }
}
