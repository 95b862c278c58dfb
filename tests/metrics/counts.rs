//! What is counted, and what is timed, by a clock that the test moves.

use std::{future::pending, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{
    crash, measured,
    support::{
        script::{starts_once, stubborn},
        settle, Ask, Do, Exit, Journal, Panic, Probe,
    },
    SECOND,
};

#[test]
fn starts_are_counted_and_those_that_fail_but_not_those_that_decline() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let starts = || (figures.sum("starts_total"), figures.sum("start_failures_total"));
        supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(starts(), (1.0, 0.0));

        let fails = Child::try_with(|_: &mut StartContext<Probe>| Err::<Start<Probe>, _>(BoxError::from("no")));
        assert!(supervisor.start_child(fails).await.is_err());
        assert_eq!(starts(), (1.0, 1.0));

        let declines = Child::try_with(|_: &mut StartContext<Probe>| Ok::<_, BoxError>(Start::Ignore));
        assert!(supervisor.start_child(declines).await.is_err());
        assert_eq!(starts(), (1.0, 1.0));

        let hangs = Child::from_async(|_: StartContext<Probe>| pending::<Result<Start<Probe>, BoxError>>());
        assert!(supervisor.start_child(hangs.start_timeout(SECOND)).await.is_err());
        assert_eq!(starts(), (1.0, 2.0));

        let later = Child::from_async(|cx: StartContext<Probe>| async move {
            Ok::<_, BoxError>(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
        });
        supervisor.start_child(later).await.unwrap();
        assert_eq!(starts(), (2.0, 2.0));
        assert_eq!(figures.sum("exits_total"), 0.0, "what has not started has not ended");
    });
}

#[test]
fn each_try_of_a_restart_that_fails_is_a_failed_start() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().max_restarts(3).start().unwrap();
        let child = supervisor.start_child(starts_once(&Journal::new(), |_| ())).await.unwrap();
        child.addr.do_send(Panic("crash"));
        supervisor.exited().await;
        assert_eq!(figures.sum("start_failures_total"), 3.0);
        assert_eq!((figures.sum("restarts_total"), figures.sum("exits_total")), (0.0, 1.0));
    });
}

#[test]
fn ends_are_counted_by_the_kind_of_their_reason() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().max_restarts(100).start().unwrap();
        let start = async || supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let reasons = [
            ("normal", ExitReason::Normal),
            ("shutdown", ExitReason::Shutdown),
            ("shutdown", ExitReason::shutdown_with("a note")),
            ("killed", ExitReason::Killed),
            ("failed", ExitReason::failed("an error")),
            ("arbiter_gone", ExitReason::ArbiterGone),
            ("unresponsive", ExitReason::Unresponsive),
            ("unknown", ExitReason::Unknown),
        ];
        for (kind, reason) in reasons {
            let before = figures.sum_of("exits_total", ("reason", kind));
            let child = start().await;
            child.addr.do_send(Exit(reason));
            child.addr.send(Ask).await.unwrap();
            assert_eq!(figures.sum_of("exits_total", ("reason", kind)), before + 1.0, "{kind}");
        }
        crash(&start().await.addr).await;
        assert_eq!(figures.sum_of("exits_total", ("reason", "panicked")), 1.0);
        assert_eq!((figures.sum("exits_total"), figures.sum("restarts_total")), (9.0, 9.0));
    });
}

#[test]
fn a_child_that_takes_too_long_to_end_is_counted_as_killed() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = || Probe::scripted(&Journal::new(), stubborn);
        let late = supervisor.start_child(spec().shutdown(Shutdown::Timeout(SECOND))).await.unwrap();
        let brutal = supervisor.start_child(spec().shutdown(Shutdown::BrutalKill)).await.unwrap();
        supervisor.terminate_child(brutal.id).await.unwrap();
        assert_eq!(figures.sum("killed_at_deadline_total"), 0.0, "that was no deadline");
        supervisor.terminate_child(late.id).await.unwrap();
        assert_eq!(figures.sum("killed_at_deadline_total"), 1.0);
        assert_eq!(figures.sum_of("exits_total", ("reason", "killed")), 2.0);
    });
}

#[test]
fn messages_that_nobody_will_handle_are_counted_one_by_one() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new()).restart(Restart::Temporary)).await.unwrap();
        child.addr.do_send(Panic("the end"));
        for _ in 0..7 {
            child.addr.do_send(Do::this(|_, _| ()));
        }
        settle().await;
        assert!(!child.addr.connected());
        assert_eq!(figures.sum("undelivered_messages_total"), 7.0);
    });
}

#[test]
fn what_is_timed_is_told_in_seconds() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let delay = Duration::from_millis(250);
        let spec = Probe::scripted(&Journal::new(), stubborn).backoff(Backoff::fixed(delay));
        let child = supervisor.start_child(spec.shutdown(Shutdown::Timeout(SECOND * 2))).await.unwrap();

        tokio::time::sleep(SECOND * 3).await;
        crash(&child.addr).await;
        assert_eq!(figures.values("uptime_seconds"), [3.0]);
        assert_eq!(figures.values("restart_seconds"), [0.25]);

        assert!(figures.values("shutdown_seconds").is_empty());
        supervisor.stop().await.unwrap();
        assert_eq!(figures.values("shutdown_seconds"), [2.0]);
        assert_eq!(figures.values("uptime_seconds"), [3.0, 2.0]);
    });
}

#[test]
fn a_child_that_has_used_up_its_own_restarts_is_counted_and_is_no_end_of_the_supervisor() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new()).max_restarts(1, SECOND)).await.unwrap();
        crash(&child.addr).await;
        assert_eq!(figures.sum("gave_up_total"), 0.0);
        child.addr.do_send(Panic("again"));
        settle().await;
        assert_eq!((figures.sum("gave_up_total"), figures.sum("limit_reached_total")), (1.0, 0.0));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_child_that_is_removed_while_it_is_away_has_ended_once() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::child(&Journal::new()).backoff(Backoff::fixed(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        assert!(child.addr.send(Panic("crash")).await.is_err());
        settle().await;
        assert_eq!(figures.children("restarting"), 1.0);
        supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!((figures.sum("exits_total"), figures.sum("children")), (1.0, 0.0));
    });
}
