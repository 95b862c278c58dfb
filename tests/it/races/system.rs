//! The System ends under its supervisors.

use std::{future::Future, sync::mpsc, thread, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, StopError};

use crate::support::script::{gated, starts_once, stubborn, Gate};
use crate::support::{Ask, Journal, Panic, Probe};

/// A test that hangs is to fail, not to block all others.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `prepare` in a System on a thread of its own, stops that System, and waits for the thread to end.
///
/// What `prepare` answers lives until the System has gone.
fn stop_a_system_after<T, F>(prepare: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let (done_tx, done_rx) = mpsc::channel();
    thread::spawn(move || {
        let system = System::new();
        let kept = system.block_on(prepare());
        System::current().stop();
        let _ = done_tx.send(system.run().is_ok());
        drop(kept);
    });
    assert_eq!(done_rx.recv_timeout(PATIENCE), Ok(true));
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("answered in bounded time") })
}

/// F28
#[test]
fn the_system_stops_and_every_child_ends_with_its_hooks() {
    let journals: [Journal; 3] = Default::default();
    let [plain, second, nested] = journals.clone();

    stop_a_system_after(move || async move {
        let supervisor = DynamicSupervisor::builder().name("rooms").start().unwrap();
        supervisor.start_child(Probe::child(&plain)).await.unwrap();
        supervisor.start_child(Probe::child(&second)).await.unwrap();
        let inner = supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        inner.addr.start_child(Probe::child(&nested)).await.unwrap();
        (supervisor, inner)
    });

    for journal in journals {
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    }
}

/// F28
#[test]
fn children_that_will_not_stop_do_not_hold_up_the_system() {
    let journal = Journal::new();
    let own = journal.clone();

    stop_a_system_after(move || async move {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&own, stubborn).shutdown(Shutdown::Infinity);
        supervisor.start_child(spec).await.unwrap();
        supervisor
    });

    assert!(journal.has("stopping 1"));
    assert_eq!(journal.entries().last().unwrap(), "dropped 1");
}

/// F28
#[test]
fn hooks_that_panic_or_set_timers_while_the_system_goes_do_not_abort() {
    let journal = Journal::new();
    let own = journal.clone();

    stop_a_system_after(move || async move {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let panicking = Probe::scripted(&own, |probe| probe.on_stopped(|_, _| std::panic::panic_any("on the way out")));
        supervisor.start_child(panicking).await.unwrap();
        let timing = Probe::scripted(&own, |probe| {
            probe.on_stopping(|_, ctx| {
                ctx.run_later(Duration::from_secs(1), |_, _| {});
                Running::Continue
            })
        });
        supervisor.start_child(timing).await.unwrap();
        let spawning = Probe::scripted(&own, |probe| probe.on_stopped(|_, _| drop(actix::spawn(async {}))));
        supervisor.start_child(spawning).await.unwrap();
        supervisor
    });

    assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 3);
}

/// F28
#[test]
fn the_system_may_stop_in_the_middle_of_a_start_a_restart_and_an_end() {
    let (journal, gate) = (Journal::new(), Gate::shut());
    let (own, passing) = (journal.clone(), gate.clone());

    stop_a_system_after(move || async move {
        let supervisor = DynamicSupervisor::builder().max_restarts(1_000_000).start().unwrap();
        let restarting = supervisor.start_child(gated(&own, &passing, 2)).await.unwrap();
        restarting.addr.do_send(Panic("boom"));
        own.expect("starting 2").await;
        let starting = supervisor.start_child(gated(&own, &passing, 1));
        let failing = supervisor.start_child(starts_once(&own, |_| {})).await.unwrap();
        let ending = supervisor.start_child(Probe::scripted(&own, stubborn)).await.unwrap();
        let terminated = supervisor.terminate_child(ending.id);
        own.expect("stopping 1").await;
        failing.addr.do_send(Panic("boom"));
        own.expect("try 3").await;
        drop((starting, terminated));
        supervisor
    });

    gate.admit(2);
    let count = |entry: &str| journal.entries().iter().filter(|written| *written == entry).count();
    assert_eq!(count("started 1"), count("dropped 1"));
    assert_eq!(count("started 2"), 0);
}

/// F28
#[test]
fn requests_under_way_when_the_system_stops_are_answered_and_so_are_later_ones() {
    let (requests_tx, requests_rx) = mpsc::channel();
    let journal = Journal::new();
    let own = journal.clone();

    stop_a_system_after(move || async move {
        let gate = Gate::shut();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::scripted(&own, stubborn).shutdown(Shutdown::Infinity)).await.unwrap();
        let start = supervisor.start_child(gated(&own, &gate, 1));
        own.expect("starting 1").await;
        let ended = supervisor.exited();
        let terminated = supervisor.send(TerminateChild(child.id.into()));
        own.expect("stopping 1").await;
        requests_tx.send((supervisor, child.addr, start, terminated, ended)).ok().unwrap();
    });

    let (supervisor, child, start, terminated, ended) = requests_rx.recv().unwrap();
    assert!(blocking(start).is_err());
    assert!(!matches!(blocking(terminated), Ok(Err(TerminateChildError::NotFound))));
    blocking(ended);
    assert!(blocking(child.send(Ask)).is_err());
    assert!(matches!(blocking(supervisor.count_children()), Err(SupervisorGone { .. })));
    assert!(matches!(blocking(supervisor.stop()), Err(StopError::SupervisorGone)));
    assert!(matches!(blocking(supervisor.exited()), ExitReason::Unknown));
    assert_eq!(journal.entries().last().unwrap(), "dropped 1");
}

/// F28
#[test]
fn a_name_does_not_outlive_its_system() {
    stop_a_system_after(|| async { DynamicSupervisor::builder().name("rooms").start().unwrap() });

    stop_a_system_after(|| async {
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        DynamicSupervisor::builder().name("rooms").start().unwrap()
    });
}
