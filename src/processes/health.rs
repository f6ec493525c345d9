//! What the answers of probes come to, as a kubelet counts them.
//!
//! Pure: it is told what was answered and when, and says what is to be asked next. Times are those since the program was started.
//!
//! - The startup probe holds the others back until it succeeds. A program fails by it, or by its liveness probe, whether it is
//!   ready or not.
//! - A program that has not been ready yet is asked more often than a kubelet would, since a release waits for it; what it answers
//!   in between counts only where it is well.
//! - What could not be asked, for want of something on this machine, counts for nothing.

use std::time::Duration;

use crate::app::Probe;

/// How often a program that has not been ready yet is asked, whatever its probe says.
const EAGER: Duration = Duration::from_millis(50);
/// The same for a probe that runs a command.
const EAGER_COMMAND: Duration = Duration::from_secs(1);
/// After so long without being ready people are told what may be wrong.
const SLOW: Duration = Duration::from_secs(10);

/// The probes of a function.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// Holds the others back until it succeeds.
    pub startup: Option<Probe>,
    /// When the program takes requests; once it listens where absent.
    pub readiness: Option<Probe>,
    /// When it is started again though it runs.
    pub liveness: Option<Probe>,
}

impl Probes {
    /// A probe, with its command where it runs one.
    pub(super) fn of(&self, kind: Kind) -> (Option<&Probe>, &[String]) {
        let probe = match kind {
            Kind::Startup => self.startup.as_ref(),
            Kind::Readiness => self.readiness.as_ref(),
            Kind::Liveness => self.liveness.as_ref(),
        };
        let exec = probe.and_then(|probe| probe.exec.as_ref());
        (probe, exec.map_or(&[], |exec| exec.command.as_slice()))
    }
}

/// One of the probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Well,
    /// It is not well; why.
    Failed(String),
    /// Nothing listens at its address.
    Absent(String),
    /// It was not asked, for want of something on this machine.
    Unasked(String),
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that is new.
    Same,
    /// It takes requests.
    Ready,
    /// It does not, or not any more; why.
    NotReady(String),
    /// It is to be ended, and started again; why.
    Dead(String),
}

/// How a program stands by its probes.
pub(super) struct Health {
    startup: Option<Track>,
    readiness: Track,
    liveness: Option<Track>,
    port: u16,
    ready: bool,
    was_ready: bool,
}

/// One probe, and how its answers run.
struct Track {
    period: Duration,
    eager: Duration,
    successes: u32,
    failures: u32,
    /// When it is asked next.
    next: Duration,
    /// When it was asked, while there is no answer.
    asked: Option<Duration>,
    /// When a failure counted last.
    counted: Option<Duration>,
    /// Successes in a row, and failures.
    well: u32,
    failed: u32,
}

impl Health {
    /// Of a program that has just been started, and is to listen on `port`.
    pub(super) fn new(probes: &Probes, port: u16) -> Self {
        Self {
            startup: probes.startup.as_ref().map(|probe| Track::new(Some(probe))),
            readiness: Track::new(probes.readiness.as_ref()),
            liveness: (probes.liveness.as_ref()).map(|probe| Track::new(Some(probe))),
            port,
            ready: false,
            was_ready: false,
        }
    }

