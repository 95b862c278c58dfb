//! Orders and reports that cross on their way between two threads.

use std::{
    cell::RefCell,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc, Arc, Mutex,
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block, eventually, PATIENCE};
use crate::support::{real_world, silently, Ask, Do, Journal, Panic, Probe, Reports};

/// Counts those that have been dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn end_arbiter(_: &mut Probe, _: &mut Context<Probe>) {
    Arbiter::current().stop();
}

/// A start over there that tells when it has begun and waits until it is let.
fn halting<T>() -> (impl FnOnce(T) -> T + Send, tokio::sync::oneshot::Receiver<()>, mpsc::Sender<()>) {
    let (tell, begun) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let halt = move |answer| {
        let _ = tell.send(());
        let _ = released.recv();
        answer
    };
    (halt, begun, release)
}

#[test]
fn a_start_that_fails_over_there_while_its_supervisor_stops_does_not_hold_up_the_stop() {
    real_world(async {
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(1)).start().unwrap();
        let (halt, begun, release) = halting();
        let mut halt = Some(halt);
        let spec = Child::try_with(move |_: &mut StartContext<Probe>| {
            halt.take().map_or_else(|| Err("no"), |halt| halt(Err::<Start<Probe>, _>("no")))
        });
        let started = supervisor.start_child(spec.shutdown(Shutdown::Infinity));
        begun.await.unwrap();
        let stopped = supervisor.stop();
        assert!(matches!(started.await, Err(StartChildError::ShuttingDown)));
        drop(release);
        let report = tokio::time::timeout(PATIENCE, stopped).await.expect("it ends").unwrap();
        assert!(report.unresponsive.is_empty());
    });
}

#[test]
fn a_start_whose_arbiter_goes_before_it_arrives_does_not_hold_up_a_stop() {
    real_world(async {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let first = supervisor.start_child(Probe::child(&Journal::new()).on(arbiter.handle())).await.unwrap();
        let release = block(&first.addr).await;
        arbiter.stop();
        let spec = Probe::child(&Journal::new()).shutdown(Shutdown::Infinity).on(arbiter.handle());
        let started = supervisor.start_child(spec);
        let stopped = supervisor.stop();
        assert!(matches!(started.await, Err(StartChildError::ShuttingDown)));
        drop(release);
        tokio::time::timeout(PATIENCE, stopped).await.expect("it ends").unwrap();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_child_terminated_while_its_restart_fails_over_there_is_gone_when_that_is_answered() {
    real_world(async {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1_000_000).start().unwrap();
        for round in 0..100 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let held = Held(Arc::clone(&dropped));
            let (halt, begun, release) = halting();
            let (journal, mut halt) = (Journal::new(), Some(halt));
            let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
                let _ = &held;
                match halt.take_if(|_| cx.incarnation() == 2) {
                    Some(halt) => halt(Err("no")),
                    None => Ok(Start::Run(Probe::new(&journal, cx.incarnation()))),
                }
            });
            let child = supervisor.start_child(spec.on(arbiter.handle())).await.unwrap();
            child.addr.do_send(Panic("boom"));
            begun.await.unwrap();
            let ended = supervisor.terminate_child(child.id);
            // In its queue before the start fails.
            supervisor.count_children().await.unwrap();
            drop(release);
            assert_eq!(ended.await, Ok(()));
            assert!(!child.addr.connected(), "round {round}: its mailbox is closed");
            assert_eq!(dropped.load(Ordering::SeqCst), 1, "round {round}: its spec is dropped");
        }
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn what_an_asynchronous_start_over_there_held_is_free_when_its_failure_is_answered() {
    real_world(async {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for round in 0..300 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let held = Held(Arc::clone(&dropped));
            let own = Arc::new(Mutex::new(None));
            let kept = Arc::clone(&own);
            let spec = Child::from_async(move |cx: StartContext<Probe>| {
                let _ = &held;
                *kept.lock().unwrap() = Some(cx.address());
                async move {
                    if round % 3 == 0 {
                        std::future::pending::<()>().await;
                    }
                    tokio::task::yield_now().await;
                    Err::<Start<Probe>, _>(BoxError::from("no"))
                }
            });
            let limit = Duration::from_millis(if round % 3 == 0 { 1 } else { 1000 });
            assert!(supervisor.start_child(spec.start_timeout(limit).on(arbiter.handle())).await.is_err());
            assert_eq!(dropped.load(Ordering::SeqCst), 1, "round {round}: its spec is dropped");
            assert!(!own.lock().unwrap().as_ref().unwrap().connected(), "round {round}: its mailbox is closed");
        }
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_restart_that_fails_as_its_arbiter_goes_is_begun_once_elsewhere() {
    thread_local! {
        static TELLS: RefCell<Option<mpsc::Sender<()>>> = const { RefCell::new(None) };
    }
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(100).start().unwrap();
        let (tell, told) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (kept, mut parts) = (journal.clone(), Some((tell, begun)));
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            if let Some((tell, begun)) = parts.take_if(|_| cx.incarnation() == 2) {
                TELLS.set(Some(tell));
                let _ = begun.send(());
                Arbiter::current().stop();
                return Err("no");
            }
            Ok(Start::Run(Probe::new(&kept, cx.incarnation())))
        });
        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        has_begun.await.unwrap();
        // The supervisor has its turn when both reports are there: that the start has failed, and what is left.
        let _ = told.recv();
        let lives = child.addr.send(Ask).await.unwrap();
        let ended = supervisor.terminate_child(child.id).await;
        assert_eq!(ended, Ok(()));
        let started: Vec<_> = journal.entries().into_iter().filter(|entry| entry.starts_with("started")).collect();
        assert_eq!((lives, started), (3, vec![String::from("started 1"), String::from("started 3")]));
    });
}

