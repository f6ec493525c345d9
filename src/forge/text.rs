//! Title and text of a pull request, within what a forge takes. Pure.

/// Longest title, in characters, of all forges.
const TITLE_MAX: usize = 255;

/// A title that every forge takes.
pub(super) fn title(title: &str) -> String {
    if title.chars().count() <= TITLE_MAX {
        return title.to_owned();
    }
    let mut short: String = title.chars().take(TITLE_MAX - 3).collect();
    short.push_str("...");
    short
}

/// The text of so many bytes at most: whole lines, and where the rest is.
pub(super) fn body(text: &str, max: usize, rest: &str) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = format!("\n\n{rest}");
    let room = text.floor_char_boundary(max.saturating_sub(end.len()));
    let short = &text[..room];
    let short = short.rsplit_once('\n').map_or(short, |(lines, _)| lines);
    format!("{}{end}", short.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_with_a_whole_line_and_says_where_the_rest_is() {
        assert_eq!(title("short"), "short");
        let long = title(&"\u{e9}".repeat(300));
        assert_eq!(long.chars().count(), 255);
        assert_eq!(body("a\nb", 3, "rest"), "a\nb");
        let long = format!("{}\n", "- one line\n".repeat(9));
        let short = body(&long, 50, "See the rest.");
        assert_eq!(short, "- one line\n- one line\n- one line\n\nSee the rest.");
        assert!(body(&"\u{e9}".repeat(100), 50, "rest").len() <= 50);
    }
}
