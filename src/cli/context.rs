//! The clone that a command works in: where it is, what its remote holds, who works there, and which app is meant.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Global;
use super::order::{Apps, Shape, is_version};
use super::output::{Failure, Ui};
use super::shell::quoted;
use crate::ci::Provenance;
use crate::ci::{self, Pipeline};
use crate::store::{History, Person, Workspace};
use crate::words::{AppName, VersionWord, WORD_MAX, instead, near, shown};

/// A clone of the release repository, and the directory in it from which the command was started.
pub(super) struct Context {
    pub(super) workspace: Workspace,
    dir: PathBuf,
    /// The flags that led here, as they are typed.
    flags: String,
    /// Longest time for each call of git.
    pub(super) timeout: Duration,
}

impl Context {
    /// The clone that the flags and the environment name.
    pub(super) fn open(global: &Global) -> Result<Self, Failure> {
        let dir = global.repo.clone().map_or_else(std::env::current_dir, Ok)?;
        let ssh = ["GIT_SSH", "GIT_SSH_COMMAND"];
        let ssh_is_set = ssh.iter().any(|name| std::env::var_os(name).is_some());
        let timeout = Duration::from_secs(u64::from(global.timeout));
        let workspace = Workspace::open(&dir, global.remote.as_deref(), ssh_is_set, timeout)?;
        Ok(Self {
            workspace,
            dir,
            flags: flags(global),
            timeout,
        })
    }

    /// The directory from which the command was started: where relative paths on the command line begin.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command line for the same clone: `cutwater` with the flags that were given, and `words`.
    pub(super) fn command(&self, words: &str) -> String {
        format!("cutwater{} {words}", self.flags)
    }

