//! `app.yaml`: what an app is made of, as types, and how the file is read.
//!
//! Pure: bytes in, an [`App`] or located [`Problems`] out. Reading has three steps: text to a tree
//! with places and that tree against the JSON Schema of [`App`] ([`crate::yaml`]), and what no schema says (`rules`, and `fit` for what could never run).
//! `edit` changes an image in the text and nothing else; `changes` says what differs between two apps.

mod changes;
mod edit;
mod fit;
mod image;
mod quantity;
mod read;
mod rules;
mod spec;
#[cfg(test)]
mod tests;

pub use changes::{Change, changes};
pub use edit::{EditError, set_image};
pub use image::{ImageError, check_image};
pub use read::json_schema;

pub use spec::{
    App, AppMetadata, AppSpec, EnvVar, EnvVarSource, ExecAction, Files, Function, HttpGetAction,
    KeySelector, Local, Mount, Probe, Resources, Scale, TcpSocketAction,
};

pub use crate::yaml::{Place, Problem, Problems};

/// Name of the file that makes a directory an app.
pub const APP_FILE: &str = "app.yaml";
