//! One child on an arbiter that is not its supervisor's.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    Arc,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block, eventually, thread_of, SECOND};
use crate::support::{real_world, script::slow_to_stop, Ask, Exit, Journal, Panic, Probe, Reports};

/// Starts a supervisor here and hands it a fresh arbiter.
fn with_arbiter<F: std::future::Future>(test: impl FnOnce(Addr<DynamicSupervisor>, ArbiterHandle) -> F) {
    real_world(async {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1_000_000).start().unwrap();
        test(supervisor, arbiter.handle()).await;
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_child_lives_on_the_arbiter_its_spec_names_and_nowhere_else_ever() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let child = supervisor.start_child(Probe::child(&journal).on(arbiter)).await.unwrap();
        let home = thread_of(&child.addr).await;
        assert_ne!(home, std::thread::current().id());
        assert!(journal.has("started 1"), "the answer came after `started`");
        for life in 2..=5 {
            assert!(child.addr.send(Panic("boom")).await.is_err());
            assert_eq!(child.addr.send(Ask).await.unwrap(), life);
            assert_eq!(thread_of(&child.addr).await, home);
        }
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.state, info.restarts), (ChildState::Running, 4));
    });
}

#[test]
fn a_queue_keeps_its_order_over_crashes_on_another_thread() {
    #[derive(Default)]
    struct Clerk {
        seen: Arc<std::sync::Mutex<Vec<u32>>>,
    }
    impl Actor for Clerk {
        type Context = Context<Self>;
    }
    impl Supervised for Clerk {}
    #[derive(Message)]
    #[rtype(result = "()")]
    struct Number(u32);
    impl Handler<Number> for Clerk {
        type Result = ();
        fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) {
            self.seen.lock().unwrap().push(number);
            assert!(number % 100 != 7, "every hundredth crashes it");
        }
    }
    with_arbiter(async |supervisor, arbiter| {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let spec = Child::new(move || Clerk { seen: Arc::clone(&kept) }).on(arbiter);
        let clerk = supervisor.start_child(spec).await.unwrap();
        for number in 0..10_000 {
            clerk.addr.do_send(Number(number));
        }
        eventually("the queue is worked off", async || seen.lock().unwrap().len() == 10_000).await;
        assert!(seen.lock().unwrap().iter().copied().eq(0..10_000));
    });
}

#[test]
fn a_start_that_fails_in_any_way_over_there_is_told_here() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let failing = Child::try_with(|_: &mut StartContext<Probe>| Err::<Start<Probe>, _>("no")).on(arbiter.clone());
        assert!(matches!(supervisor.start_child(failing).await, Err(StartChildError::Failed(_))));
        let panicking = Child::with(|_: &mut StartContext<Probe>| -> Probe { panic!("oops") }).on(arbiter.clone());
        assert!(matches!(supervisor.start_child(panicking).await, Err(StartChildError::Panicked(_))));
        let declining =
            Child::try_with(|_: &mut StartContext<Probe>| Ok::<_, BoxError>(Start::Ignore)).on(arbiter.clone());
        assert!(matches!(supervisor.start_child(declining).await, Err(StartChildError::Ignored)));
        let stopping = Probe::scripted(&journal, |probe| probe.on_started(|_, ctx| ctx.stop())).on(arbiter.clone());
        assert!(matches!(supervisor.start_child(stopping).await, Err(StartChildError::Exited(ExitReason::Normal))));
        let hanging =
            Child::from_async(|_: StartContext<Probe>| std::future::pending::<Result<Start<Probe>, BoxError>>());
        let hanging = hanging.start_timeout(std::time::Duration::from_millis(20)).on(arbiter);
        assert!(matches!(supervisor.start_child(hanging).await, Err(StartChildError::Timeout)));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn what_a_start_over_there_hands_over_arrives_here() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let (one, other) = (journal.clone(), journal.clone());
        let now = Child::try_with_info(move |_| Ok::<_, BoxError>(Start::RunWith(Probe::new(&one, 1), "now")));
        assert_eq!(supervisor.start_child(now.on(arbiter.clone())).await.unwrap().info, Some("now"));
        let later = Child::from_async_with_info(move |_| {
            let probe = Probe::new(&other, 1);
            async { Ok::<_, BoxError>(Start::RunWith(probe, "later")) }
        });
        assert_eq!(supervisor.start_child(later.on(arbiter)).await.unwrap().info, Some("later"));
    });
}

