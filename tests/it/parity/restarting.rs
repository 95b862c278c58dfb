//! Tries of a restart, and what others see between them.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{counts, crashes, ends_with, states, Answer, Scripted};
use crate::support::{settle, world, Ask, Journal, Probe, Reports};

fn starts(journal: &Journal) -> Vec<String> {
    journal.entries().into_iter().filter(|entry| entry.starts_with("start ")).collect()
}

#[test]
fn a_child_that_declines_to_come_back_is_removed_without_a_report_and_not_tried_again() {
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Scripted::new(&journal, [Answer::Run, Answer::Ignore])).await.unwrap();

        crashes(&child.addr).await;
        settle().await;

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert_eq!(starts(&journal), ["start 1", "start 2"]);
        assert!(!child.addr.connected());
    });
}

#[test]
fn every_kind_of_failed_try_is_reported_and_followed_by_another() {
    let failures = [
        (Answer::Fail("no database"), "no database"),
        (Answer::Panic("oops"), "panicked: oops"),
        (Answer::PanicInStarted("ouch"), "panicked: ouch"),
        (Answer::ExitInStarted(ExitReason::Normal), "ended while it started: normal"),
        (Answer::ExitInStarted(ExitReason::failed("x")), "ended while it started: failed: x"),
    ];
    for (failure, reason) in failures {
        world(async move {
            let reports = Reports::capture();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let spec = Scripted::new(&Journal::new(), [Answer::Run, failure, Answer::Run]);
            let child = supervisor.start_child(spec).await.unwrap();

            crashes(&child.addr).await;

            assert_eq!(child.addr.send(Ask).await, Ok(3));
            assert_eq!(reports.kinds(), ["child_terminated", "start_error"]);
            assert_eq!(reports.all()[1].field("reason"), reason);
        });
    }
}

#[test]
fn requests_that_waited_when_a_try_failed_are_answered_before_the_next() {
    world(async {
        let answers = Journal::new();
        let notes = answers.clone();
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("not yet"), Answer::Run]);
        let spec = spec.on_start(move |cx| {
            if cx.incarnation() != 2 {
                return;
            }
            // This try fails when this returns; what is sent now waits in the mailbox then.
            let supervisor = cx.supervisor().unwrap();
            let (counted, listed) = (supervisor.send(CountChildren), supervisor.send(WhichChildren));
            let refused = supervisor.send(StartChild(Probe::child(&Journal::new())));
            let notes = notes.clone();
            actix::spawn(async move {
                notes.note(counted.await.unwrap());
                notes.note(format_args!("{:?}", listed.await.unwrap()[0].state));
                notes.note(refused.await.unwrap().unwrap_err());
            });
        });
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        settle().await;
        assert_eq!(
            answers.entries(),
            [
                "specs: 1, active: 0, supervisors: 0, workers: 1",
                "Restarting",
                "the supervisor already has its 1 children"
            ]
        );
    });
}

#[test]
fn two_children_that_fail_to_come_back_take_turns() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(6).start().unwrap();
        let exited = supervisor.exited();
        let start = |name: &'static str| {
            let notes = journal.clone();
            let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("never")])
                .on_start(move |cx| notes.note(format_args!("{name}{}", cx.incarnation())));
            supervisor.start_child(spec)
        };
        let (a, b) = (start("a").await.unwrap(), start("b").await.unwrap());
        journal.take();

        let crash = (supervisor.kill_child(a.id), supervisor.kill_child(b.id));

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!((crash.0.await, crash.1.await), (Ok(()), Ok(())));
        assert_eq!(journal.entries(), ["a2", "b2", "a3", "b3", "a4", "b4"]);
    });
}