#[test]
fn an_arbiter_that_goes_counts_even_if_its_place_is_taken_before_its_children_are_reported() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(1)).max_restarts(0).start().unwrap();
        let exited = supervisor.exited();
        let (halt, ends, release) = halting();
        let mut halt = Some(halt);
        let spec = Probe::scripted(&journal, move |probe| {
            let mut halt = halt.take();
            probe.on_drop(move || {
                if let Some(halt) = halt.take() {
                    halt(());
                }
            })
        });
        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Do::this(end_arbiter));
        ends.await.unwrap();
        let other = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(other.addr.send(Ask).await.unwrap(), 1);
        drop(release);
        let exited = tokio::time::timeout(PATIENCE, exited).await;
        assert!(matches!(exited, Ok(ExitReason::Shutdown)), "one restart was too much");
    });
}

#[test]
fn what_children_left_behind_on_a_blocked_thread_report_is_not_counted_for_their_new_arbiter() {
    real_world(async {
        let journal = Journal::new();
        // More than a thread polls before it looks whether it is to end.
        let children: u32 = 200;
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1));
        let builder = builder.max_restarts(children).max_seconds(100);
        let supervisor = builder.unresponsive_after(Duration::from_millis(50)).start().unwrap();
        let exited = supervisor.exited();
        let mut addrs = Vec::new();
        for _ in 0..children {
            let spec = Probe::child(&journal).on_unresponsive(OnUnresponsive::TakeOver);
            addrs.push(supervisor.start_child(spec).await.unwrap().addr);
        }
        let release = block(&addrs[0]).await;
        for addr in &addrs {
            assert_eq!(addr.send(Ask).await.unwrap(), 2);
        }
        drop(release);
        let dropped = || journal.entries().iter().filter(|entry| *entry == "dropped 1").count();
        eventually("they have ended", async || dropped() == children as usize).await;
        supervisor.count_children().await.unwrap();
        addrs[0].do_send(Do::this(end_arbiter));
        let exited = tokio::time::timeout(PATIENCE, exited).await;
        assert!(matches!(exited, Ok(ExitReason::Shutdown)), "one restart more was too much");
    });
}

