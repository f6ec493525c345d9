//! Probes and programs on a clock of their own: when a program takes requests, when it does not, and when it is ended.

use std::time::Duration;

use super::health::{Answer, Health, Kind, Probes, Verdict};
use crate::app::Probe;

/// A program and its probes: what becomes of it.
struct Case {
    name: &'static str,
    startup: Option<&'static str>,
    readiness: Option<&'static str>,
    liveness: Option<&'static str>,
    /// How each probe is answered that is asked at this second.
    program: fn(Kind, u64) -> &'static str,
    /// The second, and what becomes so then.
    expected: &'static [(f64, &'static str)],
}

/// How long an answer takes that never comes: the usual time-out.
const LATE: Duration = Duration::from_secs(1);
/// How long any other takes.
const SOON: Duration = Duration::from_millis(1);
const END: Duration = Duration::from_secs(200);

impl Case {
    /// What becomes of the program, with the second, until it is dead or the time is over.
    fn run(&self) -> Vec<(f64, String)> {
        let probe = |yaml: Option<&str>| {
            let read = |yaml: &str| serde_yaml::from_str::<Probe>(yaml);
            yaml.map(|yaml| read(yaml).unwrap())
        };
        let probes = Probes {
            startup: probe(self.startup),
            readiness: probe(self.readiness),
            liveness: probe(self.liveness),
        };
        let mut health = Health::new(&probes, 8080);
        let mut open: Vec<(Duration, Kind, &str)> = Vec::new();
        let mut seen: Vec<(f64, String)> = Vec::new();
        let mut now = Duration::ZERO;
        while now < END {
            for kind in health.due(now) {
                let answer = (self.program)(kind, now.as_secs());
                let takes = if answer == "late" { LATE } else { SOON };
                open.push((now + takes, kind, answer));
            }
            let next = health.next().unwrap_or(END);
            open.sort_by_key(|(when, ..)| *when);
            match open.first().copied().filter(|(when, ..)| *when <= next) {
                None => now = next.max(now),
                Some((when, kind, answer)) => {
                    open.remove(0);
                    now = when;
                    let answer = match answer {
                        "well" => Answer::Well,
                        "absent" => Answer::Absent("nobody".to_owned()),
                        "unasked" => Answer::Unasked("too many files".to_owned()),
                        other => Answer::Failed(other.to_owned()),
                    };
                    let said = match health.heard(kind, now, &answer) {
                        Verdict::Same => continue,
                        Verdict::Ready => "ready".to_owned(),
                        Verdict::NotReady(why) => format!("not ready: {why}"),
                        Verdict::Dead(why) => format!("dead: {why}"),
                    };
                    if seen.last().is_none_or(|(_, last)| *last != said) {
                        seen.push((when.as_secs_f64(), said));
                    }
                    if seen.last().unwrap().1.starts_with("dead") {
                        break;
                    }
                }
            }
        }
        seen
    }
}

const EACH_SECOND: Option<&str> =
    Some("{httpGet: {path: /ready, port: 1}, periodSeconds: 1, failureThreshold: 3}");
const USUAL: Option<&str> = Some("{httpGet: {path: /health, port: 1}}");

