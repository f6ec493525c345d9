//! The custom resource definitions, generated from the types.
//!
//! What the derive makes is tidied here, because some of what JSON Schema says the API server does not know. The files
//! under `crds/` are this module's output; a test fails where they are stale.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{CustomResourceExt as _, ResourceExt as _};
use serde_json::{Map, Value, json};

use super::{Alias, Deployment, Repository, specs};

/// A definition that could not be written out. It would be a fault in the types, never in what a person gave.
#[derive(Debug, thiserror::Error)]
#[error("custom resource definition {kind}: {problem}")]
pub struct SchemaError {
    kind: String,
    problem: String,
}

/// The first lines of each file under `crds/`.
pub const HEADER: &str =
    "# Generated from the types in src/api by `make generate`; changes made here are lost.\n";

/// All definitions, in the order in which they are printed.
///
/// # Errors
///
/// If the schema of a type cannot be expressed as a definition.
pub fn all() -> Result<Vec<CustomResourceDefinition>, SchemaError> {
    [Deployment::crd(), Alias::crd(), Repository::crd()]
        .iter()
        .map(finish)
        .collect()
}

/// All definitions as YAML: for each the name of its file under `crds/`, and its content.
///
/// # Errors
///
/// If the schema of a type cannot be expressed as a definition.
pub fn files() -> Result<Vec<(String, String)>, SchemaError> {
    let file = |crd: CustomResourceDefinition| {
        let yaml = serde_yaml::to_string(&crd).map_err(|problem| SchemaError {
            kind: crd.name_any(),
            problem: problem.to_string(),
        })?;
        Ok((
            format!("{}.yaml", crd.spec.names.plural),
            format!("{HEADER}{yaml}"),
        ))
    };
    all()?.into_iter().map(file).collect()
}

/// All definitions as one stream of YAML documents, for `kubectl apply`.
///
/// # Errors
///
/// If the schema of a type cannot be expressed as a definition.
pub fn all_yaml() -> Result<String, SchemaError> {
    let documents: Vec<String> = files()?.into_iter().map(|(_, yaml)| yaml).collect();
    Ok(documents.join("---\n"))
}

/// What the API server should hold, from what the derive made.
fn finish(crd: &CustomResourceDefinition) -> Result<CustomResourceDefinition, SchemaError> {
    let kind = crd.spec.names.kind.clone();
    let fail = |problem: serde_json::Error| SchemaError {
        kind: kind.clone(),
        problem: problem.to_string(),
    };
    let mut value = serde_json::to_value(crd).map_err(fail)?;
    if let Some(root) = value.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(root);
        root["x-kubernetes-validations"] = specs::object(&kind);
        if let Some(status) = root.pointer_mut("/properties/status") {
            status["description"] = json!("What is true now. Written by the controller only.");
            free(status);
        }
    }
    value["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "cutwater"});
    serde_json::from_value(value).map_err(fail)
}

/// Makes a schema one that the API server knows whole.
///
/// - An optional field is one that may be absent. An explicit null is dropped by the API server unless `nullable` keeps it.
/// - Formats of unsigned integers are unknown there and would be warned about on each apply.
/// - Text over several lines in a doc comment is one paragraph.
fn tidy(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("nullable");
    map.remove("title");
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(format) = map.get("format").and_then(Value::as_str) {
        match format {
            "uint8" | "uint16" | "uint32" => {
                map.insert("format".to_owned(), json!("int32"));
            }
            "uint64" => {
                map.insert("format".to_owned(), json!("int64"));
            }
            "uint" | "int" => {
                map.remove("format");
            }
            _ => {}
        }
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        let paragraphs: Vec<String> = text
            .split("\n\n")
            .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        *text = paragraphs.join("\n\n");
    }
    children(map, tidy);
}

/// Takes the rules out of a status: only the controller writes it, and a refused status would hide what is going on.
fn free(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for key in [
        "x-kubernetes-validations",
        "maxLength",
        "minLength",
        "minimum",
        "maximum",
    ] {
        map.remove(key);
    }
    children(map, free);
}

/// Visits the schemas within a schema.
fn children(map: &mut Map<String, Value>, visit: fn(&mut Value)) {
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(visit);
    }
    for key in ["items", "additionalProperties", "not"] {
        if let Some(inner) = map.get_mut(key) {
            visit(inner);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(inner)) = map.get_mut(key) {
            inner.iter_mut().for_each(visit);
        }
    }
}
