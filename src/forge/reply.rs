//! What a forge is asked, and what it answers, as data. Pure.

use jiff::Timestamp;
use serde_json::Value as Json;
use url::Url;

use super::PullRequest;

/// Longest part of what a forge says that is shown, in characters.
const SAID_MAX: usize = 300;

/// A question to the API.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) url: Url,
    /// What is sent; nothing where it only looks.
    pub(super) body: Option<Json>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Too much was asked, and when it may be asked again, as far as that is said.
    pub(super) limit: Option<Again>,
    /// Where a token is let into an organization.
    pub(super) sign_on: Option<String>,
    /// Where it is to be found now, as far as that was not followed.
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// When a forge may be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// After so many seconds.
    In(u64),
    /// At this time.
    At(Timestamp),
    /// As it says.
    Said(String),
    /// It does not say when.
    Later,
}

impl std::fmt::Display for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::In(seconds) => write!(f, "in {seconds} s"),
            Self::At(time) => write!(f, "at {time}"),
            Self::Said(text) => write!(f, "at {text}"),
            Self::Later => f.write_str("later"),
        }
    }
}

impl Reply {
    /// An answer with this status, these headers and this body.
    pub(super) fn new(status: u16, header: impl Fn(&str) -> Option<String>, body: Vec<u8>) -> Self {
        let after = header("retry-after").map(|text| match text.trim().parse() {
            Ok(seconds) => Again::In(seconds),
            Err(_) => Again::Said(clean(&text)),
        });
        let is_used_up = ["x-ratelimit-remaining", "ratelimit-remaining"]
            .iter()
            .any(|name| header(name).is_some_and(|left| left.trim() == "0"));
        let reset = || {
            let names = ["x-ratelimit-reset", "ratelimit-reset"];
            let text = names.iter().find_map(|name| header(name))?;
            let time = Timestamp::from_second(text.trim().parse().ok()?).ok()?;
            Some(Again::At(time))
        };
        let is_limit = status == 429 || (status == 403 && (after.is_some() || is_used_up));
        let sign_on = header("x-github-sso").and_then(|text| {
            let (_, url) = text.split_once("url=")?;
            Some(clean(url.split(';').next()?.trim()))
        });
        Self {
            status,
            limit: is_limit.then(|| after.or_else(reset).unwrap_or(Again::Later)),
            sign_on,
            location: header("location").map(|text| clean(&text)),
            body,
        }
    }

    /// The body, where it is JSON.
    pub(super) fn json(&self) -> Option<Json> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What it says to people, in one line; nothing where that is not to be found.
    pub(super) fn said(&self) -> String {
        let Some(json) = self.json() else {
            return String::new();
        };
        let mut parts = Vec::new();
        for name in ["message", "error", "error_description"] {
            texts(&json[name], &mut parts);
        }
        texts(&json["errors"], &mut parts);
        parts.dedup();
        clean(&parts.join("; "))
    }
}

/// Texts of one answer that are said.
const TEXTS_MAX: usize = 20;
/// Characters of the name of a field that are said.
const FIELD_MAX: usize = 60;

/// The texts of a value, whatever form a forge has for them; the first few.
fn texts(value: &Json, found: &mut Vec<String>) {
    if found.len() >= TEXTS_MAX {
        return;
    }
    match value {
        Json::String(text) => found.push(text.clone()),
        Json::Array(list) => list.iter().for_each(|one| texts(one, found)),
        Json::Object(fields) if fields.get("message").is_some_and(Json::is_string) => {
            texts(&fields["message"], found);
        }
        // A field with what is wrong with it, by itself or as `field` and `code`.
        Json::Object(fields) => match (fields.get("field"), fields.get("code")) {
            (Some(Json::String(field)), Some(Json::String(code))) => {
                found.push(format!("{field}: {code}"));
            }
            _ => {
                for (field, problem) in fields {
                    let mut problems = Vec::new();
                    texts(problem, &mut problems);
                    let field: String = field.chars().take(FIELD_MAX).collect();
                    found.extend(problems.iter().map(|problem| format!("{field}: {problem}")));
                }
            }
        },
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// A pull request with this number and this page; nothing where they are none.
pub(super) fn pull_request(number: &Json, url: &Json) -> Option<PullRequest> {
    let url = url.as_str()?;
    let parsed = Url::parse(url).ok()?;
    let is_page = matches!(parsed.scheme(), "https" | "http") && !url.contains(char::is_control);
    is_page.then_some(())?;
    Some(PullRequest {
        number: number.as_u64()?,
        url: url.to_owned(),
    })
}

/// What somebody else wrote, in one line of a bounded length.
fn clean(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = plain.take(SAID_MAX + 1).collect();
    if text.chars().count() > SAID_MAX {
        text.pop();
        text.push_str("...");
    }
    text.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let header = |name: &str| {
            let mut headers = headers.iter();
            let (_, value) = headers.find(|(other, _)| *other == name)?;
            Some((*value).to_owned())
        };
        Reply::new(status, header, body.as_bytes().to_vec())
    }

    #[test]
    fn what_forges_say_is_found_in_each_of_their_forms() {
        for (body, said) in [
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:ship."}],"documentation_url":"https://docs.github.com/rest"}"#,
                "Validation Failed; A pull request already exists for acme:ship",
            ),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"base","code":"invalid"}]}"#,
                "Validation Failed; base: invalid",
            ),
            (
                r#"{"message":["Another open merge request already exists for this source branch: !12"]}"#,
                "Another open merge request already exists for this source branch: !12",
            ),
            (
                r#"{"message":{"title":["is too long"]}}"#,
                "title: is too long",
            ),
            (
                r#"{"error":"insufficient_scope","error_description":"The request requires higher privileges","scope":"api"}"#,
                "insufficient_scope; The request requires higher privileges",
            ),
            (
                r#"{"errors":["user redirect does not exist [name: acme]"],"message":"The target couldn't be found.","url":"https://git.acme.com/api/swagger"}"#,
                "The target couldn't be found.; user redirect does not exist [name: acme]",
            ),
            ("{\"message\":\"a\\u001b[2Jb\\nc\"}", "a [2Jb c"),
            ("<html>Sign in</html>", ""),
            ("[]", ""),
        ] {
            assert_eq!(reply(422, &[], body).said(), said);
        }
    }

    #[test]
    fn a_limit_says_when_it_ends() {
        let used = ("x-ratelimit-remaining", "0");
        for (status, headers, limit) in [
            (429, vec![("retry-after", "60")], Some("in 60 s")),
            (403, vec![("retry-after", "60")], Some("in 60 s")),
            (
                403,
                vec![used, ("x-ratelimit-reset", "1767225600")],
                Some("at 2026-01-01T00:00:00Z"),
            ),
            (
                429,
                vec![("retry-after", "Thu, 01 Jan 2026 00:00:00 GMT")],
                Some("at Thu, 01 Jan 2026 00:00:00 GMT"),
            ),
            (429, vec![], Some("later")),
            (403, vec![("x-ratelimit-remaining", "4999")], None),
            (201, vec![used], None),
        ] {
            let found = reply(status, &headers, "{}").limit;
            let found = found.map(|again| again.to_string());
            assert_eq!(found.as_deref(), limit, "{status} {headers:?}");
        }
    }
}
