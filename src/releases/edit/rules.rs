//! The words by which `rules:` name their versions.
//!
//! A rule names its version as it is listed. Where an entry of the list gets a number in the place of a label or an id, the rules
//! that name it get the number as well.

use super::scalar::Style;
use super::{Meaning, Splice};
use crate::api::{VersionRule, WantedRule};
use crate::words::{VersionNumber, VersionWord};
use crate::yaml::{Node, Value};

/// The number that is listed where a rule says this word; nothing where it may stay as it is.
fn number(
    word: &VersionWord,
    listed: &[VersionNumber],
    meaning: Meaning<'_>,
) -> Option<VersionNumber> {
    match word {
        VersionWord::Number(_) => None,
        // A rule for what is not listed is refused when the file is read again, in its own words.
        word => meaning(word).filter(|number| listed.contains(number)),
    }
}

/// The rules as they are to be.
pub(super) fn name(rules: &mut [VersionRule], listed: &[VersionNumber], meaning: Meaning<'_>) {
    for rule in rules {
        if let Some(number) = number(&rule.version, listed, meaning) {
            rule.version = VersionWord::Number(number);
        }
    }
}

/// What is put where in their text. `entry` is a version that the object lists, written as its file writes versions.
pub(super) fn renamed(
    text: &str,
    spec: &Node,
    entry: &Node,
    listed: &[VersionNumber],
    meaning: Meaning<'_>,
) -> Option<Vec<Splice>> {
    let Some(Value::List(rules)) = spec.get("rules").map(|field| &field.node.value) else {
        return Some(Vec::new());
    };
    let style = Style::of(text.get(entry.span.clone())?);
    let mut splices = Vec::new();
    for rule in rules {
        let version = &rule.get("version")?.node;
        let word: VersionWord = serde_json::from_value(version.to_json()).ok()?;
        if let Some(number) = number(&word, listed, meaning) {
            splices.push((version.span.clone(), style.write(number)));
        }
    }
    Some(splices)
}

/// What to write by hand, behind the versions: a comment for each word that gets a number.
pub(super) fn advice(
    rules: &[WantedRule],
    listed: &[VersionNumber],
    meaning: Meaning<'_>,
) -> String {
    let line = |rule: &WantedRule| {
        let number = number(&rule.version, listed, meaning)?;
        let word = &rule.version;
        Some(format!(
            "\n# in rules: {} in the place of {word}",
            number.get()
        ))
    };
    let mut lines: Vec<String> = rules.iter().filter_map(line).collect();
    lines.dedup();
    lines.concat()
}
