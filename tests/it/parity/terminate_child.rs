//! Ending one child, and which ends are reported.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::{sync::Notify, time::Instant};

use super::{cleans_up, counts, crashes, ends, ends_normally, ends_with, ignores, lingers, states, Answer, Scripted};
use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn with_brutal_kill_the_child_is_killed_and_not_found_again() {
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run]).shutdown(Shutdown::BrutalKill);
        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(ends(&reports), ["killed"]);
        assert_eq!(journal.entries(), ["start 1", "started 1", "dropped 1"]);
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        assert!(reports.kinds().is_empty(), "as it should be");
    });
}

#[test]
fn with_a_time_limit_the_child_ends_with_shutdown_and_is_not_found_again() {
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run]).shutdown(Shutdown::Timeout(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(ends(&reports), ["shutdown"]);
        assert_eq!(journal.entries(), ["start 1", "started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        assert!(reports.kinds().is_empty());
    });
}

#[test]
fn a_child_that_fails_to_come_back_is_removed_by_the_handle_it_had() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("never")]);
        let child = supervisor.start_child(spec).await.unwrap();
        ends_with(&child.addr, ExitReason::Shutdown).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn ending_a_child_on_its_way_back_signals_nobody_and_reports_nothing() {
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run, Answer::Hang]);
        let child = supervisor.start_child(spec).await.unwrap();
        crashes(&child.addr).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);
        journal.take();

        assert_eq!(supervisor.terminate_child(&child.addr).await, Ok(()));

        assert_eq!(journal.entries(), ["dropped 2"], "the start that hung is dropped with what it held");
        assert_eq!(reports.kinds(), ["child_terminated"], "only its crash");
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_stranger_is_not_found_and_not_harmed() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let other = DynamicSupervisor::builder().start().unwrap();
        let theirs = other.start_child(Probe::child(&Journal::new())).await.unwrap();
        let nobodys = Probe::new(&Journal::new(), 7).start();

        assert_eq!(supervisor.terminate_child(theirs.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&theirs.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&nobodys).await, Err(TerminateChildError::NotFound));

        assert_eq!(theirs.addr.send(Ask).await, Ok(1));
        assert_eq!(nobodys.send(Ask).await, Ok(7));
    });
}

#[test]
fn a_child_that_was_removed_by_its_own_end_is_not_found() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::child(&Journal::new()).restart(Restart::Temporary);
        let child = supervisor.start_child(spec).await.unwrap();
        ends_with(&child.addr, ExitReason::Normal).await;

        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&child.addr).await, Err(TerminateChildError::NotFound));
    });
}

#[test]
fn a_child_that_is_terminated_does_not_count_as_a_restart_and_is_not_restarted() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        for _ in 0..10 {
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            supervisor.terminate_child(child.id).await.unwrap();
        }

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

/// What a termination of a child with this spec reports.
async fn reported(spec: Scripted) -> Vec<String> {
    let reports = Reports::capture();
    let supervisor = DynamicSupervisor::builder().start().unwrap();
    let child = supervisor.start_child(spec).await.unwrap();
    assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
    assert!(reports.kinds().iter().all(|kind| kind == "shutdown_error"));
    reports.all().iter().map(|report| report.field("reason").to_owned()).collect()
}

#[test]
fn an_end_on_request_is_reported_when_it_is_not_the_one_expected() {
    world(async {
        let child = |restart| Scripted::new(&Journal::new(), [Answer::Run]).restart(restart);
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let no_reports: [&str; 0] = [];
            assert_eq!(reported(child(restart)).await, no_reports);
            assert_eq!(reported(child(restart).on_stopping(cleans_up)).await, no_reports);
            assert_eq!(reported(child(restart).shutdown(Shutdown::BrutalKill)).await, no_reports);
            assert_eq!(reported(child(restart).on_stopping(ignores)).await, ["killed"], "its time was up");
            let fails = |_: &mut Probe, ctx: &mut Context<Probe>| {
                ctx.exit(ExitReason::failed("disk full"));
                Running::Stop
            };
            assert_eq!(reported(child(restart).on_stopping(fails)).await, ["failed: disk full"]);
            let panics = |_: &mut Probe, _: &mut Context<Probe>| std::panic::panic_any("ouch");
            assert_eq!(reported(child(restart).on_stopping(panics)).await, ["panicked: ouch"]);
            let normal = child(restart).on_stopping(ends_normally);
            let expected: &[&str] = if restart == Restart::Permanent { &["normal"] } else { &[] };
            assert_eq!(reported(normal).await, expected);
        }
    });
}

