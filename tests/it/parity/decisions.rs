//! Where this crate differs from Elixir on purpose.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::{
    sync::Notify,
    time::{advance, Instant},
};

use super::{counts, crashes, ends, ends_with, lingers, states, Answer, Scripted};
use crate::support::{settle, world, Ask, Do, Journal, Panic, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

// ---- an address outlives its incarnations

#[test]
fn over_a_crash_only_the_message_in_flight_is_lost_and_the_queue_is_kept_in_order() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let note = |number: usize| {
            let notes = journal.clone();
            Do::this(move |probe, _| notes.note(format_args!("{number} by {}", probe.incarnation)))
        };

        child.addr.do_send(note(1));
        let in_flight = child.addr.send(Panic("boom"));
        child.addr.do_send(note(2));
        child.addr.do_send(note(3));
        let last = child.addr.send(Ask);

        assert!(matches!(in_flight.await, Err(MailboxError::Closed)));
        assert_eq!(last.await, Ok(2));
        assert_eq!(journal.entries(), ["1 by 1", "2 by 2", "3 by 2"]);
    });
}

#[test]
fn messages_sent_while_a_child_is_on_its_way_back_wait_for_it() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (permit, gate) = (Arc::new(Notify::new()), Arc::new(Mutex::new(false)));
        let spec = {
            let (permit, gate) = (Arc::clone(&permit), Arc::clone(&gate));
            Child::from_async(move |cx: StartContext<Probe>| {
                let (permit, is_gated) = (Arc::clone(&permit), *gate.lock().unwrap());
                async move {
                    if is_gated {
                        permit.notified().await;
                    }
                    Ok::<_, BoxError>(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
                }
            })
        };
        let child = supervisor.start_child(spec).await.unwrap();
        *gate.lock().unwrap() = true;
        crashes(&child.addr).await;
        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);

        let waiting = child.addr.send(Ask);
        settle().await;
        permit.notify_one();

        assert_eq!(waiting.await, Ok(2));
    });
}

// ---- starts do not block, and a child may call its supervisor

#[test]
fn a_child_may_start_another_from_started_without_a_deadlock() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, sibling) = (supervisor.clone(), journal.clone());
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_start(move |cx| {
            // From the start itself, and below from `started`.
            cx.supervisor().unwrap().do_send(StartChild(Probe::child(&sibling)));
        });
        supervisor.start_child(spec).await.unwrap();
        let notes = journal.clone();
        let spec = Child::new(move || {
            let (own, notes) = (own.clone(), notes.clone());
            Probe::new(&Journal::new(), 1).on_started(move |probe, ctx| {
                let started = own.start_child(Probe::child(&Journal::new()));
                let notes = notes.clone();
                ctx.wait(started.into_actor(probe).map(move |child, _, _| {
                    notes.note(format_args!("started: {}", child.is_ok()));
                }));
            })
        });

        supervisor.start_child(spec).await.unwrap();
        journal.expect("started: true").await;

        assert_eq!(counts(&supervisor).await, [4, 4, 0, 4]);
    });
}

#[test]
fn an_asynchronous_start_holds_up_nobody_and_the_child_shows_as_starting() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(2).start().unwrap();
        let slow = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Hang]));

        let quick = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        assert_eq!(quick.addr.send(Ask).await, Ok(1));
        assert_eq!(states(&supervisor).await, [ChildState::Starting, ChildState::Running]);
        assert_eq!(counts(&supervisor).await, [2, 1, 0, 2]);
        let error = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(error, StartChildError::MaxChildren { limit: 2 }), "it fills its place: {error}");
        let hanging = supervisor.which_children().await.unwrap()[0].id;
        supervisor.terminate_child(hanging).await.unwrap();
        assert!(matches!(slow.await.unwrap_err(), StartChildError::Terminated));
    });
}

#[test]
fn requests_sent_after_a_synchronous_start_see_its_child() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let started = supervisor.start_child(Probe::child(&Journal::new()));
        let counted = supervisor.count_children();

        assert_eq!(counted.await.unwrap().active, 1);
        started.await.unwrap();
    });
}

// ---- an end does not block

#[test]
fn while_a_child_is_being_terminated_others_go_on_and_it_shows_as_stopping() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(lingers(SECOND));
        let slow = supervisor.start_child(slow).await.unwrap();
        let before = Instant::now();

        let terminated = supervisor.terminate_child(slow.id);
        let other = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        crashes(&other.addr).await;

        assert_eq!(other.addr.send(Ask).await, Ok(2));
        assert_eq!(states(&supervisor).await, [ChildState::Stopping, ChildState::Running]);
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(terminated.await, Ok(()));
    });
}

#[test]
fn a_second_termination_of_the_same_child_joins_the_first() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = Scripted::new(&journal, [Answer::Run]).on_stopping(lingers(SECOND));
        let child = supervisor.start_child(slow).await.unwrap();
        let before = Instant::now();

        let (first, second) = (supervisor.terminate_child(child.id), supervisor.terminate_child(&child.addr));

        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert!(before.elapsed() < SECOND * 2);
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 1);
    });
}

// ---- the window is exact