    /// The app that is meant: the one that is named, else the one of the directory, else the only one of `reference`.
    pub(super) fn app(
        &self,
        app: Option<AppName>,
        reference: Option<&str>,
    ) -> Result<AppName, Failure> {
        let workspace = &self.workspace;
        if let Some(app) = app.or_else(|| workspace.app_at(&self.dir)) {
            return Ok(app);
        }
        let source = workspace.source(reference)?;
        let apps = workspace.apps(&source)?;
        match apps.as_slice() {
            [app] => Ok(app.clone()),
            [] => {
                let mut failure = Failure::usage("there is no app in this commit");
                for (path, problem) in workspace.nearly_apps(&source)? {
                    failure = failure.hint(format!("{path} is no app: {problem}"));
                }
                Err(failure.hint(format!(
                    "make one with {}/<name>/app.yaml and commit it",
                    workspace.settings().apps
                )))
            }
            apps => {
                let names: Vec<&str> = apps.iter().map(AppName::as_str).collect();
                Err(Failure::usage(format!(
                    "which app is meant? name one of: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Refuses words that cannot be what the command takes.
    pub(super) fn check(&self, shape: &Shape, words: &[String]) -> Result<(), Failure> {
        let apps = Apps {
            is_app: &|word| self.is_app(word),
            is_implied: &|| self.app(None, None).is_ok(),
        };
        shape.check(words, &apps)
    }

    /// True where an app of HEAD is called so, or one that this clone knows otherwise.
    pub(super) fn is_app(&self, word: &str) -> bool {
        let is = |apps: &[AppName]| apps.iter().any(|app| app.as_str() == word);
        let workspace = &self.workspace;
        let head = workspace
            .source(None)
            .and_then(|head| workspace.apps(&head));
        head.is_ok_and(|apps| is(&apps)) || is(&workspace.known_apps())
    }

    /// Splits words of the form `[APP] VERSION...`, of which `versions` are versions: the app, and the rest.
    pub(super) fn app_and(
        &self,
        mut words: Vec<String>,
        versions: usize,
    ) -> Result<(AppName, Vec<String>), Failure> {
        let app = if words.len() > versions {
            Some(words.remove(0).parse().map_err(Failure::usage)?)
        } else {
            None
        };
        Ok((self.app(app, None)?, words))
    }

    /// Splits words of the form `[APP] [VERSION]...`: the first is the app unless it can only be a version: a number, an id or
    /// a share.
    pub(super) fn app_before(
        &self,
        mut words: Vec<String>,
    ) -> Result<(AppName, Vec<String>), Failure> {
        let is_version = |word: &String| {
            word.contains(['=', ','])
                || matches!(
                    word.parse(),
                    Ok(VersionWord::Number(_) | VersionWord::Id(_))
                )
        };
        let app = match words.first() {
            Some(first) if self.is_app(first) || !is_version(first) => {
                Some(words.remove(0).parse().map_err(Failure::usage)?)
            }
            _ => None,
        };
        Ok((self.app(app, None)?, words))
    }

    /// Splits words of the form `[APP] FIRST [SECOND]`. Of two words the first is the app where one is called so, or
    /// where the place says no app and it can be one.
    pub(super) fn app_and_one_or_two(
        &self,
        words: Vec<String>,
    ) -> Result<(AppName, Vec<String>), Failure> {
        let versions = match words.as_slice() {
            [first, _] => {
                if self.is_app(first) || (!is_version(first) && self.app(None, None).is_err()) {
                    1
                } else {
                    2
                }
            }
            words => words.len().min(2),
        };
        self.app_and(words, versions)
    }

    /// All versions of the app as the remote holds them now.
    pub(super) fn history(&self, ui: &Ui, app: &AppName) -> Result<History, Failure> {
        let remote = self.workspace.remote();
        ui.progress(&format!("reading the versions of {app} at {remote}"));
        let history = self.workspace.history(app)?;
        if history.entries.is_empty() {
            self.known(app)?;
        }
        Ok(history)
    }

    /// Returns an error if no app is called so: none of HEAD, and no version of it exists.
    pub(super) fn known(&self, app: &AppName) -> Result<(), Failure> {
        let workspace = &self.workspace;
        let apps = (workspace.source(None)).and_then(|head| workspace.apps(&head));
        let apps = apps.unwrap_or_default();
        if apps.is_empty() || apps.contains(app) {
            return Ok(());
        }
        let remote = workspace.remote();
        Err(Failure::new(format!(
            "there is no app `{app}`: not in HEAD, and no version of it at {remote}"
        ))
        .hint(instead(apps.iter().map(AppName::as_str), app.as_str())))
    }

    /// What is wrong where no version is meant by the first of two words behind the app: the two were turned, or the first is the
    /// name of an app that is not there.
    pub(super) fn turned(&self, shape: &Shape, app: &AppName, words: [&str; 2]) -> Option<Failure> {
        let turned = shape.turned(app.as_str(), words)?;
        let known = self.workspace.known_apps();
        let meant = near(known.iter().map(AppName::as_str), words[0]);
        Some(match meant.first() {
            Some(meant) => turned.hint(format!(
                "or was the app `{meant}` meant? There is none called `{}`",
                shown(words[0], WORD_MAX)
            )),
            None => turned,
        })
    }

    /// The pipeline that the command runs in.
    fn pipeline() -> Option<Pipeline> {
        ci::pipeline(|name| std::env::var(name).ok())
    }

    /// What does the work: a person at a command line, or a pipeline.
    pub(super) fn provenance() -> Provenance {
        match Self::pipeline() {
            Some(pipeline) => Provenance {
                source: pipeline.system.to_owned(),
                run: pipeline.run,
                actor: pipeline.actor,
            },
            None => Provenance {
                source: "cli".to_owned(),
                run: None,
                actor: None,
            },
        }
    }

    /// Who works here: as git itself decides it, else who started the pipeline, where its system says so.
    pub(super) fn author(&self) -> Result<Person, Failure> {
        let started = || {
            let (name, email) = Self::pipeline()?.person?;
            Some(Person { name, email })
        };
        self.workspace.author().or_else(started).ok_or_else(|| {
            Failure::new(
                "git does not know who you are, and what you do is recorded with your name",
            )
            .hint("git config --global user.name \"Your Name\"")
            .hint("git config --global user.email you@example.com")
            .hint("in a pipeline, set GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL")
        })
    }
}

/// The flags that name the clone and its remote, as they are typed.
fn flags(global: &Global) -> String {
    let repo = global.repo.as_ref().map(|dir| dir.display().to_string());
    [("-C", repo), ("--remote", global.remote.clone())]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", quoted(&value?))))
        .collect()
}
