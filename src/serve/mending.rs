//! Looks now and then whether the state folder is whole: somebody may have removed what a restart needs.
//!
//! It costs a look at two files for each app, on a disk that may hang, so it has a thread of its own, and nobody waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::state::StateFolder;
use crate::words::AppName;

/// How often it looks.
const PACE: Duration = Duration::from_secs(10);

/// The looks.
pub(super) struct Mending {
    next: Instant,
    looking: Option<oneshot::Receiver<Found>>,
    last: Found,
}

/// What a look showed.
#[derive(Default)]
struct Found {
    /// Apps of which something is not there.
    gone: BTreeSet<AppName>,
    problems: Vec<String>,
}

impl Mending {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now() + PACE,
            looking: None,
            last: Found::default(),
        }
    }

    /// Looks, where it is time for that, and says of which of these apps nothing is there since the look before: what was noted a
    /// moment ago may not be written yet.
    pub(super) fn gone(
        &mut self,
        folder: &Arc<StateFolder>,
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
            let (folder, apps) = (Arc::clone(folder), apps());
            let (tell, told) = oneshot::channel();
            self.looking = Some(told);
            tokio::task::spawn_blocking(move || {
                let problems = folder.mend();
                let gone = apps.into_iter().filter(|app| !folder.holds(app));
                let gone = gone.collect();
                // Nobody may be interested any more.
                drop(tell.send(Found { gone, problems }));
            });
        }
        Vec::new()
    }

    fn compare(&mut self, found: Found) -> Vec<AppName> {
        let new = found.problems.iter();
        for problem in new.filter(|problem| !self.last.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        let gone = found.gone.intersection(&self.last.gone).cloned();
        let gone = gone.collect();
        self.last = found;
        gone
    }
}
