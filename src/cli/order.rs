//! The words behind a command of the form `[APP] WORD...`: which is missing, which is one too many, and which stand in the
//! wrong order. What is wrong is said with the command that is meant.
//!
//! Pure: knows the apps by a question, and reads nothing.

use super::output::Failure;
use super::shell::quoted;
use crate::words::{VersionWord, WORD_MAX, shown};

/// The words that a command takes behind the app.
pub(super) struct Shape {
    /// The command, such as `alias set`.
    pub(super) command: &'static str,
    /// What each word is, such as `VERSION`.
    pub(super) words: &'static [&'static str],
    /// How many of them must be there.
    pub(super) required: usize,
    /// The last of them may be repeated.
    pub(super) endless: bool,
    /// The last of them may be called like an app: a path, a folder.
    pub(super) free: bool,
    /// What is meant by a word too many.
    pub(super) more: &'static str,
}

/// What the repository knows of apps.
pub(super) struct Apps<'a> {
    /// An app is called so.
    pub(super) is_app: &'a dyn Fn(&str) -> bool,
    /// The place says which app is meant where none is named.
    pub(super) is_implied: &'a dyn Fn() -> bool,
}

/// It can be nothing but a version: a number, an id, or one with a share.
pub(super) fn is_version(word: &str) -> bool {
    let version = word.split_once('=').map_or(word, |(version, _)| version);
    matches!(
        version.parse(),
        Ok(VersionWord::Number(_) | VersionWord::Id(_))
    )
}

impl Shape {
    /// An error where the words cannot be what the command takes.
    pub(super) fn check(&self, words: &[String], apps: &Apps) -> Result<(), Failure> {
        let Some((first, rest)) = words.split_first() else {
            return Ok(());
        };
        if !(apps.is_app)(first)
            && let Some(app) = rest.iter().find(|word| (apps.is_app)(word))
            && !self.may_be_last(words, app, apps)
        {
            let others: Vec<&String> = words.iter().filter(|word| *word != app).collect();
            return Err(wrong_order(
                &format!(
                    "`{}` is an app, and the app stands first",
                    shown(app, WORD_MAX)
                ),
                &self.line(app, &others),
            ));
        }
        // Of more words than the command takes, the first is the app, whether one is called so or not.
        let named = (apps.is_app)(first) || (words.len() > self.words.len() && !self.endless);
        let given = words.len() - usize::from(named);
        if given > self.words.len() && !self.endless {
            let extra = &words[self.words.len() + usize::from(named)];
            let failure = Failure::usage(format!(
                "`{}` is one word too many: cutwater {} [APP] {}",
                shown(extra, WORD_MAX),
                self.command,
                self.words.join(" ")
            ));
            return Err(failure.hint(self.more));
        }
        if given < self.required {
            let missing = &self.words[given..self.required];
            let verb = if missing.len() == 1 { "is" } else { "are" };
            return Err(Failure::usage(format!(
                "{} {verb} missing: cutwater {} {} {}",
                missing.join(" and "),
                self.command,
                shown(&words.join(" "), WORD_MAX),
                missing.join(" ")
            )));
        }
        Ok(())
    }

    /// The app's name stands where any word may stand, and the words are complete without an app.
    fn may_be_last(&self, words: &[String], app: &String, apps: &Apps) -> bool {
        self.free
            && words.len() == self.words.len()
            && words.last() == Some(app)
            && (apps.is_implied)()
    }

    /// The command with the app in front, and the other words where they belong. A word that is not there is shown by its name.
    fn line(&self, app: &str, others: &[&String]) -> String {
        let mut others: Vec<&str> = others.iter().map(|word| word.as_str()).collect();
        let version = others.iter().position(|word| is_version(word));
        if let (Some(place), Some(version)) = (self.version(), version)
            && !others.get(place).is_some_and(|word| is_version(word))
        {
            let word = others.remove(version);
            while others.len() < place {
                others.push(self.words[others.len()]);
            }
            others.insert(place, word);
        }
        let missing = (self.words.iter().take(self.required)).skip(others.len());
        let others: Vec<&str> = others.iter().chain(missing).copied().collect();
        self.typed([app].into_iter().chain(others))
    }

    /// The place of the version, where the other words are something else.
    fn version(&self) -> Option<usize> {
        let place = self.words.iter().position(|name| *name == "VERSION");
        place.filter(|_| !self.endless)
    }

    /// The command line with these words.
    fn typed<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> String {
        let words: Vec<_> = words
            .into_iter()
            .map(|word| shown(word, WORD_MAX))
            .collect();
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        format!("cutwater {} {}", self.command, words.join(" "))
    }

