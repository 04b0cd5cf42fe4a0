//! What a running ledger counts, for `GET /metrics`.
//!
//! Every set of labels is bounded: kinds, codes and verdicts are words of ours, routes are templates,
//! and of names from policies the first `NAMES_MAX` sets are told apart. No label is a digest, an
//! identity, or anything else that somebody outside chooses at will.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use schemas::id::Environment;
use schemas::kind::EventKind;
use verifier::policy::Evaluation;

use crate::health::Health;
use crate::store::Pool;

/// Sets of names (project, environment, gate) that are told apart; further ones are `other`.
const NAMES_MAX: usize = 500;

const OTHER: &str = "other";

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
/// A gauge that is only there where its value is known.
type Known = Family<Labels<0>, Gauge>;

/// The numbers of one ledger in this process; cheap to clone, and every clone counts into one.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    registry: Registry,
    names: Mutex<HashSet<[String; 3]>>,
    append: Histogram,
    batch: Histogram,
    waiting: Gauge,
    events: Family<Labels<1>, Counter>,
    failures: Family<Labels<1>, Counter>,
    verdicts: Family<Labels<4>, Counter>,
    requests: Histograms<3>,
    spool_age: Histogram,
    ready: Gauge,
    log: Known,
    checkpoint: Known,
    checkpoint_age: Known,
    promotions: Family<Labels<2>, Gauge>,
    connections: Family<Labels<2>, Gauge>,
}

impl Default for Numbers {
    fn default() -> Numbers {
        let mut registry = Registry::with_prefix("attestry");
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(version));
        let of = &mut registry;
        let numbers = Numbers {
            append: seconds(
                of,
                "append_duration",
                "From a caller's turn in the queue to durable, published and answered",
                durations(),
            ),
            batch: register(
                of,
                "append_batch_events",
                "Events of one batch",
                Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            ),
            waiting: register(of, "append_queue_callers", "Callers in the queue", Gauge::default()),
            events: family(of, "events", "Events logged, by kind"),
            failures: family(
                of,
                "verification_failures",
                "Submissions that a rule refused, and stops of the ledger itself (forked), by code",
            ),
            verdicts: family(of, "gate_verdicts", "Verdicts of gates in evaluations"),
            requests: seconds(
                of,
                "http_request_duration",
                "Requests by method, route template and class of status",
                Family::new_with_constructor(durations),
            ),
            spool_age: seconds(
                of,
                "spool_age",
                "How long events had waited for this ledger to answer, as their callers say",
                Histogram::new(exponential_buckets(1.0, 4.0, 12)),
            ),
            ready: register(of, "ready", "1 where /readyz says ready", Gauge::default()),
            log: family(of, "log_entries", "Entries of the log"),
            checkpoint: family(of, "checkpoint_entries", "Entries that the checkpoint covers"),
            checkpoint_age: seconds(
                of,
                "checkpoint_age",
                "Since the newest entry that the published checkpoint covers",
                Known::default(),
            ),
            promotions: family(of, "promotions_open", "Requests that are not decided yet"),
            connections: family(of, "database_connections", "Connections to the database"),
            names: Mutex::default(),
            registry: Registry::default(),
        };
        Numbers { registry, ..numbers }
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

fn family<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    register(registry, name, help, M::default())
}

/// From half a millisecond to eight seconds.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 15))
}

impl Metrics {
    /// A caller has come to the queue.
    pub fn queued(&self) {
        self.0.waiting.inc();
    }

    /// Callers have left the queue, in one batch.
    pub fn taken(&self, callers: usize, events: usize) {
        self.0.waiting.dec_by(callers as i64);
        self.0.batch.observe(events as f64);
    }

    /// A caller was answered.
    pub fn answered(&self, after: Duration) {
        self.0.append.observe(after.as_secs_f64());
    }

    pub fn logged(&self, kind: EventKind) {
        self.0.events.get_or_create(&[("kind", kind.name().into())]).inc();
    }

    /// Somebody delivered an event that had waited for so long in a spool, if it had.
    pub fn delivered(&self, waited: Option<Duration>) {
        if let Some(waited) = waited {
            self.0.spool_age.observe(waited.as_secs_f64());
        }
    }

    /// A rule refused something, or the ledger refuses to go on.
    pub fn failed(&self, code: &'static str) {
        self.0.failures.get_or_create(&[("code", code.into())]).inc();
    }

    pub fn evaluated(&self, environment: &Environment, evaluation: &Evaluation) {
        for gate in &evaluation.gates {
            let [project, environment, id] = self.told_apart([
                environment.project.as_str(),
                environment.name.as_str(),
                gate.id.as_str(),
            ]);
            let labels = [
                ("project", project),
                ("environment", environment),
                ("gate", id),
                ("verdict", gate.verdict.name().into()),
            ];
            self.0.verdicts.get_or_create(&labels).inc();
        }
    }

