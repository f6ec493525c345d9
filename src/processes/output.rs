//! What a program prints: kept in a file that never grows past its bound, and its last lines at hand for messages.
//!
//! A disk that is slow holds up the program that prints and nobody else: the file is written where blocking is allowed, and whoever
//! asks for the lines does not wait for it.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest file; when it is full it becomes the older one, of which there is one.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// Lines that are at hand.
const LINES: usize = 20;
/// Most bytes of such a line.
const LINE_MAX: usize = 400;

/// Most bytes that are taken at a time.
const PIECE: usize = 64 * 1024;

/// The output of one program, through all its starts.
#[derive(Clone)]
pub struct Output {
    lines: Arc<Mutex<Lines>>,
    file: Arc<Mutex<Log>>,
}

/// The last lines.
#[derive(Default)]
struct Lines {
    whole: VecDeque<String>,
    /// The one that has not ended yet.
    line: Vec<u8>,
}

/// The file.
struct Log {
    path: PathBuf,
    /// Nothing where it cannot be written: the program runs all the same.
    file: Option<File>,
    size: u64,
}

impl Output {
    /// Goes on in the file at `path`, whose folder is made where somebody removed it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            // What programs print is for nobody else on this machine.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            lines: Arc::default(),
            file: Arc::new(Mutex::new(Log {
                path: path.to_owned(),
                file: Some(file),
                size,
            })),
        })
    }

    /// The last lines, the oldest first, without control characters.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.lines.lock().whole.iter().cloned().collect()
    }

    /// Takes all that comes, so that the program waits for nobody but the disk.
    pub(super) async fn take(self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; PIECE];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.lines.lock().add(&buffer[..count]);
            let file = Arc::clone(&self.file);
            let written = tokio::task::spawn_blocking(move || {
                file.lock().add(&buffer[..count]);
                buffer
            });
            buffer = written.await.unwrap_or_else(|_| vec![0; PIECE]);
        }
    }
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        // Only the last lines are looked at: a program that prints without end costs little more than the writing.
        let skipped = (memchr::memrchr_iter(b'\n', bytes).nth(LINES)).map_or(0, |end| {
            self.line.clear();
            end + 1
        });
        let mut start = skipped;
        for end in memchr::memchr_iter(b'\n', &bytes[skipped..]) {
            self.lengthen(&bytes[start..skipped + end]);
            start = skipped + end + 1;
            let text = String::from_utf8_lossy(&self.line);
            let plain: String = text.chars().filter(|c| !c.is_control()).collect();
            self.line.clear();
            if self.whole.len() == LINES {
                self.whole.pop_front();
            }
            self.whole.push_back(plain);
        }
        self.lengthen(&bytes[start..]);
    }

    /// The line that has not ended yet goes on.
    fn lengthen(&mut self, bytes: &[u8]) {
        let room = LINE_MAX - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Log {
    fn add(&mut self, bytes: &[u8]) {
        if self.size + bytes.len() as u64 > FILE_MAX {
            self.turn();
        }
        // A full disk costs the output and nothing else.
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.size += bytes.len() as u64;
        }
    }

    /// Begins a new file, and keeps the one that is full.
    fn turn(&mut self) {
        let mut older = self.path.clone().into_os_string();
        older.push(".1");
        drop(fs::rename(&self.path, older));
        self.file = File::create(&self.path).ok();
        self.size = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabyte_leaves_two_files_and_some_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.log");
        let output = Output::open(&path).unwrap();
        let line = [b"x".repeat(1023).as_slice(), b"\n"].concat();
        for _ in 0..1 << 14 {
            output.lines.lock().add(&line);
            output.file.lock().add(&line);
        }
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        let older = dir.path().join("web.log.1");
        assert!(size(&path) <= FILE_MAX && size(&older) <= FILE_MAX);
        assert!(size(&path) + size(&older) > FILE_MAX);
        assert_eq!(output.last(), vec!["x".repeat(LINE_MAX); LINES]);
    }

    #[test]
    fn the_last_lines_are_the_same_in_whatever_pieces_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let mut lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        lines.push("and so".to_owned());
        let text = lines.join("\n");
        for piece in [1, 7, 64, 1_000, text.len()] {
            let output = Output::open(&dir.path().join(piece.to_string())).unwrap();
            for bytes in text.as_bytes().chunks(piece) {
                output.lines.lock().add(bytes);
            }
            output.lines.lock().add(b" on\n");
            let mut expected = lines[81..].to_vec();
            expected[19] = "and so on".to_owned();
            assert_eq!(output.last(), expected, "pieces of {piece} bytes");
        }
    }

    #[tokio::test]
    #[expect(
        clippy::await_holding_lock,
        reason = "it stands for a disk that is slow"
    )]
    async fn a_disk_that_is_slow_holds_up_nobody_who_asks_for_the_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.log");
        let output = Output::open(&path).unwrap();
        let slow = output.file.lock();
        let printed: &[u8] = b"one\ntwo\n";
        let taking = tokio::spawn(output.clone().take(printed));
        let said = async {
            while output.last().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let said = tokio::time::timeout(std::time::Duration::from_secs(20), said).await;
        said.expect("the runtime goes on");
        assert_eq!(output.last(), ["one", "two"]);
        assert_eq!(fs::read(&path).unwrap(), b"");
        drop(slow);
        taking.await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), printed);
    }
}
