//! A recorder that panics harms nobody.

use std::{
    panic::panic_any,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
};

use actix_dynamic_supervisor::prelude::*;
use metrics::{
    with_local_recorder, Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::{
    crash,
    support::{world, Ask, Journal, Panic, Probe},
    SECOND,
};

/// Panics when it is asked for a figure, or when that is told a value; and counts how often.
#[derive(Clone)]
struct Spite {
    at_once: bool,
    panics: Arc<AtomicUsize>,
}

impl Spite {
    fn strike(&self) -> ! {
        self.panics.fetch_add(1, Ordering::Relaxed);
        panic_any("recorder")
    }

    fn one(&self) -> Arc<Self> {
        if self.at_once {
            self.strike();
        }
        Arc::new(self.clone())
    }
}

impl CounterFn for Spite {
    fn increment(&self, _: u64) {
        self.strike()
    }

    fn absolute(&self, _: u64) {
        self.strike()
    }
}

impl GaugeFn for Spite {
    fn increment(&self, _: f64) {
        self.strike()
    }

    fn decrement(&self, _: f64) {
        self.strike()
    }

    fn set(&self, _: f64) {
        self.strike()
    }
}

impl HistogramFn for Spite {
    fn record(&self, _: f64) {
        self.strike()
    }
}

impl Recorder for Spite {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one())
    }
}

#[test]
fn children_start_come_back_and_end_though_the_recorder_panics_each_time() {
    for at_once in [true, false] {
        let spite = Spite { at_once, panics: Arc::default() };
        with_local_recorder(&spite, || {
            world(async {
                let supervisor = DynamicSupervisor::builder().start().unwrap();
                let waits = Probe::child(&Journal::new()).backoff(Backoff::fixed(SECOND));
                let children = [
                    supervisor.start_child(Probe::child(&Journal::new())).await.unwrap(),
                    supervisor.start_child(waits).await.unwrap(),
                ];
                for child in &children {
                    crash(&child.addr).await;
                    assert_eq!(child.addr.send(Ask).await, Ok(2));
                }
                supervisor.terminate_child(children[0].id).await.unwrap();
                assert_eq!(supervisor.stop().await.unwrap().stopped, 1);
            });
        });
        assert!(spite.panics.load(Ordering::Relaxed) > 15, "it was asked");
    }
}

#[test]
fn a_limit_that_is_reached_ends_the_supervisor_in_good_order_though_the_recorder_panics() {
    for at_once in [true, false] {
        let spite = Spite { at_once, panics: Arc::default() };
        with_local_recorder(&spite, || {
            world(async {
                let supervisor = DynamicSupervisor::builder().max_restarts(1).start().unwrap();
                let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
                let sibling = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
                crash(&child.addr).await;
                child.addr.do_send(Panic("one too many"));
                assert!(matches!(supervisor.exited().await, ExitReason::Shutdown));
                assert!(!sibling.addr.connected());
            });
        });
    }
}
