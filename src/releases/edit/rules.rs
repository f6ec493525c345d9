//! The words by which `rules:` name their versions.
//!
//! A rule names its version as it is listed. Where an entry of the list gets a number in the place of a label or an id, the rules
//! that name it get the number as well. Rules for words that are `gone` are taken out, with the comments above them.

use super::scalar::Style;
use super::{Meaning, Splice, is_blank, line_break, line_end, line_start};
use crate::api::{VersionRule, WantedRule};
use crate::words::{VersionNumber, VersionWord};
use crate::yaml::{Field, Node, Value};

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
pub(super) fn name(
    rules: &mut Vec<VersionRule>,
    listed: &[VersionNumber],
    gone: &[VersionWord],
    meaning: Meaning<'_>,
) {
    rules.retain(|rule| !gone.contains(&rule.version));
    for rule in rules {
        if let Some(number) = number(&rule.version, listed, meaning) {
            rule.version = VersionWord::Number(number);
        }
    }
}

/// What is put where in their text. `entry` is a version that the object lists, written as its file writes versions.
pub(super) fn rewritten(
    text: &str,
    spec: &Node,
    entry: &Node,
    listed: &[VersionNumber],
    gone: &[VersionWord],
    meaning: Meaning<'_>,
) -> Option<Vec<Splice>> {
    let Some(field) = spec.get("rules") else {
        return Some(Vec::new());
    };
    let Value::List(rules) = &field.node.value else {
        return Some(Vec::new());
    };
    let style = Style::of(text.get(entry.span.clone())?);
    let mut splices = Vec::new();
    let mut goes = Vec::new();
    for rule in rules {
        let version = &rule.get("version")?.node;
        let word: VersionWord = serde_json::from_value(version.to_json()).ok()?;
        goes.push(gone.contains(&word));
        if let Some(number) = number(&word, listed, meaning).filter(|_| !gone.contains(&word)) {
            splices.push((version.span.clone(), style.write(number)));
        }
    }
    if goes.contains(&true) {
        splices.extend(if text.get(field.node.span.start..)?.starts_with('[') {
            out_of_one_line(text, field, rules, &goes)?
        } else {
            out_of_block(text, field, rules, &goes)?
        });
    }
    Some(splices)
}

/// The end of the last plain value in it.
fn end(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => items.iter().map(end).max().unwrap_or(node.span.end),
        Value::Map(fields) => {
            let ends = fields.iter().map(|field| end(&field.node));
            ends.max().unwrap_or(node.span.end)
        }
        _ => node.span.end,
    }
}

/// What goes out of `[{...}, {...}]`.
fn out_of_one_line(
    text: &str,
    field: &Field,
    rules: &[Node],
    goes: &[bool],
) -> Option<Vec<Splice>> {
    let (start, last) = (field.node.span.start, end(rules.last()?));
    if text.get(start..last)?.contains(['#', '&', '*']) {
        return None;
    }
    // Where what stands behind a rule begins: the comma, or the end of the list.
    let behind = |rule: &Node, mark: char| {
        let end = end(rule);
        let at = end + text.get(end..)?.find(mark)?;
        let between = |c: char| c.is_whitespace() || matches!(c, '}' | ',');
        text[end..at].chars().all(between).then_some(at)
    };
    let close = behind(rules.last()?, ']')?;
    let Some(kept) = goes.iter().rposition(|goes| !goes) else {
        return Some(vec![(start..close + 1, "[]".to_owned())]);
    };
    let mut splices = Vec::new();
    for index in (0..kept).filter(|index| goes[*index]) {
        let range = rules[index].span.start..rules[index + 1].span.start;
        splices.push((range, String::new()));
    }
    if kept + 1 < rules.len() {
        splices.push((behind(&rules[kept], ',')?..close, String::new()));
    }
    Some(splices)
}

/// What goes out of a list with a dash for each rule.
fn out_of_block(text: &str, field: &Field, rules: &[Node], goes: &[bool]) -> Option<Vec<Splice>> {
    let lines: Option<Vec<(usize, usize)>> = rules.iter().map(|rule| lines(text, rule)).collect();
    let lines = lines?;
    let Some(kept) = goes.iter().position(|goes| !goes) else {
        let colon = field.key_span.end + text.get(field.key_span.end..)?.find(':')? + 1;
        let rest = line_end(text, colon)?..lines.last()?.1;
        return Some(vec![
            (colon..colon, " []".to_owned()),
            (rest, String::new()),
        ]);
    };
    let mut splices = Vec::new();
    if let Some(before) = kept.checked_sub(1) {
        let last = lines[before].1;
        let range = lines[0].0..last + line_break(text, last).len();
        splices.push((range, String::new()));
    }
    for index in (kept..rules.len()).filter(|index| goes[*index]) {
        splices.push((lines[index - 1].1..lines[index].1, String::new()));
    }
    Some(splices)
}

/// Where the lines of a rule begin, and where they end before the last line break.
fn lines(text: &str, rule: &Node) -> Option<(usize, usize)> {
    let before = text.get(..rule.span.start)?.trim_end();
    let dash = before.len().checked_sub(1)?;
    let start = line_start(text, dash)?;
    let last = end(rule);
    let end = line_end(text, last)?;
    let rest = text.get(last..end)?;
    let behind = rest.trim_start_matches(['}', ' ', '\t']);
    let closed = rest[..rest.len() - behind.len()].matches('}').count();
    let is_alone = before.ends_with('-')
        && closed == braces(text, rule)
        && text.get(start..dash)?.bytes().all(|byte| byte == b' ')
        && is_blank(&format!(" {behind}"));
    is_alone.then_some((start, end))
}

/// How many braces are open at its last plain value.
fn braces(text: &str, node: &Node) -> usize {
    let Value::Map(fields) = &node.value else {
        return 0;
    };
    let own = text.get(node.span.start..);
    let own = usize::from(own.is_some_and(|text| text.starts_with('{')));
    let last = fields.iter().max_by_key(|field| end(&field.node));
    own + last.map_or(0, |field| braces(text, &field.node))
}

/// What to write by hand, behind the versions: a comment for each word that gets a number.
pub(super) fn advice(
    rules: &[WantedRule],
    listed: &[VersionNumber],
    gone: &[VersionWord],
    meaning: Meaning<'_>,
) -> String {
    let line = |rule: &WantedRule| {
        let word = &rule.version;
        if gone.contains(word) {
            return Some(format!("\n# in rules: nothing for {word}"));
        }
        let number = number(word, listed, meaning)?;
        Some(format!(
            "\n# in rules: {} in the place of {word}",
            number.get()
        ))
    };
    let mut lines: Vec<String> = rules.iter().filter_map(line).collect();
    lines.dedup();
    lines.concat()
}
