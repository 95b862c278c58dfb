//! Starting a child, and what its restart type makes of its ends.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, AlreadyStarted};
use tokio::time::Instant;

use super::{counts, crashes, ends_with, ignores, quiet_reasons, states, Answer, Scripted};
use crate::support::{settle, world, Ask, Do, Journal, Probe, Reports};

#[test]
fn a_child_is_started_from_a_spec_written_by_hand() {
    struct Hand;
    impl ChildSpec for Hand {
        type Actor = Probe;
        type Info = ();
        fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe> {
            Starting::now(Ok(Start::Run(Probe::new(&Journal::new(), cx.incarnation()))))
        }
    }
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let child = supervisor.start_child(Hand).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        let infos = supervisor.which_children().await.unwrap();
        assert_eq!((infos[0].restart, infos[0].child_type), (Restart::Permanent, ChildType::Worker));
        assert_eq!(ChildSpec::shutdown(&Hand), Shutdown::Timeout(Duration::from_secs(5)));
        assert_eq!(infos[0].label, None);
    });
}

#[test]
fn a_child_is_started_from_a_spec_made_of_options() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let spec = Probe::child(&Journal::new()).id("probe").restart(Restart::Transient);
        let child = supervisor.start_child(spec.child_type(ChildType::Supervisor)).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        let infos = supervisor.which_children().await.unwrap();
        assert_eq!((infos[0].id, infos[0].state), (child.id, ChildState::Running));
        assert_eq!(infos[0].label.as_deref(), Some("probe"));
        assert_eq!((infos[0].restart, infos[0].child_type), (Restart::Transient, ChildType::Supervisor));
        assert_eq!(infos[0].addr::<Probe>(), Some(child.addr));
    });
}

#[test]
fn a_child_is_started_from_something_that_can_be_done_once() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let journal = Journal::new();

        let child = supervisor.start_child(Child::once(move || Probe::new(&journal, 1))).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        crashes(&child.addr).await;
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0], "it is temporary");
    });
}

#[test]
fn an_extra_argument_can_be_a_function_for_the_child_to_run() {
    type Work = Arc<dyn Fn() -> usize + Send + Sync>;
    world(async {
        let work: Work = Arc::new(|| 42);
        let supervisor = DynamicSupervisor::builder().extra_argument(work).start().unwrap();
        let journal = Journal::new();
        let notes = journal.clone();

        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            let (work, notes) = (cx.extra::<Work>()?, notes.clone());
            let probe = Probe::new(&Journal::new(), 1);
            Ok::<_, MissingExtra>(Start::Run(probe.on_started(move |_, _| notes.note(work()))))
        });
        supervisor.start_child(spec).await.unwrap();

        assert_eq!(journal.entries(), ["42"]);
    });
}

#[test]
fn a_supervisor_that_does_not_exist_starts_nothing_and_says_that_it_is_gone() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.stop().await.unwrap();

        let error = supervisor.start_child(Scripted::new(&journal, [Answer::Run])).await.unwrap_err();

        assert!(matches!(error, StartChildError::SupervisorGone), "{error}");
        assert!(journal.entries().is_empty());
    });
}

#[test]
fn every_good_answer_of_a_start_and_an_error_reach_the_caller_unchanged() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = |answer| supervisor.start_child(Scripted::new(&Journal::new(), [answer]));

        assert_eq!(start(Answer::RunWith("extra")).await.unwrap().info, Some("extra"));
        assert_eq!(start(Answer::Run).await.unwrap().info, None);
        assert!(matches!(start(Answer::Ignore).await.unwrap_err(), StartChildError::Ignored));
        let StartChildError::Failed(error) = start(Answer::Fail("found")).await.unwrap_err() else { panic!() };
        assert_eq!(error.to_string(), "found");

        assert_eq!(counts(&supervisor).await, [2, 2, 0, 2]);
        assert!(reports.kinds().is_empty(), "a first start that fails is not reported");
    });
}

#[test]
fn a_start_that_finds_its_name_taken_is_answered_with_who_has_it() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let holder = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap().addr;
        let taken = AlreadyStarted::new(holder.clone());

        let spec = Child::try_with(move |_: &mut StartContext<Probe>| Err(taken.clone()));
        let error = supervisor.start_child(spec).await.unwrap_err();

        let StartChildError::AlreadyStarted(existing) = error else { panic!("{error}") };
        assert_eq!(existing.addr(), Some(holder));
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
    });
}

