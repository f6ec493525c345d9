//! Lines of the log that clients cause: some of them, and then how many more there would have been.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines in one period.
const LINES: u32 = 5;
const PERIOD: Duration = Duration::from_secs(10);

/// One kind of line.
#[derive(Debug, Default)]
pub(super) struct Loud(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    since: Option<Instant>,
    lines: u32,
    kept_back: u64,
}

impl Loud {
    /// What to put behind a line that is to be written now; nothing where it is not.
    pub(super) fn say(&self) -> Option<String> {
        let now = Instant::now();
        let mut said = self.0.lock();
        if said.since.is_none_or(|since| now - since >= PERIOD) {
            said.since = Some(now);
            said.lines = 0;
        }
        if said.lines >= LINES {
            said.kept_back += 1;
            return None;
        }
        said.lines += 1;
        match std::mem::take(&mut said.kept_back) {
            0 => Some(String::new()),
            more => Some(format!(" ({more} more like this since the last line)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_some_lines_and_a_number() {
        let loud = Loud::default();
        let lines = (0..1_000).filter_map(|_| loud.say());
        assert_eq!(lines.collect::<Vec<_>>(), [""; 5]);
        tokio::time::advance(PERIOD).await;
        let next = loud.say().unwrap();
        assert_eq!(next, " (995 more like this since the last line)");
        assert_eq!(loud.say().unwrap(), "");
    }
}
