//! The embedded gateway: real connections, real backends, and clients that are not our own.

/// What is refused, and which limits hold.
mod bounds;
/// curl, nghttp, h2load, and a WebSocket in Python.
mod clients;
/// Frames of HTTP/2 as no good client sends them.
mod frames;
/// Splits over many requests.
mod many;
/// One request and its answer, as curl and bytes on a connection see it.
mod passing;
/// Clients that take nothing, send nothing, and go on anyway.
mod patience;
/// Processes that close, answer early, or say what they should not.
mod processes;
/// Requests of HTTP/1.1 as no good client sends them.
mod raw;
/// Rules that pick a version.
mod rules;
/// Which version gets a request.
mod splits;
/// The gateway in front of backends, and clients.
mod stage;
/// Tables that change under load, and the end.
mod swaps;
