//! One call of the `git` program: fixed environment, bounded output, and an end at the deadline for all it started.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::error::{Caller, GitError};
use super::interrupt::{self, Aim, Shield, Watched};
use super::progress::{Heard, is_progress};
use super::url::redact;

/// What is kept of each stream.
const OUTPUT_MAX: usize = 64 * 1024;
/// What is kept of an output that is wanted. One of this length may be cut off.
pub(super) const RESULT_MAX: usize = 64 * 1024 * 1024;
/// What is kept of a message for people.
const MESSAGE_MAX: usize = 2048;

/// What a stream held, once it is at its end.
type Output = Receiver<Vec<u8>>;

/// A call that is put together by [`super::remote`].
pub(super) struct Call<'a> {
    pub(super) dir: &'a Path,
    pub(super) args: Vec<OsString>,
    pub(super) stdin: String,
    pub(super) env: Vec<(String, String)>,
    pub(super) config: Vec<(String, String)>,
    /// For the controller, it starts from an empty environment and no configuration of anybody's.
    pub(super) caller: Caller,
    pub(super) secrets: Vec<String>,
    /// The output of a call that succeeds is wanted.
    pub(super) reads_output: bool,
    pub(super) aim: Aim,
    pub(super) timeout: Duration,
    /// Longest time without a word of a server that sends, where it tells of its progress.
    pub(super) silence: Option<Duration>,
    /// How far it is.
    pub(super) heard: Heard,
}

/// Which part of a stream is kept, where it is longer than that.
#[derive(Clone)]
enum Keep {
    First,
    /// The last part, for what was told of progress comes before what went wrong.
    Last(Heard),
}

/// Variables that would send `git` to another repository or another index, or make it print what it sends.
const REMOVED: [&str; 21] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_CURL_VERBOSE",
    "GIT_CONFIG",
    "SSH_ASKPASS",
    "LANGUAGE",
];

/// Variables that an isolated call keeps.
const KEPT: [&str; 14] = [
    "PATH",
    "TMPDIR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_EXEC_PATH",
    "LD_LIBRARY_PATH",
];