#[test]
fn a_restart_that_ends_every_arbiter_it_gets_is_too_much_in_the_end() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(3).start().unwrap();
        let exited = supervisor.exited();
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = journal.clone();
            async move {
                if cx.incarnation() > 1 {
                    Arbiter::current().stop();
                    std::future::pending::<()>().await;
                }
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        let exited = tokio::time::timeout(PATIENCE, exited).await;
        assert!(matches!(exited, Ok(ExitReason::Shutdown)));
    });
}

#[test]
fn what_the_spec_of_a_child_that_may_be_taken_over_held_is_free_when_its_end_is_answered() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(1)).start().unwrap();
        for round in 0..300 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let held = Held(Arc::clone(&dropped));
            let spec = Probe::scripted(&journal, move |probe| {
                let _ = &held;
                probe
            });
            let child = supervisor.start_child(spec.on_unresponsive(OnUnresponsive::TakeOver)).await.unwrap();
            assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
            assert_eq!(dropped.load(Ordering::SeqCst), 1, "round {round}");
        }
    });
}

#[test]
fn a_child_that_was_taken_over_is_told_how_it_ended() {
    real_world(async {
        let journal = Journal::new();
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1));
        let supervisor = builder.unresponsive_after(Duration::from_millis(50)).start().unwrap();
        let kept = journal.clone();
        let spec = Child::with(move |cx: &mut StartContext<Probe>| {
            kept.note(format_args!("last exit {:?}", cx.last_exit()));
            Probe::new(&kept, cx.incarnation())
        });
        let child = supervisor.start_child(spec.on_unresponsive(OnUnresponsive::TakeOver)).await.unwrap();
        let release = block(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await.unwrap(), 2);
        drop(release);
        assert!(journal.has("last exit Some(Unresponsive)"), "{:?}", journal.entries());
    });
}

#[test]
fn a_second_stop_waits_for_the_threads_as_the_first_does() {
    real_world(async {
        let journal = Journal::new();
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1));
        let supervisor = builder.start().unwrap();
        let spec = Probe::child(&journal).shutdown(Shutdown::BrutalKill);
        let child = supervisor.start_child(spec).await.unwrap();
        let release = block(&child.addr).await;
        let begun = Instant::now();
        let first = supervisor.stop();
        tokio::pin!(first);
        // The child is left behind after a second; from then on its thread is waited for.
        let joins = async || begun.elapsed() > Duration::from_millis(1500);
        eventually("its thread is waited for", joins).await;
        let second = supervisor.stop();
        let (first, second) = futures::future::join(first, second).await;
        drop(release);
        assert_eq!(first.unwrap().unresponsive, [child.id]);
        assert_eq!(second.unwrap().unresponsive, [child.id]);
    });
}

#[test]
fn an_arbiter_that_has_gone_is_not_called_blocked() {
    real_world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(2));
        let supervisor = builder.unresponsive_after(Duration::from_secs(1)).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let release = block(&child.addr).await;
        child.addr.do_send(Do::this(end_arbiter));
        // Long enough to be asked for a sign of life, and not for it to be missed.
        let begun = Instant::now();
        eventually("it has been asked", async || begun.elapsed() > Duration::from_millis(400)).await;
        drop(release);
        eventually("it has moved", async || child.addr.send(Ask).await.is_ok_and(|life| life == 2)).await;
        let begun = Instant::now();
        eventually("its answer is overdue", async || begun.elapsed() > Duration::from_millis(1500)).await;
        let blocked = |line: &crate::support::Report| line.message.contains("block");
        assert!(!reports.lines().iter().any(blocked), "{:?}", reports.lines());
    });
}

#[test]
fn a_supervisor_whose_own_arbiter_goes_takes_its_pool_along_without_a_panic() {
    real_world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let arbiter = Arbiter::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = DynamicSupervisor::builder().placement(Placement::Pool(1)).into_child().on(arbiter.handle());
        let nested = parent.start_child(nested).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        let exited = nested.addr.exited();
        nested.addr.count_children().await.unwrap();
        arbiter.stop();
        assert!(matches!(exited.await, ExitReason::ArbiterGone));
        eventually("its child has ended", async || !child.addr.connected()).await;
        eventually("it is forgotten", async || parent.count_children().await.unwrap().specs == 0).await;
        let residue = |line: &crate::support::Report| line.message.contains("on the way out");
        assert!(!reports.lines().iter().any(residue), "{:?}", reports.lines());
        arbiter.join().unwrap();
    });
}

