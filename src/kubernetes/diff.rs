//! Whether an object is as it is wanted: it has all that is wanted of it, and nothing that was wanted before.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::names;
use super::object::{Kind, Object};

/// Bytes of a digest that are kept: it tells one wish from the next, and nobody has to be kept from forging it.
const DIGEST: usize = 8;

/// The body as it is sent: with the digest of the wish in an annotation, so that a field that is taken out of the wish is
/// taken out of the object, whoever runs by then.
#[must_use]
pub fn stamped(object: &Object) -> Value {
    let mut body = object.body.clone();
    body["metadata"]["annotations"][names::APPLIED] = json!(digest(object));
    body
}

/// True when `found` was written for this very wish and still has every field of it with the same value.
///
/// Fields that only `found` has are somebody else's or defaults. In the lists of a route they are neither: a route belongs to
/// one writer, all its defaults are wanted explicitly, and lists are replaced whole.
#[must_use]
pub fn is_in_place(found: &Value, object: &Object) -> bool {
    let stamp = &found["metadata"]["annotations"][names::APPLIED];
    let in_lists = match object.kind {
        Kind::HttpRoute => Others::Differ,
        _ => Others::Stay,
    };
    *stamp == digest(object) && holds(found, &object.body, Others::Stay, in_lists)
}

/// True when a route as it was found says what `wanted` says, and nothing else in its lists.
#[must_use]
pub(super) fn is_route_as(found: &Value, wanted: &Value) -> bool {
    holds(found, wanted, Others::Stay, Others::Differ)
}

/// What fields mean that only the found object has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Stay,
    Differ,
}

/// Lists are compared whole, entry by entry. A null or an empty map in `wanted` is no demand.
fn holds(found: &Value, wanted: &Value, here: Others, in_lists: Others) -> bool {
    match (found, wanted) {
        (_, Value::Null) => true,
        (Value::Object(found), Value::Object(wanted)) => {
            let all = wanted.iter().all(|(key, value)| match found.get(key) {
                Some(found) => holds(found, value, here, in_lists),
                None => is_empty(value),
            });
            let wanted_only = |(key, value): (&String, &Value)| {
                here == Others::Stay || wanted.contains_key(key) || is_empty(value)
            };
            all && found.iter().all(wanted_only)
        }
        (Value::Array(found), Value::Array(wanted)) => {
            let same = |(found, wanted)| holds(found, wanted, in_lists, in_lists);
            found.len() == wanted.len() && found.iter().zip(wanted).all(same)
        }
        _ => found == wanted,
    }
}

fn digest(object: &Object) -> String {
    let digest = Sha256::digest(object.body.to_string());
    hex::encode(&digest[..DIGEST])
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
    use super::*;

    fn object(kind: Kind, spec: &Value) -> Object {
        Object {
            kind,
            name: "a".to_owned(),
            body: json!({"metadata": {"name": "a"}, "spec": spec}),
        }
    }

    /// What stands in the cluster after a write, with what was changed there since.
    fn written(object: &Object, change: impl Fn(&mut Value)) -> Value {
        let mut found = stamped(object);
        change(&mut found["spec"]);
        found
    }

    #[test]
    fn defaults_are_not_a_difference_and_changes_are() {
        let wanted = object(
            Kind::Workload,
            &json!({"a": 1, "list": [{"x": 1}], "none": {}}),
        );
        let same: [fn(&mut Value); 3] = [
            |_| {},
            |spec| spec["more"] = json!(2),
            |spec| spec["list"][0]["default"] = json!(true),
        ];
        for change in same {
            assert!(is_in_place(&written(&wanted, change), &wanted));
        }
        let other: [fn(&mut Value); 4] = [
            |spec| spec["a"] = json!(2),
            |spec| spec["list"] = json!([]),
            |spec| spec["list"] = json!([{"x": 1}, {"x": 2}]),
            |spec| spec["list"] = json!([{"x": 2}]),
        ];
        for change in other {
            assert!(!is_in_place(&written(&wanted, change), &wanted));
        }
    }

    #[test]
    fn a_field_that_is_taken_out_of_a_wish_is_a_difference() {
        for kind in Kind::ALL {
            let before = object(kind, &json!({"list": [{"x": 1, "y": 2}], "z": 3}));
            let found = written(&before, |_| {});
            assert!(is_in_place(&found, &before));
            let less = object(kind, &json!({"list": [{"x": 1}], "z": 3}));
            assert!(!is_in_place(&found, &less), "{kind}: in a list");
            let less = object(kind, &json!({"list": [{"x": 1, "y": 2}]}));
            assert!(!is_in_place(&found, &less), "{kind}: in a map");
        }
    }

    #[test]
    fn what_others_write_into_the_lists_of_a_route_is_a_difference() {
        let wanted = object(Kind::HttpRoute, &json!({"parentRefs": [{"name": "web"}]}));
        let found = written(&wanted, |spec| {
            spec["parentRefs"][0]["sectionName"] = json!("http");
        });
        assert!(!is_in_place(&found, &wanted));
        let found = written(&wanted, |spec| {
            spec["theirs"] = json!({"sectionName": "http"});
        });
        assert!(is_in_place(&found, &wanted), "beside them it is theirs");
    }
}
