//! Merge requests of GitLab, at `/projects/PATH/merge_requests`. Pure.

use serde_json::{Value as Json, json};

use super::place::Place;
use super::reply::{Request, pull_request};
use super::{Proposal, PullRequest};

/// What a token has to be allowed.
pub(super) const RIGHT: &str = "the scope `api`, and the role Developer or a higher one in the project (the token of a job, CI_JOB_TOKEN, opens no merge requests)";

/// Longest text, in bytes: it takes 1,048,576 characters.
pub(super) const BODY_MAX: usize = 1_000_000;

/// Asks to open it.
pub(super) fn open(place: &Place, proposal: &Proposal) -> Request {
    Request {
        url: place.api(&["projects", place.repository(), "merge_requests"]),
        body: Some(json!({
            "title": proposal.title,
            "description": proposal.body,
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
        })),
    }
}

/// Looks for the one that is open.
pub(super) fn find(place: &Place, proposal: &Proposal) -> Request {
    let mut url = place.api(&["projects", place.repository(), "merge_requests"]);
    url.query_pairs_mut()
        .append_pair("state", "opened")
        .append_pair("source_branch", &proposal.branch)
        .append_pair("target_branch", &proposal.base);
    Request { url, body: None }
}

/// The one that was opened.
pub(super) fn opened(answer: &Json) -> Option<PullRequest> {
    pull_request(&answer["iid"], &answer["web_url"])
}

/// The one among those that were found.
pub(super) fn found(answer: &Json, proposal: &Proposal) -> Option<PullRequest> {
    let is_it = |one: &&Json| {
        // A branch of a fork may have the name too.
        one["source_branch"] == proposal.branch.as_str()
            && one["target_branch"] == proposal.base.as_str()
            && one["source_project_id"] == one["target_project_id"]
    };
    opened(answer.as_array()?.iter().find(is_it)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_request_is_asked_for_and_found_again() {
        let place = Place::of("git@gitlab.com:acme/eu/shop.git", None, None).unwrap();
        let proposal = Proposal::example();
        let request = open(&place, &proposal);
        let address = "https://gitlab.com/api/v4/projects/acme%2Feu%2Fshop/merge_requests";
        assert_eq!(request.url.as_str(), address);
        assert_eq!(
            request.body.unwrap(),
            json!({"title": "Deploy checkout: v8 100%", "description": "What it does", "source_branch": "ship/v8", "target_branch": "main"})
        );
        let request = find(&place, &proposal);
        assert_eq!(
            request.url.as_str(),
            format!("{address}?state=opened&source_branch=ship%2Fv8&target_branch=main")
        );
        // As its documentation has it, without what is not read. The `id` is not what people call it by.
        let one = json!({
            "id": 155_016_530,
            "iid": 133,
            "project_id": 15_513_260,
            "title": "Manual job rules",
            "state": "opened",
            "target_branch": "main",
            "source_branch": "ship/v8",
            "source_project_id": 15_513_260,
            "target_project_id": 15_513_260,
            "web_url": "https://gitlab.com/acme/eu/shop/-/merge_requests/133",
        });
        let it = PullRequest {
            number: 133,
            url: "https://gitlab.com/acme/eu/shop/-/merge_requests/133".to_owned(),
        };
        assert_eq!(opened(&one), Some(it.clone()));
        let mut of_fork = one.clone();
        of_fork["source_project_id"] = json!(7);
        assert_eq!(found(&json!([of_fork, one]), &proposal), Some(it));
        assert_eq!(found(&json!([of_fork]), &proposal), None);
        assert_eq!(opened(&json!({"message": "404 Project Not Found"})), None);
    }
}
