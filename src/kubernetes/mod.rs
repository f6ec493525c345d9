//! Plans as Kubernetes objects: what is made of a plan, and what differs from what is there.
//!
//! Pure: builds and compares, never talks to an API server.

pub mod diff;
pub mod names;
pub mod object;
pub mod render;
mod route;
#[cfg(test)]
mod tests;
mod workload;

pub use object::{Kind, Object};
pub use render::{Rendered, render};
pub use route::{Keeps, Reached, RouteSpec, only_unnames};
