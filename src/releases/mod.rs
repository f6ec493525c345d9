//! The files below `releases/` of a repository: Deployments and Aliases, as people write them.
//!
//! Pure: bytes in, checked [`Release`]s or located [`Problems`] out. What is read is what the API server would take: the
//! same types, and the same rules. What a version word means is said by [`crate::store`]. What people change by a command
//! is changed in the text of the file ([`edit`]), and where a rollback goes is chosen in [`rollback`].

mod document;
pub mod edit;
pub(crate) mod message;
mod numbers;
mod read;
pub mod rollback;
mod schema;
mod split;
#[cfg(test)]
mod tests;

pub use crate::api::OwnerKind as Kind;
use std::collections::HashMap;

use crate::api::{Alias, Deployment, Wanted};
use crate::words::AppName;
use crate::yaml::{Place, Problem, Problems};

pub use read::{Content, is_nearly_read, is_read, may_name, misnamed, read};
pub use schema::json_schema;
pub use split::{Asked, AskedError, Part, SplitError, VERSIONS_MAX, split};

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The file, from the root of the repository.
    pub file: String,
    /// Where the object begins.
    pub place: Place,
    /// The object.
    pub object: Object,
    /// What it wants, checked.
    pub wanted: Wanted,
}

/// What a file may hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// `deployments.cutwater.dev`
    Deployment(Box<Deployment>),
    /// `aliases.cutwater.dev`
    Alias(Box<Alias>),
}

impl Release {
    /// What kind of object it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.object {
            Object::Deployment(_) => Kind::Deployment,
            Object::Alias(_) => Kind::Alias,
        }
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let metadata = match &self.object {
            Object::Deployment(object) => &object.metadata,
            Object::Alias(object) => &object.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// The object's namespace, where the file names one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let metadata = match &self.object {
            Object::Deployment(object) => &object.metadata,
            Object::Alias(object) => &object.metadata,
        };
        metadata.namespace.as_deref()
    }

    /// The app whose versions it uses.
    #[must_use]
    pub fn app(&self) -> &AppName {
        &self.wanted.app
    }
}

/// All objects of a commit, and what is wrong with its files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Releases {
    /// The objects of the files that can be read, in the order of their files.
    pub list: Vec<Release>,
    /// What is wrong in the others, and between files.
    pub problems: Vec<Problems>,
}

impl Releases {
    /// Puts files together. Folders may be meant for different namespaces, so only two objects of one folder that have
    /// one kind, namespace and name are a problem: of the file that comes later. Both are in the list, for the name of a
    /// file does not say which of the two is right.
    #[must_use]
    pub fn of(files: impl IntoIterator<Item = Result<Vec<Release>, Problems>>) -> Self {
        let mut all = Self::default();
        // The objects of one kind and name, the first one first: a name is mostly there once.
        let mut named: HashMap<(Kind, String), Vec<usize>> = HashMap::new();
        for file in files {
            let releases = match file {
                Ok(releases) => releases,
                Err(problems) => {
                    all.problems.push(problems);
                    continue;
                }
            };
            let twins: Vec<Problem> = (releases.iter())
                .filter_map(|release| {
                    let key = (release.kind(), release.name().to_owned());
                    let mut of_name = named.get(&key)?.iter().map(|index| &all.list[*index]);
                    let first = of_name.find(|first| collide(first, release))?;
                    Some(twin(first, release))
                })
                .collect();
            if let Some(release) = releases.first().filter(|_| !twins.is_empty()) {
                all.problems.push(Problems {
                    file: release.file.clone(),
                    list: twins,
                });
            }
            for release in releases {
                let key = (release.kind(), release.name().to_owned());
                named.entry(key).or_default().push(all.list.len());
                all.list.push(release);
            }
        }
        all
    }
}

/// True where both would be one object: folders may be meant for different namespaces.
#[must_use]
pub fn collide(first: &Release, second: &Release) -> bool {
    (first.kind(), first.name()) == (second.kind(), second.name()) && share_a_place(first, second)
}

/// True where both are meant for the same namespace, as far as the files tell: a folder may be meant for one of its own.
#[must_use]
pub fn share_a_place(first: &Release, second: &Release) -> bool {
    let folder = |release: &Release| {
        let folder = release.file.rsplit_once('/');
        folder.map(|(folder, _)| folder.to_owned())
    };
    first.namespace() == second.namespace() && folder(first) == folder(second)
}

/// True where the files tell of no namespace, and the folder of one is inside that of the other: who follows the outer folder has both.
#[must_use]
pub fn is_inside(first: &Release, second: &Release) -> bool {
    let folder = |release: &Release| {
        let folder = release.file.rsplit_once('/');
        folder.map_or_else(|| "/".to_owned(), |(folder, _)| format!("/{folder}/"))
    };
    let (one, other) = (folder(first), folder(second));
    let nested = one.starts_with(&other) || other.starts_with(&one);
    first.namespace() == second.namespace() && one != other && nested
}

/// What is said of the second of two.
fn twin(first: &Release, second: &Release) -> Problem {
    Problem {
        place: second.place,
        field: "metadata.name".to_owned(),
        message: format!(
            "{:?} `{}` is in {}:{} already; keep one",
            second.kind(),
            second.name(),
            first.file,
            first.place.line
        ),
    }
}
