//! Sends events. What they say is decided in [`super::report`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::failure::timed;

/// Events that are sent at the same time; the others wait for their turn.
const EVENTS: usize = 8;

/// Sends events, each once, and loses one rather than wait.
pub(super) struct Events {
    recorder: Recorder,
    turns: Arc<Semaphore>,
    /// The last event was refused for want of rights.
    refused: Arc<AtomicBool>,
}

impl Events {
    pub(super) fn new(client: Client) -> Self {
        let reporter = Reporter {
            controller: "cutwater.dev/controller".to_owned(),
            instance: None,
        };
        Self {
            recorder: Recorder::new(client, reporter),
            turns: Arc::new(Semaphore::new(EVENTS)),
            refused: Arc::default(),
        }
    }

    /// Sends an event. Nothing waits for it: an app that has to be worked on again must not.
    pub(super) fn publish(
        &self,
        reference: &ObjectReference,
        fault: bool,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_: if fault {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: reason.to_owned(),
            note: Some(shortened(note)),
            action: action(note),
            secondary: None,
        };
        let (recorder, reference, turns) =
            (self.recorder.clone(), reference.clone(), self.turns.clone());
        let refused = self.refused.clone();
        tokio::spawn(async move {
            let turn = turns.acquire().await;
            // An event that is lost is no reason to do anything again: the status says the same.
            match timed(recorder.publish(&event, &reference)).await {
                Ok(()) => refused.store(false, Ordering::Relaxed),
                // A right that is missing would be said with each event.
                Err(error) if is_forbidden(&error) && !refused.swap(true, Ordering::Relaxed) => {
                    warn!(%error, "events cannot be written: the rights of the controller lack them; statuses say the same");
                }
                Err(error) => {
                    debug!(%error, reason = event.reason, "an event could not be written");
                }
            }
            drop(turn);
        });
    }
}

/// The recorder takes two events with one action, reason and object for the same one, and keeps the first note: what is another note is
/// another action.
fn action(note: &str) -> String {
    let digest = Sha256::digest(note);
    format!("Reconcile-{}", hex::encode(&digest[..4]))
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The API server takes 1,024 bytes in a note.
fn shortened(note: &str) -> String {
    let mut end = note.len().min(1000);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_note_is_another_event_and_the_same_one_is_counted() {
        let notes = ["commit a: applied cwd/shop", "commit b: applied cwd/shop"];
        assert_eq!(action(notes[0]), action(notes[0]));
        assert_ne!(action(notes[0]), action(notes[1]));
        assert!(action(&"long ".repeat(1000)).len() <= 128);
    }
}
