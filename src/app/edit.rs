//! Changes the image of one function in the text of an `app.yaml`, and not one byte more.

use std::fmt::Write;

use crate::words::{FunctionName, shown};
use crate::yaml::{self, Field, MESSAGE_MAX, Node, Problem, Value};

/// Why an image could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is not readable.
    #[error("{}", shown(&.0.message, MESSAGE_MAX))]
    Unreadable(Problem),
    /// There is no such function.
    #[error(
        "there is no function `{name}`; the app has: {}",
        shown(known, MESSAGE_MAX)
    )]
    NoFunction {
        /// The name that was given.
        name: FunctionName,
        /// The names that are there.
        known: String,
    },
    /// The function is written in a way that cannot be edited in place.
    #[error(
        "the image of function `{0}` cannot be set in place; write the line `image: \"\"` into that function of app.yaml"
    )]
    Unusual(FunctionName),
}

/// The text of the file with the image of `function` set to `image`, which must be pinned (see [`super::check_image`]).
///
/// # Errors
/// When the function is not there, or written in a way that cannot be edited in place.
pub fn set_image(bytes: &[u8], function: &FunctionName, image: &str) -> Result<Vec<u8>, EditError> {
    let node = yaml::read(bytes, "App").map_err(EditError::Unreadable)?;
    let unusual = || EditError::Unusual(function.clone());
    let target = find(&node, function)?;
    let text = std::str::from_utf8(bytes).map_err(|_| unusual())?;
    let edited = if let Some(field) = target.get("image") {
        replaced(text, field, image)
    } else {
        inserted(text, target, image)
    };
    let edited = edited.ok_or_else(unusual)?;
    // Read again: only that image may differ.
    let again = yaml::read(edited.as_bytes(), "App").map_err(|_| unusual())?;
    let now = find(&again, function).map_err(|_| unusual())?.get("image");
    let set =
        now.is_some_and(|field| matches!(&field.node.value, Value::Text(text) if text == image));
    if set && rest_of(&node, function) == rest_of(&again, function) {
        Ok(edited.into_bytes())
    } else {
        Err(unusual())
    }
}

/// The text with another value of the field `image`.
fn replaced(text: &str, field: &Field, image: &str) -> Option<String> {
    let span = field.node.span.clone();
    let old = text.get(span.clone())?;
    if matches!(field.node.value, Value::Null) && old.trim().is_empty() {
        // `image:` without a value: it goes right behind the colon.
        let colon = text.get(field.key_span.end..)?.find(':')?;
        let at = field.key_span.end + colon + 1;
        return Some(splice(text, at..at, &format!(" {image}")));
    }
    let quote = field.quote(text);
    Some(splice(text, span, &format!("{quote}{image}{quote}")))
}

/// The text with a field `image` beside the function's name.
fn inserted(text: &str, function: &Node, image: &str) -> Option<String> {
    let name = function.get("name")?;
    let start = name.key_span.start;
    let before = text.get(..start)?;
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let flow = text.get(function.span.start.min(start)..)?.starts_with('{');
    // Where keys are quoted, the file may be JSON, and then every text has to be.
    let quote = name.quote(text);
    let set = format!("{quote}image{quote}: {quote}{image}{quote}");
    if flow || before[line..].contains('{') {
        return Some(splice(text, start..start, &format!("{set}, ")));
    }
    let end = name.node.span.end;
    let rest = text.get(end..)?;
    let at = rest.find('\n').map_or(text.len(), |at| end + at);
    let carriage = text[..at].ends_with('\r');
    let at = if carriage { at - 1 } else { at };
    let eol = if carriage { "\r\n" } else { "\n" };
    let indent = " ".repeat(before[line..].chars().count());
    Some(splice(text, at..at, &format!("{eol}{indent}{set}")))
}

fn splice(text: &str, span: std::ops::Range<usize>, with: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(span, with);
    text
}