impl Call<'_> {
    /// Runs it to its end or its deadline; what it printed, as far as it is kept.
    pub(super) fn run(self) -> Result<Vec<u8>, GitError> {
        let is_push = self.aim == Aim::Push;
        let writes = is_push || self.aim == Aim::Mend;
        let _shield = writes.then(Shield::raise);
        let came = interrupt::was_interrupted();
        if is_push && came {
            return Err(GitError::not_begun(self.caller));
        }
        let is_stopped = || match self.aim {
            Aim::Here | Aim::Mend => false,
            // A look that is begun behind a signal tells what became of what was stopped.
            Aim::Look => !came && interrupt::was_interrupted(),
            Aim::Push => interrupt::was_interrupted(),
        };
        let watched = writes || self.caller == Caller::Server;
        let mut watched = watched.then(Watched::start).flatten();
        let mut child = self
            .command()
            .spawn()
            .map_err(|error| GitError::not_started(&error, self.caller))?;
        if let Some(watched) = &mut watched {
            watched.over(child.id());
        }
        let begun = Instant::now();
        let deadline = begun + self.timeout;
        let (open, streams) = channel();
        let (out, err) = match self.attend(&mut child, open) {
            Ok(receivers) => receivers,
            Err(error) => {
                // Nobody would read what it prints: it could hang, or fail for another reason than it says.
                end(&mut child);
                return Err(GitError::not_started(&error, self.caller));
            }
        };
        let is_silent = || {
            let silence = self.silence;
            silence.is_some_and(|silence| self.heard.is_silent(begun, silence))
        };
        let is_late = || Instant::now() >= deadline || is_silent();
        let success = match wait(&mut child, (is_late, is_stopped), &streams) {
            End::Itself(success) => success,
            End::Late => return Err(self.late(Instant::now() >= deadline)),
            End::Interrupted => return Err(GitError::interrupted(self.caller)),
        };
        // What git left running may hold the pipes open: it is not waited for.
        let patience = Duration::from_secs(1);
        if success {
            return if self.reads_output {
                // Half an output would be taken for the whole.
                out.recv_timeout(patience)
                    .map_err(|_| GitError::timed_out(self.timeout, self.caller))
            } else {
                Ok(Vec::new())
            };
        }
        let mut text = err.recv_timeout(patience).unwrap_or_default();
        // `push --porcelain` reports refused refs on stdout.
        let out = out.recv_timeout(patience).unwrap_or_default();
        for line in String::from_utf8_lossy(&out).lines() {
            if line.starts_with('!') {
                text.extend_from_slice(b"\n");
                text.extend_from_slice(line.as_bytes());
            }
        }
        if text.is_empty() {
            // `fsck` tells what is missing there.
            text = out;
        }
        Err(GitError::from_output(&self.clean(&text), self.caller))
    }

    /// Why it was ended: because its whole time was over, or because nothing was heard.
    fn late(&self, is_over: bool) -> GitError {
        let Some(silence) = self.silence else {
            return GitError::timed_out(self.timeout, self.caller);
        };
        match self.heard.patience(silence) {
            Some(silence) if !is_over => GitError::timed_out(silence, self.caller),
            Some(_) => GitError::took_too_long(self.timeout, self.caller),
            None => GitError::not_finished(self.timeout, self.caller),
        }
    }

    /// Starts the threads that write its input and read its two outputs. The system may refuse a thread.
    fn attend(
        &self,
        child: &mut Child,
        open: Sender<Infallible>,
    ) -> std::io::Result<(Output, Output)> {
        let room = if self.reads_output {
            RESULT_MAX
        } else {
            OUTPUT_MAX
        };
        let out = drain(child.stdout.take(), (Keep::First, room), open.clone())?;
        let err = drain(
            child.stderr.take(),
            (Keep::Last(self.heard.clone()), OUTPUT_MAX),
            open,
        )?;
        let stdin = child.stdin.take();
        let input = self.stdin.clone();
        thread::Builder::new().spawn(move || {
            if let Some(mut stdin) = stdin {
                // A call that ends early closes the pipe; its exit says why.
                drop(stdin.write_all(input.as_bytes()));
            }
        })?;
        Ok((out, err))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        let isolated = self.caller != Caller::Person;
        if isolated {
            command.env_clear();
            for name in KEPT {
                if let Some(value) = std::env::var_os(name) {
                    command.env(name, value);
                }
            }
            command
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_ATTR_NOSYSTEM", "1")
                .env("GIT_NO_LAZY_FETCH", "1")
                .env("GIT_ASKPASS", "");
        } else {
            for name in REMOVED {
                command.env_remove(name);
            }
            // A trace holds arguments, configuration and headers.
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("GIT_TRACE") {
                    command.env_remove(name);
                }
            }
            if std::env::var_os("GIT_ASKPASS").is_none() {
                command.env("GIT_ASKPASS", "");
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        // A pipeline may hand its token over in the same way: ours come after those.
        let first = std::env::var("GIT_CONFIG_COUNT")
            .ok()
            .filter(|_| !isolated)
            .and_then(|count| count.parse::<usize>().ok())
            .unwrap_or(0);
        for (index, (name, value)) in self.config.iter().enumerate() {
            let index = first + index;
            command
                .env(format!("GIT_CONFIG_KEY_{index}"), name)
                .env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        let count = first + self.config.len();
        command
            .env("GIT_CONFIG_COUNT", count.to_string())
            .args(&self.args)
            .current_dir(self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    /// Text for people: no credentials, no control characters, no progress, bounded.
    fn clean(&self, raw: &[u8]) -> String {
        let text = String::from_utf8_lossy(raw);
        let mut text = redact(&text);
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.rsplit('\r').next().unwrap_or(line))
            .map(|line| line.replace('\t', " "))
            .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .filter(|line| !is_noise(line))
            .collect();
        let mut text = lines.join("; ");
        if text.len() > MESSAGE_MAX {
            let end = text.floor_char_boundary(MESSAGE_MAX);
            text.truncate(end);
            text.push_str(" ...");
        }
        text
    }
}

/// True for lines that say nothing of what happened: general advice of git, which ours replaces.
fn is_noise(line: &str) -> bool {
    const NOISE: [&str; 8] = [
        "",
        "Another git process seems to be running in this repository, e.g.",
        "an editor opened by 'git commit'. Please make sure all processes",
        "are terminated then try again. If it still fails, a git process",
        "may have crashed in this repository earlier:",
        "remove the file manually to continue.",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
    ];
    let text = line.strip_prefix("remote:").unwrap_or(line).trim();
    text.starts_with("hint:")
        || is_progress(line, text)
        // A first fetch has nothing to tell the server of.
        || text.starts_with("warning: ignoring --negotiation-tip")
        || text.starts_with("error: failed to push some refs to")
        || text.chars().all(|c| c == '@')
        || NOISE.contains(&text)
}

/// Reads a stream to its end, keeping so many bytes of it. Holds `open` as long as it is not at its end.
fn drain(
    stream: Option<impl Read + Send + 'static>,
    (keep, max): (Keep, usize),
    open: Sender<Infallible>,
) -> std::io::Result<Output> {
    let (sender, receiver) = channel();
    thread::Builder::new().spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut stream) = stream {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                match &keep {
                    Keep::First => {
                        let room = max.saturating_sub(kept.len());
                        kept.extend_from_slice(&buffer[..count.min(room)]);
                    }
                    Keep::Last(heard) => {
                        heard.note(&buffer[..count]);
                        kept.extend_from_slice(&buffer[..count]);
                        kept.drain(..kept.len().saturating_sub(max));
                    }
                }
            }
        }
        // Nobody listens any more after a timeout.
        drop(sender.send(kept));
        drop(open);
    })?;
    Ok(receiver)
}

