//! How long a spec lives, told by a drop counter.

use std::sync::Arc;

use actix_dynamic_supervisor::prelude::*;

use crate::{
    support::script::{Gate, OnTheWay},
    support::{settle, world, Ask, Journal, Panic, Probe},
};

/// A spec with something to drop: how many of them live is the count of the `Arc`, less one.
fn holding(
    held: &Arc<()>,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let held = Arc::clone(held);
    Child::with(move |cx: &mut StartContext<Probe>| {
        let _ = &held;
        Probe::new(&Journal::new(), cx.incarnation())
    })
}

fn living(held: &Arc<()>) -> usize {
    Arc::strong_count(held) - 1
}

#[test]
fn the_spec_of_a_temporary_child_is_dropped_right_after_its_start() {
    world(async {
        let held = Arc::new(());
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let child = supervisor.start_child(holding(&held).restart(Restart::Temporary)).await.unwrap();

        assert_eq!(living(&held), 0);
        assert_eq!(child.addr.send(Ask).await, Ok(1), "and the child lives");
    });
}

#[test]
fn the_spec_of_a_child_made_once_is_dropped_right_after_its_start() {
    world(async {
        let held = Arc::new(());
        let own = Arc::clone(&held);
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let spec = Child::once(move || {
            let _own = own;
            Probe::new(&Journal::new(), 1)
        });
        let _child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(living(&held), 0);
    });
}

#[test]
fn the_spec_of_a_temporary_child_with_an_asynchronous_start_is_gone_before_that_ends() {
    world(async {
        let (held, gate) = (Arc::new(()), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, passing) = (Arc::clone(&held), gate.clone());
        let spec = Child::from_async(move |_: StartContext<Probe>| {
            let _ = &own;
            let gate = passing.clone();
            async move {
                gate.pass().await;
                Ok::<_, BoxError>(Start::Run(Probe::new(&Journal::new(), 1)))
            }
        });

        let start = supervisor.start_child(spec.restart(Restart::Temporary));
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
        assert_eq!(living(&held), 0);

        gate.admit(1);
        assert!(start.await.is_ok());
    });
}

#[test]
fn other_specs_live_through_restarts_and_are_dropped_before_the_end_is_answered() {
    for restart in [Restart::Permanent, Restart::Transient] {
        world(async {
            let held = Arc::new(());
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let child = supervisor.start_child(holding(&held).restart(restart)).await.unwrap();
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(2));
            assert_eq!(living(&held), 1);

            supervisor.terminate_child(child.id).await.unwrap();

            assert_eq!(living(&held), 0, "{restart}");
        });
    }
}

/// Looks, when it is dropped, whether an end has been answered already.
struct Watchful {
    answers: OnTheWay,
    journal: Journal,
}

impl Drop for Watchful {
    fn drop(&mut self) {
        self.journal.note(format_args!("dropped, still: {:?}", self.answers.still()));
    }
}

#[test]
fn a_spec_is_dropped_before_the_termination_or_the_stop_is_answered() {
    for is_stop in [false, true] {
        world(async {
            let (journal, answers) = (Journal::new(), OnTheWay::default());
            let watchful = Watchful { answers: answers.clone(), journal: journal.clone() };
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let spec = Child::with(move |cx: &mut StartContext<Probe>| {
                let _ = &watchful;
                Probe::new(&Journal::new(), cx.incarnation())
            });
            let child = supervisor.start_child(spec).await.unwrap();

            if is_stop {
                answers.add(supervisor.stop());
            } else {
                answers.add(supervisor.terminate_child(child.id));
            }
            journal.expect("dropped, still: Some(true)").await;
            settle().await;

            assert_eq!(answers.still(), Some(false), "and then it is");
        });
    }
}

#[test]
fn the_spec_of_a_transient_child_that_ends_quietly_is_dropped_though_its_address_is_held() {
    world(async {
        let held = Arc::new(());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(holding(&held).restart(Restart::Transient)).await.unwrap();

        child.addr.do_send(crate::support::Exit(ExitReason::Normal));
        settle().await;

        assert_eq!(living(&held), 0);
    });
}

#[test]
fn all_specs_are_dropped_when_the_stop_of_their_supervisor_is_answered() {
    world(async {
        let held = Arc::new(());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for _ in 0..10 {
            supervisor.start_child(holding(&held)).await.unwrap();
        }
        assert_eq!(living(&held), 10);

        supervisor.stop().await.unwrap();

        assert_eq!(living(&held), 0);
    });
}

#[test]
fn a_spec_that_is_refused_or_fails_is_dropped_before_the_answer() {
    world(async {
        let held = Arc::new(());
        let full = DynamicSupervisor::builder().max_children(0).start().unwrap();
        let open = DynamicSupervisor::builder().start().unwrap();

        assert!(full.start_child(holding(&held)).await.is_err());
        assert_eq!(living(&held), 0);
        let own = Arc::clone(&held);
        let failing = Child::try_with(move |_: &mut StartContext<Probe>| {
            let _ = &own;
            Err::<Start<Probe>, _>("no")
        });
        assert!(open.start_child(failing).await.is_err());
        assert_eq!(living(&held), 0);
        let own = Arc::clone(&held);
        let failing_later = Child::from_async(move |_: StartContext<Probe>| {
            let _ = &own;
            async { Err::<Start<Probe>, _>("no") }
        });
        assert!(open.start_child(failing_later).await.is_err());
        assert_eq!(living(&held), 0);
        open.stop().await.unwrap();
        assert!(open.start_child(holding(&held)).await.is_err());
        assert_eq!(living(&held), 0);
    });
}
