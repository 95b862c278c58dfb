//! How many messages a child has handled, and how long it keeps its thread.

use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{child, hold, look, patient, queued, send, SECOND};
use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe};

async fn count(supervisor: &Addr<DynamicSupervisor>, id: ChildId) -> u64 {
    child(supervisor, id).await.handled.expect("it tells")
}

#[test]
fn what_a_child_has_handled_is_counted_over_all_its_incarnations() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(count(&supervisor, probe.id).await, 0);
        send(&probe.addr, 0..1_000);
        probe.addr.send(Ask).await.unwrap();
        assert_eq!(count(&supervisor, probe.id).await, 1_001);
        for life in 1..=20 {
            probe.addr.do_send(if life % 2 == 0 { Exit(ExitReason::Normal) } else { Exit(ExitReason::Killed) });
            probe.addr.do_send(Panic("boom"));
            send(&probe.addr, 0..3);
        }
        probe.addr.send(Ask).await.unwrap();
        settle().await;
        assert_eq!(count(&supervisor, probe.id).await, 1_001 + 20 * 5 + 1);
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.handled, info.incarnation), (Some(1_102), 41));
    });
}

#[test]
fn what_was_laid_aside_is_counted_once_when_it_is_handled() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let gate = hold(&probe.addr).await;
        send(&probe.addr, 0..300);
        for _ in 0..5 {
            assert_eq!(queued(&supervisor, probe.id).await, Some(300));
            assert_eq!(count(&supervisor, probe.id).await, 1, "that which holds it");
        }
        gate.admit(1);
        probe.addr.send(Ask).await.unwrap();
        settle().await;
        assert_eq!(count(&supervisor, probe.id).await, 302);
    });
}

#[test]
fn a_turn_that_a_handler_ends_early_counts_what_was_handled_until_then() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        send(&probe.addr, 0..10);
        let gate = hold(&probe.addr).await;
        send(&probe.addr, 10..20);
        settle().await;
        assert_eq!(count(&supervisor, probe.id).await, 11);
        gate.admit(1);
        settle().await;
        assert_eq!(count(&supervisor, probe.id).await, 21);
    });
}

#[test]
fn another_child_in_the_same_place_begins_at_nothing() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let first = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        send(&first.addr, 0..10);
        first.addr.send(Ask).await.unwrap();
        supervisor.terminate_child(first.id).await.unwrap();
        let second = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(count(&supervisor, second.id).await, 0);
    });
}

/// Keeps the thread for as long.
fn busy(time: Duration) -> Do {
    Do::this(move |_, _| {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    })
}

#[test]
fn the_longest_poll_is_told_where_it_is_measured_and_nowhere_else() {
    crate::support::real_world(async {
        let journal = Journal::new();
        for is_measured in [true, false] {
            let supervisor = DynamicSupervisor::builder().measure(is_measured).start().unwrap();
            let (slow, quick) = (
                supervisor.start_child(Probe::child(&journal)).await.unwrap(),
                supervisor.start_child(Probe::child(&journal)).await.unwrap(),
            );
            slow.addr.send(busy(Duration::from_millis(30))).await.unwrap();
            quick.addr.send(Ask).await.unwrap();
            slow.addr.do_send(Panic("boom"));
            slow.addr.send(Ask).await.unwrap();
            let of = async |id| child(&supervisor, id).await.longest_poll;
            let (slow, quick) = (of(slow.id).await, of(quick.id).await);
            assert_eq!((slow.is_some(), quick.is_some()), (is_measured, is_measured));
            if is_measured {
                // Also of a former incarnation.
                assert!(slow >= Some(Duration::from_millis(30)), "{slow:?}");
                assert!(quick < slow, "{quick:?}");
            }
        }
    });
}

#[test]
fn a_snapshot_tells_when_a_child_came_into_its_state_and_when_it_is_tried_again() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::child(&journal).max_restarts(5, 60 * SECOND).backoff(Backoff::fixed(10 * SECOND));
        let probe = supervisor.start_child(spec).await.unwrap();
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(7 * SECOND).await;
        let info = child(&supervisor, probe.id).await;
        assert_eq!((info.since, info.next_try), (begun, None));
        probe.addr.do_send(Panic("boom"));
        settle().await;
        tokio::time::sleep(3 * SECOND).await;
        let info = child(&supervisor, probe.id).await;
        assert_eq!(info.since, begun + 7 * SECOND);
        assert_eq!(info.next_try, Some(begun + 17 * SECOND));
        assert!(matches!(&info.last_exit, Some(ExitReason::Panicked(panic)) if panic.message() == "boom"));
        let limit = info.limit.expect("it has one of its own");
        assert_eq!((limit.used, limit.max_restarts), (1, 5));
        assert_eq!(info.lives.len(), 1);
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!((snapshot.limit.used, snapshot.limit.max_restarts), (0, 1_000_000));
    });
}
