//! What somebody wrote, as it may stand in a message.

/// True for a character that shows as itself: not for one that could rule a terminal, nor for one that turns the direction of
/// what is around it, so that a reader sees another text than there is.
pub(crate) fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

/// The text without what [`is_plain`] is not true for, and cut where it is longer than `max` bytes.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        if out.len() >= max {
            out.push_str("...");
            break;
        }
        if is_plain(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
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
        assert_eq!(shown("a\u{202e}b", 200), "a\\u{202e}b");
        assert_eq!(shown(&"ä".repeat(300), 9), "äääää...");
    }
}
