//! Writes what has to survive the end of `serve`, in a task of its own: a disk that is slow or full holds up no decision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::state::{Remembered, StateFolder};
use crate::words::AppName;

/// After how long what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

type Notes = BTreeMap<AppName, Remembered>;

/// Keeps the newest of each app.
pub(super) struct Keeper {
    notes: mpsc::UnboundedSender<(AppName, Remembered)>,
    problems: Arc<Mutex<BTreeMap<AppName, String>>>,
    /// When something was noted last.
    noted: Mutex<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// `changed` is told where something could not be written, or is again.
    pub(super) fn start(folder: Arc<StateFolder>, changed: Arc<Notify>) -> Self {
        let (notes, taken) = mpsc::unbounded_channel();
        let problems = Arc::default();
        let task = tokio::spawn(work(folder, taken, Arc::clone(&problems), changed));
        Self {
            notes,
            problems,
            noted: Mutex::default(),
            task,
        }
    }

    /// What is to be remembered of an app from now on.
    pub(super) fn note(&self, app: &AppName, remembered: Remembered) {
        *self.noted.lock() = Some(Instant::now());
        // It is gone with its task alone, at the end of all.
        drop(self.notes.send((app.clone(), remembered)));
    }

    /// True where all that was noted has had time to be written.
    pub(super) fn is_quiet(&self) -> bool {
        self.noted
            .lock()
            .is_none_or(|noted| noted.elapsed() > RETRY * 2)
    }

    /// Why what is remembered of an app is not what it should be.
    pub(super) fn problem(&self, app: &AppName) -> Option<String> {
        self.problems.lock().get(app).cloned()
    }

    /// Returns when all that was noted is written, or could not be.
    pub(super) async fn close(self) {
        drop(self.notes);
        drop(self.task.await);
    }
}

async fn work(
    folder: Arc<StateFolder>,
    mut noted: mpsc::UnboundedReceiver<(AppName, Remembered)>,
    problems: Arc<Mutex<BTreeMap<AppName, String>>>,
    changed: Arc<Notify>,
) {
    let mut waiting = Notes::new();
    let mut open = true;
    while open {
        let next = if waiting.is_empty() {
            noted.recv().await
        } else {
            // What failed waits; what comes meanwhile is tried with it.
            match tokio::time::timeout(RETRY, noted.recv()).await {
                Ok(next) => next,
                Err(_) => waiting.pop_first(),
            }
        };
        match next {
            Some((app, remembered)) => drop(waiting.insert(app, remembered)),
            None => open = false,
        }
        while let Ok((app, remembered)) = noted.try_recv() {
            waiting.insert(app, remembered);
        }
        let (batch, folder) = (std::mem::take(&mut waiting), Arc::clone(&folder));
        let written = tokio::task::spawn_blocking(move || {
            let write = |(app, remembered): (AppName, Remembered)| {
                let problem = folder.write(&app, &remembered).err();
                (app, remembered, problem.map(|error| error.to_string()))
            };
            batch.into_iter().map(write).collect::<Vec<_>>()
        });
        for (app, remembered, problem) in written.await.unwrap_or_default() {
            let before = match &problem {
                Some(problem) => problems.lock().insert(app.clone(), problem.clone()),
                None => problems.lock().remove(&app),
            };
            if before != problem {
                changed.notify_one();
            }
            if problem.is_some() {
                waiting.insert(app, remembered);
            }
        }
    }
}
