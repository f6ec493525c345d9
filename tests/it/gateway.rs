//! The embedded gateway: real connections, real backends, and clients that are not our own.

/// What is refused, and which limits hold.
mod bounds;
/// Splits over a hundred thousand requests.
mod many;
/// One request and its answer, as curl and bytes on a connection see it.
mod passing;
/// Rules that pick a version.
mod rules;
/// Which version gets a request.
mod splits;
/// The gateway in front of backends, and clients.
mod stage;
/// Tables that change under load, and the end.
mod swaps;
