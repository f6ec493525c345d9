//! The list `versions:` of a Deployment, written as a block or in one line.
//!
//! An entry whose version stays keeps its lines and their comments; one that goes takes its own comments with it.

use std::ops::Range;

use super::scalar::Style;
use super::{Meaning, Part, Splice, is_blank, line_break, line_end, line_start};
use crate::words::{Share, VersionNumber, VersionWord};
use crate::yaml::{Field, Node, Value};

/// What is put in the place of the list.
pub(super) fn rewritten(
    text: &str,
    field: &Field,
    parts: &[Part],
    meaning: Meaning<'_>,
) -> Option<Splice> {
    let Value::List(items) = &field.node.value else {
        return None;
    };
    let items: Option<Vec<Item>> = (items.iter())
        .map(|item| Item::of(text, item, meaning))
        .collect();
    let items = items?;
    let style = Style::of(text.get(items.first()?.version.clone())?);
    if text.get(field.node.span.start..)?.starts_with('[') {
        in_one_line(text, field, &items, parts, style)
    } else {
        as_block(text, field, &items, parts, style)
    }
}

/// An entry that is there.
struct Item {
    start: usize,
    version: Range<usize>,
    percentage: Range<usize>,
    /// What stands around its keys.
    quote: &'static str,
    number: Option<VersionNumber>,
    /// The version is written as a number, so that it never means another one.
    is_number: bool,
    share: Option<Share>,
}

impl Item {
    fn of(text: &str, node: &Node, meaning: Meaning<'_>) -> Option<Self> {
        let quote = node.get("version")?.quote(text);
        let (version, percentage) = (&node.get("version")?.node, &node.get("percentage")?.node);
        let word: VersionWord = serde_json::from_value(version.to_json()).ok()?;
        Some(Self {
            start: node.span.start,
            version: version.span.clone(),
            percentage: percentage.span.clone(),
            quote,
            number: meaning(&word),
            is_number: matches!(word, VersionWord::Number(_)),
            share: serde_json::from_value(percentage.to_json()).ok(),
        })
    }

    fn end(&self) -> usize {
        self.version.end.max(self.percentage.end)
    }
}

/// `[{version: 8, percentage: 100}]`: as it is there, with its brackets.
fn in_one_line(
    text: &str,
    field: &Field,
    items: &[Item],
    parts: &[Part],
    style: Style,
) -> Option<Splice> {
    let start = field.node.span.start;
    let last = items.last()?.end();
    let rest = text.get(last..)?;
    let close = rest.find(']')?;
    let between = |c: char| c.is_whitespace() || matches!(c, '}' | ',');
    if !rest[..close].chars().all(between) || text.get(start..last)?.contains(['#', '&', '*']) {
        return None;
    }
    let quote = items.first()?.quote;
    let entries: Vec<String> = (parts.iter())
        .map(|part| {
            let (version, share) = (style.write(part.version), part.percentage);
            format!("{{{quote}version{quote}: {version}, {quote}percentage{quote}: {share}}}")
        })
        .collect();
    Some((start..last + close + 1, format!("[{}]", entries.join(", "))))
}

/// One entry for each dash.
fn as_block(
    text: &str,
    field: &Field,
    items: &[Item],
    parts: &[Part],
    style: Style,
) -> Option<Splice> {
    let lines: Option<Vec<Lines>> = items.iter().map(|item| Lines::of(text, item)).collect();
    let lines = lines?;
    let (first, last) = (lines.first()?, lines.last()?);
    // The last entry may end the file without any.
    let eol = line_break(text, line_end(text, field.key_span.end)?);
    let mut gaps = vec![""];
    for pair in lines.windows(2) {
        let after = pair[0].end + line_break(text, pair[0].end).len();
        let gap = text.get(after..pair[1].start)?;
        // Only comments and empty lines are between two entries.
        let mut all = gap.split('\n');
        if !all.all(|line| is_blank(&format!(" {line}"))) {
            return None;
        }
        gaps.push(gap);
    }
    let mut taken = vec![false; items.len()];
    let mut chunks = Vec::new();
    for part in parts {
        let found = (0..items.len())
            .find(|&index| !taken[index] && items[index].number == Some(part.version));
        chunks.push(match found {
            None => first.like(*part, style, eol),
            Some(index) => {
                taken[index] = true;
                let kept = kept(text, &items[index], &lines[index], *part, style)?;
                format!("{}{kept}", gaps[index])
            }
        });
    }
    Some((first.start..last.end, chunks.join(eol)))
}

/// The lines of an entry with its new share.
fn kept(text: &str, item: &Item, lines: &Lines<'_>, part: Part, style: Style) -> Option<String> {
    let mut splices: Vec<Splice> = Vec::new();
    if !item.is_number {
        splices.push((item.version.clone(), style.write(part.version)));
    }
    if item.share != Some(part.percentage) {
        splices.push((item.percentage.clone(), part.percentage.to_string()));
    }
    splices.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut kept = text.get(lines.start..lines.end)?.to_owned();
    for (range, with) in splices {
        let start = range.start.checked_sub(lines.start)?;
        let range = start..range.end.checked_sub(lines.start)?;
        kept.get(range.clone())?;
        kept.replace_range(range, &with);
    }
    Some(kept)
}

/// The lines of an entry, without the line break at their end.
struct Lines<'a> {
    start: usize,
    end: usize,
    indent: &'a str,
    /// What is between the dash and the first key.
    gap: &'a str,
    quote: &'static str,
    braces: bool,
    version_first: bool,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, item: &Item) -> Option<Self> {
        let before = text.get(..item.start)?;
        let dash = before.trim_end().len().checked_sub(1)?;
        if !before.get(dash..)?.starts_with('-') {
            return None;
        }
        let start = line_start(text, dash)?;
        let indent = text.get(start..dash)?;
        let end = line_end(text, item.end())?;
        let rest = text.get(item.end()..end)?;
        let rest = rest.trim_start_matches([' ', '\t', '}', ',']);
        let apart = text.get(..end - rest.len())?.ends_with([' ', '\t']);
        let free = rest.is_empty() || (rest.starts_with('#') && apart);
        let gap = before.get(dash + 1..)?;
        let spaces = |text: &str| text.bytes().all(|b| b == b' ');
        (spaces(indent) && free).then(|| Self {
            start,
            end,
            indent,
            gap: if spaces(gap) { gap } else { " " },
            quote: item.quote,
            braces: text[item.start..].starts_with('{'),
            version_first: item.version.start < item.percentage.start,
        })
    }

    /// Another entry in the same form.
    fn like(&self, part: Part, style: Style, eol: &str) -> String {
        let (indent, gap, quote) = (self.indent, self.gap, self.quote);
        let version = format!("{quote}version{quote}: {}", style.write(part.version));
        let percentage = format!("{quote}percentage{quote}: {}", part.percentage);
        let (one, two) = if self.version_first {
            (version, percentage)
        } else {
            (percentage, version)
        };
        if self.braces {
            format!("{indent}-{gap}{{{one}, {two}}}")
        } else {
            format!("{indent}-{gap}{one}{eol}{indent} {gap}{two}")
        }
    }
}
