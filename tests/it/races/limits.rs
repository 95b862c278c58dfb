//! The restart window at its edges, and races for the places of `max_children`.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc, Arc,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::{join_all, FutureExt};

use crate::support::script::{gated, slow_to_stop, starts_once, Gate};
use crate::support::{real_world, settle, world, Ask, Journal, Panic, Probe, Reports};

/// How many probes live, and the most that ever did.
#[derive(Clone, Default)]
struct Census(Arc<[AtomicUsize; 2]>);

impl Census {
    fn count(&self, probe: Probe) -> Probe {
        let [living, most] = &*self.0;
        most.fetch_max(living.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let census = self.clone();
        probe.on_drop(move || {
            census.0[0].fetch_sub(1, Ordering::SeqCst);
        })
    }

    fn living(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }
}

/// F18
#[test]
fn a_restart_exactly_one_period_ago_still_counts() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1).max_seconds(5).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.do_send(Panic("first"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));

        tokio::time::advance(Duration::from_secs(5)).await;
        let ended = supervisor.exited();
        child.addr.do_send(Panic("second"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert!(!journal.has("started 3"));
    });
}

/// F18
#[test]
fn a_restart_a_millisecond_more_than_one_period_ago_does_not_count() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1).max_seconds(5).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.do_send(Panic("first"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));

        tokio::time::advance(Duration::from_millis(5001)).await;
        child.addr.do_send(Panic("second"));

        assert_eq!(child.addr.send(Ask).await, Ok(3));
    });
}

/// F18
#[test]
fn the_window_slides_it_does_not_begin_anew_with_each_period() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(2).max_seconds(5).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        // At 0, 4 and 8 seconds there are never more than two within five seconds; at 9 there are three.
        for incarnation in 2..=4 {
            child.addr.do_send(Panic("again"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            tokio::time::advance(Duration::from_secs(4)).await;
        }
        child.addr.do_send(Panic("again"));
        assert_eq!(child.addr.send(Ask).await, Ok(5), "8 and 12 seconds");
        tokio::time::advance(Duration::from_secs(1)).await;
        let ended = supervisor.exited();
        child.addr.do_send(Panic("8, 12 and 13 seconds"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

/// F18
#[test]
fn with_no_restarts_allowed_the_first_crash_ends_the_supervisor_and_the_siblings_in_order() {
    world(async {
        let (journal, sibling) = (Journal::new(), Journal::new());
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        supervisor.start_child(Probe::child(&sibling)).await.unwrap();
        let ended = supervisor.exited();

        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert!(!journal.has("started 2"));
        assert_eq!(sibling.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(reports.kinds(), ["child_terminated", "shutdown"]);
    });
}

/// F18
#[test]
fn a_child_that_never_comes_back_gets_max_restarts_tries_and_not_one_more() {
    for max_restarts in [0, 1, 3] {
        world(async {
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().max_restarts(max_restarts).start().unwrap();
            let child = supervisor.start_child(starts_once(&journal, |_| {})).await.unwrap();
            let ended = supervisor.exited();

            child.addr.do_send(Panic("boom"));

            assert!(matches!(ended.await, ExitReason::Shutdown));
            let tries = journal.entries().iter().filter(|entry| entry.starts_with("try")).count();
            assert_eq!(tries, max_restarts as usize);
        });
    }
}

/// F18
#[test]
fn the_longest_durations_and_greatest_numbers_do_no_harm() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        gate.admit(200);
        let supervisor = DynamicSupervisor::builder()
            .max_restarts(u32::MAX)
            .period(Duration::MAX)
            .max_children(usize::MAX)
            .max_reports_per_second(u32::MAX)
            .start()
            .unwrap();
        let spec = gated(&journal, &gate, 1).shutdown(Shutdown::Timeout(Duration::MAX)).start_timeout(Duration::MAX);
        let child = supervisor.start_child(spec).await.unwrap();

        for incarnation in 2..100 {
            child.addr.do_send(Panic("again"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }
        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, Duration::from_secs(1)));
        supervisor.start_child(slow.shutdown(Shutdown::Timeout(Duration::MAX))).await.unwrap();
        let report = supervisor.stop_with(ExitReason::Normal, Duration::MAX).await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (2, true));
    });
}

/// F19
#[test]
fn of_many_threads_that_race_for_places_exactly_as_many_win() {
    const LIMIT: usize = 7;
    let (census, journal) = (Census::default(), Journal::new());
    let (addr_tx, addr_rx) = mpsc::channel();
    let home = thread::spawn(move || {
        real_world(async {
            let supervisor = DynamicSupervisor::builder().max_children(LIMIT).start().unwrap();
            addr_tx.send(supervisor.clone()).unwrap();
            supervisor.exited().await
        })
    });
    let supervisor = addr_rx.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();

    let race = |n| {
        let (supervisor, census, journal) = (supervisor.clone(), census.clone(), journal.clone());
        tokio::spawn(async move {
            if n % 2 == 0 {
                let spec = Probe::scripted(&journal, move |probe| census.count(probe));
                return supervisor.start_child(spec).await.map(|started| started.id);
            }
            let spec = Child::from_async(move |cx: StartContext<Probe>| {
                let (census, journal) = (census.clone(), journal.clone());
                async move {
                    tokio::task::yield_now().await;
                    Ok::<_, BoxError>(Start::Run(census.count(Probe::new(&journal, cx.incarnation()))))
                }
            });
            supervisor.start_child(spec).await.map(|started| started.id)
        })
    };
    let outcomes = runtime.block_on(async { join_all((0..200).map(race)).await });

    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert_eq!(winners.len(), LIMIT);
    assert!(losers.iter().all(|lost| matches!(lost, Err(StartChildError::MaxChildren { limit: LIMIT }))));
    assert_eq!((census.living(), census.most()), (LIMIT, LIMIT));
    assert_eq!(runtime.block_on(supervisor.count_children()).unwrap().specs, LIMIT);
    runtime.block_on(supervisor.stop()).unwrap();
    home.join().unwrap();
    assert_eq!(census.living(), 0);
}

/// F19
#[test]
fn asynchronous_starts_take_their_places_when_they_are_asked_for_not_when_they_succeed() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().max_children(3).start().unwrap();
        let mut starts: Vec<_> = (0..5).map(|_| supervisor.start_child(gated(&journal, &gate, 1)).boxed()).collect();
        settle().await;

        let too_many = starts.split_off(3);
        for refused in join_all(too_many).await {
            assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 3 })), "{refused:?}");
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 3);
        assert_eq!(supervisor.count_children().await.unwrap().active, 0);
        gate.admit(3);

        assert!(join_all(starts).await.iter().all(Result::is_ok));
        assert_eq!(supervisor.count_children().await.unwrap().active, 3);
    });
}

