//! What others wrote, shown at a terminal: it may say anything, and must not drive the terminal.
//!
//! Pure but for the writer. What goes to a pipe or a file does not come here.

use std::io::{self, Write};

/// Most characters of a line that are shown.
const LINE_MAX: usize = 4096;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The content of a file, or a list.
    Plain,
    /// A patch as git writes it.
    Patch,
}

/// Writes text to a terminal, line by line.
pub(super) fn write(
    out: &mut impl Write,
    bytes: &[u8],
    content: Content,
    coloured: bool,
) -> io::Result<()> {
    let mut hunk = Hunk::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let colour = (coloured && content == Content::Patch)
            .then(|| hunk.colour(text))
            .flatten();
        let text = harmless(text);
        match colour {
            Some(colour) => write!(out, "\u{1b}[{colour}m{text}\u{1b}[0m")?,
            None => write!(out, "{text}")?,
        }
        if line.ends_with(b"\n") {
            writeln!(out)?;
        }
    }
    Ok(())
}

/// One line without what would drive a terminal or turn the order of its letters, and of bounded length. Also for values in
/// a text of ours, wherever it goes.
pub(super) fn harmless(line: &str) -> String {
    let mut shown = String::with_capacity(line.len().min(LINE_MAX));
    let mut rest = line.chars();
    for c in rest.by_ref().take(LINE_MAX) {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\t') || turns {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    let more = rest.count();
    if more > 0 {
        shown.push_str(&format_args!(" ... ({more} more characters)").to_string());
    }
    shown
}

/// How many lines of the old and of the new file are still to come in a hunk: within it, a line's first character alone
/// says what it is.
#[derive(Debug, Default)]
struct Hunk {
    old: u64,
    new: u64,
}

impl Hunk {
    /// The colour that git gives a line.
    fn colour(&mut self, line: &str) -> Option<&'static str> {
        if self.old > 0 || self.new > 0 {
            let (old, new, colour) = match line.as_bytes().first() {
                Some(b'-') => (1, 0, Some("31")),
                Some(b'+') => (0, 1, Some("32")),
                Some(b'\\') => (0, 0, None),
                _ => (1, 1, None),
            };
            self.old = self.old.saturating_sub(old);
            self.new = self.new.saturating_sub(new);
            return colour;
        }
        if let Some(hunk) = Self::read(line) {
            *self = hunk;
            return Some("36");
        }
        let plain = line.is_empty() || line.starts_with('\\');
        (!plain).then_some("1")
    }

    /// Reads `@@ -1,2 +3,4 @@`.
    fn read(line: &str) -> Option<Self> {
        let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = ranges.split_once(" +")?;
        let count = |range: &str| match range.split_once(',') {
            Some((_, count)) => count.parse().ok(),
            None => Some(1),
        };
        Some(Self {
            old: count(old)?,
            new: count(new)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], content: Content) -> String {
        let mut out = Vec::new();
        write(&mut out, bytes, content, true).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_drives_the_terminal() {
        let hostile = "a\u{1b}[2J\u{7}\tb\r\u{9b}31m\u{202e}c\n".as_bytes();
        assert_eq!(
            shown(hostile, Content::Plain),
            "a\\u{1b}[2J\\u{7}\tb\\r\\u{9b}31m\\u{202e}c\n"
        );
        assert_eq!(shown(b"\xff\xfe", Content::Plain), "\u{fffd}\u{fffd}");
        let long = "x".repeat(LINE_MAX + 7);
        let end = " ... (7 more characters)";
        assert_eq!(harmless(&long), "x".repeat(LINE_MAX) + end);
    }

    #[test]
    fn a_patch_has_the_colours_of_git() {
        let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@ fn\n--- old\n++ new\n same\n\\ No newline at end of file\n";
        assert_eq!(
            shown(patch.as_bytes(), Content::Patch),
            "\u{1b}[1mdiff --git a/x b/x\u{1b}[0m\n\u{1b}[1m--- a/x\u{1b}[0m\n\u{1b}[1m+++ b/x\u{1b}[0m\n\u{1b}[36m@@ -1,2 +1,2 @@ fn\u{1b}[0m\n\u{1b}[31m--- old\u{1b}[0m\n\u{1b}[32m++ new\u{1b}[0m\n same\n\\ No newline at end of file\n"
        );
    }
}
