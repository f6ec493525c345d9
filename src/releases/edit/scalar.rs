//! Plain values in a text: how a version is written, and setting the text of a field.

use super::{Splice, is_blank, line_break, line_end, line_start};
use crate::words::VersionNumber;
use crate::yaml::{Field, Node, Value};

/// How the file writes its versions: `8`, `"8"`, `v8`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    quote: Option<char>,
    v: bool,
}

impl Style {
    /// The style of a value that stands there.
    pub(super) fn of(text: &str) -> Self {
        let inner = text.trim_matches(['"', '\'']);
        let digits = inner.strip_prefix('v').unwrap_or(inner);
        // Labels and ids say nothing about numbers.
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Self::default();
        }
        Self {
            quote: text.chars().next().filter(|c| matches!(c, '"' | '\'')),
            v: inner.starts_with('v'),
        }
    }

    pub(super) fn write(self, version: VersionNumber) -> String {
        let quote = self.quote.map_or_else(String::new, String::from);
        let v = if self.v { "v" } else { "" };
        format!("{quote}{v}{}{quote}", version.get())
    }
}

/// Sets a text in a map: in the place of the one that is there, else in a line of its own before the field `next`.
pub(super) fn set(text: &str, map: &Node, key: &str, value: &str, next: &Field) -> Option<Splice> {
    let flow = text.get(map.span.start..)?.starts_with('{');
    let Some(field) = map.get(key) else {
        let start = next.key_span.start;
        // Where keys are quoted, the file may be JSON, and then every text has to be.
        let quote = next.quote(text);
        let new = format!(
            "{quote}{key}{quote}: {}",
            written(value, flow, !quote.is_empty())
        );
        if flow {
            return Some((start..start, format!("{new}, ")));
        }
        let line = line_start(text, start)?;
        let indent = text.get(line..start)?;
        // Before a key that stands behind something else on its line, such as `{` or `- `, there is no line of its own.
        if !indent.bytes().all(|b| b == b' ') {
            return None;
        }
        let eol = line_break(text, line_end(text, start)?);
        return Some((line..line, format!("{indent}{new}{eol}")));
    };
    let start = field.key_span.end;
    let colon = start + text.get(start..)?.find(':')? + 1;
    let rest = text.get(colon..)?;
    let first = rest.trim_start_matches([' ', '\t']);
    if first.starts_with(['|', '>']) {
        let line = line_start(text, field.key_span.start)?;
        let indent = field.key_span.start - line;
        let end = block_end(text, line_end(text, colon)?, indent)?;
        return Some((colon..end, format!(" {}", written(value, flow, false))));
    }
    let span = field.node.span.clone();
    let old = text.get(span.clone())?;
    if matches!(field.node.value, Value::Null) && old.trim().is_empty() {
        let end = line_end(text, colon)?;
        if !is_blank(text.get(colon..end)?) {
            return None;
        }
        return Some((colon..colon, format!(" {}", written(value, flow, false))));
    }
    let quoted = old.starts_with(['"', '\'']) || !field.quote(text).is_empty();
    Some((span, written(value, flow, quoted)))
}

/// The end of the last line of a block that began on the line that ends at `end`, and belongs to a key at `indent`.
fn block_end(text: &str, end: usize, indent: usize) -> Option<usize> {
    let mut last = end;
    let mut at = end;
    while let Some(found) = text.get(at..)?.find('\n') {
        let line = at + found + 1;
        let end = line_end(text, line)?;
        let content = text.get(line..end)?;
        let spaces = content.len() - content.trim_start_matches(' ').len();
        let empty = content.trim().is_empty();
        if !empty && spaces <= indent {
            break;
        }
        if !empty {
            last = end;
        }
        if end == at {
            break;
        }
        at = end;
    }
    Some(last)
}

/// The text as YAML: bare where nobody could read it in another way.
fn written(value: &str, flow: bool, quoted: bool) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let read_otherwise = value.ends_with([' ', ':'])
        || value.contains(": ")
        || value.contains(" #")
        || value.chars().any(char::is_control)
        || (flow && value.contains([',', '[', ']', '{', '}']))
        || WORDS.contains(&value.to_ascii_lowercase().as_str());
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic()) && !read_otherwise;
    if plain && !quoted {
        return value.to_owned();
    }
    // A JSON text is a YAML text.
    serde_json::Value::from(value).to_string()
}
