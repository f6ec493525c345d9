//! Tests on a real node: real pods, Envoy Gateway and Envoy. `make e2e` runs them inside the cluster it starts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test that panics has said what it has to say"
)]

mod support;