/// F19
#[test]
fn a_place_is_free_again_after_a_start_that_failed_was_declined_timed_out_or_was_terminated() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();

        let failing = Child::from_async(|_: StartContext<Probe>| async { Err::<Start<Probe>, _>("no") });
        assert!(matches!(supervisor.start_child(failing).await, Err(StartChildError::Failed(_))));
        let declining =
            Child::from_async(|_: StartContext<Probe>| async { Ok::<Start<Probe>, BoxError>(Start::Ignore) });
        assert!(matches!(supervisor.start_child(declining).await, Err(StartChildError::Ignored)));
        let panicking = Child::new(|| -> Probe { std::panic::panic_any("no") });
        assert!(matches!(supervisor.start_child(panicking).await, Err(StartChildError::Panicked(_))));
        let hanging = gated(&journal, &gate, 1).start_timeout(Duration::from_secs(1));
        assert!(matches!(supervisor.start_child(hanging).await, Err(StartChildError::Timeout)));
        let start = tokio::task::spawn_local(supervisor.start_child(gated(&journal, &gate, 1)));
        settle().await;
        let id = supervisor.which_children().await.unwrap()[0].id;
        supervisor.terminate_child(id).await.unwrap();
        assert!(matches!(start.await.unwrap(), Err(StartChildError::Terminated)));

        supervisor.start_child(Probe::child(&journal)).await.unwrap();
    });
}

/// F19
#[test]
fn a_child_that_is_being_restarted_or_stopped_keeps_its_place() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().max_children(2).start().unwrap();
        let restarting = supervisor.start_child(gated(&journal, &gate, 2)).await.unwrap();
        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, Duration::from_secs(1)));
        let stopping = supervisor.start_child(slow).await.unwrap();

        restarting.addr.do_send(Panic("boom"));
        journal.expect("starting 2").await;
        let end = supervisor.terminate_child(stopping.id);
        journal.expect("stopping 1").await;

        let refused = supervisor.start_child(Probe::child(&journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 2 })));
        end.await.unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
    });
}

/// F19
#[test]
fn at_every_step_of_a_thousand_random_ones_there_are_no_more_than_allowed() {
    const LIMIT: usize = 5;
    world(async {
        let (census, journal, gate) = (Census::default(), Journal::new(), Gate::shut());
        let supervisor =
            DynamicSupervisor::builder().max_children(LIMIT).max_restarts(u32::MAX).max_reports_per_second(0);
        let supervisor = supervisor.start().unwrap();
        let (mut seed, mut refused, mut started) = (0x9e37_79b9_7f4a_7c15_u64, 0, Vec::new());
        for _ in 0..1_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let which = supervisor.which_children().await.unwrap();
            let any = which.get(seed as usize / 8 % LIMIT);
            match (seed % 8, any) {
                (0 | 1, _) => {
                    let (census, slow) = (census.clone(), seed & 64 == 0);
                    let spec = Probe::scripted(&journal, move |probe| {
                        let probe = census.count(probe);
                        if slow {
                            slow_to_stop(probe, Duration::from_secs(1))
                        } else {
                            probe
                        }
                    });
                    started.push(tokio::task::spawn_local(supervisor.start_child(spec).map(|start| start.is_ok())));
                }
                (2 | 3, _) => {
                    let (census, journal, gate) = (census.clone(), journal.clone(), gate.clone());
                    let spec = Child::from_async(move |cx: StartContext<Probe>| {
                        let (census, journal, gate) = (census.clone(), journal.clone(), gate.clone());
                        async move {
                            gate.pass().await;
                            Ok::<_, BoxError>(Start::Run(census.count(Probe::new(&journal, cx.incarnation()))))
                        }
                    });
                    started.push(tokio::task::spawn_local(supervisor.start_child(spec).map(|start| start.is_ok())));
                }
                (4, _) => gate.admit(1),
                (5, Some(child)) => drop(supervisor.terminate_child(child.id)),
                (6, Some(child)) => {
                    if let Some(addr) = child.addr::<Probe>() {
                        addr.do_send(Panic("boom"));
                    }
                }
                _ => tokio::time::advance(Duration::from_millis(300)).await,
            }
            assert!(census.living() <= LIMIT);
            assert!(supervisor.count_children().await.unwrap().specs <= LIMIT);
        }
        gate.admit(1_000);
        for start in started {
            refused += usize::from(!start.await.unwrap());
        }
        assert_eq!(census.most(), LIMIT, "the limit was reached");
        assert!(refused > 0, "and pressed upon");
        supervisor.stop().await.unwrap();
        assert_eq!(census.living(), 0);
    });
}
