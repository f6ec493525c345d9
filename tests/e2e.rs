//! Tests on a real node: real pods, Envoy Gateway and Contour. `make e2e` runs them inside the cluster it starts.
//!
//! Each file under `tests/e2e/` is a module here, with one line that says what it is about. They run one after the other,
//! each in a namespace of its own, and all under one controller.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::needless_pass_by_value,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    let_underscore_drop,
    unreachable_pub,
    missing_docs,
    reason = "a test that panics has said what it has to say, and nobody outside uses it"
)]

mod lab;
mod support;

mod e2e {
    /// An Alias beside a Deployment: its own hostname and split, the same pods.
    mod alias;
    /// Capacity before share: from ten pods to a version that starts with two.
    mod capacity;
    /// The controller killed in the middle of a shift, with git there and with git away.
    mod crash;
    /// Deleting a Deployment in the three ways of Kubernetes.
    mod delete;
    /// When the pods of an old version leave.
    mod drain;
    /// Gateways that are not there, and hostnames that are taken.
    mod gateway;
    /// Releases and shifts under load, behind each of the two gateways.
    mod gateways;
    /// The harness itself: the cluster, without Cutwater.
    mod harness;
    /// What is taken off the objects around a live route.
    mod held;
    /// Requests as clients send them: many, on connections that stay open, with every fault noticed.
    pub mod load;
    /// Where a test is: a namespace, a release repository, the controller.
    pub mod place;
    /// What a pod sees of its version: variables and files.
    mod pods;
    /// A whole release, in requests lost and in requests to the API server.
    mod release;
    /// The split as clients see it, and the header that overrides it.
    mod shares;
    /// Versions that never become ready.
    mod trouble;
    /// What happened in the cluster and when, in the API server's own order.
    pub mod witness;
}

/// A file that nobody declared would never run, and nobody would notice.
#[test]
fn every_file_under_e2e_is_a_module() {
    let declared = include_str!("e2e.rs");
    let root = support::tools::checkout().join("tests/e2e");
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "rs") {
            assert!(
                declared.contains(&format!("mod {name};")),
                "tests/e2e/{name}.rs is not declared in tests/e2e.rs, so its tests never run"
            );
        }
    }
}
