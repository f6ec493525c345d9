//! Names of apps, functions and labels, with the limits that keep every derived object name valid and unique.

use std::str::FromStr;

use serde::Serialize;

use super::text::checked_text;
use super::{WORD_MAX, shown};

/// Why a name was refused; says what a good one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{given}` {problem}")]
pub struct NameError {
    kind: &'static str,
    given: String,
    problem: String,
}

/// Name of an app: one DNS label of at most 30 characters that does not hold `v` and digits between dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AppName(String);

/// Name of a function: one DNS label of at most 15 characters that does not hold `v` and digits between dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FunctionName(String);

/// Name for one version, such as `v1.4.0` or `spring-sale`.
///
/// Starts with a letter, at most 63 characters of letters, digits, `.`, `_` and `-`, valid as the last part of a git
/// ref, and neither `v` and digits, nor `g` and hex digits, nor `LATEST`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// Longest app name, in characters.
pub(super) const APP_NAME_MAX: usize = 30;
/// Longest function name, in characters.
pub(super) const FUNCTION_NAME_MAX: usize = 15;
/// Longest label, in characters.
pub(super) const LABEL_MAX: usize = 63;

/// A DNS label (RFC 1123) of at most `max` characters, without a part that reads as a version (`v1`), so that
/// `<app>-v<number>-<function>` can be read in one way only.
fn check_dns_label(kind: &'static str, given: &str, max: usize) -> Result<(), NameError> {
    let fail = |problem: String| {
        Err(NameError {
            kind,
            given: shown(given, WORD_MAX),
            problem,
        })
    };
    if given.is_empty() {
        return fail("is empty".to_owned());
    }
    if given.len() > max {
        return fail(format!(
            "has {} characters; at most {max} are allowed",
            given.len()
        ));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(bad) = given.chars().find(|c| !allowed(*c)) {
        return fail(format!(
            "holds {bad:?}; use lower-case letters, digits and dashes"
        ));
    }
    if given.starts_with('-') || given.ends_with('-') {
        return fail("starts or ends with a dash".to_owned());
    }
    if let Some(part) = given.split('-').find(|part| reads_as_version(part)) {
        return fail(format!(
            "holds `{}`, which reads as a version; choose a name without it",
            shown(part, WORD_MAX)
        ));
    }
    Ok(())
}

/// `v` and digits.
fn reads_as_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// What is meant by a word that is more than the name of an app: the path of its directory, or the app and a version in one word.
fn instead_of_app(given: &str) -> Option<String> {
    let is_app = |word: &&str| check_dns_label("", word, APP_NAME_MAX).is_ok();
    let mut words = given.trim_end_matches('/').rsplit(['/', '@', ':']);
    let last = words.next()?;
    if reads_as_version(last) {
        return Some(format!("{} {last}", words.next().filter(is_app)?));
    }
    let is_path = !given.contains(['@', ':']) && last != given;
    Some(last)
        .filter(is_app)
        .filter(|_| is_path)
        .map(str::to_owned)
}

impl FromStr for AppName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        check_dns_label("app name", given, APP_NAME_MAX).map_err(|error| {
            match instead_of_app(given) {
                Some(right) => NameError {
                    problem: format!("{}; write `{right}`", error.problem),
                    ..error
                },
                None => error,
            }
        })?;
        Ok(Self(given.to_owned()))
    }
}

impl FromStr for FunctionName {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        check_dns_label("function name", given, FUNCTION_NAME_MAX)?;
        Ok(Self(given.to_owned()))
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(given: &str) -> Result<Self, NameError> {
        let fail = |problem: &str| {
            Err(NameError {
                kind: "label",
                given: shown(given, WORD_MAX),
                problem: problem.to_owned(),
            })
        };
        if !given.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return fail("does not start with a letter");
        }
        if given.len() > LABEL_MAX {
            return fail("is longer than 63 characters");
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !given.chars().all(allowed) {
            return fail("holds something other than letters, digits, `.`, `_` and `-`");
        }
        let lock = std::path::Path::new(given)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("lock"));
        if given.contains("..") || given.ends_with('.') || lock {
            return fail("is not a valid git ref: no `..`, no `.` or `.lock` at the end");
        }
        if reads_as_version(given) {
            return fail(
                "reads as a version number; labels are neither `v` and digits nor `g` and hex digits",
            );
        }
        let hex = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit());
        if given.strip_prefix('g').is_some_and(hex) {
            return fail(
                "reads as a version id; labels are neither `v` and digits nor `g` and hex digits",
            );
        }
        if given == "LATEST" {
            return fail("means the tracked branch; choose another label");
        }
        Ok(Self(given.to_owned()))
    }
}

impl Label {
    /// Why it would be taken for something else by people, or by a file system that does not tell capitals apart. Asked where
    /// a label is given; one that is there goes on to mean its version.
    #[must_use]
    pub fn misleads(&self) -> Option<&'static str> {
        let low = self.0.to_ascii_lowercase();
        if reads_as_version(&low) {
            return Some("reads as a version number");
        }
        let hex = |rest: &str| rest.len() >= 7 && rest.bytes().all(|b| b.is_ascii_hexdigit());
        if low.strip_prefix('g').is_some_and(hex) {
            return Some("reads as a version id");
        }
        match low.as_str() {
            "latest" => Some("means the tracked branch to a reader, and a label stays where it is"),
            "head" => Some("means the commit that is checked out to git"),
            _ => None,
        }
    }
}

checked_text!(AppName FunctionName Label);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_name_is_a_short_dns_label_that_holds_no_version() {
        for good in ["a", "checkout", "check-out", "a1", "v", "vv1", "v1x", "1v"] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        let long = "x".repeat(31);
        for bad in [
            "", "A", "-a", "a-", "v1", "a-v1", "v12-b", "a-v1-b", "a_b", "a.b", "ä", &long,
        ] {
            assert!(bad.parse::<AppName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_app_that_is_more_than_a_name_is_told_what_to_write() {
        for (given, right) in [
            ("apps/pay", "write `pay`"),
            ("pay/", "write `pay`"),
            ("pay@v5", "write `pay v5`"),
            ("pay:v5", "write `pay v5`"),
            ("apps/pay/v5", "write `pay v5`"),
        ] {
            let said = given.parse::<AppName>().unwrap_err().to_string();
            assert!(said.ends_with(right), "{given}: {said}");
        }
        for given in ["pay@x", "/", "@v5", "apps/Pay", "v5"] {
            let said = given.parse::<AppName>().unwrap_err().to_string();
            assert!(!said.contains("write `"), "{given}: {said}");
        }
    }

    #[test]
    fn a_label_that_misleads_is_read_and_not_given() {
        for bad in ["V2", "latest", "Latest", "HEAD", "head", "G1234567"] {
            assert!(bad.parse::<Label>().unwrap().misleads().is_some(), "{bad}");
        }
        for good in ["v1.4.0", "sale", "header", "V", "Gabc", "latest-1"] {
            assert_eq!(good.parse::<Label>().unwrap().misleads(), None, "{good}");
        }
    }

    #[test]
    fn a_label_never_reads_as_a_number_or_an_id() {
        for good in ["v1.4.0", "spring-sale", "green", "good", "v1-rc"] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in [
            "", "1.0", "v1", "g1234567", "gabc", "a..b", "a.lock", "a b", "LATEST", "a.",
        ] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }
}
