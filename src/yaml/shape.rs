//! A tree against the JSON Schema of the types: unknown fields, wrong kinds of values, missing fields, ranges.
//!
//! The schema is derived from the types, so that fields are listed in one place. Every problem is reported: where a value
//! is wrong, a stand-in takes its place, so that the rest is still checked.

use serde_json::{Map, Value as Json, json};

use super::problem::{Place, Problem};
use super::read::{Field, Node, Value};
use crate::words::{AppName, FunctionName};

/// Checks against the schema and collects problems.
pub(crate) struct Shape<'a> {
    schema: &'a Json,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Shape<'a> {
    pub(crate) fn new(schema: &'a Json) -> Self {
        Self {
            schema,
            problems: Vec::new(),
        }
    }

    /// A JSON value that has the right shape, whatever the node is.
    pub(crate) fn check(&mut self, node: &Node) -> Json {
        self.value(node, self.schema, "")
    }

    fn problem(&mut self, place: Place, path: &str, message: String) {
        self.problems.push(Problem {
            place,
            field: path.to_owned(),
            message,
        });
    }

    /// Follows references, and the one alternative of an optional field that is not null.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            return &self.schema["$defs"][name];
        }
        let some = |one: &&Json| one["type"] != "null";
        match schema["anyOf"].as_array() {
            Some(any) => any
                .iter()
                .find(some)
                .map_or(schema, |one| self.resolve(one)),
            None => schema,
        }
    }

    fn value(&mut self, node: &Node, schema: &'a Json, path: &str) -> Json {
        let schema = self.resolve(schema);
        let set = |extension: &str| schema[extension] == true;
        if set("x-kubernetes-int-or-string") || set("x-kubernetes-preserve-unknown-fields") {
            return node.to_json();
        }
        match (&node.value, kind(schema)) {
            (Value::Map(fields), "object") => self.object(node, fields, schema, path),
            (Value::List(items), "array") => self.array(node, items, schema, path),
            (Value::Text(text), "string") => self.text(node, text, schema, path),
            (Value::Integer(number), "integer") => self.integer(node, *number, schema, path),
            (Value::Bool(value), "boolean") => json!(value),
            (Value::Integer(_) | Value::Float(_), "number") => node.to_json(),
            // Kubernetes takes plain numbers for quantities.
            (Value::Integer(number), "string") if schema["format"] == "quantity" => {
                json!(number.to_string())
            }
            (Value::Float(number), "string") if schema["format"] == "quantity" => {
                json!(number.to_string())
            }
            (value, wanted) => {
                self.problem(node.place, path, mismatch(value, wanted));
                self.stand_in(schema)
            }
        }
    }

    fn object(&mut self, node: &Node, fields: &[Field], schema: &'a Json, path: &str) -> Json {
        let mut object = Map::new();
        let free = schema
            .get("additionalProperties")
            .filter(|any| any.is_object());
        for field in fields {
            let path = join(path, &field.key);
            let known = schema["properties"].get(&field.key).or(free);
            let Some(known) = known else {
                let message = unknown(&field.key, schema);
                self.problem(field.key_place, &path, message);
                continue;
            };
            let required = is_required(schema, &field.key);
            if matches!(field.node.value, Value::Null) {
                if required || free.is_some() {
                    let wanted = kind(self.resolve(known));
                    self.problem(
                        field.key_place,
                        &path,
                        format!("has no value; write {}", article(wanted)),
                    );
                    object.insert(field.key.clone(), self.stand_in(known));
                }
                continue;
            }
            let value = self.value(&field.node, known, &path);
            object.insert(field.key.clone(), value);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if node.get(name).is_none() {
                let known = &schema["properties"][name];
                let wanted = article(kind(self.resolve(known)));
                let fixed = known["const"].as_str();
                let write = fixed.map_or(wanted, |value| format!("`{name}: {value}`"));
                self.problem(
                    node.place,
                    &join(path, name),
                    format!("is missing; write {write}"),
                );
                object.insert(name.to_owned(), self.stand_in(known));
            }
        }
        Json::Object(object)
    }

    fn array(&mut self, node: &Node, items: &[Node], schema: &'a Json, path: &str) -> Json {
        let len = items.len() as u64;
        if let Some(min) = schema["minItems"].as_u64().filter(|min| len < *min) {
            self.problem(node.place, path, format!("must have at least {min} entry"));
        }
        if let Some(max) = schema["maxItems"].as_u64().filter(|max| len > *max) {
            let place = usize::try_from(max).ok().and_then(|max| items.get(max));
            let place = place.map_or(node.place, |item| item.place);
            self.problem(
                place,
                path,
                format!("has {len} entries; at most {max} are allowed"),
            );
        }
        let values = items.iter().enumerate();
        let values = values
            .map(|(index, item)| self.value(item, &schema["items"], &format!("{path}[{index}]")));
        Json::Array(values.collect())
    }

    fn text(&mut self, node: &Node, text: &str, schema: &'a Json, path: &str) -> Json {
        let wrong = match schema["format"].as_str() {
            Some("app-name") => text.parse::<AppName>().err().map(|error| error.to_string()),
            Some("function-name") => text
                .parse::<FunctionName>()
                .err()
                .map(|error| error.to_string()),
            _ => None,
        };
        let words = words(schema);
        let fixed = (!words.is_empty() && !words.contains(&text))
            .then(|| format!("is `{text}`; write `{}`", words.join("` or `")));
        match wrong.or(fixed) {
            Some(message) => {
                self.problem(node.place, path, message);
                self.stand_in(schema)
            }
            None => json!(text),
        }
    }

    fn integer(&mut self, node: &Node, number: i64, schema: &'a Json, path: &str) -> Json {
        let min = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let max = schema["maximum"].as_i64().unwrap_or(i64::from(i32::MAX));
        if (min..=max).contains(&number) {
            return json!(number);
        }
        let message = if max == i64::from(i32::MAX) && number < min {
            format!("is {number}; write a number of at least {min}")
        } else {
            format!("is {number}; write a number from {min} to {max}")
        };
        self.problem(node.place, path, message);
        self.stand_in(schema)
    }

    /// Something of the right shape, in place of what was wrong.
    fn stand_in(&self, schema: &'a Json) -> Json {
        let schema = self.resolve(schema);
        match kind(schema) {
            "object" => {
                let required = schema["required"].as_array().into_iter().flatten();
                let names = required.filter_map(Json::as_str);
                let pair =
                    |name: &str| (name.to_owned(), self.stand_in(&schema["properties"][name]));
                Json::Object(names.map(pair).collect())
            }
            "array" => json!([]),
            "integer" => schema["minimum"]
                .as_i64()
                .map_or(json!(1), |min| json!(min)),
            "number" => json!(0),
            "boolean" => json!(false),
            _ => json!(words(schema).first().unwrap_or(&"x")),
        }
    }
}

