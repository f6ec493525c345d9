//! Changes which versions an object asks for in the text of its file, and not one byte more.
//!
//! Pure. Comments, order and everything else stay as they are; what comes out is read again and must mean exactly what was
//! asked for, else there is an error that says what to write by hand.

mod alias;
mod list;
mod remove;
mod rules;
mod scalar;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::{Kind, Object, Part, Release, read};
use crate::api::{Canary, WantedVersion};
use crate::words::{VersionNumber, VersionWord};
use crate::yaml::{self, Node, Problems, Value};

pub use remove::remove;

/// What a word of the file means now; nothing where it names no living version.
pub type Meaning<'a> = &'a dyn Fn(&VersionWord) -> Option<VersionNumber>;

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file, or what would become of it, cannot be read.
    #[error("{0}")]
    Unreadable(Problems),
    /// The object is written in a way that cannot be edited in place.
    #[error(
        "{file}:{line}: {kind:?} `{name}` is written in a way that cannot be changed in place; write there by hand:\n{text}"
    )]
    Unusual {
        /// The file.
        file: String,
        /// The line at which the object begins.
        line: u64,
        /// What kind of object it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// What to write.
        text: String,
    },
}

/// One place of a text and what comes there.
type Splice = (Range<usize>, String);

/// The order in which the parts are written: versions that stand there keep their place, the others come behind them.
#[must_use]
pub fn arrange(now: &[WantedVersion], asked: &[Part], meaning: Meaning<'_>) -> Vec<Part> {
    let there: Vec<VersionNumber> = (now.iter())
        .filter_map(|entry| meaning(&entry.version))
        .collect();
    let place = |part: &Part| {
        let place = there.iter().position(|version| *version == part.version);
        place.unwrap_or(there.len())
    };
    let mut parts = asked.to_vec();
    parts.sort_by_key(place);
    parts
}

/// The file with other versions in one of its Deployments, in the order of `parts`, and with another message where one is
/// given. Its rules for words that are `gone` go as well.
///
/// # Errors
/// When the object cannot be edited in place, or when the result would not be right.
pub fn deploy(
    release: &Release,
    bytes: &[u8],
    parts: &[Part],
    gone: &[VersionWord],
    message: Option<&str>,
    meaning: Meaning<'_>,
) -> Result<Vec<u8>, EditError> {
    let listed: Vec<VersionNumber> = parts.iter().map(|part| part.version).collect();
    let splices = |text: &str, spec: &Node| {
        let versions = spec.get("versions")?;
        let mut splices = vec![list::rewritten(text, versions, parts, meaning)?];
        if let Value::List(items) = &versions.node.value {
            let first = &items.first()?.get("version")?.node;
            splices.extend(rules::rewritten(text, spec, first, &listed, gone, meaning)?);
        }
        if let Some(message) = message {
            splices.push(scalar::set(text, spec, "message", message, versions)?);
        }
        Some(splices)
    };
    let wanted = |object: &mut Object| {
        if let Object::Deployment(object) = object {
            object.spec.versions = parts.iter().copied().map(wanted).collect();
            rules::name(&mut object.spec.rules, &listed, gone, meaning);
            if let Some(message) = message {
                object.spec.message = Some(message.to_owned());
            }
        }
    };
    let advice = || {
        let lines = parts.iter().map(|part| {
            let number = part.version.get();
            format!("  - {{version: {number}, percentage: {}}}", part.percentage)
        });
        let lines: Vec<String> = std::iter::once("versions:".to_owned())
            .chain(lines)
            .collect();
        lines.join("\n") + &rules::advice(&release.wanted.rules, &listed, gone, meaning)
    };
    changed(release, bytes, splices, wanted, advice)
}