const CASES: [Case; 13] = [
    Case {
        name: "without a probe it is ready once it listens, soon after it does",
        startup: None,
        readiness: None,
        liveness: None,
        program: |_, second| if second < 3 { "absent" } else { "well" },
        expected: &[(0.0, "not ready: nobody"), (3.0, "ready")],
    },
    Case {
        name: "the port is named where nothing ever listened",
        startup: None,
        readiness: USUAL,
        liveness: None,
        program: |_, _| "absent",
        expected: &[
            (0.0, "not ready: nobody"),
            (
                10.0,
                "not ready: nobody; it must listen on the port of the variable PORT, 8080",
            ),
        ],
    },
    Case {
        name: "one that hangs loses its traffic and is ended, by two probes of one kind",
        startup: None,
        readiness: EACH_SECOND,
        liveness: EACH_SECOND,
        program: |_, second| if second < 5 { "well" } else { "late" },
        expected: &[
            (0.0, "ready"),
            (8.0, "not ready: late"),
            (8.0, "dead: failed its liveness probe 3 times: late"),
        ],
    },
    Case {
        name: "one that is not ready is asked whether it is alive, too",
        startup: None,
        readiness: EACH_SECOND,
        liveness: EACH_SECOND,
        program: |kind, second| match kind {
            Kind::Readiness => "503",
            _ if second < 20 => "well",
            _ => "stuck",
        },
        expected: &[
            (0.0, "not ready: 503"),
            (22.0, "dead: failed its liveness probe 3 times: stuck"),
        ],
    },
    Case {
        name: "a liveness probe has a period of its own",
        startup: None,
        readiness: USUAL,
        liveness: EACH_SECOND,
        program: |kind, second| match kind {
            Kind::Liveness if second >= 3 => "stuck",
            _ => "well",
        },
        expected: &[
            (0.0, "ready"),
            (5.0, "dead: failed its liveness probe 3 times: stuck"),
        ],
    },
    Case {
        name: "a slow start has the time that initialDelaySeconds gives it",
        startup: None,
        readiness: USUAL,
        liveness: Some("{httpGet: {path: /, port: 1}, initialDelaySeconds: 60}"),
        program: |_, second| if second < 50 { "503" } else { "well" },
        expected: &[(0.0, "not ready: 503"), (50.0, "ready")],
    },
    Case {
        name: "and that of a startup probe",
        startup: Some("{httpGet: {path: /, port: 1}, periodSeconds: 10, failureThreshold: 30}"),
        readiness: USUAL,
        liveness: EACH_SECOND,
        program: |_, second| if second < 50 { "503" } else { "well" },
        expected: &[(0.0, "not ready: 503"), (50.0, "ready")],
    },
    Case {
        name: "a start that takes longer than its startup probe allows is ended",
        startup: Some("{httpGet: {path: /, port: 1}, periodSeconds: 5, failureThreshold: 4}"),
        readiness: None,
        liveness: None,
        program: |_, _| "503",
        expected: &[
            (0.0, "not ready: 503"),
            (15.0, "dead: failed its startup probe 4 times: 503"),
        ],
    },
    Case {
        name: "readiness has its initial delay as well, and as many successes as it asks for, a period apart",
        startup: None,
        readiness: Some(
            "{tcpSocket: {port: 1}, initialDelaySeconds: 4, periodSeconds: 2, successThreshold: 3}",
        ),
        liveness: None,
        program: |_, _| "well",
        expected: &[
            (4.0, "not ready: answered 1 of 3 times"),
            (6.0, "not ready: answered 2 of 3 times"),
            (8.0, "ready"),
        ],
    },
    Case {
        name: "one failure in between begins the count of successes anew",
        startup: None,
        readiness: Some("{tcpSocket: {port: 1}, periodSeconds: 2, successThreshold: 2}"),
        liveness: None,
        program: |_, second| {
            if (1..3).contains(&second) {
                "503"
            } else {
                "well"
            }
        },
        expected: &[
            (0.0, "not ready: answered 1 of 2 times"),
            (2.0, "not ready: 503"),
            (3.0, "not ready: answered 1 of 2 times"),
            (5.0, "ready"),
        ],
    },
    Case {
        name: "failures that are not in a row take nothing away",
        startup: None,
        readiness: EACH_SECOND,
        liveness: EACH_SECOND,
        program: |_, second| if second % 3 == 0 { "well" } else { "late" },
        expected: &[(0.0, "ready")],
    },
    Case {
        name: "what this machine lacks takes nothing away, and adds nothing to failures",
        startup: None,
        readiness: EACH_SECOND,
        liveness: EACH_SECOND,
        program: |_, second| match second {
            0..5 | 30.. => "well",
            8 | 12 => "503",
            _ => "unasked",
        },
        expected: &[(0.0, "ready")],
    },
    Case {
        name: "one that was ready comes back with its period",
        startup: None,
        readiness: Some("{httpGet: {path: /, port: 1}, failureThreshold: 1}"),
        liveness: None,
        program: |_, second| {
            if (5..12).contains(&second) {
                "503"
            } else {
                "well"
            }
        },
        expected: &[(0.0, "ready"), (10.0, "not ready: 503"), (20.0, "ready")],
    },
];

#[test]
fn a_program_stands_as_a_kubelet_would_say() {
    for case in CASES {
        let seen = case.run();
        let near = |(at, said): &(f64, String), (expected, words): &(f64, &str)| {
            (at - expected).abs() < 0.25 && said == words
        };
        let same = seen.len() == case.expected.len()
            && seen
                .iter()
                .zip(case.expected)
                .all(|(one, other)| near(one, other));
        assert!(same, "{}: {seen:?}", case.name);
    }
}
