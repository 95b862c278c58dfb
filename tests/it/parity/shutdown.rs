//! The supervisor ends: how its children do, and when.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::time::Instant;

use super::{cleans_up, counts, crashes, ends, ends_normally, ignores, lingers, states, Answer, Scripted};
use crate::support::{settle, world, Do, Exit, Journal, Probe, Reports};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Three children of each spec, a stop, and how they ended.
async fn stop_three(spec: impl Fn(&Journal) -> Scripted) -> (Vec<String>, Vec<String>, ShutdownReport) {
    let reports = Reports::capture();
    let supervisor = DynamicSupervisor::builder().start().unwrap();
    for _ in 0..3 {
        supervisor.start_child(spec(&Journal::new())).await.unwrap();
    }
    let report = supervisor.stop().await.unwrap();
    (ends(&reports), reports.kinds(), report)
}

#[test]
fn with_brutal_kill_all_are_killed() {
    world(async {
        let (ends, kinds, report) =
            stop_three(|j| Scripted::new(j, [Answer::Run]).shutdown(Shutdown::BrutalKill).on_stopping(cleans_up)).await;

        assert_eq!(ends, ["killed", "killed", "killed"]);
        assert!(kinds.is_empty(), "as it should be");
        assert_eq!((report.stopped, report.killed.len()), (0, 3));
    });
}

#[test]
fn with_infinity_all_end_with_shutdown() {
    world(async {
        let (ends, kinds, report) =
            stop_three(|journal| Scripted::new(journal, [Answer::Run]).shutdown(Shutdown::Infinity)).await;

        assert_eq!(ends, ["shutdown", "shutdown", "shutdown"]);
        assert!(kinds.is_empty());
        assert_eq!((report.stopped, report.killed.len()), (3, 0));
    });
}

#[test]
fn with_infinity_children_that_clean_up_end_with_their_own_shutdown_reason() {
    world(async {
        let (ends, kinds, _) = stop_three(|journal| {
            Scripted::new(journal, [Answer::Run]).shutdown(Shutdown::Infinity).on_stopping(cleans_up)
        })
        .await;

        assert_eq!(ends, ["shutdown: oops", "shutdown: oops", "shutdown: oops"]);
        assert!(kinds.is_empty());
    });
}

#[test]
fn with_a_time_limit_all_end_with_shutdown() {
    world(async {
        let before = Instant::now();
        let (ends, kinds, _) =
            stop_three(|journal| Scripted::new(journal, [Answer::Run]).shutdown(Shutdown::Timeout(SECOND))).await;

        assert_eq!(ends, ["shutdown", "shutdown", "shutdown"]);
        assert!(kinds.is_empty());
        assert_eq!(before.elapsed(), Duration::ZERO, "nobody waits for the limit");
    });
}

#[test]
fn with_a_time_limit_children_that_clean_up_end_with_their_own_shutdown_reason() {
    world(async {
        let (ends, kinds, _) = stop_three(|journal| {
            Scripted::new(journal, [Answer::Run]).shutdown(Shutdown::Timeout(SECOND)).on_stopping(cleans_up)
        })
        .await;

        assert_eq!(ends, ["shutdown: oops", "shutdown: oops", "shutdown: oops"]);
        assert!(kinds.is_empty());
    });
}

#[test]
fn who_ignores_the_request_is_killed_when_its_time_is_up_and_the_others_are_not() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let quick = || Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Timeout(MILLISECOND));
        let journal = Journal::new();
        let stubborn = Scripted::new(&journal, [Answer::Run]).shutdown(Shutdown::Timeout(MILLISECOND));
        supervisor.start_child(quick()).await.unwrap();
        let stubborn = supervisor.start_child(stubborn.on_stopping(ignores)).await.unwrap();
        supervisor.start_child(quick()).await.unwrap();

        let report = supervisor.stop().await.unwrap();

        assert_eq!(ends(&reports), ["shutdown", "shutdown", "killed"]);
        assert_eq!((report.stopped, &report.killed[..]), (2, &[stubborn.id][..]));
        assert_eq!(journal.entries(), ["start 1", "started 1", "stopping 1", "dropped 1"], "no hooks at the end");
        let all = reports.all();
        assert_eq!(reports.kinds(), ["shutdown_error"]);
        assert_eq!(all[0].field("reason"), "killed");
        assert_eq!(all[0].field("child.id"), stubborn.id.to_string());
    });
}

#[test]
fn permanent_children_that_end_normally_on_request_do_so_and_are_reported() {
    world(async {
        let (ends, kinds, report) = stop_three(|journal| {
            Scripted::new(journal, [Answer::Run]).shutdown(Shutdown::Infinity).on_stopping(ends_normally)
        })
        .await;

        assert_eq!(ends, ["normal", "normal", "normal"]);
        assert_eq!(kinds, ["shutdown_error", "shutdown_error", "shutdown_error"]);
        assert_eq!(report.stopped, 3);
    });
}

#[test]
fn children_that_may_end_normally_are_not_reported_for_it() {
    for restart in [Restart::Transient, Restart::Temporary] {
        world(async move {
            let (ends, kinds, _) =
                stop_three(|journal| Scripted::new(journal, [Answer::Run]).restart(restart).on_stopping(ends_normally))
                    .await;

            assert_eq!(ends, ["normal", "normal", "normal"]);
            assert!(kinds.is_empty());
        });
    }
}

#[test]
fn each_child_ends_in_its_own_way() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for shutdown in [Shutdown::Infinity, Shutdown::BrutalKill] {
            supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Run]).shutdown(shutdown)).await.unwrap();
        }

        let report = supervisor.stop().await.unwrap();

        assert_eq!(ends(&reports), ["shutdown", "killed"]);
        assert!(reports.kinds().is_empty());
        assert_eq!((report.stopped, report.killed.len()), (1, 1));
    });
}

