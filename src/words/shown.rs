//! What somebody wrote, as it may stand in a message.

/// The text without control characters, which could rule a terminal, and cut where it is longer than `max` bytes.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        if out.len() >= max {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Most bytes of one word in a message.
pub(crate) const WORD_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_rules_a_terminal_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(shown("käse", 200), "käse");
        assert_eq!(shown("\u{1b}[31m\n\u{9b}x", 200), "\\u{1b}[31m\\n\\u{9b}x");
        assert_eq!(shown(&"ä".repeat(300), 9), "äääää...");
    }
}
