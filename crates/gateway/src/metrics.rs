//! The figures at `/metrics`: names of the interface, handles resolved once, so that counting costs an atomic add.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use rempart_domain::{Band, ReasonCode, Standing};

use crate::observe::{Outcome, Record};

const META: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Buckets of time to first token, in seconds.
const FIRST_TOKEN_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

const BANDS: usize = 5;

/// Resolved handles. Gauges that are read from elsewhere are set by [`Metrics::set_gauge`] when the page is asked for.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    done: [Counter; BANDS],
    refused: [Counter; BANDS],
    left: [Counter; BANDS],
    refusals: Vec<Counter>,
    first_token: [Histogram; BANDS],
    lost: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn counter(recorder: &PrometheusRecorder, name: &'static str, labels: Vec<Label>) -> Counter {
    recorder.register_counter(&Key::from_parts(name, labels), &META)
}

fn per_band<T>(make: impl Fn(Band) -> T) -> [T; BANDS] {
    std::array::from_fn(|index| make(Standing::ALL.get(index).copied().unwrap_or_default()))
}

impl Metrics {
    /// A recorder of its own: two platforms in one process do not share figures.
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        let builder = builder
            .set_buckets_for_metric(Matcher::Full("rempart_time_to_first_token_seconds".into()), FIRST_TOKEN_BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let requests = |outcome: &'static str| {
            per_band(|band| {
                let labels = vec![Label::new("band", band.as_str()), Label::new("outcome", outcome)];
                counter(&recorder, "rempart_requests_total", labels)
            })
        };
        Self {
            done: requests("done"),
            refused: requests("refused"),
            left: requests("left"),
            refusals: ReasonCode::ALL
                .iter()
                .map(|r| counter(&recorder, "rempart_refusals_total", vec![Label::new("reason", r.as_str())]))
                .collect(),
            first_token: per_band(|band| {
                let key =
                    Key::from_parts("rempart_time_to_first_token_seconds", vec![Label::new("band", band.as_str())]);
                recorder.register_histogram(&key, &META)
            }),
            lost: counter(&recorder, "rempart_observations_lost_total", Vec::new()),
            handle: recorder.handle(),
            recorder,
        }
    }

    /// Counts a finished request.
    pub fn request_ended(&self, record: &Record) {
        let band = usize::from(record.band.to_u8());
        let counters = match record.outcome {
            Outcome::Done => &self.done,
            Outcome::Refused(reason) => {
                if let Some(counter) = self.refusals.get(reason.index()) {
                    counter.increment(1);
                }
                &self.refused
            }
            Outcome::Left => &self.left,
        };
        if let Some(counter) = counters.get(band) {
            counter.increment(1);
        }
        if record.first_token_ms > 0
            && let Some(histogram) = self.first_token.get(band)
        {
            histogram.record(f64::from(record.first_token_ms) / 1000.0);
        }
    }

    /// An observation found no room.
    pub fn observation_lost(&self) {
        self.lost.increment(1);
    }

    /// A counter of the engine or the listener, by name; resolve it once.
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, String)]) -> Counter {
        counter(&self.recorder, name, labels.iter().map(|(k, v)| Label::new(*k, v.clone())).collect())
    }

    /// Sets a gauge that is read when the page is asked for.
    pub fn set_gauge(&self, name: &'static str, labels: &[(&'static str, String)], value: f64) {
        let labels: Vec<Label> = labels.iter().map(|(k, v)| Label::new(*k, v.clone())).collect();
        let gauge: Gauge = self.recorder.register_gauge(&Key::from_parts(name, labels), &META);
        gauge.set(value);
    }

    /// Describes a metric, for `# HELP`.
    pub fn describe(&self, name: &'static str, text: &'static str) {
        self.recorder.describe_gauge(KeyName::from_const_str(name), None, text.into());
    }

    /// The page, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}