/// How a call ended.
enum End {
    /// By itself, with success or without.
    Itself(bool),
    /// At its deadline.
    Late,
    /// By a signal to this program.
    Interrupted,
}

/// Waits for the end of a call. After its deadline, and where a signal stops it, its process group is ended.
///
/// Its streams close as it ends, which is noticed at once: a pause between looks would be most of a short call. What it left
/// running may hold them open, so it is looked at as well.
fn wait(
    child: &mut Child,
    (is_late, is_stopped): (impl Fn() -> bool, impl Fn() -> bool),
    streams: &Receiver<Infallible>,
) -> End {
    let mut closed = false;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return End::Itself(status.success()),
            Ok(None) if is_stopped() => {
                end(child);
                return End::Interrupted;
            }
            Ok(None) if !is_late() => {}
            _ => break,
        }
        if closed {
            thread::sleep(pause);
        } else if streams.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            closed = true;
            pause = Duration::from_micros(50);
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    end(child);
    End::Late
}

/// Ends a call, with all that it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        interrupt::end(group, || matches!(child.try_wait(), Ok(None)));
    }
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What comes of a fetch by a program `git` that does this, which may take so many milliseconds in all, and be silent for so many.
    fn fetch(script: &str, timeout: u64, silence: u64) -> Result<Vec<u8>, GitError> {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join("git");
        fs::write(&git, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&git, fs::Permissions::from_mode(0o700)).unwrap();
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let call = Call {
            dir: dir.path(),
            args: vec!["fetch".into()],
            stdin: String::new(),
            env: vec![("PATH".to_owned(), path)],
            config: Vec::new(),
            caller: Caller::Server,
            secrets: Vec::new(),
            reads_output: false,
            aim: Aim::Here,
            timeout: Duration::from_millis(timeout),
            silence: Some(Duration::from_millis(silence)),
            heard: Heard::default(),
        };
        call.run()
    }

    #[test]
    fn what_git_does_in_silence_on_this_machine_is_no_silence_of_the_server() {
        let coming = "printf 'remote: Counting objects: 1\\rReceiving objects:  50%% (1/2)\\r' >&2";
        let here = "printf 'Receiving objects: 100%% (2/2), done.\\n' >&2";
        // So many milliseconds in all, and of silence: where the server goes on sending, a busy machine is no silence.
        let (short, long) = (300, 30_000);
        for (script, timeout, silence, said) in [
            // It looks what of it is here already, or writes what came to a slow disk.
            ("sleep 1".to_owned(), 60_000, short, None),
            (format!("{coming}; {here}; sleep 1"), 60_000, short, None),
            (
                format!("{coming}; {here}; sleep 60"),
                1_000,
                short,
                Some("everything came, and git had not finished with it after 1 min"),
            ),
            (
                format!("{coming}; sleep 60"),
                60_000,
                short,
                Some("no answer within 0.3 s"),
            ),
            (
                format!("while {coming}; do sleep 0.1; done"),
                1_000,
                long,
                Some("not at its end after 1 min"),
            ),
        ] {
            let error = fetch(&script, timeout, silence).err();
            let error = error.map(|error| error.message);
            assert_eq!(error.as_deref(), said, "{script}");
        }
    }

    #[test]
    fn progress_is_no_part_of_a_message_and_what_went_wrong_is() {
        for (line, noise) in [
            ("remote: Counting objects: 100% (3/3), done.", true),
            (
                "Receiving objects:  66% (2/3), 84.00 KiB | 78.00 KiB/s",
                true,
            ),
            ("From https://git.example/shop", true),
            (" * [new tag]         web/v1     -> web/v1", true),
            ("   1a2b3c4..5d6e7f8  main       -> main", true),
            (
                " ! [rejected]        main       -> main (fetch first)",
                false,
            ),
            ("   releases/web.yaml", false),
            (" + what a hook says", false),
            ("fatal: early EOF", false),
        ] {
            assert_eq!(is_noise(line), noise, "{line}");
        }
    }
}
