//! Bytes of one file to its objects, or all that is wrong with them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::document::Document;
use super::numbers;
use super::schema::{ALIAS, DEPLOYMENT};
use super::{Kind, Object, Release, collide, twin};
use crate::api::{Alias, AliasSpec, Deployment, DeploymentSpec, GROUP, SpecError, VERSION, Wanted};
use crate::words::{AliasName, AppName, EnvironmentName};
use crate::yaml::{self, Node, Problem, Problems, Shape, Value};

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Its Deployments and Aliases.
    pub releases: Vec<Release>,
    /// Objects of others, which concern no app: each in a sentence, with its place.
    pub aside: Vec<String>,
}

/// True where a file is read at all: by its name, as `kubectl` chooses, in capital letters too.
#[must_use]
pub fn is_read(path: &str) -> bool {
    let extension = Path::new(path).extension();
    extension.is_some_and(|extension| {
        ["yaml", "yml", "json"].map(|known| extension.eq_ignore_ascii_case(known)) != [false; 3]
    })
}

/// What is wrong with the name of a file that is not read and holds objects of ours.
#[must_use]
pub fn misnamed(path: &str, bytes: &[u8]) -> Option<String> {
    let extension = Path::new(path).extension()?.to_str()?.to_ascii_lowercase();
    let group = format!("{GROUP}/");
    let is_ours = (bytes.windows(group.len())).any(|part| part == group.as_bytes());
    is_ours.then(|| {
        format!(
            "{path}: holds objects of {GROUP}, and is not read, because its name ends in `.{extension}`; rename it to end in `.yaml`, or remove it"
        )
    })
}

/// True where the ending of a file is one letter off one that is read.
#[must_use]
pub fn is_nearly_read(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        let extension = extension.to_ascii_lowercase();
        // Those of other files that are as near.
        let is_other = ["xml", "ml", "raml"].contains(&extension.as_str());
        !is_other
            && extension.bytes().all(|byte| byte.is_ascii_alphabetic())
            && ["yaml", "yml"]
                .map(|known| strsim::damerau_levenshtein(&extension, known))
                .contains(&1)
    })
}

/// Reads one file. `file` is its name in messages.
///
/// # Errors
/// All problems of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Content, Problems> {
    let all = |list| Problems {
        file: file.to_owned(),
        list,
    };
    let documents = yaml::read_all(bytes).map_err(|problem| all(vec![problem]))?;
    // What was read is a text.
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let mut problems = Vec::new();
    let mut content = Content::default();
    for document in &documents {
        if let Some(what) = foreign(document) {
            let line = document.place.line;
            (content.aside).push(format!("{file}:{line}: {what} is left aside"));
            continue;
        }
        let releases = &mut content.releases;
        let misread = numbers::misread(document, text);
        let is_misread = !misread.is_empty();
        problems.extend(misread);
        match read_one(file, document) {
            // What else is wrong may come of that.
            _ if is_misread => {}
            Ok(None) => {}
            Ok(Some(release)) => match releases.iter().find(|first| collide(first, &release)) {
                Some(first) => problems.push(twin(first, &release)),
                None => releases.push(release),
            },
            Err(list) => problems.extend(list),
        }
    }
    if problems.is_empty() {
        return Ok(content);
    }
    problems.sort_by(|a, b| (a.place, &a.field).cmp(&(b.place, &b.field)));
    problems.truncate(50);
    Err(all(problems))
}

/// True where a file that cannot be read could still name the app.
///
/// The name of an app is plain ASCII, so only an escape, or bytes that are no text, could hide it.
#[must_use]
pub fn may_name(bytes: &[u8], app: &AppName) -> bool {
    std::str::from_utf8(bytes).map_or(true, |text| {
        text.contains('\\') || text.contains(app.as_str())
    })
}

