//! Faults and bad input: each is said in the status and in one event, traffic keeps its last split, and it recovers by
//! itself when the fault goes away.

/// A controller that starts without git, or without a right.
mod alone;
/// The API server goes away and comes back.
mod apiserver;
/// A Deployment and an Alias of one app.
mod beside;
/// What people change by hand.
mod drift;
/// Gateways that are not there, refuse or keep silent.
mod gateway;
/// A live route outlives what cannot be read, written or listed.
mod held;
/// An unchanged world costs nothing.
mod idle;
/// One app harms no other.
mod isolation;
/// The controller is killed at any moment.
mod killed;
/// Custom resources that were written past the schema.
mod malformed;
/// Two Deployments for one app, and the ways to delete one.
mod owners;
/// Pods that never become ready, and pods that cease to be.
mod pods;
/// Objects that can never be written.
mod refused;
/// Routes that take over the hostnames of others of their owner.
mod renamed;
/// Release repositories that cannot be read, or may not.
mod repository;
/// Names that somebody else's objects have.
mod taken;
/// Versions that are not there, are gone, moved, or cannot be read.
mod versions;
