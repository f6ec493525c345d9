//! What the gateway counts, per app, version, function and class of status.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::loud::Loud;
use crate::words::{AppName, FunctionName, VersionNumber};

/// Bounds of the latency histogram, in seconds.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Classes of status, and at last the requests whose client left before the head of an answer.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];

/// How many series of versions that are gone are kept, the last to go: what they counted last is still to be read.
const GONE_MAX: usize = 100;

/// The counters of a gateway. A new [`super::Table`] goes on counting where the last one stopped; what no table and no open
/// request counts any more is forgotten after a while, so that thousands of versions cost what a few do.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<ClassLabels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight: Family<Labels, Gauge>,
    received: Family<Labels, Counter>,
    sent: Family<Labels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    /// Open connections of clients.
    pub(super) connections: Gauge,
    /// Connections that were closed at once, because their address had as many as it may.
    pub(super) turned_away: Counter,
    known: Arc<Mutex<Known>>,
}

/// Which series there are.
#[derive(Debug, Default)]
struct Known {
    used: HashMap<Labels, Weak<Counts>>,
    /// Those that nobody uses any more, the last to go at the end.
    gone: VecDeque<Labels>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    app: String,
    version: String,
    function: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabels {
    app: String,
    version: String,
    function: String,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    status: u16,
}

/// The counters of one version and function, looked up once per table. Their series are kept for a while after the last user.
#[derive(Debug)]
pub(super) struct Counts {
    labels: Labels,
    metrics: Metrics,
    classes: [Counter; 6],
    seconds: Histogram,
    pub(super) in_flight: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    /// What the log tells of requests that failed.
    pub(super) failures: Loud,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Family::default(),
            received: Family::default(),
            sent: Family::default(),
            refused: Family::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            known: Arc::default(),
        }
    }
}

impl Metrics {
    /// Makes the counters part of what a registry prints.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "gateway_requests",
            "Answers, by class of status, `gone` where the client left before; version `none` where no version had a ready process",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "gateway_latency",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "gateway_in_flight",
            "Open requests and upgraded connections",
            self.in_flight.clone(),
        );
        registry.register_with_unit(
            "gateway_received",
            "Bodies of requests, and what clients sent on upgraded connections",
            Unit::Bytes,
            self.received.clone(),
        );
        registry.register_with_unit(
            "gateway_sent",
            "Bodies of answers, and what processes sent on upgraded connections",
            Unit::Bytes,
            self.sent.clone(),
        );
        registry.register(
            "gateway_refused",
            "Requests that no route was asked for: malformed, without a route, or beyond a limit",
            self.refused.clone(),
        );
        registry.register(
            "gateway_connections",
            "Open connections of clients",
            self.connections.clone(),
        );
        registry.register(
            "gateway_turned_away",
            "Connections that were closed at once, because their address had as many as one may have",
            self.turned_away.clone(),
        );
    }

    /// The counters of one version and function; of requests that no version could take with `None`, and `None` where it is not
    /// known which function they are for.
    pub(super) fn counts(
        &self,
        app: &AppName,
        version: Option<VersionNumber>,
        function: Option<&FunctionName>,
    ) -> Arc<Counts> {
        let labels = Labels {
            app: app.to_string(),
            version: version.map_or_else(|| "none".to_owned(), |number| number.get().to_string()),
            function: function.map_or_else(|| "none".to_owned(), ToString::to_string),
        };
        let mut known = self.known();
        if let Some(counts) = known.used.get(&labels).and_then(Weak::upgrade) {
            return counts;
        }
        let class = |class| self.requests.get_or_create_owned(&labels.class(class));
        let counts = Arc::new(Counts {
            classes: CLASSES.map(class),
            seconds: self.seconds.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            received: self.received.get_or_create_owned(&labels),
            sent: self.sent.get_or_create_owned(&labels),
            failures: Loud::default(),
            labels: labels.clone(),
            metrics: self.clone(),
        });
        known.gone.retain(|gone| *gone != labels);
        known.used.insert(labels, Arc::downgrade(&counts));
        counts
    }

    fn forget(&self, labels: &Labels) {
        for class in CLASSES {
            self.requests.remove(&labels.class(class));
        }
        self.seconds.remove(labels);
        self.in_flight.remove(labels);
        self.received.remove(labels);
        self.sent.remove(labels);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    /// A request was refused before a route was asked.
    pub(super) fn refused(&self, status: StatusCode) {
        let status = status.as_u16();
        self.refused.get_or_create(&RefusedLabels { status }).inc();
    }
}

impl Labels {
    fn class(&self, class: &'static str) -> ClassLabels {
        ClassLabels {
            app: self.app.clone(),
            version: self.version.clone(),
            function: self.function.clone(),
            class,
        }
    }
}

impl Counts {
    /// A request was answered.
    pub(super) fn answered(&self, status: StatusCode, after: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.classes[class].inc();
        self.seconds.observe(after.as_secs_f64());
    }

    /// The client of a request left before it was answered.
    pub(super) fn gone(&self) {
        self.classes[CLASSES.len() - 1].inc();
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        let this: &Self = self;
        let mut known = this.metrics.known();
        // Whoever asked for the same series meanwhile, after the last user and before this, has them now.
        let own = known.used.get(&this.labels).map(Weak::as_ptr);
        if own.is_none_or(|own| !std::ptr::eq(own, this)) {
            return;
        }
        known.used.remove(&this.labels);
        known.gone.push_back(this.labels.clone());
        if known.gone.len() > GONE_MAX
            && let Some(first) = known.gone.pop_front()
        {
            this.metrics.forget(&first);
        }
    }
}
