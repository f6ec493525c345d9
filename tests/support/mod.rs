//! What the tests on real parts stand on: a real kube-apiserver with etcd, and the programs around it.
//!
//! - `tools`: where the programs are (built once by `tests/tools/build.sh`)
//! - `process`: child processes that never outlive the test program
//! - `apiserver`: [`ApiServer`], one control plane in a directory of its own
//! - `audit`: what was asked of the API server, by whom
//! - `e2e`: the cluster that the end-to-end tests run inside of
//! - `far`: a server that is far away
//! - `http`: asking a gateway
//! - `service`: servers of the system on free ports; `sshd`, `web` and `proxy`: what stands before a git repository
//! - `wait`: polling with a deadline
//!
//! Nothing here knows what Cutwater does.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of this"
)]

pub mod apiserver;
pub mod audit;
pub mod e2e;
pub mod far;
pub mod http;
pub mod process;
pub mod proxy;
pub mod service;
pub mod sshd;
pub mod tools;
pub mod wait;
pub mod web;

pub use apiserver::{ApiServer, Options, User};
pub use audit::AuditEntry;
pub use process::Process;
pub use wait::wait_for;
