//! Child processes that die with the test program, however it ends.
//!
//! The kernel sends the signal of `setpriv --pdeathsig` when the *thread* that started the child ends, and each test
//! runs in a thread of its own. So one thread that lives as long as the program starts them all.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

type Start = (Command, Sender<std::io::Result<Child>>);

/// A running program with its log. It is killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with its output in `<directory>/<name>.log`, which a restart appends to.
    pub fn start(name: &str, program: &Path, arguments: &[String], directory: &Path) -> Self {
        Self::start_with(name, program, arguments, directory, &[])
    }

    /// The same, with more environment variables.
    pub fn start_with(
        name: &str,
        program: &Path,
        arguments: &[String],
        directory: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", log.display()));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            // The programs of a control plane are in Go, and live for a minute: collecting their garbage is a good part of their work.
            .env("GOGC", "400")
            .envs(environment.iter().copied())
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file handle can be cloned"))
            .stderr(file);
        let child = spawn(command).unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error} (setpriv is in util-linux)",
                program.display()
            )
        });
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, and kills it if it has not after `patience`.
    pub fn stop(mut self, patience: Duration) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status();
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once, as a crash does.
    pub fn kill(self) {
        drop(self);
    }

    /// All that it has said so far, and what earlier processes of the same name and directory said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of its log, for a message.
    pub fn tail(&self) -> String {
        let text = self.log();
        let lines: Vec<_> = text.lines().collect();
        let from = lines.len().saturating_sub(20);
        format!(
            "the end of {} ({}):\n{}",
            self.name,
            self.log.display(),
            lines[from..].join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: Command) -> std::io::Result<Child> {
    static STARTER: OnceLock<Mutex<Sender<Start>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (send, receive) = channel::<Start>();
        std::thread::Builder::new()
            .name("starter of child processes".into())
            .spawn(move || {
                for (mut command, reply) in receive {
                    let _ = reply.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        Mutex::new(send)
    });
    let (reply, answer) = channel();
    starter
        .lock()
        .expect("the starter's lock is never held over a panic")
        .send((command, reply))
        .expect("the starter thread lives as long as the program");
    answer
        .recv()
        .expect("the starter thread answers every request")
}
