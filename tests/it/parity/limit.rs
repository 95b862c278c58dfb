//! The limit of restarts: what counts, for how long, and what follows.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::time::advance;

use super::{counts, crashes, ends, ends_with, ignores, Answer, Scripted};
use crate::support::{world, Ask, Journal, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);

async fn probe(supervisor: &Addr<DynamicSupervisor>) -> Addr<Probe> {
    supervisor.start_child(Probe::child(&Journal::new())).await.unwrap().addr
}

#[test]
fn as_many_restarts_as_allowed_are_made_and_one_more_ends_the_supervisor() {
    for max_restarts in [0, 1, 4] {
        world(async move {
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().max_restarts(max_restarts).start().unwrap();
            let exited = supervisor.exited();
            let child = supervisor.start_child(Scripted::new(&journal, [Answer::Run])).await.unwrap();

            for number in 0..max_restarts {
                crashes(&child.addr).await;
                assert_eq!(child.addr.send(Ask).await, Ok(number as usize + 2));
            }
            crashes(&child.addr).await;

            assert_eq!(exited.await.to_string(), "shutdown");
            let starts = journal.entries().iter().filter(|entry| entry.starts_with("start ")).count();
            assert_eq!(starts, max_restarts as usize + 1, "the last one is not made any more");
        });
    }
}

#[test]
fn all_children_share_one_limit() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let exited = supervisor.exited();
        let (one, two, three) = (probe(&supervisor).await, probe(&supervisor).await, probe(&supervisor).await);

        crashes(&one).await;
        crashes(&two).await;
        assert_eq!(counts(&supervisor).await, [3, 3, 0, 3]);
        crashes(&three).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

#[test]
fn a_restart_exactly_one_period_ago_still_counts() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1).max_seconds(1).start().unwrap();
        let exited = supervisor.exited();
        let child = probe(&supervisor).await;

        crashes(&child).await;
        advance(SECOND).await;
        crashes(&child).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

#[test]
fn a_restart_more_than_one_period_ago_does_not_count_any_more() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1).max_seconds(1).start().unwrap();
        let child = probe(&supervisor).await;
        for number in 2..10 {
            crashes(&child).await;
            assert_eq!(child.send(Ask).await, Ok(number));
            advance(SECOND + NANOSECOND).await;
        }
    });
}

#[test]
fn the_window_slides_and_is_not_cut_into_pieces() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).max_seconds(5).start().unwrap();
        let exited = supervisor.exited();
        let child = probe(&supervisor).await;

        crashes(&child).await;
        advance(SECOND * 4).await;
        crashes(&child).await;
        advance(SECOND + NANOSECOND).await;
        crashes(&child).await;
        assert_eq!(child.send(Ask).await, Ok(4), "the first has fallen out");
        advance(SECOND).await;
        crashes(&child).await;

        assert_eq!(exited.await.to_string(), "shutdown", "the last three lie in five seconds");
    });
}

#[test]
fn a_restart_that_works_clears_nothing() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let exited = supervisor.exited();
        let child = probe(&supervisor).await;

        for _ in 0..2 {
            crashes(&child).await;
            child.send(Ask).await.unwrap();
            advance(SECOND).await;
        }
        crashes(&child).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

#[test]
fn a_restart_that_declines_counts() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1).start().unwrap();
        let exited = supervisor.exited();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Ignore]);
        let declining = supervisor.start_child(spec).await.unwrap();
        let other = probe(&supervisor).await;

        crashes(&declining.addr).await;
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        crashes(&other).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

#[test]
fn tries_that_fail_count_with_what_the_window_already_holds() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(3).start().unwrap();
        let exited = supervisor.exited();
        let other = probe(&supervisor).await;
        let child = supervisor.start_child(Scripted::new(&journal, [Answer::Run, Answer::Fail("no")])).await.unwrap();

        crashes(&other).await;
        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        let starts: Vec<_> = journal.entries().into_iter().filter(|entry| entry.starts_with("start ")).collect();
        assert_eq!(starts, ["start 1", "start 2", "start 3"], "two tries were left");
    });
}

#[test]
fn ends_that_are_not_followed_by_a_restart_do_not_count() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        for (restart, reason) in [
            (Restart::Temporary, ExitReason::failed("x")),
            (Restart::Temporary, ExitReason::Normal),
            (Restart::Transient, ExitReason::Shutdown),
        ] {
            let spec = Probe::child(&Journal::new()).restart(restart);
            let child = supervisor.start_child(spec).await.unwrap();
            ends_with(&child.addr, reason).await;
        }

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn the_child_beyond_the_limit_is_dropped_and_the_others_are_shut_down_by_their_own_rules() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let polite = Journal::new();
        supervisor.start_child(Scripted::new(&polite, [Answer::Run])).await.unwrap();
        let stubborn = Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Timeout(SECOND));
        let stubborn = supervisor.start_child(stubborn.on_stopping(ignores)).await.unwrap();

        crashes(&child.addr).await;
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1], "the stubborn one is being waited for");

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(reports.kinds(), ["child_terminated", "shutdown", "shutdown_error"]);
        assert_eq!(reports.all()[2].field("child.id"), stubborn.id.to_string());
        assert_eq!(ends(&reports), ["panicked: boom", "shutdown", "killed"]);
        assert_eq!(polite.entries(), ["start 1", "started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn an_end_by_the_limit_is_quiet_for_who_watches_the_supervisor() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let exited = supervisor.exited();
        let child = probe(&supervisor).await;

        crashes(&child).await;

        assert!(!exited.await.is_abnormal());
        let end = reports.lines().pop().unwrap();
        assert_eq!((end.level, end.message.as_str()), (tracing::Level::DEBUG, "supervisor ended"));
    });
}

#[test]
fn who_waits_for_a_supervisor_past_its_limit_is_answered() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let child = probe(&supervisor).await;
        let started = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Hang]));

        crashes(&child).await;

        assert!(started.await.is_err());
        assert!(supervisor.count_children().await.is_err());
    });
}
