//! One program, started, probed, and started again when it ends, until it is told to stop.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::guarded::{Guard, Guarded};
use super::health::{Answer, Health, Verdict};
use super::output::Output;
use super::probe::{self, Place};
use super::start::{Launch, Start};
use crate::backoff::Backoff;

/// The waits before a program that ended is started again.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_mins(1));
/// A program that ran for so long is taken for well: the next wait is the first again.
const WELL: Duration = Duration::from_mins(1);

/// Why there is nothing to be started, in the words of who prepares it.
pub type Unprepared = Box<dyn Error + Send + Sync>;

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// Something that it needs is not there.
    #[error(transparent)]
    Unprepared(#[from] Unprepared),
    /// What prepares it broke off.
    #[error(transparent)]
    Broken(#[from] JoinError),
    /// There is no port.
    #[error("there is no port for it: {0}")]
    Port(io::Error),
    /// There is no guard.
    #[error(transparent)]
    Guard(io::Error),
}

/// What is to run.
#[derive(Clone)]
pub struct Program {
    /// How it is kept from outliving `serve`.
    pub guard: Guard,
    /// Says before each start what is to be started, or why nothing can be. It may block.
    pub prepare: Arc<dyn Fn() -> Result<Start, Unprepared> + Send + Sync>,
    /// How long it may take to end.
    pub grace: Duration,
    /// Cancelled when everything is to end soon: a program that ends from then on is not started again.
    pub closing: CancellationToken,
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
            let mut ended = 0_u32;
            loop {
                let began = Instant::now();
                let Some(why) = supervisor.once(&mut stopped).await else {
                    return;
                };
                if began.elapsed() > WELL {
                    ended = 0;
                }
                let until = Instant::now() + PAUSE.after(ended);
                ended = ended.saturating_add(1);
                supervisor.before = Some(why.clone());
                supervisor.say(State::Ended(why));
                tokio::select! {
                    () = sleep_until(until) => {}
                    _ = &mut stopped => return,
                }
                if supervisor.program.closing.is_cancelled() {
                    drop(stopped.await);
                    return;
                }
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
        let prepare = Arc::clone(&self.program.prepare);
        let prepared = tokio::task::spawn_blocking(move || prepare());
        let start = tokio::select! {
            prepared = prepared => prepared,
            _ = &mut *stopped => return None,
        };
        let started = start
            .map_err(StartError::from)
            .and_then(|start| self.launch(start?));
        let (mut guarded, launch) = match started {
            Ok(started) => started,
            Err(error) => return Some(format!("cannot be started: {error}")),
        };
        self.say(self.not_ready("is being started"));
        let ended = tokio::select! {
            status = guarded.wait() => {
                let status = status.map_err(|error| error.to_string());
                Some(status.map_or_else(|error| error, |status| ended(status.code())))
            }
            why = self.probe(&launch) => {
                // It gets no more requests while it ends.
                self.say(self.not_ready(&format!("{why}; it is being ended")));
                Some(why)
            }
            _ = stopped => None,
        };
        guarded.end(self.program.grace).await;
        let why = ended?;
        let last = self.output.last();
        Some(match last.last() {
            Some(line) => format!("{why}; its last line: {line}"),
            None => why,
        })
    }

    /// Starts what was prepared, at a port of its own.
    fn launch(&self, start: Start) -> Result<(Guarded, Launch), StartError> {
        let launch = start.launch().map_err(StartError::Port)?;
        let (guard, output) = (&self.program.guard, Some(&self.output));
        let Launch {
            command, dir, env, ..
        } = &launch;
        let guarded = Guarded::start(guard, command, dir, env, output);
        Ok((guarded.map_err(StartError::Guard)?, launch))
    }

    /// Not ready, and why. Where it is not the first start, people want to know how the one before ended most of all.
    fn not_ready(&self, why: &str) -> State {
        State::NotReady(match &self.before {
            Some(before) => format!("{why}; the start before this one: {before}"),
            None => why.to_owned(),
        })
    }

    /// Asks how it is for as long as it runs, each probe in its time. Ends with why it is to end.
    async fn probe(&self, launch: &Launch) -> String {
        let (address, probes) = (launch.port.address, &launch.probes);
        let place = Place {
            address,
            dir: &launch.dir,
            env: &launch.env,
            guard: &self.program.guard,
        };
        let began = Instant::now();
        let mut health = Health::new(probes, address.port());
        let mut asked = FuturesUnordered::new();
        let mut unasked = false;
        loop {
            for kind in health.due(began.elapsed()) {
                let (probe, command) = probes.of(kind);
                asked.push(async move { (kind, probe::ask(probe, command, place).await) });
            }
            let next = began + health.next().unwrap_or_default();
            let (kind, answer) = tokio::select! {
                Some(answered) = asked.next() => answered,
                () = sleep_until(next), if health.next().is_some() => continue,
            };
            if let Answer::Unasked(why) = &answer
                && !std::mem::replace(&mut unasked, true)
            {
                tracing::warn!("a probe cannot be asked, and so says nothing: {why}");
            }
            unasked &= matches!(answer, Answer::Unasked(_));
            match health.heard(kind, began.elapsed(), &answer) {
                Verdict::Same => {}
                Verdict::Ready => self.say(State::Ready(address)),
                Verdict::NotReady(why) => self.say(self.not_ready(&why)),
                Verdict::Dead(why) => return why,
            }
        }
    }
}

fn ended(code: Option<i32>) -> String {
    match code {
        Some(0) => "ended by itself; it must stay in the foreground".to_owned(),
        Some(code) if code > 128 => format!("was ended by signal {}", code - 128),
        Some(code) => format!("ended with code {code}"),
        None => "was killed".to_owned(),
    }
}
