//! Names of routes, aliases and environments: where something is reached, as opposed to what it is.

use std::str::FromStr;

use serde::Serialize;

use super::text::checked_text;
use super::{WORD_MAX, shown};

/// Why a name was refused; says what a good one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{given}` is not valid: {wanted}")]
pub struct ReachError {
    kind: &'static str,
    given: String,
    wanted: &'static str,
}

/// Name of a route within its Deployment or Alias: a DNS label of at most 30 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RouteName(String);

/// Name of an alias, such as `prod`: a letter or `_`, then at most 127 letters, digits, `_` and `-`; not `LATEST`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AliasName(String);

/// Name of an environment: a DNS label of at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EnvironmentName(String);

/// Longest route name, in characters.
pub(super) const ROUTE_NAME_MAX: usize = 30;
/// Longest alias name, in characters.
pub(super) const ALIAS_NAME_MAX: usize = 128;
/// Longest environment name, in characters.
pub(super) const ENVIRONMENT_NAME_MAX: usize = 63;

fn is_dns_label(text: &str, max: usize) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=max).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_alias_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    (1..=ALIAS_NAME_MAX).contains(&text.len())
        && text.starts_with(first)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text != "LATEST"
}

macro_rules! reach_name {
    ($($name:ident, $kind:literal, $check:expr, $wanted:literal;)*) => {$(
        impl FromStr for $name {
            type Err = ReachError;

            fn from_str(given: &str) -> Result<Self, ReachError> {
                let good: fn(&str) -> bool = $check;
                if good(given) {
                    Ok(Self(given.to_owned()))
                } else {
                    Err(ReachError { kind: $kind, given: shown(given, WORD_MAX), wanted: $wanted })
                }
            }
        }
    )*};
}
reach_name! {
    RouteName, "route name", |text| is_dns_label(text, ROUTE_NAME_MAX),
        "use at most 30 lower-case letters, digits and dashes, with no dash at either end";
    AliasName, "alias name", is_alias_name,
        "use a letter or `_`, then at most 127 letters, digits, `_` and `-`; `LATEST` is taken by the tracked branch";
    EnvironmentName, "environment name", |text| is_dns_label(text, ENVIRONMENT_NAME_MAX),
        "use at most 63 lower-case letters, digits and dashes, with no dash at either end";
}

checked_text!(RouteName AliasName EnvironmentName);

impl RouteName {
    /// The name of a route that was given none: there is only one then.
    #[must_use]
    pub fn only() -> Self {
        Self("main".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet_and_length() {
        for good in ["a", "web", "a-1", "1"] {
            assert!(good.parse::<RouteName>().is_ok(), "{good}");
            assert!(good.parse::<EnvironmentName>().is_ok(), "{good}");
        }
        let long = "x".repeat(31);
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", &long] {
            assert!(bad.parse::<RouteName>().is_err(), "{bad}");
        }
        let longest = "x".repeat(128);
        for good in ["prod", "_x", "Prod-1_2", "latest", &longest] {
            assert!(good.parse::<AliasName>().is_ok(), "{good}");
        }
        let longer = "x".repeat(129);
        for bad in ["", "LATEST", "1a", "-a", "a.b", "a b", &longer] {
            assert!(bad.parse::<AliasName>().is_err(), "{bad}");
        }
        assert_eq!(RouteName::only().as_str().parse(), Ok(RouteName::only()));
    }
}
