//! How a version is named: by number, by id, or by label.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Label, WORD_MAX, shown};

/// Number of a version: 1 to 9,999,999, per app, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionNumber(u32);

/// Largest version number; seven digits keep workload names within 63 characters.
pub const VERSION_NUMBER_MAX: u32 = 9_999_999;

/// A version as people write it: `8` or `v8`, `g1a2b3c4`, or a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionWord {
    /// `8` or `v8`.
    Number(VersionNumber),
    /// `g` and 7 to 40 lower-case hex digits of the snapshot id or the commit; held without the `g`.
    Id(String),
    /// A label, such as `v1.4.0`.
    Label(Label),
}

/// Why a word names no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// The mutable state of the branch was named where only a version may stand.
    #[error(
        "`LATEST` is the tracked branch and changes with it; name a version by number (8), id (g1a2b3c4) or label"
    )]
    Latest,
    /// Zero, or more than seven digits.
    #[error("version number `{0}` is not between 1 and 9999999")]
    NumberRange(String),
    /// A zero in front: each version has one spelling.
    #[error("version number `{0}` begins with a zero; write `{1}`")]
    NumberZero(String, VersionNumber),
    /// `g` and hex digits, but too few or too many.
    #[error("version id `{0}` must be `g` and 7 to 40 hex digits")]
    IdLength(String),
    /// The tag of a version, with the app.
    #[error("`{0}` is a tag, which names its app as well; write `{1}`")]
    Tag(String, String),
    /// Versions as other tools join them.
    #[error(
        "`{0}` is not one version; versions stand with a blank between them, not `..` or `,`: {1}"
    )]
    Joined(String, String),
    /// Nothing that a version could be called.
    #[error(
        "`{0}` names no version: write a number (8 or v8), an id (g and 7 or more hex digits) or a label ({1})"
    )]
    Word(String, String),
}

impl VersionNumber {
    /// A number from 1 to 9,999,999.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (1..=VERSION_NUMBER_MAX)
            .contains(&number)
            .then_some(Self(number))
    }

    /// The bare number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The number after this one, while there is one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("v{}", self.0))
    }
}

impl FromStr for VersionNumber {
    type Err = WordError;

    /// Reads `8` or `v8`; no leading zeros, so that each version has one spelling in refs.
    fn from_str(given: &str) -> Result<Self, WordError> {
        let digits = given.strip_prefix('v').unwrap_or(given);
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        let number = digits.parse().ok().and_then(Self::new);
        match number {
            Some(number) if plain => Ok(number),
            Some(number) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Err(WordError::NumberZero(shown(given, WORD_MAX), number))
            }
            _ => Err(WordError::NumberRange(shown(given, WORD_MAX))),
        }
    }
}

/// The versions of a word such as `v1..v2` or `v1,v2`, with blanks between them: no name of a version holds either sign.
fn apart(given: &str) -> Option<String> {
    if !given.contains("..") && !given.contains(',') {
        return None;
    }
    let parts = given.split("..").flat_map(|part| part.split(','));
    let parts: Vec<&str> = parts
        .map(|part| part.trim_matches('.'))
        .filter(|part| !part.is_empty())
        .collect();
    let is_version = |part: &&str| *part == "LATEST" || part.parse::<VersionWord>().is_ok();
    (!parts.is_empty() && parts.iter().all(is_version)).then(|| parts.join(" "))
}

impl FromStr for VersionWord {
    type Err = WordError;

    fn from_str(given: &str) -> Result<Self, WordError> {
        if given == "LATEST" {
            return Err(WordError::Latest);
        }
        let digits = given.strip_prefix('v').unwrap_or(given);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            return given.parse().map(Self::Number);
        }
        if let Some(hex) = given.strip_prefix('g')
            && !hex.is_empty()
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return if (7..=40).contains(&hex.len()) {
                Ok(Self::Id(hex.to_ascii_lowercase()))
            } else {
                Err(WordError::IdLength(shown(given, WORD_MAX)))
            };
        }
        // A tag, as git prints it.
        if let Some((_, word)) = given.rsplit_once('/')
            && word.parse::<Self>().is_ok()
        {
            return Err(WordError::Tag(
                shown(given, WORD_MAX),
                shown(word, WORD_MAX),
            ));
        }
        if let Some(words) = apart(given) {
            let (given, words) = (shown(given, WORD_MAX), shown(&words, WORD_MAX));
            return Err(WordError::Joined(given, words));
        }
        given
            .parse()
            .map(Self::Label)
            .map_err(|reason| WordError::Word(shown(given, WORD_MAX), reason.to_string()))
    }
}

impl fmt::Display for VersionWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Id(hex) => f.pad(&format!("g{hex}")),
            Self::Label(label) => f.pad(label.as_str()),
        }
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = VersionWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a version: an integer such as 8, or a string such as \"v8\", \"g1a2b3c4\" or a label",
        )
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<VersionWord, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<VersionWord, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<VersionWord, E> {
        Err(E::custom(format!(
            "version {value} is a float, which cannot name a version exactly; write an integer, or put quotes around a label or id"
        )))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<VersionWord, E> {
        value.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for VersionWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

impl Serialize for VersionWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(number.get()),
            word => serializer.collect_str(word),
        }
    }
}

impl Serialize for VersionNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for VersionNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        Self::new(number)
            .ok_or_else(|| serde::de::Error::custom(WordError::NumberRange(number.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Result<VersionWord, WordError> {
        text.parse()
    }

    #[test]
    fn a_word_is_a_number_an_id_or_a_label() {
        let eight = VersionWord::Number(VersionNumber(8));
        assert_eq!(word("8"), Ok(eight.clone()));
        assert_eq!(word("v8"), Ok(eight));
        assert_eq!(word("g1A2b3c4"), Ok(VersionWord::Id("1a2b3c4".to_owned())));
        assert!(matches!(word("v1.4.0"), Ok(VersionWord::Label(_))));
        assert_eq!(word("LATEST"), Err(WordError::Latest));
        let tag = word("checkout/v2").unwrap_err().to_string();
        assert!(tag.ends_with("write `v2`"), "{tag}");
        for (joined, words) in [
            ("v1..v2", "v1 v2"),
            ("v1...stable", "v1 stable"),
            ("v1..LATEST", "v1 LATEST"),
            ("v1,2,", "v1 2"),
        ] {
            let said = word(joined).unwrap_err().to_string();
            assert!(
                said.starts_with(&format!("`{joined}` is not one version"))
                    && said.ends_with(&format!("`,`: {words}")),
                "{said}"
            );
        }
        assert!(matches!(word("..,"), Err(WordError::Word(..))));
        for bad in ["", "0", "v0", "08", "10000000", "gabc", "1.5", "@x", "-1"] {
            assert!(word(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_float_is_refused_with_the_reason() {
        let error = serde_json::from_str::<VersionWord>("1.5").unwrap_err();
        assert!(error.to_string().contains("is a float"), "{error}");
    }
}