/// What a document is that surely concerns no app: an object of another API group, or nothing that could be an object.
///
/// What may have been meant for us is none of these: an API group that is written wrong, a list that holds one of our objects,
/// or a document without an `apiVersion` and with something that only an object has.
fn foreign(node: &Node) -> Option<String> {
    let items = match &node.value {
        Value::List(items) => Some(items),
        Value::Map(_) => None,
        _ => return None,
    };
    let kind = text(node, "kind");
    let items = items.or_else(|| match node.get("items").map(|field| &field.node.value) {
        Some(Value::List(items)) if kind.is_some_and(|kind| kind.ends_with("List")) => Some(items),
        _ => None,
    });
    if items.is_some_and(|items| items.iter().any(may_be_ours)) || may_be_ours(node) {
        return None;
    }
    Some(match (text(node, "apiVersion"), kind) {
        (Some(group), Some(kind)) => {
            format!("`{kind}` of `{group}`, which is no object of {GROUP},")
        }
        (Some(group), None) => format!("a document of `{group}`, which is not {GROUP},"),
        (None, _) => "a document that is no Kubernetes object".to_owned(),
    })
}

/// True where a person may have meant an object of ours.
fn may_be_ours(node: &Node) -> bool {
    let near = GROUP.split('.').next().unwrap_or(GROUP);
    match node.get("apiVersion").map(|field| &field.node.value) {
        Some(Value::Text(version)) => {
            let version = version.trim().to_ascii_lowercase();
            let group = version.split('/').next().unwrap_or_default();
            version.starts_with(near)
                || !crate::words::near([GROUP], group).is_empty()
                || has_shape(node)
        }
        Some(_) => true,
        None => {
            let ours = ["Deployment", "Alias", "Repository"];
            let kind = text(node, "kind");
            kind.is_some_and(|kind| ours.iter().any(|ours| kind.eq_ignore_ascii_case(ours)))
                || ["spec", "app", "versions"]
                    .iter()
                    .any(|key| node.get(key).is_some())
        }
    }
}

/// True for what has the fields of ours, whatever its group: one letter of it may be wrong, and what is served by it must not go.
fn has_shape(node: &Node) -> bool {
    let spec = node.get("spec").map(|field| &field.node);
    spec.is_some_and(|spec| {
        let names_app = text(spec, "app").is_some();
        names_app
            && ["versions", "repository"]
                .iter()
                .all(|key| spec.get(key).is_some())
    })
}

/// The text of a field.
fn text<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    match node.get(field).map(|field| &field.node.value) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// One object; nothing for a Repository.
fn read_one(file: &str, node: &Node) -> Result<Option<Release>, Vec<Problem>> {
    let (object, wanted) = match kind(node)? {
        None => return Ok(None),
        Some(Kind::Deployment) => {
            let document: Document<DeploymentSpec> = typed(node, &DEPLOYMENT)?;
            check_name(node, Kind::Deployment, &document.metadata.name, false)?;
            let mut object = Deployment::new(&document.metadata.name, document.spec);
            object.metadata.namespace = document.metadata.namespace;
            object.metadata.labels = some(document.metadata.labels);
            object.metadata.annotations = some(document.metadata.annotations);
            let wanted = checked(node, object.spec.wanted())?;
            (Object::Deployment(Box::new(object)), wanted)
        }
        Some(Kind::Alias) => {
            let document: Document<AliasSpec> = typed(node, &ALIAS)?;
            let named = document.spec.name.is_some();
            check_name(node, Kind::Alias, &document.metadata.name, named)?;
            let mut object = Alias::new(&document.metadata.name, document.spec);
            object.metadata.namespace = document.metadata.namespace;
            object.metadata.labels = some(document.metadata.labels);
            object.metadata.annotations = some(document.metadata.annotations);
            let wanted = checked(node, object.spec.wanted())?;
            (Object::Alias(Box::new(object)), wanted)
        }
    };
    Ok(Some(Release {
        file: file.to_owned(),
        place: node.place,
        object,
        wanted,
    }))
}

