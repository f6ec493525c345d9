//! Pull requests of GitHub, at `/repos/OWNER/NAME/pulls`. Pure.

use serde_json::{Value as Json, json};

use super::place::Place;
use super::reply::{Request, pull_request};
use super::{Proposal, PullRequest};

/// The version of the API that is spoken.
pub(super) const HEADERS: [(&str, &str); 2] = [
    ("Accept", "application/vnd.github+json"),
    ("X-GitHub-Api-Version", "2022-11-28"),
];

/// What a token has to be allowed.
pub(super) const RIGHT: &str = "`Pull requests: Read and write` for the repository (of a classic token the scope `repo`; in a workflow `permissions: {contents: write, pull-requests: write}`, and in the settings of the repository that Actions may create pull requests)";

/// Longest text, in bytes: it takes 65,536 characters.
pub(super) const BODY_MAX: usize = 65_000;

/// Asks to open it.
pub(super) fn open(place: &Place, proposal: &Proposal) -> Request {
    let (owner, name) = place.owner_and_name();
    Request {
        url: place.api(&["repos", owner, name, "pulls"]),
        body: Some(json!({
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": proposal.base,
        })),
    }
}

/// Looks for the one that is open.
pub(super) fn find(place: &Place, proposal: &Proposal) -> Request {
    let (owner, name) = place.owner_and_name();
    let mut url = place.api(&["repos", owner, name, "pulls"]);
    url.query_pairs_mut()
        .append_pair("state", "open")
        .append_pair("head", &format!("{owner}:{}", proposal.branch))
        .append_pair("base", &proposal.base);
    Request { url, body: None }
}

/// The one that was opened.
pub(super) fn opened(answer: &Json) -> Option<PullRequest> {
    pull_request(&answer["number"], &answer["html_url"])
}

/// The one among those that were found.
pub(super) fn found(answer: &Json, proposal: &Proposal) -> Option<PullRequest> {
    let is_it = |one: &&Json| {
        // A branch of a fork may have the name too.
        one["head"]["ref"] == proposal.branch.as_str()
            && one["base"]["ref"] == proposal.base.as_str()
            && one["head"]["repo"]["id"] == one["base"]["repo"]["id"]
    };
    opened(answer.as_array()?.iter().find(is_it)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_is_asked_for_and_found_again() {
        let place = Place::of("git@github.com:acme/shop.git", None, None).unwrap();
        let proposal = Proposal::example();
        let request = open(&place, &proposal);
        assert_eq!(
            request.url.as_str(),
            "https://api.github.com/repos/acme/shop/pulls"
        );
        assert_eq!(
            request.body.unwrap(),
            json!({"title": "Deploy checkout: v8 100%", "body": "What it does", "head": "ship/v8", "base": "main"})
        );
        let request = find(&place, &proposal);
        assert_eq!(
            request.url.as_str(),
            "https://api.github.com/repos/acme/shop/pulls?state=open&head=acme%3Aship%2Fv8&base=main"
        );
        assert_eq!(request.body, None);
        // As its documentation has it, without what is not read.
        let one = json!({
            "url": "https://api.github.com/repos/acme/shop/pulls/1347",
            "id": 1,
            "html_url": "https://github.com/acme/shop/pull/1347",
            "number": 1347,
            "state": "open",
            "head": {"label": "acme:ship/v8", "ref": "ship/v8", "repo": {"id": 1_296_269}},
            "base": {"label": "acme:main", "ref": "main", "repo": {"id": 1_296_269}},
        });
        let it = PullRequest {
            number: 1347,
            url: "https://github.com/acme/shop/pull/1347".to_owned(),
        };
        assert_eq!(opened(&one), Some(it.clone()));
        let mut of_fork = one.clone();
        of_fork["head"]["repo"]["id"] = json!(7);
        assert_eq!(found(&json!([of_fork]), &proposal), None);
        assert_eq!(found(&json!([of_fork, one]), &proposal), Some(it));
        for garbage in [
            json!({}),
            json!([]),
            json!({"number": 1, "html_url": "javascript:x"}),
        ] {
            assert_eq!(opened(&garbage), None);
            assert_eq!(found(&garbage, &proposal), None);
        }
    }
}
