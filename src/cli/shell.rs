//! Words as a shell takes them.

use std::borrow::Cow;

/// A word for a shell.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    // A word that holds a NUL byte came by no command line.
    shlex::try_quote(word).unwrap_or_default()
}
