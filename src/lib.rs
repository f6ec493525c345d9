//! Cutwater.
