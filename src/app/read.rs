//! Bytes of an `app.yaml` to an [`App`], or all that is wrong with them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::rules;
use super::spec::App;
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

/// What is asked of images.
enum Images<'a> {
    /// Each function that runs nowhere but in a cluster has one, except these.
    All { except: &'a BTreeSet<FunctionName> },
    /// They may be absent, as in the branch.
    Optional,
}

impl App {
    /// Reads the `app.yaml` of a directory in which images may still be absent. `file` is its name in messages.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_branch(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        read(file, bytes, &Images::Optional)
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
        read(file, bytes, &Images::All { except: given })
    }

    /// Reads the `app.yaml` of a snapshot. It is complete, or the snapshot is not one of ours.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, Problems> {
        read(
            super::APP_FILE,
            bytes,
            &Images::All {
                except: &BTreeSet::new(),
            },
        )
    }
}

fn read(file: &str, bytes: &[u8], images: &Images<'_>) -> Result<App, Problems> {
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
    for (index, function) in app.spec.functions.iter().enumerate() {
        let path = format!("spec.functions[{index}].image");
        match (&function.image, images) {
            (_, Images::All { except }) if except.contains(&function.name) => {}
            (Some(image), _) => {
                if let Err(error) = rules::check_image(image) {
                    let flag = format!("--image {}=REF@sha256:...", function.name);
                    let message = format!("{error}, or give it at publish with `{flag}`");
                    found.push((path, message));
                }
            }
            (None, Images::All { .. }) if function.local.is_none() => found.push((
                path,
                format!(
                    "is missing; write `image: REF@sha256:...`, or give it at publish with `--image {}=REF@sha256:...`",
                    function.name
                ),
            )),
            (None, _) => {}
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