fn functions(node: &Node) -> &[Node] {
    let functions = node.get("spec").and_then(|spec| spec.node.get("functions"));
    match functions.map(|field| &field.node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn name_of(node: &Node) -> Option<&str> {
    match &node.get("name")?.node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn find<'a>(node: &'a Node, function: &FunctionName) -> Result<&'a Node, EditError> {
    let items = functions(node);
    let found = items
        .iter()
        .find(|item| name_of(item) == Some(function.as_str()));
    found.ok_or_else(|| EditError::NoFunction {
        name: function.clone(),
        known: items
            .iter()
            .filter_map(name_of)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// All values but the image of that function, in a form that can be compared.
fn rest_of(node: &Node, function: &FunctionName) -> String {
    fn write(node: &Node, function: &FunctionName, out: &mut String) {
        match &node.value {
            Value::List(items) => {
                out.push('[');
                for item in items {
                    write(item, function, out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Map(fields) => {
                let ours = name_of(node) == Some(function.as_str());
                out.push('{');
                for field in fields
                    .iter()
                    .filter(|field| !(ours && field.key == "image"))
                {
                    out.push_str(&field.key);
                    out.push('=');
                    write(&field.node, function, out);
                    out.push(',');
                }
                out.push('}');
            }
            other => {
                // Writing to a text cannot fail.
                let _written = write!(out, "{other:?}");
            }
        }
    }
    let mut out = String::new();
    write(node, function, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "r/x@sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn edit(text: &str) -> Result<String, EditError> {
        let web = "web".parse().unwrap();
        set_image(text.as_bytes(), &web, NEW).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_image_changes_and_every_other_byte_stays() {
        let shapes = [
            (
                "spec:\n  functions: # all\n  - name: web  # ours\n    image: old:1 # why\n    port: 1\n",
                "spec:\n  functions: # all\n  - name: web  # ours\n    image: NEW # why\n    port: 1\n",
            ),
            (
                "spec:\n  functions:\n  - image: \"old\"\n    name: web\n",
                "spec:\n  functions:\n  - image: NEW\n    name: web\n",
            ),
            (
                "spec:\n  functions:\n  - port: 1\n    name: 'web' # ours\n    args: [a]\n",
                "spec:\n  functions:\n  - port: 1\n    name: 'web' # ours\n    image: NEW\n    args: [a]\n",
            ),
            (
                "spec: {functions: [{name: web, port: 1}, {name: b, image: c}]}\n",
                "spec: {functions: [{image: NEW, name: web, port: 1}, {name: b, image: c}]}\n",
            ),
            (
                "spec:\n  functions:\n  - name: web\n    image:   # later\n    port: 1\n",
                "spec:\n  functions:\n  - name: web\n    image: NEW   # later\n    port: 1\n",
            ),
            (
                "spec:\r\n  functions:\r\n  - name: web\r\n    port: 1\r\n",
                "spec:\r\n  functions:\r\n  - name: web\r\n    image: NEW\r\n    port: 1\r\n",
            ),
            (
                "x: &i old\nspec:\n  functions:\n  - name: web\n    image: *i\n    args: [ä, *i]\n",
                "x: &i old\nspec:\n  functions:\n  - name: web\n    image: NEW\n    args: [ä, *i]\n",
            ),
            (
                "{\"spec\": {\"functions\": [{\n  \"name\": \"web\", \"port\": 1}]}}\n",
                "{\"spec\": {\"functions\": [{\n  \"image\": \"NEW\", \"name\": \"web\", \"port\": 1}]}}\n",
            ),
            (
                "{\"spec\": {\"functions\": [{\"name\": \"web\", \"image\": \"old\"}]}}",
                "{\"spec\": {\"functions\": [{\"name\": \"web\", \"image\": \"NEW\"}]}}",
            ),
            (
                "spec:\n  functions:\n  - name: web",
                "spec:\n  functions:\n  - name: web\n    image: NEW",
            ),
            (
                "spec:\n  functions:\n  - name: web\n    image: >-\n      old\n    port: 1\n",
                "spec:\n  functions:\n  - name: web\n    image: NEW\n    port: 1\n",
            ),
        ];
        for (before, after) in shapes {
            match edit(before) {
                Ok(text) => assert_eq!(text, after.replace("NEW", NEW)),
                // A block scalar is the one that may be refused; it is never spoiled.
                Err(error) => assert!(before.contains(">-"), "{before}: {error}"),
            }
        }
    }

    #[test]
    fn a_function_that_is_not_there_is_said_with_those_that_are() {
        let error = edit("spec: {functions: [{name: api}, {name: worker}]}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no function `web`; the app has: api, worker"
        );
    }
}