/// The type that is wanted, without `null`.
fn kind(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Null if !words(schema).is_empty() => "string",
        Json::String(kind) => kind,
        Json::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Json::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or_default()
        }
        // One of several words.
        _ => schema["oneOf"][0]["type"].as_str().unwrap_or_default(),
    }
}

/// The words that a text may be, where only some will do.
fn words(schema: &Json) -> Vec<&str> {
    let list = |name: &str| schema[name].as_array().into_iter().flatten();
    (schema["const"].as_str().into_iter())
        .chain(list("enum").filter_map(Json::as_str))
        .chain(list("oneOf").flat_map(words))
        .collect()
}

fn is_required(schema: &Json, name: &str) -> bool {
    let mut required = schema["required"].as_array().into_iter().flatten();
    required.any(|one| one == name)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn article(kind: &str) -> String {
    match kind {
        "object" => "a map of fields",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a text",
    }
    .to_owned()
}

fn mismatch(value: &Value, wanted: &str) -> String {
    let is = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Integer(value) => format!("the number {value}"),
        Value::Float(value) => format!("the number {value}"),
        Value::Text(value) if value.len() <= 40 => format!("the text \"{value}\""),
        Value::Text(_) => "a text".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    };
    let plain = matches!(value, Value::Bool(_) | Value::Integer(_) | Value::Float(_));
    match (wanted, value) {
        ("string", _) if plain => format!("is {is}, and a text is wanted; put it in quotes"),
        ("number", Value::Text(text)) if text.trim_end_matches('%').parse::<f64>().is_ok() => {
            format!("is {is}, and a number is wanted; write it without quotes and without a sign")
        }
        ("integer", Value::Text(text)) if text.parse::<i64>().is_ok() => {
            format!("is {is}, and a whole number is wanted; drop the quotes")
        }
        ("array", Value::Text(_) | Value::Map(_)) => {
            format!("is {is}, and a list is wanted; write each entry with a dash in front")
        }
        _ => format!("is {is}; write {}", article(wanted)),
    }
}

fn unknown(key: &str, schema: &Json) -> String {
    let names = schema["properties"].as_object();
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let low = key.to_ascii_lowercase();
    let near = names
        .iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &low),
                *name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min();
    match near {
        Some((_, name)) => format!("unknown field; did you mean `{name}`?"),
        None => format!("unknown field; known here: {}", names.join(", ")),
    }
}
