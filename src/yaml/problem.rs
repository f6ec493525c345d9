//! What is wrong in a file, and where.

use std::fmt;

use crate::words::shown;

/// Most bytes of a field's path in a message.
const FIELD_MAX: usize = 200;
/// Most problems that are said at once.
const PROBLEMS_MAX: usize = 50;
/// Most bytes of one message.
pub(crate) const MESSAGE_MAX: usize = 1000;

/// A place in a file. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Line, from 1; 0 where the place is the whole file.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The field, such as `spec.functions[0].port`; empty for the whole file.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// All problems of a file, in the order of their places; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, as a person would name it.
    pub file: String,
    /// What is wrong.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    /// One line each: `file:line:column: field: what is wrong`. What is long is cut, and after the first few comes their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().take(PROBLEMS_MAX).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if problem.place.line > 0 {
                write!(f, ":{}:{}", problem.place.line, problem.place.column)?;
            }
            f.write_str(": ")?;
            if !problem.field.is_empty() {
                write!(f, "{}: ", shown(&problem.field, FIELD_MAX))?;
            }
            f.write_str(&shown(&problem.message, MESSAGE_MAX))?;
        }
        let more = self.list.len().saturating_sub(PROBLEMS_MAX);
        if more > 0 {
            write!(f, "\n{}: and {more} more problems", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
