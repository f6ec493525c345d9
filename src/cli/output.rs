//! What a person or a pipeline sees: results on stdout, progress, hints and errors on stderr.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use schemars::JsonSchema;
use serde::Serialize;

use super::exit;
use super::progress::Progress;
use super::reason::{self, Cause, Class};
use super::remedy;
use super::screen::{self, Content};

/// Where output goes, and in which form.
pub(super) struct Ui {
    /// Results as JSON.
    pub(super) json: bool,
    quiet: bool,
    colour: bool,
    progress: Progress,
    /// Why a line of the result could not be written.
    broken: Cell<Option<io::Error>>,
}

/// An error as `--json` prints it: one line, the last one on stderr.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FailureJson {
    /// What went wrong.
    error: ErrorJson,
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorJson {
    /// Why, in one word that stays the same, such as `VersionNotFound`; `Refused` where there is none of its own.
    reason: &'static str,
    /// Whether trying again can help.
    class: Class,
    /// What was wrong, and where.
    message: String,
    /// What to do.
    hints: Vec<String>,
    /// The exit code: 1 refused or failed, 2 the command line is wrong.
    exit_code: u8,
}

/// An error for a person.
#[derive(Debug)]
pub(super) struct Failure {
    /// Nothing where the code says all.
    message: Option<String>,
    hints: Vec<String>,
    pub(super) code: u8,
    pub(super) cause: Cause,
}

impl Failure {
    /// Refused or failed.
    pub(super) fn new(message: impl Display) -> Self {
        Self {
            message: Some(message.to_string()),
            hints: Vec::new(),
            code: exit::FAILED,
            cause: reason::REFUSED,
        }
    }

    /// The result has been printed, and a script asked to be told of it by the exit code.
    pub(super) fn code(code: u8) -> Self {
        Self {
            message: None,
            hints: Vec::new(),
            code,
            cause: reason::REFUSED,
        }
    }

    /// The command line asks for something that cannot be.
    pub(super) fn usage(message: impl Display) -> Self {
        Self {
            code: exit::USAGE,
            cause: reason::USAGE,
            ..Self::new(message)
        }
    }

    /// The same for another cause.
    pub(super) fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// The same, of one among several.
    pub(super) fn about(mut self, what: impl Display) -> Self {
        self.message = self.message.map(|message| format!("{what}: {message}"));
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_default())
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let (cause, remedy) = (reason::of(&error), remedy::of(&error));
        let mut failure = Self::new(error).because(cause);
        failure.hints.extend(remedy);
        failure
    }
}

/// False where the person wants no colours anywhere, or has a terminal without any.
fn coloured() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn unwritten(error: Option<io::Error>) -> Result<(), Failure> {
    match error {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "the result cannot be written to stdout: {error}"
        ))),
        _ => Ok(()),
    }
}

impl Ui {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            colour: coloured() && io::stderr().is_terminal(),
            progress: Progress::new(!quiet && io::stderr().is_terminal()),
            broken: Cell::new(None),
        }
    }

    /// A line of the result. A reader that has gone away ends nothing badly; what else keeps it from being written is told
    /// at the end, by [`Self::written`].
    pub(super) fn result(&self, line: impl Display) {
        self.progress.clear();
        if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
            self.broken.set(Some(error));
        }
    }

    /// An error where the result did not arrive, such as on a full disk.
    pub(super) fn written(&self) -> Result<(), Failure> {
        let flushed = io::stdout().flush().err();
        unwritten(self.broken.take().or(flushed))
    }

    /// Content of a version, which others wrote: to a terminal without what would drive it, elsewhere byte for byte. A reader
    /// that has gone away ends nothing badly.
    pub(super) fn content(&self, bytes: &[u8], kind: Content) -> Result<(), Failure> {
        self.progress.clear();
        let mut out = io::stdout().lock();
        let done = if out.is_terminal() {
            screen::write(&mut out, bytes, kind, coloured())
        } else {
            out.write_all(bytes)
        };
        unwritten(done.and_then(|()| out.flush()).err())
    }

    /// The whole result as JSON.
    pub(super) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)?;
        self.result(text);
        Ok(())
    }

    /// One of several results as JSON, in one line.
    pub(super) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.result(serde_json::to_string(value)?);
        Ok(())
    }

    /// Clears the terminal that shows the result; false where there is none.
    pub(super) fn clear_screen(&self) -> bool {
        let mut out = io::stdout().lock();
        let clears = out.is_terminal();
        if clears {
            self.progress.clear();
            drop(write!(out, "\u{1b}[H\u{1b}[2J"));
        }
        clears
    }

    /// True where a line of the result could not be written.
    pub(super) fn reader_is_gone(&self) -> bool {
        let broken = self.broken.take();
        let gone = broken.is_some();
        self.broken.set(broken);
        gone
    }

    /// What is being done; for people at a terminal only, and only if it takes a while.
    pub(super) fn progress(&self, line: &str) {
        self.progress.say(line);
    }

    /// Nothing is being done any more.
    pub(super) fn settle(&self) {
        self.progress.clear();
    }

    /// What to look at next.
    pub(super) fn hint(&self, line: impl Display) {
        if !self.quiet {
            self.progress.clear();
            let head = self.paint("36", "Hint:");
            drop(writeln!(io::stderr().lock(), "{head} {line}"));
        }
    }

    pub(super) fn warning(&self, line: impl Display) {
        self.progress.clear();
        let head = self.paint("33", "Warning:");
        drop(writeln!(io::stderr().lock(), "{head} {line}"));
    }

    /// The one place where errors are printed.
    pub(super) fn failure(&self, failure: &Failure) {
        self.progress.clear();
        let Some(message) = &failure.message else {
            return;
        };
        if self.json {
            let failure = FailureJson {
                error: ErrorJson {
                    reason: failure.cause.0,
                    class: failure.cause.1,
                    message: message.clone(),
                    hints: failure.hints.clone(),
                    exit_code: failure.code,
                },
            };
            if let Ok(text) = serde_json::to_string(&failure) {
                drop(writeln!(io::stderr().lock(), "{text}"));
            }
            return;
        }
        let head = self.paint("31", "Error:");
        drop(writeln!(io::stderr().lock(), "{head} {message}"));
        for hint in &failure.hints {
            self.hint(hint);
        }
    }

    /// A table that fits the terminal; without one, lines are as long as they are. The first `whole` columns are never
    /// broken: what is in them is copied.
    pub(super) fn table(&self, head: &[&str], whole: usize, rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(head.iter().copied());
        if io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        for row in rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut().take(whole) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        for line in table.lines() {
            // Each cell has a blank on both sides.
            self.result(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[1;{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
/// A number of lines on the command line.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let problem = |_| "write a whole number, such as 20; 0 is for all".to_owned();
    text.parse().map_err(problem)
}