    /// What is to be asked at this time; it counts as asked.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Kind> {
        let mut due = Vec::new();
        for (kind, track) in self.open() {
            if track.asked.is_none() && track.next <= now {
                track.asked = Some(now);
                due.push(kind);
            }
        }
        due
    }

    /// When something is to be asked; nothing while all that may be asked is.
    pub(super) fn next(&mut self) -> Option<Duration> {
        let open = self.open().into_iter();
        open.filter(|(_, track)| track.asked.is_none())
            .map(|(_, track)| track.next)
            .min()
    }

    /// The probes that are asked now.
    fn open(&mut self) -> Vec<(Kind, &mut Track)> {
        if let Some(startup) = &mut self.startup {
            return vec![(Kind::Startup, startup)];
        }
        let liveness = self.liveness.as_mut();
        let liveness = liveness.map(|track| (Kind::Liveness, track));
        [(Kind::Readiness, &mut self.readiness)]
            .into_iter()
            .chain(liveness)
            .collect()
    }

    /// Takes note of an answer.
    pub(super) fn heard(&mut self, kind: Kind, now: Duration, answer: &Answer) -> Verdict {
        let why = match answer {
            Answer::Well => String::new(),
            Answer::Absent(why) if now > SLOW && !self.was_ready => {
                let port = self.port;
                format!("{why}; it must listen on the port of the variable PORT, {port}")
            }
            Answer::Failed(why) | Answer::Absent(why) | Answer::Unasked(why) => why.clone(),
        };
        match kind {
            Kind::Startup => {
                let Some(track) = &mut self.startup else {
                    return Verdict::Same;
                };
                track.note(now, answer, true);
                if track.well > 0 {
                    self.startup = None;
                    return Verdict::Same;
                }
                if track.failed >= track.failures {
                    let times = track.failed;
                    return Verdict::Dead(format!("failed its startup probe {times} times: {why}"));
                }
                Verdict::NotReady(why)
            }
            Kind::Readiness => self.readiness(now, answer, why),
            Kind::Liveness => {
                let Some(track) = &mut self.liveness else {
                    return Verdict::Same;
                };
                track.note(now, answer, false);
                if track.failed < track.failures {
                    return Verdict::Same;
                }
                let times = track.failed;
                Verdict::Dead(format!("failed its liveness probe {times} times: {why}"))
            }
        }
    }

    fn readiness(&mut self, now: Duration, answer: &Answer, why: String) -> Verdict {
        let track = &mut self.readiness;
        track.note(now, answer, !self.was_ready);
        let (well, successes) = (track.well, track.successes);
        match answer {
            Answer::Well if self.ready => Verdict::Same,
            Answer::Well if well >= successes => {
                (self.ready, self.was_ready) = (true, true);
                Verdict::Ready
            }
            Answer::Well => Verdict::NotReady(format!("answered {well} of {successes} times")),
            // One answer that is late is no reason to take the traffic away.
            _ if self.ready && track.failed < track.failures => Verdict::Same,
            _ => {
                self.ready = false;
                Verdict::NotReady(why)
            }
        }
    }
}

impl Track {
    fn new(probe: Option<&Probe>) -> Self {
        let seconds = |field: fn(&Probe) -> Option<u32>| {
            let seconds = probe.and_then(field).map(u64::from);
            seconds.map(Duration::from_secs)
        };
        let count = |field: fn(&Probe) -> Option<u32>, usual| {
            let count: Option<u32> = probe.and_then(field);
            count.unwrap_or(usual).max(1)
        };
        let delay = seconds(|probe| probe.initial_delay_seconds).unwrap_or_default();
        let period = seconds(|probe| probe.period_seconds).unwrap_or(Duration::from_secs(10));
        let period = period.max(Duration::from_secs(1));
        let runs_a_command = probe.is_some_and(|probe| probe.exec.is_some());
        Self {
            period,
            eager: if runs_a_command { EAGER_COMMAND } else { EAGER },
            successes: count(|probe| probe.success_threshold, 1),
            failures: count(|probe| probe.failure_threshold, 3),
            next: delay,
            asked: None,
            counted: None,
            well: 0,
            failed: 0,
        }
    }

    /// Takes note of an answer. `eager`: a success is waited for, so it is asked again soon.
    fn note(&mut self, now: Duration, answer: &Answer, eager: bool) {
        let asked = self.asked.take().unwrap_or(now);
        let soon = eager && *answer != Answer::Well;
        // As often as its period says, however long an answer takes.
        let pause = if soon { self.eager } else { self.period };
        self.next = if soon { now } else { asked } + pause;
        match answer {
            Answer::Unasked(_) => {}
            Answer::Well => {
                self.well = self.well.saturating_add(1);
                self.failed = 0;
                self.counted = None;
            }
            Answer::Failed(_) | Answer::Absent(_) => {
                self.well = 0;
                let due = (self.counted).is_none_or(|counted| asked >= counted + self.period);
                if due {
                    self.counted = Some(asked);
                    self.failed = self.failed.saturating_add(1);
                }
            }
        }
    }
}