#[test]
fn a_period_may_be_shorter_than_a_second_and_is_exact() {
    world(async {
        let period = Duration::from_millis(300);
        let supervisor = DynamicSupervisor::builder().max_restarts(1).period(period).start().unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        crashes(&child.addr).await;
        advance(period + Duration::from_nanos(1)).await;
        crashes(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(3));
        advance(period).await;
        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

// ---- handles

#[test]
fn a_childs_id_and_address_stay_valid_over_restarts() {
    for by_addr in [false, true] {
        world(async move {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            crashes(&child.addr).await;
            ends_with(&child.addr, ExitReason::Normal).await;

            let handle = if by_addr { ChildHandle::from(&child.addr) } else { child.id.into() };

            assert_eq!(supervisor.which_children().await.unwrap()[0].id, child.id);
            assert_eq!(supervisor.terminate_child(handle).await, Ok(()));
            assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
        });
    }
}

#[test]
fn a_child_started_after_the_first_look_up_by_address_is_found_by_its_own() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let first = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        supervisor.terminate_child(&first.addr).await.unwrap();

        let second = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        assert_eq!(supervisor.terminate_child(&first.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&second.addr).await, Ok(()));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn an_id_is_never_used_again() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let first = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        supervisor.terminate_child(first.id).await.unwrap();

        let second = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        assert_ne!(second.id, first.id);
        assert_eq!(supervisor.terminate_child(first.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(second.addr.send(Ask).await, Ok(1));
    });
}

// ---- order

#[test]
fn children_are_listed_in_start_order_and_a_restart_moves_none() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let mut children = Vec::new();
        for _ in 0..40 {
            children.push(supervisor.start_child(Probe::child(&Journal::new())).await.unwrap());
        }
        crashes(&children[0].addr).await;
        crashes(&children[20].addr).await;
        supervisor.terminate_child(children.remove(10).id).await.unwrap();

        let listed: Vec<_> = supervisor.which_children().await.unwrap().iter().map(|info| info.id).collect();

        assert_eq!(listed, children.iter().map(|child| child.id).collect::<Vec<_>>());
    });
}

// ---- stop hooks

#[test]
fn stop_hooks_run_after_a_panic_too_and_cannot_veto_the_end() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, |probe| probe.on_stopping(|_, _| Running::Continue));
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1", "started 2"]);
    });
}

#[test]
fn a_stop_hook_that_panics_after_a_panic_is_contained_and_changes_nothing() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&Journal::new(), |probe| probe.on_stopping(|_, _| std::panic::panic_any("twice")));
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert_eq!(reports.all()[0].field("reason"), "panicked: boom", "the first panic is the reason");
        assert!(reports.lines().iter().any(|line| line.field("panic") == "twice"));
    });
}

// ---- defaults

#[test]
fn flags_made_by_hand_have_the_same_defaults_as_all_others() {
    struct ByHand;
    impl SupervisorModule for ByHand {
        type Arg = ();
        fn init((): &()) -> Result<Init, BoxError> {
            Ok(Init::Flags(Flags::default()))
        }
    }
    world(async {
        let supervisor = DynamicSupervisor::start_module::<ByHand>(()).unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for _ in 0..3 {
            crashes(&child.addr).await;
        }
        assert_eq!(child.addr.send(Ask).await, Ok(4), "in Elixir the second would have been one too many");
        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

// ---- killed from outside

#[test]
fn a_child_that_is_killed_runs_no_hooks_and_its_restart_type_decides() {
    for (restart, is_restarted) in [(Restart::Permanent, true), (Restart::Transient, true), (Restart::Temporary, false)]
    {
        world(async move {
            let reports = Reports::capture();
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let child = supervisor.start_child(Probe::child(&journal).restart(restart)).await.unwrap();

            assert_eq!(supervisor.kill_child(&child.addr).await, Ok(()));

            assert_eq!(counts(&supervisor).await[0], usize::from(is_restarted));
            let mut expected = vec!["started 1", "dropped 1"];
            expected.extend(is_restarted.then_some("started 2"));
            assert_eq!(journal.entries(), expected);
            assert_eq!((reports.kinds(), ends(&reports)), (vec!["child_terminated".into()], vec!["killed".into()]));
        });
    }
}

#[test]
fn a_child_that_is_killed_twice_before_that_is_noticed_is_restarted_once() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        let (first, second) = (supervisor.kill_child(child.id), supervisor.kill_child(child.id));

        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(journal.entries(), ["started 1", "dropped 1", "started 2"]);
    });
}

#[test]
fn a_kill_cuts_short_a_termination_that_would_wait_for_ever() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec =
            Scripted::new(&Journal::new(), [Answer::Run]).shutdown(Shutdown::Infinity).on_stopping(super::ignores);
        let child = supervisor.start_child(spec).await.unwrap();
        let terminated = supervisor.terminate_child(child.id);
        settle().await;

        assert_eq!(supervisor.kill_child(child.id).await, Ok(()));

        assert_eq!(terminated.await, Ok(()));
        assert_eq!((reports.kinds(), ends(&reports)), (vec!["shutdown_error".into()], vec!["killed".into()]));
        assert_eq!(supervisor.kill_child(child.id).await, Err(TerminateChildError::NotFound));
    });
}
