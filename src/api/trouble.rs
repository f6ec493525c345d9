//! What stands against something that is wanted: one form for conditions, events, logs and the status of `serve`.

use std::fmt;

use super::Reason;

/// What stands against something that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence that says what to do where somebody has to do something.
    pub message: String,
    /// True while the answer is being looked up: no fault yet.
    pub pending: bool,
}

impl Trouble {
    /// A fault.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            pending: false,
        }
    }

    /// An answer that is still being looked up.
    pub fn pending(message: impl Into<String>) -> Self {
        Self {
            reason: Reason::Progressing,
            message: message.into(),
            pending: true,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
