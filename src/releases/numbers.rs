//! Numbers that YAML reads as something else than what people read: `012` is 10, as octal, and so are `0xA` and `1_0`.
//!
//! Some readers take them so and others do not, and nobody who reads the file sees it: a version would get the traffic of another.

use crate::yaml::{Node, Problem, Value};

/// All numbers of a document that are written so.
pub(super) fn misread(node: &Node, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    look(node, text, "", &mut problems);
    problems
}

fn look(node: &Node, text: &str, path: &str, problems: &mut Vec<Problem>) {
    let number = match &node.value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                look(item, text, &format!("{path}[{index}]"), problems);
            }
            return;
        }
        Value::Map(fields) => {
            for field in fields {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", field.key);
                look(&field.node, text, &path, problems);
            }
            return;
        }
        Value::Null | Value::Bool(_) | Value::Text(_) => return,
    };
    let written = text.get(node.span.clone()).unwrap_or_default().trim();
    if !is_plain(written) {
        problems.push(Problem {
            place: node.place,
            field: path.to_owned(),
            message: format!(
                "`{written}` is read as {number}; write {}",
                instead(written, &number)
            ),
        });
    }
}

/// True for a number that everybody reads alike.
fn is_plain(written: &str) -> bool {
    let digits = written.trim_start_matches(['+', '-']);
    let mut first = digits.chars();
    let leads =
        first.next() == Some('0') && first.next().is_some_and(|c| c.is_ascii_alphanumeric());
    !written.contains('_') && (!leads || digits.starts_with("0e") || digits.starts_with("0E"))
}

/// What to write: what it is read as, or what it looks like.
fn instead(written: &str, number: &str) -> String {
    let plain = written.trim_start_matches('0');
    let is_decimal = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit());
    if is_decimal && plain != number {
        format!("`{plain}` or `{number}`, whichever is meant")
    } else {
        format!("`{number}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn a_number_that_is_read_as_another_one_is_refused() {
        for (written, expected) in [
            (
                "012",
                "`012` is read as 10; write `12` or `10`, whichever is meant",
            ),
            ("0x1F", "`0x1F` is read as 31; write `31`"),
            ("0o17", "`0o17` is read as 15; write `15`"),
            ("1_0", "`1_0` is read as 10; write `10`"),
        ] {
            let text = format!("a: 1\nb:\n- {{c: {written}}} # \u{e9}\n");
            let node = yaml::read(text.as_bytes(), "App").unwrap();
            let found = misread(&node, &text);
            let said: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
            assert_eq!(said, [expected], "{written}: {node:?}");
            assert_eq!(
                (found[0].place.line, found[0].field.as_str()),
                (3, "b[0].c")
            );
        }
        for plain in [
            "0", "12", "-1", "0.5", "12.50", "1e1", "'012'", "\"0x1F\"", "v012",
        ] {
            let text = format!("a: {plain}\n");
            let node = yaml::read(text.as_bytes(), "App").unwrap();
            assert!(misread(&node, &text).is_empty(), "{plain}");
        }
        // At each use of an alias, the place where it is written.
        let text = "a: &n 010\nb: *n\n";
        let found = misread(&yaml::read(text.as_bytes(), "App").unwrap(), text);
        assert!(found.iter().all(|problem| problem.place.line == 1));
    }
}
