//! What is being done, for a person at a terminal: one line on stderr, in place, and only once it takes a while.
//!
//! The line stands alone: whoever prints something else calls [`Progress::clear`] first.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// What takes no longer than this shows nothing.
const DELAY: Duration = Duration::from_millis(500);

/// The line, and the thread that shows it when its time has come.
#[derive(Default)]
pub(super) struct Progress {
    shared: Option<Arc<Shared>>,
}

#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    text: String,
    /// When the work began that the line tells of; nothing while there is none.
    since: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// One that shows lines where `wanted`, and nothing otherwise.
    pub(super) fn new(wanted: bool) -> Self {
        let shared = wanted.then(Arc::<Shared>::default);
        if let Some(shared) = &shared {
            let shared = Arc::clone(shared);
            // It ends with the program, and holds nothing that needs an end.
            drop(thread::spawn(move || shared.run()));
        }
        Self { shared }
    }

    /// What is being done now.
    pub(super) fn say(&self, text: &str) {
        let Some(shared) = &self.shared else { return };
        let mut line = shared.lock();
        text.clone_into(&mut line.text);
        line.since.get_or_insert_with(Instant::now);
        if line.shown {
            line.draw();
        }
        shared.changed.notify_one();
    }

    /// Takes the line away: something else is printed, or the work is done.
    pub(super) fn clear(&self) {
        let Some(shared) = &self.shared else { return };
        let mut line = shared.lock();
        line.since = None;
        if std::mem::take(&mut line.shown) {
            drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock()
    }

    fn run(&self) {
        let mut line = self.lock();
        loop {
            let left = line
                .since
                .map(|since| DELAY.saturating_sub(since.elapsed()));
            match left {
                Some(Duration::ZERO) if !line.shown => line.draw(),
                Some(left) if !line.shown => {
                    self.changed.wait_for(&mut line, left);
                }
                _ => self.changed.wait(&mut line),
            }
        }
    }
}

impl Line {
    /// Without wrapping: a line that is longer than the terminal is cut, so that it can be taken away again.
    fn draw(&mut self) {
        self.shown = true;
        let mut stderr = io::stderr().lock();
        drop(write!(
            stderr,
            "\r\u{1b}[K\u{1b}[?7l{} ...\u{1b}[?7h",
            self.text
        ));
        drop(stderr.flush());
    }
}