#[test]
fn who_asks_a_supervisor_over_there_that_is_terminated_first_hears_how_it_ended() {
    real_world(async {
        let arbiter = Arbiter::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let sibling = parent.start_child(Probe::child(&Journal::new()).on(arbiter.handle())).await.unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child().on(arbiter.handle())).await.unwrap();
        let release = block(&sibling.addr).await;
        let ended = parent.terminate_child(nested.id);
        let (exited, stopped) = (nested.addr.exited(), nested.addr.stop());
        parent.count_children().await.unwrap();
        drop(release);
        assert_eq!(ended.await, Ok(()));
        assert!(matches!(exited.await, ExitReason::Shutdown));
        assert!(stopped.await.is_ok());
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn every_start_on_an_arbiter_that_is_ending_is_answered() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), DynamicSupervisor::builder().start().unwrap());
        for round in 0..500 {
            let arbiter = Arbiter::new();
            arbiter.stop();
            let starts = (0..30).map(|_| supervisor.start_child(Probe::child(&journal).on(arbiter.handle())));
            let starts = futures::future::join_all(starts.collect::<Vec<_>>());
            let answers = tokio::time::timeout(PATIENCE, starts).await;
            assert!(answers.is_ok(), "round {round}: {:?}", supervisor.count_children().await);
            arbiter.join().unwrap();
        }
        eventually("nobody is left", async || supervisor.count_children().await.unwrap().specs == 0).await;
    });
}

#[test]
fn a_supervisor_that_is_taken_over_begins_empty_and_its_old_children_end_when_they_can() {
    real_world(async {
        let (old, new) = (Journal::new(), Journal::new());
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1));
        let parent = builder.unresponsive_after(Duration::from_millis(50)).start().unwrap();
        let nested = DynamicSupervisor::builder().into_child().on_unresponsive(OnUnresponsive::TakeOver);
        let nested = parent.start_child(nested).await.unwrap().addr;
        let blocked = nested.get_or_start("it", Probe::child(&old)).await.unwrap();
        let other = nested.start_child(Probe::child(&old)).await.unwrap();
        let release = block(&blocked.addr).await;
        let exited = nested.exited();

        assert_eq!(nested.count_children().await.unwrap().specs, 0);
        let fresh = nested.get_or_start("it", Probe::child(&new)).await.unwrap();
        assert_eq!(fresh.addr.send(Ask).await.unwrap(), 1);
        drop(release);
        eventually("the old ones end", async || !blocked.addr.connected() && !other.addr.connected()).await;
        assert!(old.has("stopped 1") && old.has("dropped 1"));
        assert_eq!(fresh.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(nested.whereis::<Probe>("it"), Some(fresh.addr));
        assert_eq!(parent.stop().await.unwrap().stopped, 1);
        assert!(matches!(exited.await, ExitReason::Shutdown));
    });
}

#[test]
fn a_system_that_stops_takes_supervisors_and_their_pools_along() {
    silently(|| {
        let (tell, told) = mpsc::channel();
        let system = System::new();
        let supervisor = system.block_on(async {
            let builder = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(u32::MAX);
            let supervisor = builder.start().unwrap();
            for _ in 0..10 {
                let tell = tell.clone();
                let spec = Probe::scripted(&Journal::new(), move |probe| {
                    let tell = tell.clone();
                    probe.on_drop(move || {
                        let _ = tell.send(());
                    })
                });
                supervisor.start_child(spec).await.unwrap();
            }
            supervisor
        });
        drop(tell);
        System::current().stop();
        system.run().unwrap();
        // Until no spec is left, and no actor.
        while told.recv_timeout(PATIENCE).is_ok() {}
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        assert!(!supervisor.connected());
    });
}