    /// The names as they are, unless there are too many of them already.
    fn told_apart(&self, names: [&str; 3]) -> [Cow<'static, str>; 3] {
        let names = names.map(str::to_owned);
        let Ok(mut known) = self.0.names.lock() else { return [OTHER; 3].map(Cow::from) };
        if known.contains(&names) || (known.len() < NAMES_MAX && known.insert(names.clone())) {
            names.map(Cow::from)
        } else {
            [OTHER; 3].map(Cow::from)
        }
    }

    /// A request was answered; `status` is a number of HTTP.
    pub fn requested(&self, method: &'static str, route: String, status: u16, after: Duration) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let labels = [("method", method.into()), ("route", route.into()), ("status", class.into())];
        self.0.requests.get_or_create(&labels).observe(after.as_secs_f64());
    }

    /// Writes everything, in the text format of OpenMetrics; `now` is what was looked up for it.
    pub fn text(&self, now: &Now) -> Result<String, fmt::Error> {
        // Two at once would clear each other's gauges.
        let Ok(_alone) = self.0.names.lock() else { return Err(fmt::Error) };
        self.show(now);
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    fn show(&self, now: &Now) {
        let health = now.health.as_ref();
        self.0.ready.set(i64::from(health.is_some_and(|it| it.trouble().is_none())));
        let set = |gauge: &Known, value: Option<i64>| {
            gauge.clear();
            if let Some(value) = value {
                gauge.get_or_create(&[]).set(value);
            }
        };
        set(&self.0.log, health.map(|it| it.size as i64));
        set(&self.0.checkpoint, health.and_then(|it| it.published).map(|size| size as i64));
        set(&self.0.checkpoint_age, health.and_then(Health::age_ms).map(|ms| ms / 1000));
        self.0.promotions.clear();
        for (nth, (environment, open)) in now.promotions.iter().enumerate() {
            let name = |name: &str| match nth < NAMES_MAX {
                true => name.to_owned().into(),
                false => OTHER.into(),
            };
            let project = ("project", name(environment.project.as_str()));
            let environment = ("environment", name(environment.name.as_str()));
            self.0.promotions.get_or_create(&[project, environment]).inc_by(*open as i64);
        }
        for pool in &now.pools {
            for (state, count) in
                [("used", pool.open.saturating_sub(pool.idle)), ("idle", pool.idle)]
            {
                let labels = [("pool", pool.name.into()), ("state", state.into())];
                self.0.connections.get_or_create(&labels).set(i64::from(count));
            }
        }
    }
}

/// What is looked up at the moment of reading, rather than counted.
#[derive(Debug, Default)]
pub struct Now {
    /// None where the database did not answer, or the ledger is no continuation of what it published.
    pub health: Option<Health>,
    pub promotions: BTreeMap<Environment, u64>,
    pub pools: Vec<Pool>,
}

#[cfg(test)]
mod tests {
    use schemas::report::{GateVerdict, Verdict};

    use super::*;

    fn evaluation(gate: &str) -> Evaluation {
        let gate = GateVerdict {
            id: gate.to_owned(),
            gate: "evidence".to_owned(),
            verdict: Verdict::Waiting,
            reason: String::new(),
            next: None,
            entries: Vec::new(),
            until: None,
        };
        Evaluation::told(vec![gate], None)
    }

    #[test]
    fn names_from_policies_are_bounded() {
        let metrics = Metrics::default();
        let environment: Environment = "payments/prod".parse().unwrap();
        for nth in 0..NAMES_MAX + 20 {
            metrics.evaluated(&environment, &evaluation(&format!("gate-{nth}")));
        }
        metrics.evaluated(&environment, &evaluation("gate-0"));
        let text = metrics.text(&Now::default()).unwrap();
        let lines: Vec<&str> =
            text.lines().filter(|line| line.starts_with("attestry_gate_verdicts_total{")).collect();
        assert_eq!(lines.len(), NAMES_MAX + 1);
        let other = lines.iter().find(|line| line.contains("gate=\"other\"")).unwrap();
        assert!(other.ends_with(" 20"), "{other}");
        let first = lines.iter().find(|line| line.contains("gate=\"gate-0\"")).unwrap();
        assert!(first.ends_with(" 2"), "{first}");
    }

    /// A number that nobody knows is absent: zero would be a lie.
    #[test]
    fn what_is_not_known_is_not_shown() {
        let metrics = Metrics::default();
        let text = metrics.text(&Now::default()).unwrap();
        assert!(text.contains("attestry_ready 0"), "{text}");
        for absent in ["attestry_log_entries{", "attestry_checkpoint_age_seconds{"] {
            assert!(!text.contains(absent), "{text}");
        }
    }
}