#[test]
fn a_start_that_panics_or_ends_is_answered_with_what_it_said() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let start = |answer| {
            let failure = supervisor.start_child(Scripted::new(&Journal::new(), [answer]));
            async { failure.await.unwrap_err() }
        };

        let StartChildError::Panicked(in_start) = start(Answer::Panic("oops")).await else { panic!() };
        let StartChildError::Panicked(in_started) = start(Answer::PanicInStarted("ouch")).await else { panic!() };
        let StartChildError::Exited(exit) = start(Answer::ExitInStarted(ExitReason::failed("no"))).await else {
            panic!()
        };
        let StartChildError::Exited(quiet) = start(Answer::ExitInStarted(ExitReason::Normal)).await else { panic!() };

        assert_eq!((in_start.message(), in_started.message()), ("oops", "ouch"));
        assert_eq!((exit.to_string(), quiet.to_string()), ("failed: no".into(), "normal".into()));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        assert!(reports.kinds().is_empty(), "a first start that fails is not reported and does not count");
    });
}

#[test]
fn with_room_for_none_every_start_is_refused_without_being_called() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_children(0).start().unwrap();

        let error = supervisor.start_child(Scripted::new(&journal, [Answer::Run])).await.unwrap_err();

        assert!(matches!(error, StartChildError::MaxChildren { limit: 0 }), "{error}");
        assert!(journal.entries().is_empty());
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_start_that_fails_or_declines_takes_no_place() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let journal = Journal::new();
        for answer in [Answer::Ignore, Answer::Fail("x"), Answer::Panic("x"), Answer::PanicInStarted("x")] {
            supervisor.start_child(Scripted::new(&journal, [answer])).await.unwrap_err();
        }

        supervisor.start_child(Scripted::new(&journal, [Answer::Run])).await.unwrap();

        let error = supervisor.start_child(Scripted::new(&journal, [Answer::Run])).await.unwrap_err();
        assert!(matches!(error, StartChildError::MaxChildren { limit: 1 }), "{error}");
    });
}

#[test]
fn a_child_that_is_dead_but_not_noticed_fills_its_place() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let temporary = Probe::child(&Journal::new()).restart(Restart::Temporary);
        let child = supervisor.start_child(temporary).await.unwrap();

        // Killed in its supervisor's turn; the notice of it stands behind the start in the mailbox.
        let killed = supervisor.kill_child(child.id);
        let early = supervisor.start_child(Probe::child(&Journal::new()));
        let late = async {
            killed.await.unwrap();
            supervisor.start_child(Probe::child(&Journal::new())).await
        };

        let error = early.await.unwrap_err();
        assert!(matches!(error, StartChildError::MaxChildren { limit: 1 }), "{error}");
        late.await.unwrap();
    });
}

#[test]
fn a_temporary_child_is_never_restarted() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for reason in [ExitReason::Shutdown, ExitReason::failed("whatever")] {
            let spec = Probe::child(&Journal::new()).restart(Restart::Temporary);
            let child = supervisor.start_child(spec).await.unwrap();

            ends_with(&child.addr, reason).await;

            assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
            assert!(!child.addr.connected());
        }
    });
}

#[test]
fn a_transient_child_is_restarted_after_an_abnormal_end_only() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = || supervisor.start_child(Probe::child(&Journal::new()).restart(Restart::Transient));
        for reason in quiet_reasons() {
            let child = start().await.unwrap();
            ends_with(&child.addr, reason).await;
            assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        }

        let child = start().await.unwrap();
        ends_with(&child.addr, ExitReason::failed("whatever")).await;

        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        assert_eq!(child.addr.send(Ask).await, Ok(2));
    });
}

#[test]
fn a_permanent_child_is_restarted_after_every_end() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(100).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let whatever = ExitReason::failed("whatever");
        for (number, reason) in quiet_reasons().into_iter().chain([whatever, ExitReason::Killed]).enumerate() {
            ends_with(&child.addr, reason).await;

            assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
            assert_eq!(child.addr.send(Ask).await, Ok(number + 2));
        }
    });
}

#[test]
fn a_second_start_may_give_every_answer() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).start().unwrap();
        let steps = [
            (Answer::Run, [1, 1, 0, 1]),
            (Answer::RunWith("dropped"), [2, 2, 0, 2]),
            (Answer::Ignore, [2, 2, 0, 2]),
            (Answer::Fail("no"), [3, 2, 0, 3]),
            (Answer::Panic("no"), [4, 2, 0, 4]),
            (Answer::PanicInStarted("no"), [5, 2, 0, 5]),
            (Answer::ExitInStarted(ExitReason::Normal), [6, 2, 0, 6]),
        ];
        for (second, expected) in steps {
            let child = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Run, second])).await.unwrap();

            ends_with(&child.addr, ExitReason::Shutdown).await;

            assert_eq!(counts(&supervisor).await, expected);
        }
        use ChildState::{Restarting, Running};
        assert_eq!(states(&supervisor).await, [Running, Running, Restarting, Restarting, Restarting, Restarting]);
        for info in supervisor.which_children().await.unwrap() {
            supervisor.terminate_child(info.id).await.unwrap();
        }
    });
}

