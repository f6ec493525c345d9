//! What git tells of its progress: how far a fetch is by that, and which lines are no part of a message.
//!
//! It reads what git prints on stderr, and starts nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Longest time until something is said of what comes. Until then git looks, without a word, which of it is here already. A server
/// that goes silent meanwhile is noticed by what carries the connection: both curl and ssh are told to.
const UNTIL_COMING: Duration = Duration::from_mins(10);

/// How a line begins that says how far a fetch is. Those of the server have its name in front of them.
const SIGNS: [(&[u8], Stage); 5] = [
    (b"remote: ", Stage::Coming),
    (b"Receiving objects: ", Stage::Coming),
    (b"Unpacking objects: ", Stage::Coming),
    (b"Receiving objects: 100%", Stage::Here),
    (b"Unpacking objects: 100%", Stage::Here),
];
/// The longest of them.
const SIGN_MAX: usize = 23;

/// How far a fetch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing was said of what comes.
    #[default]
    Asked,
    /// It comes.
    Coming,
    /// All of it is here. What takes time now is done on this machine, mostly without a word.
    Here,
}

/// How far a call is, and when it said something last. Clones are of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    at: Option<Instant>,
    stage: Stage,
    /// How the line begins that is being read.
    line: Vec<u8>,
}

impl Heard {
    /// Takes note of what was printed just now.
    pub(super) fn note(&self, bytes: &[u8]) {
        let mut state = self.0.lock();
        state.at = Some(Instant::now());
        for byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                state.line.clear();
            } else if state.line.len() < SIGN_MAX {
                state.line.push(*byte);
                let sign = SIGNS.iter().find(|(sign, _)| *sign == state.line);
                state.stage = sign.map_or(state.stage, |(_, stage)| state.stage.max(*stage));
            }
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.0.lock().stage
    }

    /// How long nothing may be heard of a call whose server may be silent for so long; nothing where that says nothing of the server.
    pub(super) fn patience(&self, silence: Duration) -> Option<Duration> {
        match self.stage() {
            Stage::Asked => Some(silence.max(UNTIL_COMING)),
            Stage::Coming => Some(silence),
            Stage::Here => None,
        }
    }

    /// True where nothing was heard for longer than that of a call that began then.
    pub(super) fn is_silent(&self, begun: Instant, silence: Duration) -> bool {
        let last = self.0.lock().at.unwrap_or(begun);
        self.patience(silence)
            .is_some_and(|patience| last.elapsed() >= patience)
    }
}

/// True for what a fetch tells of its progress, and of each ref that it brought. `text` is the line without the server's name.
pub(super) fn is_progress(line: &str, text: &str) -> bool {
    const STEPS: [&str; 9] = [
        "Enumerating objects: ",
        "Counting objects: ",
        "Compressing objects: ",
        "Receiving objects: ",
        "Resolving deltas: ",
        "Unpacking objects: ",
        "Checking connectivity: ",
        "Finding sources: ",
        "Total ",
    ];
    const REFS: [&str; 5] = [" * [", " + ", " - [", " t [", "   "];
    STEPS.iter().any(|step| text.starts_with(step))
        || (line.contains(" -> ") && REFS.iter().any(|begin| line.starts_with(begin)))
        || line.starts_with("From ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_fetch_is_stands_at_the_beginning_of_a_line() {
        assert_eq!(
            SIGNS.map(|(sign, _)| sign.len()).into_iter().max(),
            Some(SIGN_MAX)
        );
        for (pieces, stage) in [
            (&[""][..], Stage::Asked),
            (
                &["Warning: Permanently added 'git.example'\r\n"],
                Stage::Asked,
            ),
            (&["warning: Receiving objects: 100%\n"], Stage::Asked),
            (&["remote: Enumerating objects: 3, done.\n"], Stage::Coming),
            (&["Receiving objects:   0% (0/1)\r"], Stage::Coming),
            // The server says so, and it may say anything.
            (&["remote: Receiving objects: 100% (1/1)\n"], Stage::Coming),
            (
                &[
                    "Receiving objects:  50% (1/2)\rRecei",
                    "ving objects: 1",
                    "00% (2/2)",
                ],
                Stage::Here,
            ),
            (
                &["Receiving objects: 100% (2/2), done.\nremote: a word\n"],
                Stage::Here,
            ),
        ] {
            let heard = Heard::default();
            for piece in pieces {
                heard.note(piece.as_bytes());
            }
            assert_eq!(heard.stage(), stage, "{pieces:?}");
        }
    }

    #[test]
    fn only_a_server_that_sends_is_given_up_for_its_silence() {
        let silence = Duration::from_secs(30);
        let heard = Heard::default();
        assert_eq!(heard.patience(silence), Some(UNTIL_COMING));
        assert!(!heard.is_silent(Instant::now(), Duration::ZERO));
        heard.note(b"remote: Counting objects: 1\r");
        assert_eq!(heard.patience(silence), Some(silence));
        assert!(heard.is_silent(Instant::now(), Duration::ZERO));
        heard.note(b"Receiving objects: 100% (1/1)");
        assert_eq!(heard.patience(silence), None);
        assert!(!heard.is_silent(Instant::now(), Duration::ZERO));
    }
}
