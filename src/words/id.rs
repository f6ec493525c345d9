//! Ids of git's objects: of commits and of trees, which must not be taken for one another.
//!
//! An id is what git calls an object, and no promise that the object is there.

use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::text::checked_text;
use super::{WORD_MAX, shown};

/// How many hex digits people are shown of an id: enough to tell the objects of any repository apart.
const SHORT: usize = 12;

/// Why a text is no id; says what a good one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {kind}: {problem}; write 40 or 64 lower-case hex digits")]
pub struct IdError {
    kind: &'static str,
    given: String,
    problem: String,
}

/// Id of a commit: 40 lower-case hex digits, or 64 where git hashes with SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CommitId(String);

/// Id of a tree: 40 lower-case hex digits, or 64 where git hashes with SHA-256. That of a snapshot is the id of its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TreeId(String);

fn check(kind: &'static str, given: &str) -> Result<(), IdError> {
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    let problem = if let Some(bad) = given.chars().find(|c| !is_digit(*c)) {
        format!("it holds {bad:?}")
    } else if matches!(given.len(), 40 | 64) {
        return Ok(());
    } else {
        format!("it has {} digits", given.len())
    };
    Err(IdError {
        kind,
        given: shown(given, WORD_MAX),
        problem,
    })
}

macro_rules! object_id {
    ($($name:ident, $kind:literal;)*) => {$(
        impl $name {
            /// The id of the object whose hash has these bytes, 20 or 32 of them, as git gives them.
            pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
                let mut text = String::with_capacity(2 * bytes.len());
                for byte in bytes {
                    // A text takes whatever is written.
                    let _ = write!(text, "{byte:02x}");
                }
                Self(text)
            }

            /// Git's name for no object: it stands for an id that is not known.
            #[must_use]
            pub fn zero() -> Self {
                Self::from_bytes(&[0; 20])
            }

            /// True for git's name for no object.
            #[must_use]
            pub fn is_zero(&self) -> bool {
                self.0.bytes().all(|digit| digit == b'0')
            }

            /// Its first digits, as people are shown them.
            #[must_use]
            pub fn short(&self) -> &str {
                self.0.get(..SHORT).unwrap_or(&self.0)
            }

            /// True where it begins with these digits.
            pub(crate) fn begins(&self, digits: &str) -> bool {
                self.0.starts_with(digits)
            }

            /// Reads back what this program wrote down where others may have changed it since: a text that is no id reads as
            /// that of no object, so that it takes nothing of what stands beside it away.
            pub(crate) fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                Ok(text.parse().unwrap_or_else(|_| Self::zero()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(given: &str) -> Result<Self, IdError> {
                check($kind, given)?;
                Ok(Self(given.to_owned()))
            }
        }
    )*};
}
object_id! {
    CommitId, "commit id";
    TreeId, "tree id";
}

checked_text!(CommitId TreeId);

impl CommitId {
    /// The same as [`kept`](Self::kept) for one that may be absent: nothing for what is no id.
    pub(crate) fn kept_if_any<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Self>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_40_or_64_lower_case_hex_digits() {
        for good in ["0a", "9f"].map(|digits| digits.repeat(20)) {
            assert_eq!(good.parse::<CommitId>().unwrap().as_str(), good);
        }
        assert!("e".repeat(64).parse::<TreeId>().is_ok());
        for (bad, why) in [
            ("", "it has 0 digits"),
            ("abc", "it has 3 digits"),
            (&*"a".repeat(41), "it has 41 digits"),
            (&*"A".repeat(40), "it holds 'A'"),
            (&*format!("g{}", "a".repeat(40)), "it holds 'g'"),
            (&*"ä".repeat(20), "it holds 'ä'"),
        ] {
            let said = bad.parse::<CommitId>().unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("`{bad}` is no commit id: {why};")),
                "{said}"
            );
        }
        let said = "x".parse::<TreeId>().unwrap_err().to_string();
        assert!(said.contains("is no tree id"), "{said}");
    }

    #[test]
    fn an_id_is_a_text_to_whoever_writes_or_reads_it() {
        let id = CommitId::from_bytes(&[0x0f; 20]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{}\"", "0f".repeat(20)));
        assert_eq!(serde_json::from_str::<CommitId>(&json).unwrap(), id);
        let error = serde_json::from_str::<CommitId>("\"0f\"").unwrap_err();
        assert!(error.to_string().contains("it has 2 digits"), "{error}");
        assert_eq!(id.short(), "0f0f0f0f0f0f");
    }

    #[test]
    fn what_was_kept_and_changed_by_hand_is_of_no_object() {
        let read = |json| CommitId::kept(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert!(read("\"edited\"").is_zero());
        let good = CommitId::from_bytes(&[1; 20]);
        assert_eq!(read(&format!("\"{good}\"")), good);
        assert!(!good.is_zero());
    }
}
