//! A recorder that can be asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// All that was told. Clones share it.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    series: BTreeMap<Series, Vec<f64>>,
    described: BTreeSet<String>,
    /// How often each figure was told.
    times: BTreeMap<String, usize>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Series {
    /// Without what all have in common.
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

impl Figures {
    /// The sum over all series of that name with this label, of which counters and gauges have one value each.
    pub fn sum_of(&self, name: &str, label: (&str, &str)) -> f64 {
        let state = self.0.lock().unwrap();
        let has = |series: &Series| series.labels.get(label.0).is_some_and(|value| value == label.1);
        let found = state.series.iter().filter(|(series, _)| series.name == name && has(series));
        // Nothing is 0, not the -0 that a sum of no floats is.
        found.flat_map(|(_, values)| values).fold(0.0, |sum, value| sum + value)
    }

    /// The same over all series of that name.
    pub fn sum(&self, name: &str) -> f64 {
        self.values(name).into_iter().fold(0.0, |sum, value| sum + value)
    }

    /// What was recorded in histograms of that name, or the values of counters and gauges.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let state = self.0.lock().unwrap();
        state.series.iter().filter(|(series, _)| series.name == name).flat_map(|(_, values)| values).copied().collect()
    }

    /// How many children do this.
    pub fn children(&self, state: &str) -> f64 {
        self.sum_of("children", ("state", state))
    }

    pub fn series(&self) -> Vec<Series> {
        self.0.lock().unwrap().series.keys().cloned().collect()
    }

    /// How often a counter or gauge was told.
    pub fn times(&self, name: &str) -> usize {
        self.0.lock().unwrap().times.get(name).copied().unwrap_or_default()
    }

    pub fn described(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().described.clone()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, description: &str) {
        assert!(unit.is_some() || name.as_str().ends_with("_ratio"), "{name:?} has no unit");
        assert!(description.ends_with('.'), "{description:?}");
        let is_first = self.0.lock().unwrap().described.insert(plain(name.as_str()));
        assert!(is_first, "{name:?} is described twice");
    }

    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Arc::new(One(self.clone(), Series { name: plain(key.name()), labels }))
    }
}

fn plain(name: &str) -> String {
    name.strip_prefix("actix_supervisor_").expect("one prefix for all").to_owned()
}

struct One(Figures, Series);

impl One {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut state = self.0 .0.lock().unwrap();
        *state.times.entry(self.1.name.clone()).or_default() += 1;
        let values = state.series.entry(self.1.clone()).or_insert_with(|| vec![0.0]);
        values[0] = change(values[0]);
        // Contained by who tells it; but it poisons the lock, so the test hears of it.
        assert!(values[0] >= 0.0, "{:?} is never less than nothing", self.1);
    }
}

impl CounterFn for One {
    fn increment(&self, by: u64) {
        self.change(|value| value + by as f64);
    }

    fn absolute(&self, to: u64) {
        self.change(|_| to as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl HistogramFn for One {
    fn record(&self, value: f64) {
        self.0 .0.lock().unwrap().series.entry(self.1.clone()).or_default().push(value);
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}
