//! How a supervisor ends, and who hears of it.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, StopError};

use crate::{
    support::script::{slow_to_stop, stubborn},
    support::{settle, world, Do, Journal, Panic, Probe},
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_stop_is_answered_when_all_children_are_gone() {
    world(async {
        let (plain, slow) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.start_child(Probe::child(&plain)).await.unwrap();
        supervisor.start_child(Probe::scripted(&slow, |probe| slow_to_stop(probe, SECOND))).await.unwrap();

        let report = supervisor.stop().await.unwrap();

        assert_eq!(report.to_string(), "stopped: 2, killed: 0, failed: 0, unresponsive: 0");
        assert_eq!(plain.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(slow.entries().last().unwrap(), "dropped 1");
        assert!(!supervisor.connected());
    });
}

#[test]
fn the_children_are_stopped_all_at_the_same_time() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for seconds in [1, 2, 3, 4] {
            let spec = Probe::scripted(&journal, move |probe| slow_to_stop(probe, seconds * SECOND));
            supervisor.start_child(spec).await.unwrap();
        }
        let began = tokio::time::Instant::now();

        supervisor.stop().await.unwrap();

        assert!(began.elapsed() >= 4 * SECOND && began.elapsed() < Duration::from_millis(4_100));
    });
}

#[test]
fn a_stop_kills_at_its_deadline_what_still_lives_and_lists_it() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let never = || Probe::scripted(&journal, stubborn).shutdown(Shutdown::Infinity);
        let first = supervisor.start_child(never()).await.unwrap();
        supervisor.start_child(Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND))).await.unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let last = supervisor.start_child(never()).await.unwrap();
        let ended = supervisor.exited();
        let began = tokio::time::Instant::now();

        let report = supervisor.stop_with(ExitReason::shutdown_with("maintenance"), 2 * SECOND).await.unwrap();

        assert!(began.elapsed() >= 2 * SECOND && began.elapsed() < Duration::from_millis(2_100));
        assert_eq!(report.stopped, 2);
        assert_eq!(report.killed, [first.id, last.id]);
        assert!(!report.is_clean() && report.unresponsive.is_empty());
        assert_eq!(ended.await.to_string(), "shutdown: maintenance");
    });
}

#[test]
fn a_childs_own_deadline_holds_if_it_is_shorter_than_the_stops() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Timeout(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        let brutal = supervisor.start_child(Probe::child(&journal).shutdown(Shutdown::BrutalKill)).await.unwrap();
        let began = tokio::time::Instant::now();

        let mut report = supervisor.stop_with(ExitReason::Normal, 60 * SECOND).await.unwrap();

        assert!(began.elapsed() < Duration::from_millis(1_100));
        report.killed.sort();
        assert_eq!(report.killed, [child.id, brutal.id]);
    });
}

#[test]
fn a_stop_with_a_deadline_of_zero_kills_all_that_do_not_end_at_once() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let never = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Infinity);
        let child = supervisor.start_child(never).await.unwrap();

        let report = supervisor.stop_with(ExitReason::Normal, Duration::ZERO).await.unwrap();

        assert_eq!((report.stopped, report.killed), (1, vec![child.id]));
    });
}

#[test]
fn a_second_stop_with_a_deadline_cuts_short_the_first_and_both_get_the_report() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let never = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Infinity);
        let child = supervisor.start_child(never).await.unwrap();
        let ended = supervisor.exited();

        let first = supervisor.stop_with(ExitReason::shutdown_with("first"), None);
        let second = supervisor.stop_with(ExitReason::shutdown_with("second"), SECOND);

        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(first, second);
        assert_eq!(first.killed, [child.id]);
        assert_eq!(ended.await.to_string(), "shutdown: first");
    });
}

#[test]
fn of_two_deadlines_the_earlier_one_counts_in_whatever_order_they_are_given() {
    for (first, second) in [(SECOND, 60 * SECOND), (60 * SECOND, SECOND)] {
        world(async {
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let never = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Infinity);
            supervisor.start_child(never).await.unwrap();
            let began = tokio::time::Instant::now();

            let first = supervisor.stop_with(ExitReason::Normal, first);
            let second = supervisor.stop_with(ExitReason::Normal, second);

            assert_eq!(first.await.unwrap(), second.await.unwrap());
            assert!(began.elapsed() < Duration::from_millis(1_100), "{:?}", began.elapsed());
        });
    }
}

#[test]
fn a_stop_with_an_abnormal_reason_ends_it_with_that_reason() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let ended = supervisor.exited();

        supervisor.stop_with(ExitReason::failed("disk full"), None).await.unwrap();

        let reason = ended.await;
        assert_eq!((reason.to_string().as_str(), reason.is_abnormal()), ("failed: disk full", true));
    });
}

