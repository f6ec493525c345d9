//! Looks now and then whether the state folder is whole: somebody may have removed what a restart needs.
//!
//! It costs a look at two files for each app, on a disk that may hang, so it has a thread of its own, and nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::state::StateFolder;
use crate::words::AppName;

/// How often it looks.
pub(super) const PACE: Duration = Duration::from_secs(5);

/// The looks.
pub(super) struct Mending {
    next: Instant,
    looking: Option<oneshot::Receiver<Found>>,
    /// What was said already.
    said: Vec<String>,
}

/// What a look showed.
#[derive(Default)]
struct Found {
    /// Apps of which something is not there.
    gone: Vec<AppName>,
    problems: Vec<String>,
}

impl Mending {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now() + PACE,
            looking: None,
            said: Vec::new(),
        }
    }

    /// Looks, where it is time for that, and says of which of these apps, of which all is written, something is not there.
    pub(super) fn gone(
        &mut self,
        folder: &Arc<StateFolder>,
        changed: &Arc<Notify>,
        apps: impl FnOnce() -> Vec<AppName>,
    ) -> Vec<AppName> {
        match self.looking.as_mut().map(oneshot::Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return Vec::new(),
            Some(found) => {
                self.looking = None;
                return self.compare(found.unwrap_or_default());
            }
            None => {}
        }
        if Instant::now() >= self.next {
            self.next = Instant::now() + PACE;
            let (folder, changed, apps) = (Arc::clone(folder), Arc::clone(changed), apps());
            let (tell, told) = oneshot::channel();
            self.looking = Some(told);
            tokio::task::spawn_blocking(move || {
                let problems = folder.mend();
                let gone: Vec<AppName> = (apps.into_iter())
                    .filter(|app| !folder.holds(app))
                    .collect();
                let is_whole = gone.is_empty();
                // Nobody may be interested any more.
                drop(tell.send(Found { gone, problems }));
                if !is_whole {
                    changed.notify_one();
                }
            });
        }
        Vec::new()
    }

    fn compare(&mut self, found: Found) -> Vec<AppName> {
        let new = found.problems.iter();
        for problem in new.filter(|problem| !self.said.contains(problem)) {
            tracing::warn!("{problem}");
        }
        self.said = found.problems;
        found.gone
    }
}
