//! The files that a release repository begins with: which they are, and what stands in them.
//!
//! Pure: an app's name, a branch and forges in, paths and contents out. Who writes them asks what is in the way.

use std::collections::BTreeSet;

use crate::words::AppName;

/// A forge whose pipelines publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forge {
    /// GitHub Actions.
    Github,
    /// GitLab CI/CD.
    Gitlab,
    /// Forgejo Actions.
    Forgejo,
}

impl Forge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Github, Self::Gitlab, Self::Forgejo];

    /// The file of its pipelines, from the root.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/publish.yaml",
            Self::Gitlab => ".gitlab-ci.yml",
            Self::Forgejo => ".forgejo/workflows/publish.yaml",
        }
    }
}

/// A file of the new repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaffoldFile {
    /// Its path from the root, with slashes.
    pub path: String,
    /// What stands in it.
    pub content: String,
    /// It is a program.
    pub executable: bool,
}

/// The files of a release repository with one app, sorted by path.
#[must_use]
pub fn files(app: &AppName, branch: &str, forges: &BTreeSet<Forge>) -> Vec<ScaffoldFile> {
    let apps = format!("apps/{app}");
    let mut templates = vec![
        ("README.md".to_owned(), include_str!("templates/README.md")),
        (
            "cutwater.yaml".to_owned(),
            include_str!("templates/cutwater.yaml"),
        ),
        (
            format!("{apps}/app.yaml"),
            include_str!("templates/app.yaml"),
        ),
        (
            format!("{apps}/index.html"),
            include_str!("templates/index.html"),
        ),
        (
            format!("releases/{app}.yaml"),
            include_str!("templates/release.yaml"),
        ),
        (
            "cluster/repository.yaml".to_owned(),
            include_str!("templates/repository.yaml"),
        ),
    ];
    if !forges.is_empty() {
        templates.push((PROGRAM.to_owned(), include_str!("templates/publish.sh")));
    }
    for forge in forges {
        let template = match forge {
            Forge::Github => include_str!("templates/github.yaml"),
            Forge::Gitlab => include_str!("templates/gitlab.yaml"),
            Forge::Forgejo => include_str!("templates/forgejo.yaml"),
        };
        templates.push((forge.file().to_owned(), template));
    }
    templates.sort_unstable();
    let file = |(path, template): (String, &str)| {
        // The README speaks of the program only where it is.
        let lines = template.split_inclusive('\n');
        let content: String = lines
            .filter(|line| !forges.is_empty() || !line.contains(PROGRAM))
            .collect();
        ScaffoldFile {
            executable: path == PROGRAM,
            content: content
                .replace("@APP@", app.as_str())
                .replace("@BRANCH@", branch),
            path,
        }
    };
    templates.into_iter().map(file).collect()
}

/// What the pipelines call.
const PROGRAM: &str = "ci/publish.sh";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::settings::Settings;

    fn all(app: &str) -> Vec<ScaffoldFile> {
        let forges = Forge::ALL.into();
        files(&app.parse().unwrap(), "release/2", &forges)
    }

    #[test]
    fn our_own_readers_take_what_is_written() {
        // The longest name there is, which derived names have to bear.
        let app = "a".repeat(30);
        for file in all(&app) {
            for hole in ["@APP@", "@BRANCH@"] {
                assert!(!file.content.contains(hole), "{}: {hole}", file.path);
            }
            match file.path.as_str() {
                "cutwater.yaml" => {
                    let settings = Settings::read(file.content.as_bytes()).unwrap();
                    let branch = "release/2".to_owned();
                    assert_eq!(
                        settings,
                        Settings {
                            branch,
                            ..Settings::default()
                        },
                        "the defaults are said as they are"
                    );
                }
                path if path.ends_with("/app.yaml") => {
                    let read = App::from_branch(path, file.content.as_bytes()).unwrap();
                    assert_eq!(read.metadata.name.as_str(), app);
                }
                path if path.starts_with("releases/") => {
                    let read = crate::releases::read(path, file.content.as_bytes()).unwrap();
                    assert_eq!(read.releases.len(), 1, "the Alias is commented out");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_forge_that_is_not_asked_for_leaves_nothing() {
        let app = "hello".parse().unwrap();
        let paths = |forges: &[Forge]| -> Vec<String> {
            let files = files(&app, "main", &forges.iter().copied().collect());
            files.into_iter().map(|file| file.path).collect()
        };
        let none = paths(&[]);
        assert!(!none.iter().any(|path| path.starts_with('.')), "{none:?}");
        assert!(!none.contains(&PROGRAM.to_owned()));
        let one = paths(&[Forge::Gitlab]);
        assert_eq!(one.len(), none.len() + 2);
        assert!(one.contains(&".gitlab-ci.yml".to_owned()));
    }
}
