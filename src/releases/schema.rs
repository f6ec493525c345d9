//! The JSON Schemas of the files below `releases/`: of each kind, by which files are read, and of all of them, for editors.

use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::document::Document;
use crate::api::{AliasSpec, DeploymentSpec, GROUP, VERSION};

pub(super) static DEPLOYMENT: LazyLock<Json> = LazyLock::new(of::<DeploymentSpec>);
pub(super) static ALIAS: LazyLock<Json> = LazyLock::new(of::<AliasSpec>);

fn of<S: JsonSchema + Serialize + for<'a> Deserialize<'a>>() -> Json {
    schema_for!(Document<S>).to_value()
}

/// The JSON Schema of one document of a file, for editors: a Deployment, an Alias, or a Repository, which is not looked into.
#[must_use]
pub fn json_schema() -> Json {
    let mut definitions = Map::new();
    let kinds: Vec<Json> = [("Deployment", &DEPLOYMENT), ("Alias", &ALIAS)]
        .into_iter()
        .map(|(kind, schema)| {
            let mut schema = Schema::try_from(Json::clone(schema)).unwrap_or_default();
            plain(&mut schema);
            schema.remove("$schema");
            // Both kinds are made of the same types.
            if let Some(Json::Object(own)) = schema.remove("$defs") {
                definitions.extend(own);
            }
            json!({"if": {"properties": {"kind": {"const": kind}}}, "then": schema})
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Release",
        "description": "Who serves an app's traffic, and how much: a Deployment or an Alias.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": {"const": format!("{GROUP}/{VERSION}")},
            "kind": {"enum": ["Deployment", "Alias", "Repository"]},
        },
        "allOf": kinds,
        "$defs": definitions,
    })
}

/// Without what only an API server reads.
fn plain(schema: &mut Schema) {
    schema.remove("x-kubernetes-validations");
    if schema.remove("x-kubernetes-int-or-string").is_some() {
        schema.insert("type".to_owned(), json!(["integer", "string"]));
    }
    schemars::transform::transform_subschemas(&mut plain, schema);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    const DEPLOYMENT: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Deployment\nmetadata: {name: checkout}\nspec:\n  app: checkout\n  repository: shop\n  versions: [{version: 7, percentage: 85.71}, {version: g1a2b3c4d, percentage: 14.29}]\n";
    const ALIAS: &str = "apiVersion: cutwater.dev/v1alpha1\nkind: Alias\nmetadata: {name: prod}\nspec: {app: checkout, repository: shop, version: v1.4.0}\n";

    #[test]
    fn an_editor_takes_what_is_read_and_marks_what_is_not() {
        let validator = jsonschema::validator_for(&json_schema()).unwrap();
        let problems = |text: &str| -> Vec<String> {
            let document = yaml::read_all(text.as_bytes()).unwrap()[0].to_json();
            let problems = validator.iter_errors(&document);
            problems.map(|problem| problem.to_string()).collect()
        };
        for good in [DEPLOYMENT, ALIAS] {
            assert_eq!(problems(good), [""; 0], "{good}");
        }
        for (good, from, to) in [
            (DEPLOYMENT, "percentage: 85.71", "percent: 85.71"),
            (DEPLOYMENT, "85.71", "185.71"),
            (DEPLOYMENT, "versions:", "version:"),
            (DEPLOYMENT, "kind: Deployment", "kind: Alias"),
            (DEPLOYMENT, "cutwater.dev/v1alpha1", "apps/v1"),
            (ALIAS, "version: v1.4.0", "version: 1.4"),
            (ALIAS, "kind: Alias", "kind: Aliases"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(problems(&bad), [""; 0], "{bad}");
        }
    }

    #[test]
    fn both_kinds_mean_the_same_by_the_name_of_a_type() {
        let definitions = |schema: &Json| schema["$defs"].as_object().unwrap().clone();
        let alias = definitions(&super::ALIAS);
        for (name, definition) in definitions(&super::DEPLOYMENT) {
            if let Some(other) = alias.get(&name) {
                assert_eq!(*other, definition, "{name}");
            }
        }
    }
}
