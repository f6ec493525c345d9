//! Bytes of an `app.yaml` to an [`App`], or all that is wrong with them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::image::{self, check_image};
use super::spec::App;
use super::{fit, rules};
use crate::words::FunctionName;
use crate::yaml::{self, Place, Problem, Problems, Shape};

static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(App);
    schema.insert("title".to_owned(), "Cutwater app.yaml".into());
    schema.to_value()
});

/// The JSON Schema of `app.yaml`, for editors.
#[must_use]
pub fn json_schema() -> &'static Json {
    &SCHEMA
}

/// What the file is read for.
enum Reading<'a> {
    /// It is in the branch: images may be absent.
    Branch,
    /// It is to be published: each function that runs nowhere but in a cluster has an image, except these. What could never
    /// run is refused.
    Publish { except: &'a BTreeSet<FunctionName> },
    /// It is published. What could be published once is read.
    Snapshot,
}

impl App {
    /// Reads the `app.yaml` of a directory in which images may still be absent. `file` is its name in messages.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_branch(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        read(file, bytes, &Reading::Branch)
    }

    /// Reads the `app.yaml` that is to be published; `given` are the functions whose images come from elsewhere.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn to_publish(
        file: &str,
        bytes: &[u8],
        given: &BTreeSet<FunctionName>,
    ) -> Result<Self, Problems> {
        read(file, bytes, &Reading::Publish { except: given })
    }

    /// Reads the `app.yaml` of a snapshot. It is complete, or the snapshot is not one of ours.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, Problems> {
        read(super::APP_FILE, bytes, &Reading::Snapshot)
    }
}

fn read(file: &str, bytes: &[u8], reading: &Reading<'_>) -> Result<App, Problems> {
    let all = |list| Problems {
        file: file.to_owned(),
        list,
    };
    let node = yaml::read(bytes, "App").map_err(|problem| all(vec![problem]))?;
    let mut shape = Shape::new(&SCHEMA);
    let json = shape.check(&node);
    let mut problems = shape.problems;
    let app: App = serde_json::from_value(json).map_err(|error| {
        let mut list = problems.clone();
        list.push(Problem {
            place: Place::default(),
            field: String::new(),
            message: error.to_string(),
        });
        all(list)
    })?;
    let mut found = rules::check(&app);
    if let Reading::Branch | Reading::Publish { .. } = reading {
        let given = matches!(reading, Reading::Publish { except } if !except.is_empty());
        let mut functions = app.spec.functions.iter();
        let in_cluster = given || functions.any(|one| one.image.is_some() || one.local.is_none());
        found.extend(fit::check(&app, in_cluster));
    }
    for (index, function) in app.spec.functions.iter().enumerate() {
        let path = format!("spec.functions[{index}].image");
        let checked = match (&function.image, reading) {
            (_, Reading::Publish { except }) if except.contains(&function.name) => continue,
            (Some(image), Reading::Snapshot) => image::check_pinned(image),
            (Some(image), _) => check_image(image),
            (None, Reading::Publish { .. } | Reading::Snapshot) if function.local.is_none() => {
                let message = format!(
                    "is missing; write `image: REF@sha256:...`, or give that of `{}` at publish; for `cutwater serve` on one machine write `local: {{command: [...]}}` in its place, which is the program to run",
                    function.name
                );
                found.push((path, message));
                continue;
            }
            (None, _) => continue,
        };
        if let Err(error) = checked {
            let message = format!("{error}, or give that of `{}` at publish", function.name);
            found.push((path, message));
        }
    }
    let reported: BTreeSet<String> = problems
        .iter()
        .map(|problem| problem.field.clone())
        .collect();
    for (field, message) in found {
        // What stands in for a wrong value is not judged again.
        let hidden = reported
            .iter()
            .any(|path| covers(path, &field) || covers(&field, path));
        if !hidden {
            let place = node.find(&field);
            problems.push(Problem {
                place,
                field,
                message,
            });
        }
    }
    if problems.is_empty() {
        return Ok(app);
    }
    problems.sort_by(|a, b| (a.place, &a.field).cmp(&(b.place, &b.field)));
    Err(all(problems))
}

/// True where `path` is `field` or holds it.
fn covers(path: &str, field: &str) -> bool {
    field
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
