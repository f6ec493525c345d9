//! Cutwater parts traffic between immutable versions of an application, and keeps in git which version gets how much.
//!
//! ```text
//! app.yaml, releases --> Desired --resolve (git mirror)--> Resolved --+
//! cluster ------------------observe----------------------> World -----+--> plan (pure) --> Plan --> render --> apply --> status, events
//!                                         time, as an argument -------+
//! ```
//!
//! Modules, in the order of that flow. A module uses only those above it, except the edges (`cli`, `controller`).
//!
//! | module | is for | touches |
//! |---|---|---|
//! | [`words`] | names, version words, shares | nothing |
//! | [`app`] | `app.yaml` | nothing |
//! | [`api`] | custom resources and their schemas, the Gateway API's fields that matter, conditions | nothing |
//! | [`record`] | the resolved record of a version | nothing |
//! | [`git`] | the `git` program, for remotes | processes, network |
//! | [`store`] | versions in a git repository, and the controller's mirror | files, remotes by `git` |
//! | [`cli`] | the command line | everything |

pub mod api;
pub mod app;
pub mod cli;
pub mod controller;
pub mod git;
pub mod kubernetes;
pub mod plan;
pub mod record;
pub mod store;
pub mod telemetry;
pub mod words;