    /// What is wrong where the two words behind the app can only be meant the other way round: the one in the place of the version
    /// is none by its form, and the other one can be nothing else.
    pub(super) fn turned(&self, app: &str, words: [&str; 2]) -> Option<Failure> {
        let [first, second] = words;
        let (version, other) = match self.version() {
            Some(0) => (second, first),
            _ => (first, second),
        };
        (is_version(version) && !is_version(other)).then(|| {
            wrong_order(
                &format!("`{}` reads as a version", shown(version, WORD_MAX)),
                &self.typed([app, second, first]),
            )
        })
    }
}

fn wrong_order(why: &str, line: &str) -> Failure {
    Failure::usage(format!("the words stand in the wrong order: {why}: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: Shape = Shape {
        command: "alias set",
        words: &["NAME", "VERSION"],
        required: 2,
        endless: false,
        free: false,
        more: "",
    };
    const DEPLOY: Shape = Shape {
        command: "deploy",
        words: &["VERSION"],
        required: 1,
        endless: true,
        ..SET
    };
    const EXPORT: Shape = Shape {
        command: "versions export",
        words: &["VERSION", "DIR"],
        free: true,
        ..SET
    };

    /// What is said of a line in a repository with the apps `orders` and `blog`; `implied` where the place says the app.
    fn said(shape: &Shape, line: &str, implied: bool) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let apps = Apps {
            is_app: &|word| ["orders", "blog"].contains(&word),
            is_implied: &|| implied,
        };
        let checked = shape.check(&words, &apps);
        checked.map_or_else(|failure| failure.to_string(), |()| String::new())
    }

    #[test]
    fn an_app_that_does_not_stand_first_is_moved_there() {
        for (shape, line, right) in [
            (&DEPLOY, "1 orders", "cutwater deploy orders 1"),
            (
                &DEPLOY,
                "stable v3 orders",
                "cutwater deploy orders stable v3",
            ),
            (
                &SET,
                "staging v3 orders",
                "cutwater alias set orders staging v3",
            ),
            (
                &SET,
                "v3 staging orders",
                "cutwater alias set orders staging v3",
            ),
            (&SET, "v3 orders", "cutwater alias set orders NAME v3"),
            (
                &SET,
                "staging orders",
                "cutwater alias set orders staging VERSION",
            ),
            (
                &EXPORT,
                "out v3 orders",
                "cutwater versions export orders v3 out",
            ),
            (
                &EXPORT,
                "v3 orders",
                "cutwater versions export orders v3 DIR",
            ),
        ] {
            let said = said(shape, line, false);
            assert!(
                said.contains("wrong order") && said.ends_with(right),
                "{line}: {said}"
            );
        }
    }

    #[test]
    fn words_that_can_be_meant_as_they_stand_are_let_through() {
        for (shape, line) in [
            (&DEPLOY, "orders blog"),
            (&DEPLOY, "v1=60 v3=40"),
            (&DEPLOY, "stable"),
            (&SET, "orders blog v3"),
            (&SET, "staging v3"),
            (&SET, "new staging v3"),
            // In the directory of an app, a folder that is called like one.
            (&EXPORT, "v3 orders"),
        ] {
            assert_eq!(said(shape, line, true), "", "{line}");
        }
    }

    #[test]
    fn a_word_is_missing_or_one_too_many() {
        for (shape, line, right) in [
            (
                &DEPLOY,
                "orders",
                "VERSION is missing: cutwater deploy orders VERSION",
            ),
            (
                &SET,
                "orders staging",
                "VERSION is missing: cutwater alias set orders staging VERSION",
            ),
            (
                &SET,
                "orders",
                "NAME and VERSION are missing: cutwater alias set orders NAME VERSION",
            ),
            (
                &SET,
                "orders staging v3 v4",
                "`v4` is one word too many: cutwater alias set [APP] NAME VERSION",
            ),
        ] {
            assert_eq!(said(shape, line, false), right, "{line}");
        }
    }

    #[test]
    fn two_words_are_turned_only_where_nothing_else_can_be_meant() {
        let turned = |shape: &Shape, words| {
            shape
                .turned("orders", words)
                .map(|failure| failure.to_string())
        };
        let said = turned(&EXPORT, ["out", "v3"]).unwrap();
        assert!(
            said.ends_with("cutwater versions export orders v3 out"),
            "{said}"
        );
        let said = turned(&SET, ["g0123456", "staging"]).unwrap();
        assert!(
            said.ends_with("cutwater alias set orders staging g0123456"),
            "{said}"
        );
        assert!(turned(&EXPORT, ["v1", "v3"]).is_none());
        assert!(turned(&EXPORT, ["stable", "out"]).is_none());
    }
}