#[test]
fn a_child_that_fails_to_come_back_keeps_its_place() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).max_restarts(u32::MAX).start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("no")]);
        let child = supervisor.start_child(spec).await.unwrap();

        ends_with(&child.addr, ExitReason::Shutdown).await;

        assert_eq!(counts(&supervisor).await, [1, 0, 0, 1]);
        let error = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(error, StartChildError::MaxChildren { limit: 1 }), "{error}");
        supervisor.terminate_child(child.id).await.unwrap();
    });
}

#[test]
fn a_child_that_came_back_keeps_its_place() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        ends_with(&child.addr, ExitReason::Shutdown).await;

        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        let error = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(error, StartChildError::MaxChildren { limit: 1 }), "{error}");
    });
}

#[test]
fn a_child_that_comes_back_gets_the_extra_arguments_again() {
    world(async {
        let supervisor = DynamicSupervisor::builder().extra_argument("extra").start().unwrap();
        let journal = Journal::new();
        let notes = journal.clone();
        let spec = Scripted::new(&Journal::new(), [Answer::Run])
            .restart(Restart::Transient)
            .on_start(move |cx| notes.note(cx.extra::<&str>().unwrap()));
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        assert_eq!(journal.entries(), ["extra", "extra"]);
    });
}

#[test]
fn a_child_that_fails_to_come_back_once_is_tried_again() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("not yet"), Answer::Run]);
        let child = supervisor.start_child(spec).await.unwrap();

        ends_with(&child.addr, ExitReason::Shutdown).await;

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
    });
}

#[test]
fn a_child_that_never_comes_back_ends_the_supervisor_after_exactly_as_many_tries_as_allowed() {
    for max_restarts in [1, 10] {
        world(async move {
            let supervisor = DynamicSupervisor::builder().max_restarts(max_restarts).start().unwrap();
            let exited = supervisor.exited();
            let journal = Journal::new();
            let spec = Scripted::new(&journal, [Answer::Run, Answer::Fail("never")]);
            let child = supervisor.start_child(spec).await.unwrap();

            ends_with(&child.addr, ExitReason::Shutdown).await;

            assert_eq!(exited.await.to_string(), "shutdown");
            let tries = journal.entries().iter().filter(|entry| entry.starts_with("start ")).count();
            assert_eq!(tries, 1 + max_restarts as usize);
            assert!(!child.addr.connected());
        });
    }
}

#[test]
fn a_time_to_end_of_zero_and_of_a_millisecond_are_accepted() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for millis in [0, 1] {
            let limit = Duration::from_millis(millis);
            let spec =
                Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Timeout(limit)).on_stopping(ignores);
            let child = supervisor.start_child(spec).await.unwrap();
            let before = Instant::now();

            supervisor.terminate_child(child.id).await.unwrap();

            assert!(before.elapsed() <= limit + Duration::from_millis(1), "{:?}", before.elapsed());
        }
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn ids_in_specs_need_not_differ() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let one = supervisor.start_child(Probe::child(&Journal::new()).id("same")).await.unwrap();
        let other = supervisor.start_child(Probe::child(&Journal::new()).id("same")).await.unwrap();

        assert_ne!(one.id, other.id);
        assert_eq!(counts(&supervisor).await, [2, 2, 0, 2]);
    });
}

#[test]
fn a_child_that_ends_right_after_a_good_start_was_started() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run])
            .restart(Restart::Temporary)
            .on_start(|cx| cx.address().do_send(Do::this(|_, ctx| ctx.stop())));

        let child = supervisor.start_child(spec).await;

        assert_eq!(child.unwrap().info, None);
        settle().await;
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_child_whose_caller_has_gone_is_the_supervisors_all_the_same() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        supervisor.do_send(StartChild(Probe::child(&Journal::new())));

        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
    });
}

#[test]
fn a_start_that_fails_does_not_reach_the_limit_of_restarts() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        for _ in 0..10 {
            supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Fail("no")])).await.unwrap_err();
        }

        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn what_a_start_hands_over_goes_to_the_first_caller_and_is_dropped_at_restarts() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let made = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&made);
        let spec = Child::try_with_info(move |cx: &mut StartContext<Probe>| {
            *counter.lock().unwrap() += 1;
            Ok::<_, BoxError>(Start::RunWith(Probe::new(&Journal::new(), cx.incarnation()), Arc::clone(&counter)))
        });
        let child = supervisor.start_child(spec).await.unwrap();
        let held = Arc::strong_count(&made);
        assert!(Arc::ptr_eq(&child.info.unwrap(), &made));

        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(*made.lock().unwrap(), 2);
        assert_eq!(Arc::strong_count(&made), held - 1, "only the caller's own is gone, none was added");
    });
}