#[test]
fn exited_tells_all_who_asked_and_unknown_to_who_asks_afterwards() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (one, other) = (supervisor.exited(), supervisor.exited());

        supervisor.stop().await.unwrap();

        assert!(matches!(one.await, ExitReason::Normal));
        assert!(matches!(other.await, ExitReason::Normal));
        assert!(matches!(supervisor.exited().await, ExitReason::Unknown));
        assert_eq!(supervisor.stop().await, Err(StopError::SupervisorGone));
    });
}

#[test]
fn exited_tells_of_the_limit_and_of_a_kill_and_of_a_parent_that_went() {
    world(async {
        let limited = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let child = limited.start_child(Probe::child(&Journal::new())).await.unwrap();
        let ended = limited.exited();
        child.addr.do_send(Panic("boom"));
        assert!(matches!(ended.await, ExitReason::Shutdown));

        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let ended = nested.addr.exited();
        parent.kill_child(nested.id).await.unwrap();
        assert!(matches!(ended.await, ExitReason::Killed));

        let ended = nested.addr.exited();
        parent.terminate_child(nested.id).await.unwrap();
        assert!(matches!(ended.await, ExitReason::Shutdown));

        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let ended = nested.addr.exited();
        settle().await;
        parent.stop().await.unwrap();
        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn a_root_ends_in_good_order_when_its_last_address_is_dropped() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.start_child(Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND))).await.unwrap();
        let (ended, second) = (supervisor.exited(), supervisor.clone());

        drop(supervisor);
        settle().await;
        assert_eq!(journal.entries(), ["started 1"], "there is another address");
        drop(second);

        assert!(matches!(ended.await, ExitReason::Normal));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn a_root_whose_last_address_went_at_once_ends_too() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let ended = supervisor.exited();

        drop(supervisor);

        assert!(matches!(ended.await, ExitReason::Normal));
    });
}

#[test]
fn a_named_root_lives_without_addresses_until_it_is_stopped() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().name("rooms").start().unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(supervisor);
        settle().await;

        assert_eq!(journal.entries(), ["started 1"]);
        DynamicSupervisor::whereis("rooms").unwrap().stop().await.unwrap();
        assert_eq!(journal.entries().last().unwrap(), "dropped 1");
    });
}

/// An ordinary actor that keeps a supervisor for as long as it lives.
struct Keeper {
    _rooms: Linked,
}

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Supervised for Keeper {}

#[derive(Message)]
#[rtype(result = "()")]
enum End {
    Stop,
    Panic,
}

impl Handler<End> for Keeper {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        match end {
            End::Stop => ctx.stop(),
            End::Panic => std::panic::panic_any("boom"),
        }
    }
}

#[test]
fn a_linked_supervisor_ends_with_the_actor_that_keeps_it_whether_it_stops_or_panics() {
    for end in [End::Stop, End::Panic] {
        world(async {
            let journal = Journal::new();
            let outer = DynamicSupervisor::builder().start().unwrap();
            let rooms = DynamicSupervisor::builder().name("rooms").linked().unwrap();
            rooms.start_child(Probe::child(&journal)).await.unwrap();
            let (supervisor, ended) = (Addr::clone(&rooms), rooms.exited());
            settle().await;
            let keeper = outer.start_child(Child::once(move || Keeper { _rooms: rooms })).await.unwrap();
            assert!(supervisor.count_children().await.is_ok());

            keeper.addr.do_send(end);

            assert!(matches!(ended.await, ExitReason::Shutdown));
            assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
            assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        });
    }
}

#[test]
fn a_running_supervisor_can_be_linked_later_and_the_guard_dropped_on_any_thread() {
    world(async {
        let supervisor = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let (ended, guard) = (supervisor.exited(), supervisor.linked());
        settle().await;

        std::thread::spawn(move || drop(guard)).join().unwrap();

        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn a_child_that_has_named_its_own_end_is_not_told_it_as_that_of_a_supervisor_that_is_gone() {
    world(async {
        let gone = DynamicSupervisor::builder().start().unwrap();
        gone.stop().await.unwrap();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let (tell, told) = futures::channel::oneshot::channel();

        child.addr.do_send(Do::this(move |_, ctx| {
            ctx.exit(ExitReason::shutdown_with("its own"));
            // Dropped at once, as the mailbox is closed: while the child is polled.
            let _ = tell.send(gone.exited());
        }));

        assert!(matches!(told.await.unwrap().await, ExitReason::Unknown));
    });
}
