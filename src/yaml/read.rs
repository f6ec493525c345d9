//! YAML text to a tree in which every key and value knows its place: the only reader of files that people write.
//!
//! Reads as `kubectl` does (octal `0644`, merge keys, `yes` and `no`), refuses duplicate keys and alias bombs, and never
//! follows anything out of the text.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::{Location, Spanned};

use super::problem::{Place, Problem};

/// Largest file that is read.
const FILE_MAX: usize = 256 * 1024;

/// Most values, where each use of an alias counts again.
const NODES_MAX: usize = 20_000;
/// Deepest nesting. Each level takes some kilobytes of the stack, many more in a build for tests.
const DEPTH_MAX: usize = 32;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// The bytes of the text that it stands in; for a block collection only the start is exact.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Field>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Field {
    /// What stands around the key in `text`: a quote, or nothing. In JSON every key has one.
    pub(crate) fn quote(&self, text: &str) -> &'static str {
        let around = |quote: &str| {
            text.get(self.key_span.clone())
                .is_some_and(|key| key.starts_with(quote))
        };
        ["\"", "'"]
            .into_iter()
            .find(|quote| around(quote))
            .unwrap_or("")
    }
}

impl Node {
    /// The field of that name, in a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Field> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|field| field.key == key),
            _ => None,
        }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::from(*value),
            Value::Integer(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Text(value) => Json::from(value.as_str()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(fields) => {
                let pairs = fields.iter();
                pairs
                    .map(|field| (field.key.clone(), field.node.to_json()))
                    .collect()
            }
        }
    }

    /// The place of the value at `path`, or of the nearest that holds it.
    pub(crate) fn find(&self, path: &str) -> Place {
        let mut node = self;
        let mut place = node.place;
        for part in path.split('.') {
            let (key, indexes) = part
                .split_once('[')
                .map_or((part, ""), |(key, rest)| (key, rest));
            let Some(field) = node.get(key) else {
                return place;
            };
            node = &field.node;
            place = node.place;
            for index in indexes.split(['[', ']']).filter(|text| !text.is_empty()) {
                let Value::List(items) = &node.value else {
                    return place;
                };
                let Some(item) = index
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                else {
                    return place;
                };
                node = item;
                place = node.place;
            }
        }
        place
    }
}

/// Reads one document. `kind` is what it must hold, such as `App`.
pub(crate) fn read(bytes: &[u8], kind: &str) -> Result<Node, Problem> {
    let text = text(bytes)?;
    let node = serde_saphyr::from_str_with_options::<Node>(text, options())
        .map_err(|error| problem(&error, kind, text))?;
    if matches!(node.value, Value::Null) {
        return Err(Problem {
            place: Place::default(),
            field: String::new(),
            message: format!(
                "is empty; it must hold one {kind} (see `cutwater schema {}`)",
                kind.to_lowercase()
            ),
        });
    }
    Ok(node)
}

/// Reads any number of documents, in their order. Those that hold nothing are left out.
pub(crate) fn read_all(bytes: &[u8]) -> Result<Vec<Node>, Problem> {
    let text = text(bytes)?;
    serde_saphyr::from_multiple_with_options::<Node>(text, options())
        .map_err(|error| problem(&error, "object", text))
}

/// The text, if it is one and not too large.
fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let fail = |place: Place, message: String| Problem {
        place,
        field: String::new(),
        message,
    };
    if bytes.len() > FILE_MAX {
        return Err(fail(
            Place::default(),
            format!("has {} bytes; at most {FILE_MAX} are read", bytes.len()),
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let last = before.rsplit('\n').next().unwrap_or_default();
        let place = Place {
            line: before.matches('\n').count() as u64 + 1,
            column: last.chars().count() as u64 + 1,
        };
        fail(
            place,
            "is not UTF-8 text from here on; save the file as UTF-8".to_owned(),
        )
    })
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 4,
            max_depth: DEPTH_MAX,
        },
    }
}

/// The line that begins with a tab, or with blanks and one: the nearest to where the reader stopped, which may be another.
fn tabbed(text: &str, place: Place) -> Place {
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let lines = (1..).zip(text.lines()).filter(|(_, line)| is_tabbed(line));
    let nearest = lines.min_by_key(|(number, _)| place.line.abs_diff(*number));
    let nearest = nearest.filter(|(line, _)| *line != place.line);
    nearest.map_or(place, |(line, text)| Place {
        line,
        column: text
            .chars()
            .take_while(|c| *c == ' ')
            .map(|_| 1)
            .sum::<u64>()
            + 1,
    })
}

/// The first line that a merge put into a text that cannot be read, to mark what it could not decide.
fn marked(text: &str) -> Option<Place> {
    let marks = ["<<<<<<< ", "||||||| ", ">>>>>>> "];
    let is_mark = |line: &str| marks.iter().any(|mark| line.starts_with(mark));
    let mut lines = (1..).zip(text.lines());
    let (line, _) = lines.find(|(_, line)| is_mark(line))?;
    Some(Place { line, column: 1 })
}

/// What the reader said of `content`, for people.
fn problem(error: &serde_saphyr::Error, kind: &str, content: &str) -> Problem {
    if let Some(place) = marked(content) {
        return Problem {
            place,
            field: String::new(),
            message: "holds the conflict markers of a merge from here on; decide what is to stay, and take the markers out".to_owned(),
        };
    }
    let text = error.without_snippet().to_string();
    // The reader puts the place into its text; it stands in front of ours already.
    let text = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .trim_end_matches([':', ',', ' ']);
    let message = match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => {
            format!("a second document starts here; keep one {kind} in the file")
        }
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default();
            format!("the key `{key}` is there twice; keep one")
        }
        _ if text.starts_with("budget") || text.starts_with("recursion") => format!(
            "is too large or too deep: at most {NODES_MAX} values (each use of an alias counts again) and {DEPTH_MAX} levels"
        ),
        _ if text.contains("tab") => {
            format!("cannot be read as YAML: {text}; indent with blanks in the place of tabs")
        }
        _ if text.contains("deserialize null") => {
            "cannot be read as YAML: there is no key before a `:`".to_owned()
        }
        _ => format!("cannot be read as YAML: {text}"),
    };
    let stopped = error.location().map(place).unwrap_or_default();
    Problem {
        place: if text.contains("tab") {
            tabbed(content, stopped)
        } else {
            stopped
        },
        field: String::new(),
        message,
    }
}

fn place(location: Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

fn span(location: Location) -> Range<usize> {
    let index = |offset: Option<u64>| offset.and_then(|offset| usize::try_from(offset).ok());
    let start = index(location.span().byte_offset()).unwrap_or(usize::MAX);
    start..start.saturating_add(index(location.span().byte_len()).unwrap_or(0))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            place: place(spanned.referenced),
            span: span(spanned.referenced),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond every range that a field has"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            fields.push(Field {
                key_place: place(key.referenced),
                key_span: span(key.referenced),
                key: key.value,
                node: entries.next_value()?,
            });
        }
        Ok(Value::Map(fields))
    }
}