#[test]
fn a_terminated_child_is_really_gone_when_that_is_answered() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        for round in 0..1_000 {
            struct Held(Arc<AtomicUsize>);
            impl Drop for Held {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::SeqCst);
                }
            }
            let dropped = Arc::new(AtomicUsize::new(0));
            let held = Held(Arc::clone(&dropped));
            let spec = Probe::scripted(&journal, move |probe| {
                let _ = &held;
                probe
            });
            let child = supervisor.start_child(spec.key("it").on(arbiter.clone())).await.unwrap();
            if round % 3 == 1 {
                child.addr.do_send(Panic("boom"));
            }
            if round % 3 == 2 {
                child.addr.do_send(Exit(ExitReason::Normal));
            }
            assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
            assert!(!child.addr.connected(), "round {round}: its mailbox is closed");
            assert_eq!(dropped.load(Ordering::SeqCst), 1, "round {round}: its spec is dropped");
            assert!(supervisor.whereis::<Probe>("it").is_none());
            assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn shutdown_limits_hold_over_there() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, 60 * SECOND));
        let spec = spec.shutdown(Shutdown::Timeout(std::time::Duration::from_millis(50))).on(arbiter.clone());
        let slow = supervisor.start_child(spec).await.unwrap();
        let ends = (supervisor.terminate_child(slow.id), supervisor.terminate_child(slow.id));
        assert_eq!(futures::future::join(ends.0, ends.1).await, (Ok(()), Ok(())), "the second joins the first");
        assert!(!journal.has("stopped 1"), "it was killed");

        let brutal = Probe::child(&journal).shutdown(Shutdown::BrutalKill).on(arbiter);
        let brutal = supervisor.start_child(brutal).await.unwrap();
        journal.take();
        assert_eq!(supervisor.terminate_child(brutal.id).await, Ok(()));
        assert_eq!(journal.take(), ["dropped 1"]);
    });
}

#[test]
fn a_killed_child_comes_back_by_rule_over_there() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let child = supervisor.start_child(Probe::child(&journal).on(arbiter)).await.unwrap();
        assert_eq!(supervisor.kill_child(child.id).await, Ok(()));
        eventually("it is restarted", async || child.addr.send(Ask).await.ok() == Some(2)).await;
        let info = &supervisor.which_children().await.unwrap()[0];
        assert!(matches!(info.last_exit, Some(ExitReason::Killed)));
    });
}

#[test]
fn a_stop_waits_for_children_over_there() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        for _ in 0..100 {
            supervisor.start_child(Probe::child(&journal).on(arbiter.clone())).await.unwrap();
        }
        let report = supervisor.stop().await.unwrap();
        assert_eq!(report.stopped, 100);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 100);
    });
}

#[test]
fn a_temporary_child_over_there_is_gone_after_its_end() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let child =
            supervisor.start_child(Probe::child(&journal).restart(Restart::Temporary).on(arbiter)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        eventually("it is forgotten", async || supervisor.count_children().await.unwrap().specs == 0).await;
        eventually("its mailbox is closed", async || !child.addr.connected()).await;
    });
}

#[test]
fn a_delay_before_a_restart_holds_over_there() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let patient = Probe::child(&journal).backoff(Backoff::fixed(std::time::Duration::from_millis(30)));
        let child = supervisor.start_child(patient.on(arbiter.clone())).await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await.unwrap(), 2, "its queue has waited");

        let idle = Probe::child(&journal).backoff(Backoff::fixed(1000 * SECOND)).on(arbiter);
        let idle = supervisor.start_child(idle).await.unwrap();
        idle.addr.do_send(Panic("boom"));
        eventually("it waits", async || supervisor.which_children().await.unwrap()[1].next_try.is_some()).await;
        assert_eq!(supervisor.terminate_child(idle.id).await, Ok(()), "it need not wait to be terminated");
    });
}

#[test]
fn a_blocked_child_over_there_holds_up_neither_the_supervisor_nor_its_answers() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let spec = Probe::child(&journal).shutdown(Shutdown::Timeout(std::time::Duration::from_millis(10)));
        let blocked = supervisor.start_child(spec.on(arbiter)).await.unwrap();
        let release = block(&blocked.addr).await;

        let other = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(other.addr.send(Ask).await.unwrap(), 1);
        let terminated = supervisor.terminate_child(blocked.id).await;
        assert_eq!(terminated, Err(TerminateChildError::Unresponsive));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 2, "never called terminated before it is");

        drop(release);
        eventually("the request takes effect", async || supervisor.count_children().await.unwrap().specs == 1).await;
        assert!(!blocked.addr.connected());
    });
}

#[test]
fn a_stop_leaves_a_blocked_child_behind_and_says_so() {
    with_arbiter(async |supervisor, arbiter| {
        let journal = Journal::new();
        let blocked = supervisor.start_child(Probe::child(&journal).on(arbiter)).await.unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let release = block(&blocked.addr).await;
        let report = supervisor.stop_with(ExitReason::Normal, std::time::Duration::from_millis(10)).await.unwrap();
        assert_eq!((report.stopped, report.unresponsive), (1, vec![blocked.id]));
        drop(release);
    });
}
