//! What the fields of a whole spec, a list in it or an object must be together, as schemas and CEL rules for the API server.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::route::Route;
use super::rules::{rule, rule_at, same_spelling};
use super::traffic::WantedVersion;
use super::version_rule;

/// The versions of a Deployment.
pub(super) fn versions(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Vec<WantedVersion>>();
    let sum = "self.map(v, int(v.percentage * 100.0 + 0.5)).sum()";
    let once = format!(
        "[self.map(v, {})].all(words, words.all(a, words.exists_one(b, a == b)))",
        same_spelling("v.version")
    );
    schema.insert("minItems".to_owned(), json!(1));
    schema.insert("maxItems".to_owned(), json!(10));
    schema.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([
            {
                // Where the list or an entry is out of bounds, that alone is said.
                "rule": format!("self.size() == 0 || self.exists(v, v.percentage < 0.0 || v.percentage > 100.0) || {sum} == 10000"),
                "message": "the percentages must total exactly 100; change one of them",
                "messageExpression": format!(
                    "{sum} > 10000 ? 'the percentages total more than 100 and must total exactly 100; lower one of them' : \
                     'the percentages total less than 100 and must total exactly 100; raise one of them'"
                ),
            },
            rule(&once, "a version is listed twice (8 and v8 are one version); keep one entry with the whole percentage"),
        ]),
    );
    schema
}

/// The routes of a Deployment or an Alias.
pub(super) fn routes(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Vec<Route>>();
    schema.insert("maxItems".to_owned(), json!(16));
    schema.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([
            rule(
                "self.size() <= 1 || self.all(r, has(r.name))",
                "with more than one route each needs a name; a single route without one is called `main`"
            ),
            rule(
                "self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && a.name == b.name))",
                "two routes have one name; give each its own"
            ),
        ]),
    );
    schema
}

/// Fields that stay what they were.
fn never_changes(field: &str) -> Value {
    rule_at(
        &format!(".{field}"),
        &format!("self.{field} == oldSelf.{field}"),
        &format!(
            "{field} never changes; delete this object and make a new one, or keep the old value"
        ),
    )
}

/// Rules over the whole spec of a Deployment.
pub(super) fn deployment() -> Value {
    json!([
        never_changes("app"),
        never_changes("repository"),
        version_rule::of_deployment(),
    ])
}

/// Rules over the whole spec of an Alias.
pub(super) fn alias() -> Value {
    json!([
        never_changes("app"),
        never_changes("repository"),
        rule_at(
            ".canary.version",
            &format!(
                "!has(self.canary) || {} != {}",
                same_spelling("self.version"),
                same_spelling("self.canary.version")
            ),
            "the canary is the main version itself; name another version, or leave the canary out"
        ),
        version_rule::of_alias(),
    ])
}

/// Rules over a whole object: its own name is an input too.
pub(super) fn object(kind: &str) -> Value {
    let mut rules = vec![rule(
        "self.metadata.name.size() <= 63",
        "the object's name has more than 63 characters and could not stand in a label; choose a shorter one",
    )];
    match kind {
        "Deployment" => rules.push(rule(
            "!self.metadata.name.matches('-v[0-9]+(-|$)')",
            "the object's name reads like one of its own workloads (`<app>-v1-<function>`); choose a name without `-v` and digits",
        )),
        "Alias" => rules.push(rule(
            "has(self.spec.name) || (self.metadata.name.matches('^[a-zA-Z_][a-zA-Z0-9_-]*$') && self.metadata.name != 'LATEST')",
            "the object's name cannot be the alias's name (a letter or `_`, then letters, digits, `_` and `-`); set spec.name",
        )),
        _ => {}
    }
    Value::Array(rules)
}