/// Which kind of object a document is; nothing for one that uses no version.
fn kind(node: &Node) -> Result<Option<Kind>, Vec<Problem>> {
    let fail = |field: &str, message: String| {
        Err(vec![Problem {
            place: node.find(field),
            field: field.to_owned(),
            message,
        }])
    };
    if !matches!(node.value, Value::Map(_)) {
        return fail(
            "",
            "is no object; write a Deployment or an Alias".to_owned(),
        );
    }
    let group = format!("{GROUP}/{VERSION}");
    if text(node, "kind").is_some_and(|kind| kind.ends_with("List")) {
        let message = "is a list; write each of its items as a document of its own";
        return fail("kind", message.to_owned());
    }
    match text(node, "apiVersion") {
        Some(version) if version == group => {}
        Some(other) => {
            return fail("apiVersion", format!("is `{other}`; write `{group}`"));
        }
        None => {
            return fail(
                "apiVersion",
                format!("is missing; write `apiVersion: {group}`"),
            );
        }
    }
    match text(node, "kind") {
        Some("Deployment") => Ok(Some(Kind::Deployment)),
        Some("Alias") => Ok(Some(Kind::Alias)),
        Some("Repository") => Ok(None),
        Some(other) => fail(
            "kind",
            format!("is `{other}`; write `Deployment` or `Alias`"),
        ),
        None => fail(
            "kind",
            "is missing; write `kind: Deployment` or `kind: Alias`".to_owned(),
        ),
    }
}

/// The document as its type.
fn typed<S: DeserializeOwned>(node: &Node, schema: &Json) -> Result<Document<S>, Vec<Problem>> {
    let mut shape = Shape::new(schema);
    let json = shape.check(node);
    if !shape.problems.is_empty() {
        return Err(shape.problems);
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let field = error.path().to_string();
        vec![Problem {
            place: node.find(&field),
            field,
            message: error.inner().to_string(),
        }]
    })
}

/// What no schema says.
fn checked(node: &Node, wanted: Result<Wanted, SpecError>) -> Result<Wanted, Vec<Problem>> {
    wanted.map_err(|error| {
        let field = match error {
            SpecError::VersionCount(_) | SpecError::Total { .. } | SpecError::VersionTwice(_) => {
                "spec.versions"
            }
            SpecError::CanaryIsMain(_) => "spec.canary.version",
            SpecError::Override => "spec.override",
            SpecError::Affinity => "spec.affinity",
            SpecError::RuleCount(_) | SpecError::Rule(_) | SpecError::RuleVersion { .. } => {
                "spec.rules"
            }
            SpecError::RouteCount(_)
            | SpecError::RouteUnnamed(_)
            | SpecError::RouteTwice(_)
            | SpecError::RouteClash { .. }
            | SpecError::HostnameCount(..)
            | SpecError::Hostname { .. }
            | SpecError::Path { .. } => "spec.routes",
        };
        vec![Problem {
            place: node.find(field),
            field: field.to_owned(),
            message: error.to_string(),
        }]
    })
}

/// Names that the API server would take.
fn check_name(node: &Node, kind: Kind, name: &str, named: bool) -> Result<(), Vec<Problem>> {
    let fail = |field: &str, message: String| {
        Err(vec![Problem {
            place: node.find(field),
            field: field.to_owned(),
            message,
        }])
    };
    let namespace = node
        .get("metadata")
        .and_then(|field| field.node.get("namespace"));
    if let Some(Value::Text(namespace)) = namespace.map(|field| &field.node.value)
        && namespace.parse::<EnvironmentName>().is_err()
    {
        return fail(
            "metadata.namespace",
            format!("is `{namespace}`; write at most 63 lower-case letters, digits and dashes"),
        );
    }
    let label = |part: &str| part.parse::<EnvironmentName>().is_ok();
    if name.len() > 63 || !name.split('.').all(label) {
        return fail(
            "metadata.name",
            format!(
                "is `{name}`; write at most 63 lower-case letters, digits, dashes and dots, which begin and end with a letter or a digit"
            ),
        );
    }
    match kind {
        Kind::Deployment if reads_as_workload(name) => fail(
            "metadata.name",
            format!(
                "is `{name}`, which reads like a workload of its own; choose a name without `-v` and digits"
            ),
        ),
        Kind::Alias if !named && name.parse::<AliasName>().is_err() => fail(
            "metadata.name",
            format!("is `{name}`, which cannot be the name of an alias; set spec.name"),
        ),
        _ => Ok(()),
    }
}

/// A part `v` and digits behind a dash.
fn reads_as_workload(name: &str) -> bool {
    name.split('-').skip(1).any(|part| {
        part.strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn some(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    Some(map).filter(|map| !map.is_empty())
}
