//! What keeps the programs of a version from being started: something that they need is not there, or cannot be used.
//!
//! No message holds a value of a Secret.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::secrets::{Kind, SecretError};
use crate::app::Function;
use crate::record::VersionRecord;
use crate::store::ContentError;
use crate::words::{AppName, FunctionName, VersionNumber};

/// What a program lacks to be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lack {
    /// Another one that ends: one more would take the files that the others need.
    #[error(
        "this process may have files open for {most} programs, and that many run; raise that with `ulimit -n` or LimitNOFILE= of systemd, or shorten rollbackWindow"
    )]
    Room {
        /// How many there may be.
        most: usize,
    },
    /// A file or a folder of the state folder.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files of its version.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A command for this machine.
    #[error(
        "{function} does not say what runs it on this machine; add local.command to app.yaml and publish"
    )]
    Command {
        /// Whose it would be.
        function: FunctionOf,
    },
    /// The value of a variable.
    #[error("{function}: variable `{variable}`: {source}")]
    Variable {
        /// Whose it is.
        function: FunctionOf,
        /// Its name.
        variable: String,
        /// What is wrong with where it comes from.
        source: Box<ValueError>,
    },
}

/// A function of a version.
#[derive(Debug)]
pub(super) struct FunctionOf {
    app: AppName,
    number: VersionNumber,
    name: FunctionName,
}

impl FunctionOf {
    pub(super) fn new(record: &VersionRecord, function: &Function) -> Self {
        Self {
            app: record.app.clone(),
            number: record.number,
            name: function.name.clone(),
        }
    }
}

impl fmt::Display for FunctionOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, number, name } = self;
        write!(f, "function `{name}` of {app} {number}")
    }
}

/// Why a variable has no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum ValueError {
    /// It cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It is not there.
    #[error("key `{key}` of {kind} `{name}` is not here: it is taken from {place}")]
    Missing {
        /// What holds it.
        kind: Kind,
        /// The name of that.
        name: String,
        /// Its key in that.
        key: String,
        /// Where it is looked for, in words.
        place: String,
    },
}
