//! One program, started, probed, and started again when it ends, until it is told to stop.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::output::Output;
use super::probe::{self, Place};
use crate::app::Probe;

/// The first wait before a program that ended is started again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// A program that ran for so long is taken for well: the next wait is the first again.
const WELL: Duration = Duration::from_mins(1);
/// How often a program that is not ready is asked, whatever its probe says: a release waits for it.
const EAGER: Duration = Duration::from_millis(50);
/// After so long without being ready people are told what may be wrong.
const SLOW: Duration = Duration::from_secs(10);

/// What is to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// This program's own file, which is started as the guard, and the words that make it one.
    pub guard: (PathBuf, Vec<String>),
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub dir: PathBuf,
    /// Its whole environment but for `PORT`.
    pub env: Vec<(String, String)>,
    /// When it is ready; once it listens where absent.
    pub readiness: Option<Probe>,
    /// When it is started again though it runs.
    pub liveness: Option<Probe>,
    /// How long it may take to end.
    pub grace: Duration,
}

/// How a program stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs and is not ready yet, or not any more; why.
    NotReady(String),
    /// It takes requests at this address.
    Ready(SocketAddr),
    /// It ended, and is started again after a while; why.
    Ended(String),
}

/// A program that runs, or will again.
pub struct Running {
    state: watch::Receiver<State>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts it. `changed` is called after each change of its state.
    #[must_use]
    pub fn start(
        program: Program,
        output: Output,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (tell, state) = watch::channel(State::NotReady("is being started".to_owned()));
        let (stop, mut stopped) = oneshot::channel();
        let mut supervisor = Supervisor {
            program,
            output,
            before: None,
            tell,
            changed: Box::new(changed),
        };
        let task = tokio::spawn(async move {
            let mut pause = PAUSE;
            loop {
                let began = Instant::now();
                let Some(why) = supervisor.once(&mut stopped).await else {
                    return;
                };
                if began.elapsed() > WELL {
                    pause = PAUSE;
                }
                let until = Instant::now() + pause;
                supervisor.before = Some(why.clone());
                supervisor.say(State::Ended(why));
                tokio::select! {
                    () = sleep_until(until) => {}
                    _ = &mut stopped => return,
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        });
        Self { state, stop, task }
    }

    /// How it stands now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Ends it and all that it started, within its grace period and some seconds.
    pub async fn stop(self) {
        drop(self.stop);
        drop(self.task.await);
    }
}

struct Supervisor {
    program: Program,
    output: Output,
    /// Why it ended, where it ran before.
    before: Option<String>,
    tell: watch::Sender<State>,
    changed: Box<dyn Fn() + Send + Sync>,
}

/// A program between its start and its end.
struct Started {
    child: Child,
    /// Ends the program when it is closed.
    stdin: Option<ChildStdin>,
    address: SocketAddr,
    env: Vec<(String, String)>,
}

impl Supervisor {
    fn say(&self, state: State) {
        let told = self.tell.send_if_modified(|before| {
            let differs = *before != state;
            *before = state;
            differs
        });
        if told {
            (self.changed)();
        }
    }

    /// Runs the program once. Why it ended; nothing where it was stopped.
    async fn once(&self, stopped: &mut oneshot::Receiver<()>) -> Option<String> {
        let mut started = match self.spawn() {
            Ok(started) => started,
            Err(error) => return Some(format!("cannot be started: {error}")),
        };
        self.say(self.not_ready("is being started"));
        let ended = tokio::select! {
            status = started.child.wait() => {
                let status = status.map_err(|error| error.to_string());
                Some(status.map_or_else(|error| error, |status| ended(status.code())))
            }
            why = self.probe(started.address, &started.env) => Some(why),
            _ = stopped => None,
        };
        self.end(&mut started).await;
        let why = ended?;
        let last = self.output.last();
        Some(match last.last() {
            Some(line) => format!("{why}; its last line: {line}"),
            None => why,
        })
    }

    fn spawn(&self) -> io::Result<Started> {
        // Taken by nobody at this moment. Who takes it before the program does makes it fail, and start again elsewhere.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let mut env = self.program.env.clone();
        env.push(("PORT".to_owned(), address.port().to_string()));
        let (guard, words) = &self.program.guard;
        let mut child = Command::new(guard)
            .args(words)
            .args(&self.program.command)
            .current_dir(&self.program.dir)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The terminal's Ctrl-C is for serve, which ends its programs in order.
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(self.output.clone().take(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(self.output.clone().take(stderr));
        }
        Ok(Started {
            child,
            stdin,
            address,
            env,
        })
    }

    /// Not ready, and why. Where it is not the first start, people want to know how the one before ended most of all.
    fn not_ready(&self, why: &str) -> State {
        State::NotReady(match &self.before {
            Some(before) => format!("{why}; the start before this one: {before}"),
            None => why.to_owned(),
        })
    }

    /// Asks whether it is ready, and alive once it is, for as long as it runs. Ends with why it is not alive.
    async fn probe(&self, address: SocketAddr, env: &[(String, String)]) -> String {
        let program = &self.program;
        let place = Place {
            address,
            dir: &program.dir,
            env,
        };
        let began = Instant::now();
        let (mut failures, mut sick) = (0, 0);
        loop {
            let ready = probe::ask(program.readiness.as_ref(), place).await;
            let was_ready = matches!(*self.tell.borrow(), State::Ready(_));
            failures = if ready.is_ok() { 0 } else { failures + 1 };
            match ready {
                Ok(()) => self.say(State::Ready(address)),
                // One answer that is late is no reason to take the traffic away.
                Err(_) if was_ready && failures < threshold(program.readiness.as_ref()) => {}
                Err(why) if began.elapsed() > SLOW && !was_ready => {
                    let port = address.port();
                    self.say(self.not_ready(&format!(
                        "{why}; it must listen on the port of the variable PORT, {port}"
                    )));
                }
                Err(why) => self.say(self.not_ready(&why)),
            }
            let is_ready = matches!(*self.tell.borrow(), State::Ready(_));
            if is_ready && let Some(liveness) = &program.liveness {
                let alive = probe::ask(Some(liveness), place).await;
                sick = if alive.is_ok() { 0 } else { sick + 1 };
                if let Err(why) = alive
                    && sick >= threshold(Some(liveness))
                {
                    return format!("failed its liveness probe {sick} times: {why}");
                }
            }
            let period = (program.readiness.as_ref()).and_then(|probe| probe.period_seconds);
            let period = Duration::from_secs(u64::from(period.unwrap_or(10).max(1)));
            sleep(if is_ready { period } else { EAGER }).await;
        }
    }

    /// Ends the program, if it runs, and waits for it.
    async fn end(&self, started: &mut Started) {
        if let Some(mut stdin) = started.stdin.take() {
            let line = format!("end {}\n", self.program.grace.as_secs());
            drop(stdin.write_all(line.as_bytes()).await);
            drop(stdin.flush().await);
            // The guard's own patience comes on top.
            let patience = self.program.grace + Duration::from_secs(15);
            if tokio::time::timeout(patience, started.child.wait())
                .await
                .is_err()
            {
                drop(started.child.kill().await);
            }
        }
    }
}

/// How many failures in a row count.
fn threshold(probe: Option<&Probe>) -> u32 {
    probe.and_then(|probe| probe.failure_threshold).unwrap_or(3)
}

fn ended(code: Option<i32>) -> String {
    match code {
        Some(0) => "ended by itself; it must stay in the foreground".to_owned(),
        Some(code) if code > 128 => format!("was ended by signal {}", code - 128),
        Some(code) => format!("ended with code {code}"),
        None => "was killed".to_owned(),
    }
}
