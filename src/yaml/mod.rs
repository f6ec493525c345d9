//! Files that people write: YAML to a tree in which every value knows its place, and that tree against a JSON Schema.
//!
//! Pure: bytes in, values or located [`Problems`] out. What a file means is said by the module that owns its types.

mod problem;
mod read;
mod shape;

pub(crate) use problem::MESSAGE_MAX;
pub use problem::{Place, Problem, Problems};
pub(crate) use read::{Field, Node, Value, read, read_all};
pub(crate) use shape::Shape;