#[test]
fn a_child_that_is_dead_but_not_noticed_is_removed_and_only_a_normal_end_goes_unreported() {
    world(async {
        let cases = [
            (Restart::Permanent, ExitReason::Normal, true),
            (Restart::Transient, ExitReason::Normal, false),
            (Restart::Temporary, ExitReason::Normal, false),
            (Restart::Permanent, ExitReason::Shutdown, true),
            (Restart::Transient, ExitReason::Shutdown, true),
            (Restart::Temporary, ExitReason::shutdown_with("done"), true),
            (Restart::Transient, ExitReason::failed("x"), true),
        ];
        for (restart, reason, is_reported) in cases {
            let reports = Reports::capture();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let spec = Scripted::new(&Journal::new(), [Answer::Run]).restart(restart);
            let child = supervisor.start_child(spec).await.unwrap();
            let case = format!("{restart}, {reason}");

            // Its turn is before its supervisor's: the notice of its end stands behind the request.
            child.addr.do_send(Exit(reason.clone()));
            assert_eq!(supervisor.terminate_child(child.id).await, Ok(()), "{case}");

            assert_eq!(counts(&supervisor).await, [0, 0, 0, 0], "{case}");
            let expected: &[&str] = if is_reported { &["shutdown_error"] } else { &[] };
            assert_eq!(reports.kinds(), expected, "{case}");
            assert_eq!(ends(&reports), [reason.to_string()], "{case}: told once");
        }
    });
}

#[test]
fn a_child_that_came_back_and_crashed_again_but_not_noticed_is_reported_too() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let permit = Arc::new(Notify::new());
        let gate = Arc::clone(&permit);
        let child = Child::from_async(move |cx: StartContext<Probe>| {
            let gate = Arc::clone(&gate);
            async move {
                if cx.incarnation() > 1 {
                    gate.notified().await;
                }
                Ok::<_, BoxError>(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
            }
        });
        let child = supervisor.start_child(child).await.unwrap();
        crashes(&child.addr).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);

        // Its turn is before its supervisor's: it comes back and crashes, both notices stand behind the request.
        child.addr.do_send(Panic("again"));
        permit.notify_one();
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(reports.kinds(), ["child_terminated", "shutdown_error"]);
        assert_eq!(reports.all()[1].field("reason"), "panicked: again");
    });
}

#[test]
fn a_child_that_panics_while_it_takes_its_time_to_end_is_reported_with_that() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(lingers(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        let terminated = supervisor.terminate_child(child.id);
        settle().await;

        crashes(&child.addr).await;

        assert_eq!(terminated.await, Ok(()));
        assert_eq!(reports.kinds(), ["shutdown_error"]);
        assert_eq!(reports.all()[0].field("reason"), "panicked: boom");
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0], "it is not restarted");
    });
}

#[test]
fn a_child_that_was_killed_but_not_noticed_is_reported_even_with_brutal_kill() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::BrutalKill);
        let child = supervisor.start_child(spec).await.unwrap();

        let killed = supervisor.kill_child(child.id);
        let terminated = supervisor.terminate_child(child.id);

        assert_eq!((killed.await, terminated.await), (Ok(()), Ok(())));
        assert_eq!(reports.kinds(), ["shutdown_error"]);
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn the_answer_comes_when_the_child_is_down_and_not_before() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run]).shutdown(Shutdown::Infinity).on_stopping(lingers(SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        let before = Instant::now();

        supervisor.terminate_child(child.id).await.unwrap();

        let took = before.elapsed().as_millis();
        assert!((1000..=1002).contains(&took), "{took} ms");
        assert!(journal.has("dropped 1"));
        assert!(!child.addr.connected());
    });
}

#[test]
fn a_child_may_terminate_itself_through_its_supervisor() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let (own, id) = (supervisor.clone(), child.id);

        child.addr.do_send(Do::this(move |probe, ctx| {
            ctx.wait(async move { own.terminate_child(id).await }.into_actor(probe).map(|_, _, _| ()));
        }));
        settle().await;

        assert_eq!(ends(&reports), ["shutdown"]);
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_child_that_waits_for_its_own_termination_in_its_stop_hook_is_killed_when_its_time_is_up() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = supervisor.clone();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Timeout(SECOND)).on_stopping(
            move |probe, ctx| {
                let (own, this) = (own.clone(), ctx.address());
                ctx.wait(async move { own.terminate_child(&this).await }.into_actor(probe).map(|_, _, _| ()));
                Running::Continue
            },
        );
        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(ends(&reports), ["killed"]);
        assert_eq!(reports.kinds(), ["shutdown_error"]);
    });
}

#[test]
fn messages_behind_the_one_that_ended_a_terminated_child_are_answered_with_closed() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::child(&Journal::new()).shutdown(Shutdown::Infinity);
        let child = supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let behind = child.addr.send(Ask);
        supervisor.terminate_child(child.id).await.unwrap();

        assert!(matches!(behind.await, Err(MailboxError::Closed)));
        assert!(matches!(child.addr.send(Ask).await, Err(MailboxError::Closed)));
    });
}

#[test]
fn a_request_to_a_supervisor_that_is_gone_says_so() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        supervisor.stop().await.unwrap();

        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::SupervisorGone));
        assert!(supervisor.which_children().await.is_err());
        assert!(supervisor.stop().await.is_err());
        assert_eq!(supervisor.exited().await.to_string(), "unknown");
    });
}
