//! `app.yaml`: what an app is made of, as types, and how the file is read.
//!
//! Pure: bytes in, an [`App`] or located problems out.

mod spec;

pub use spec::{
    App, AppMetadata, AppSpec, EnvVar, EnvVarSource, ExecAction, Files, Function, HttpGetAction,
    KeySelector, Local, Mount, Probe, Resources, Scale, TcpSocketAction,
};
