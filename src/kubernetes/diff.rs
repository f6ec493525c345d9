//! Whether an object has all that is wanted of it.

use serde_json::Value;

/// True when every field of `wanted` stands in `found` with the same value. Fields that only `found` has are somebody
/// else's or defaults; lists are compared whole, entry by entry. A null or an empty map in `wanted` is no demand.
#[must_use]
pub fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (_, Value::Null) => true,
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| match found.get(key) {
                Some(found) => holds(found, value),
                None => is_empty(value),
            })
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(found, wanted)| holds(found, wanted))
        }
        _ => found == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_not_a_difference_and_changes_are() {
        let found = json!({"a": 1, "list": [{"x": 1, "default": true}], "more": 2});
        assert!(holds(
            &found,
            &json!({"a": 1, "list": [{"x": 1}], "none": {}})
        ));
        assert!(!holds(&found, &json!({"a": 2})));
        assert!(!holds(&found, &json!({"list": []})));
        assert!(!holds(&found, &json!({"list": [{"x": 1}, {"x": 2}]})));
        assert!(!holds(&found, &json!({"missing": 0})));
    }
}