#[test]
fn the_next_try_of_a_child_that_was_terminated_meanwhile_is_void() {
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1).start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run, Answer::Fail("no")]).on_start(|cx| {
            if cx.incarnation() == 2 {
                cx.supervisor().unwrap().do_send(TerminateChild(cx.id().into()));
            }
        });
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;
        settle().await;

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0], "one more try would have ended the supervisor");
        assert_eq!(starts(&journal), ["start 1", "start 2"]);
        assert_eq!(reports.kinds(), ["child_terminated", "start_error"]);
    });
}

#[test]
fn a_child_on_its_way_back_counts_by_its_type_but_is_not_active() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for child_type in [ChildType::Worker, ChildType::Supervisor] {
            let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Hang]).child_type(child_type);
            let child = supervisor.start_child(spec).await.unwrap();
            crashes(&child.addr).await;
        }

        assert_eq!(counts(&supervisor).await, [2, 0, 1, 1]);
        assert_eq!(states(&supervisor).await, [ChildState::Restarting, ChildState::Restarting]);
        let infos = supervisor.which_children().await.unwrap();
        assert_eq!((infos[0].child_type, infos[1].child_type), (ChildType::Worker, ChildType::Supervisor));
        assert_eq!(infos[0].last_exit.as_ref().unwrap().to_string(), "panicked: boom");
        assert_eq!(infos[0].restarts, 0);
    });
}

#[test]
fn a_child_that_came_back_is_listed_as_it_was_with_one_restart_more() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("not yet"), Answer::Run])
            .restart(Restart::Transient)
            .child_type(ChildType::Supervisor);
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        let infos = supervisor.which_children().await.unwrap();
        assert_eq!((infos.len(), infos[0].id, infos[0].state), (1, child.id, ChildState::Running));
        assert_eq!((infos[0].restart, infos[0].child_type), (Restart::Transient, ChildType::Supervisor));
        assert_eq!(infos[0].restarts, 1, "the try that failed is not one");
        assert_eq!(infos[0].addr::<Probe>(), Some(child.addr));
        assert_eq!(infos[0].last_exit.as_ref().unwrap().to_string(), "panicked: boom");
    });
}

#[test]
fn an_end_right_after_a_restart_is_an_end_like_any_other() {
    world(async {
        let journal = Journal::new();
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&journal, [Answer::Run]).restart(Restart::Transient).on_start(|cx| {
            if cx.incarnation() == 2 {
                cx.address().do_send(crate::support::Exit(ExitReason::Normal));
            }
        });
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;
        settle().await;

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert_eq!(starts(&journal), ["start 1", "start 2"]);
    });
}

#[test]
fn an_asynchronous_restart_that_takes_too_long_is_a_failed_try() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Child::from_async(|cx: StartContext<Probe>| async move {
            if cx.incarnation() == 2 {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
        });
        let child = supervisor.start_child(spec.start_timeout(Duration::from_secs(1))).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(reports.kinds(), ["child_terminated", "start_error"]);
        assert_eq!(reports.all()[1].field("reason"), "took longer than allowed");
    });
}

#[test]
fn killing_a_restart_under_way_is_a_failed_try() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Hang, Answer::Run]);
        let child = supervisor.start_child(spec).await.unwrap();
        crashes(&child.addr).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);

        supervisor.kill_child(child.id).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(reports.kinds(), ["child_terminated", "start_error"]);
        assert_eq!(reports.all()[1].field("reason"), "ended while it started: killed");
    });
}

#[test]
fn a_child_sees_how_it_ended_last_and_which_start_this_is() {
    world(async {
        let journal = Journal::new();
        let notes = journal.clone();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("no"), Answer::Run]).on_start(move |cx| {
            let last = cx.last_exit().map_or("none".to_owned(), ToString::to_string);
            notes.note(format_args!("{}: {last}", cx.incarnation()));
        });
        let child = supervisor.start_child(spec).await.unwrap();

        ends_with(&child.addr, ExitReason::shutdown_with("idle")).await;

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(journal.entries(), ["1: none", "2: shutdown: idle", "3: shutdown: idle"]);
    });
}