#[test]
fn the_whole_takes_as_long_as_the_slowest_child() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for millis in [60, 120, 120, 180] {
            let spec = Scripted::new(&Journal::new(), [Answer::Run])
                .shutdown(Shutdown::Timeout(Duration::from_millis(millis)))
                .on_stopping(ignores);
            supervisor.start_child(spec).await.unwrap();
        }
        let before = Instant::now();

        let report = supervisor.stop().await.unwrap();

        let took = before.elapsed().as_millis();
        assert!((180..=182).contains(&took), "{took} ms");
        assert_eq!(report.killed.len(), 4);
    });
}

#[test]
fn reports_follow_when_all_are_down() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let odd = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(ends_normally);
        let slow = Scripted::new(&Journal::new(), [Answer::Run])
            .shutdown(Shutdown::Timeout(SECOND))
            .on_stopping(lingers(MILLISECOND * 500));
        supervisor.start_child(odd).await.unwrap();
        supervisor.start_child(slow).await.unwrap();

        let stopped = supervisor.stop();
        settle().await;
        assert!(reports.kinds().is_empty(), "one is down, the other is not");

        stopped.await.unwrap();
        assert_eq!(ends(&reports), ["shutdown", "normal"]);
        assert_eq!(reports.kinds(), ["shutdown_error"]);
    });
}

#[test]
fn children_on_their_way_back_are_skipped() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Run, Answer::Hang])).await.unwrap();
        crashes(&child.addr).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);

        let report = supervisor.stop().await.unwrap();

        assert_eq!(report, ShutdownReport::default());
        assert_eq!(reports.kinds(), ["child_terminated"], "only its crash");
        assert!(!child.addr.connected());
    });
}

#[test]
fn a_child_that_was_dead_but_not_noticed_is_reported_even_for_a_shutdown() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        // Its turn is before its supervisor's: the notice of its end stands behind the stop.
        child.addr.do_send(Exit(ExitReason::Shutdown));
        let report = supervisor.stop().await.unwrap();

        assert_eq!(reports.kinds(), ["shutdown_error"]);
        assert_eq!(report.stopped, 1);
    });
}

#[test]
fn the_reason_of_a_stop_is_that_of_the_end() {
    for reason in [ExitReason::Normal, ExitReason::shutdown_with("maintenance"), ExitReason::failed("disk full")] {
        world(async {
            let reports = Reports::capture();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let exited = supervisor.exited();
            let (text, is_abnormal) = (reason.to_string(), reason.is_abnormal());

            supervisor.stop_with(reason, None).await.unwrap();

            assert_eq!(exited.await.to_string(), text);
            let end = reports.lines().pop().unwrap();
            assert_eq!((end.message.as_str(), end.field("reason")), ("supervisor ended", text.as_str()));
            assert_eq!(end.level == tracing::Level::ERROR, is_abnormal);
        });
    }
}

#[test]
fn the_supervisors_own_report_comes_after_those_of_its_children() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let odd = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(ends_normally);
        supervisor.start_child(odd).await.unwrap();

        supervisor.stop_with(ExitReason::failed("disk full"), None).await.unwrap();

        let errors: Vec<_> = reports.lines().into_iter().filter(|line| line.level == tracing::Level::ERROR).collect();
        let messages: Vec<_> = errors.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["child shut down abnormally", "supervisor ended"]);
    });
}

#[test]
fn a_deadline_for_the_whole_kills_what_still_lives() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Infinity).on_stopping(ignores);
        let child = supervisor.start_child(spec).await.unwrap();
        let before = Instant::now();

        let report = supervisor.stop_with(ExitReason::Normal, SECOND).await.unwrap();

        assert_eq!(report.killed, [child.id]);
        let took = before.elapsed().as_millis();
        assert!((1000..=1002).contains(&took), "{took} ms");
    });
}

#[test]
fn a_second_stop_joins_the_first_whose_reason_stands() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(lingers(SECOND));
        supervisor.start_child(spec).await.unwrap();
        let exited = supervisor.exited();

        let first = supervisor.stop_with(ExitReason::shutdown_with("first"), None);
        let second = supervisor.stop_with(ExitReason::shutdown_with("second"), None);

        assert_eq!(first.await.unwrap(), second.await.unwrap());
        assert_eq!(exited.await.to_string(), "shutdown: first");
    });
}

#[test]
fn while_it_shuts_down_it_answers_questions_and_starts_nobody() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(lingers(SECOND));
        supervisor.start_child(spec).await.unwrap();

        let stopped = supervisor.stop();

        assert_eq!(states(&supervisor).await, [ChildState::Stopping]);
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        let error = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(error, StartChildError::ShuttingDown), "{error}");
        stopped.await.unwrap();
        assert!(supervisor.count_children().await.is_err());
    });
}

#[test]
fn who_waits_is_answered_when_the_supervisor_ends() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(lingers(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        let terminated = supervisor.terminate_child(child.id);
        let started = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Hang]));

        let report = supervisor.stop().await.unwrap();

        assert_eq!(terminated.await, Ok(()));
        let error = started.await.unwrap_err();
        assert!(matches!(error, StartChildError::ShuttingDown), "{error}");
        assert_eq!((report.stopped, report.is_clean()), (1, true));
    });
}

#[test]
fn a_child_may_stop_its_own_supervisor() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let own = supervisor.clone();

        child.addr.do_send(Do::this(move |probe, ctx| {
            ctx.wait(async move { own.stop().await }.into_actor(probe).map(|_, _, _| ()));
        }));

        assert_eq!(exited.await.to_string(), "normal");
    });
}