/// The file with another version and another canary in one of its Aliases; without the canary that is there where none is
/// given.
///
/// # Errors
/// When the object cannot be edited in place, or when the result would not be right.
pub fn set_alias(
    release: &Release,
    bytes: &[u8],
    version: VersionNumber,
    canary: Option<Part>,
    meaning: Meaning<'_>,
) -> Result<Vec<u8>, EditError> {
    let listed: Vec<VersionNumber> = std::iter::once(version)
        .chain(canary.map(|part| part.version))
        .collect();
    let splices = |text: &str, spec: &Node| {
        let mut splices = alias::set(text, spec, version, canary, meaning)?;
        let main = &spec.get("version")?.node;
        splices.extend(rules::rewritten(text, spec, main, &listed, &[], meaning)?);
        Some(splices)
    };
    let wanted = |object: &mut Object| {
        if let Object::Alias(object) = object {
            object.spec.version = VersionWord::Number(version);
            object.spec.canary = canary.map(|part| Canary {
                version: VersionWord::Number(part.version),
                percentage: part.percentage,
            });
            rules::name(&mut object.spec.rules, &listed, &[], meaning);
        }
    };
    let advice = || {
        let canary = canary.map_or_else(String::new, |part| {
            let (number, share) = (part.version.get(), part.percentage);
            format!("\ncanary: {{version: {number}, percentage: {share}}}")
        });
        let rules = rules::advice(&release.wanted.rules, &listed, &[], meaning);
        format!("version: {}{canary}{rules}", version.get())
    };
    changed(release, bytes, splices, wanted, advice)
}

fn wanted(part: Part) -> WantedVersion {
    WantedVersion {
        version: VersionWord::Number(part.version),
        percentage: part.percentage,
    }
}

/// The file with these splices, if it means then what it meant before, and in that one object what is wanted.
fn changed(
    release: &Release,
    bytes: &[u8],
    splices: impl Fn(&str, &Node) -> Option<Vec<Splice>>,
    wanted: impl Fn(&mut Object),
    advice: impl Fn() -> String,
) -> Result<Vec<u8>, EditError> {
    let unusual = || EditError::Unusual {
        file: release.file.clone(),
        line: release.place.line,
        kind: release.kind(),
        name: release.name().to_owned(),
        text: advice(),
    };
    let text = std::str::from_utf8(bytes).map_err(|_| unusual())?;
    let before = yaml::read_all(bytes).map_err(|_| unusual())?;
    let index = before.iter().position(|node| node.place == release.place);
    let index = index.ok_or_else(unusual)?;
    let spec = before[index].get("spec").ok_or_else(unusual)?;
    let mut splices = splices(text, &spec.node).ok_or_else(unusual)?;
    splices.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut edited = text.to_owned();
    for (range, with) in splices {
        if edited.get(range.clone()).is_none() {
            return Err(unusual());
        }
        edited.replace_range(range, &with);
    }
    let edited = edited.into_bytes();
    // Read again: nothing else may mean another thing, and this object means what was asked for.
    let after = yaml::read_all(&edited).map_err(|_| unusual())?;
    let others = |nodes: &[Node]| -> Vec<_> {
        let others = nodes.iter().enumerate().filter(|(at, _)| *at != index);
        others.map(|(_, node)| node.to_json()).collect()
    };
    if others(&before) != others(&after) {
        return Err(unusual());
    }
    let mut expected = release.object.clone();
    wanted(&mut expected);
    let place = after.get(index).map(|node| node.place);
    let content = read(&release.file, &edited).map_err(EditError::Unreadable)?;
    let mut releases = content.releases.iter();
    let found = releases.find(|found| Some(found.place) == place);
    if found.is_some_and(|found| found.object == expected) {
        Ok(edited)
    } else {
        Err(unusual())
    }
}

/// The end of the line that `at` is in, before its line break.
fn line_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let line = rest.split('\n').next()?;
    Some(at + line.strip_suffix('\r').unwrap_or(line).len())
}

/// The start of the line that `at` is in.
fn line_start(text: &str, at: usize) -> Option<usize> {
    Some(text.get(..at)?.rfind('\n').map_or(0, |found| found + 1))
}

/// The line break of the line that ends at `end`; that of most files where it is the last one without any.
fn line_break(text: &str, end: usize) -> &'static str {
    let carriage = text.get(end..).is_some_and(|rest| rest.starts_with("\r\n"));
    if carriage { "\r\n" } else { "\n" }
}

/// True for what may stand between values: spaces, and a comment behind a space.
fn is_blank(line: &str) -> bool {
    let rest = line.trim_start_matches([' ', '\t']);
    let space = rest.len() < line.len();
    let rest = rest.trim_end_matches('\r');
    rest.is_empty() || (rest.starts_with('#') && space)
}
