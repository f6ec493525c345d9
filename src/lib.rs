//! Cutwater parts traffic between immutable versions of an application, and keeps in git which version gets how much.
//!
//! ```text
//! app.yaml, releases --> Desired --resolve (git mirror)--> Resolved --+
//! cluster ------------------observe----------------------> World -----+--> plan (pure) --> Plan --> render --> apply --> status, events
//!                                         time, as an argument -------+
//! ```
//!
//! Modules, in the order of that flow. A module uses only those above it; a test checks it.
//!
//! | module | is for | touches |
//! |---|---|---|
//! | [`words`] | names, version words, ids of commits and trees, shares, periods | nothing |
//! | [`backoff`] | how long to wait after a failure | nothing |
//! | [`panics`] | a panic ends one piece of work, and not the program | nothing |
//! | [`yaml`] | files that people write, with places, against a schema | nothing |
//! | [`app`] | `app.yaml`: reading, checking, its schema | nothing |
//! | [`settings`] | `cutwater.yaml` of a repository | nothing |
//! | [`ci`] | which pipeline publishes, from its environment | nothing |
//! | [`scaffold`] | the files that a release repository begins with | nothing |
//! | [`api`] | custom resources and their schemas, the Gateway API's fields that matter, conditions | nothing |
//! | [`releases`] | Deployments and Aliases in files of a repository | nothing |
//! | [`ledger`] | what was served, as it is recorded in git | nothing |
//! | [`record`] | the resolved record of a version | nothing |
//! | [`git`] | the `git` program, for remotes | processes, network |
//! | [`forge`] | pull requests, by the API of the forge that a remote is of | the network |
//! | [`store`] | versions in a git repository, and the controller's mirror | files, remotes by `git` |
//! | [`users`] | who uses which version: releases of branches, ledgers, what runs; and deleting what nobody uses | files, remotes by `git` |
//! | [`releasing`] | changes of `releases/`: each a commit on top of the remote's branch | files, remotes by `git` |
//! | [`plan`] | what to do about one app: which version gets which share, what runs and for how long | nothing |
//! | [`branch`] | which objects of a branch count: of its newest commit, and of those before it | nothing |
//! | [`following`] | what counts of a branch as a mirror has it, also after a restart | files |
//! | [`resolve`] | which versions the words of a split mean: what was resolved before stays | nothing |
//! | [`preview`] | what a merge does: releases before and after it, as changes, pods and faults | nothing |
//! | [`gateway`] | the embedded HTTP gateway: which process gets a request, and the way there and back | the network |
//! | [`kubernetes`] | a plan as Kubernetes objects, and what differs from what is there | nothing |
//! | [`processes`] | programs that run on this machine | processes |
//! | [`telemetry`] | logs | stderr |
//! | [`status_server`] | where a process tells of itself and takes webhooks | the network |
//! | [`controller`] | watches, caches, and the stages of a reconcile | the cluster, the store |
//! | [`serve`] | standalone mode: the same plan, with processes for pods and a gateway of its own | everything but the cluster |
//! | [`view`] | what can be told of an app from all sides: repository, ledgers, cluster, server | the cluster, remotes, the network |
//! | [`cli`] | the command line | everything |
//!
//! - A weight is decided in [`plan::effective`], becomes part of an object in `kubernetes::route`, and is written in
//!   `controller::apply`.
//! - A new field of the Deployment goes into [`api::deployment`], what may stand in it into `api::rules`, and what it means
//!   into [`api::Wanted`]; from there into [`plan::Split`] or [`kubernetes::RouteSpec`].
//! - What a status says is decided in `controller::status`, in the words of [`api::condition`].
//!
//! `docs/design.md` says what is always true, and why some of it is not as one would first think.

pub mod api;
pub mod app;
pub mod backoff;
pub mod branch;
pub mod ci;
pub mod cli;
pub mod controller;
pub mod following;
pub mod forge;
pub mod gateway;
pub mod git;
pub mod kubernetes;
pub mod ledger;
pub mod panics;
pub mod plan;
pub mod preview;
pub mod processes;
pub mod record;
pub mod releases;
pub mod releasing;
pub mod resolve;
pub mod scaffold;
pub mod serve;
pub mod settings;
pub mod status_server;
pub mod store;
pub mod telemetry;
pub mod users;
pub mod view;
pub mod words;
pub mod yaml;
