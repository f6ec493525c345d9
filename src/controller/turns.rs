//! Turns: for each of whatever there are, so many at the same time. What nobody has a turn of, or waits for, is forgotten.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of all.
#[derive(Debug)]
pub(super) struct Turns<K>(Mutex<HashMap<K, Arc<Semaphore>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Waits for a turn of `key`, of which there are `most`. It lasts as long as what is returned is held.
    pub(super) async fn turn(&self, key: K, most: usize) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut all = self.0.lock();
            all.retain(|_, turns| Arc::strong_count(turns) > 1);
            let turns = all
                .entry(key)
                .or_insert_with(|| Arc::new(Semaphore::new(most)));
            Arc::clone(turns)
        };
        // It is never closed.
        turns.acquire_owned().await.ok()
    }

    /// Of how many there are turns.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
