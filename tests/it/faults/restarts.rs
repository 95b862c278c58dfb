//! F07: a start that fails on a restart.

use std::{convert::Infallible, future::pending, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{fail, Scene, NEAR};
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

/// How a restart can fail.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Error,
    FactoryPanics,
    StartedPanics,
    StopsInStarted,
    Later,
    PanicsLater,
    TakesTooLong,
}

const FAILURES: [Failure; 7] = [
    Failure::Error,
    Failure::FactoryPanics,
    Failure::StartedPanics,
    Failure::StopsInStarted,
    Failure::Later,
    Failure::PanicsLater,
    Failure::TakesTooLong,
];

/// Fails in this way from incarnation 2 on, until `good_again`.
struct Flaky {
    failure: Failure,
    good_again: usize,
    journal: Journal,
}

impl ChildSpec for Flaky {
    type Actor = Probe;
    type Info = ();

    fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe> {
        let probe = Probe::new(&self.journal, cx.incarnation());
        if cx.incarnation() == 1 || cx.incarnation() >= self.good_again {
            return Starting::now(Ok(Start::Run(probe)));
        }
        match self.failure {
            Failure::Error => Starting::now(Err("not yet".into())),
            Failure::FactoryPanics => fail("not yet"),
            Failure::StartedPanics => Starting::now(Ok(Start::Run(probe.on_started(|_, _| fail("not yet"))))),
            Failure::StopsInStarted => Starting::now(Ok(Start::Run(probe.on_started(|_, ctx| ctx.stop())))),
            Failure::Later => Starting::later(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err("not yet".into())
            }),
            Failure::PanicsLater => Starting::later(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                fail("not yet")
            }),
            Failure::TakesTooLong => Starting::later(pending()),
        }
    }

    fn start_timeout(&self) -> Option<Duration> {
        Some(Duration::from_millis(10))
    }
}

/// F07
#[test]
fn a_restart_that_fails_in_any_way_is_tried_again_and_the_queue_waits() {
    for failure in FAILURES {
        world(async {
            let scene = Scene::new().await;
            let spec = Flaky { failure, good_again: 4, journal: scene.journal.clone() };
            let child = scene.supervisor.start_child(spec).await.unwrap();

            child.addr.do_send(Panic("boom"));

            assert_eq!(child.addr.send(Ask).await, Ok(4), "{failure:?}");
            let info = scene.info(child.id).await;
            assert_eq!((info.state, info.restarts), (ChildState::Running, 1), "{failure:?}");
            assert_eq!(info.last_exit.unwrap().to_string(), "panicked: boom");
            assert_eq!(scene.told(), ["child_terminated", "start_error", NEAR, "start_error", NEAR], "{failure:?}");
            scene.expect_no_other_harm().await;
        });
    }
}

/// F07
#[test]
fn every_try_counts_so_a_restart_that_always_fails_ends_the_supervisor_after_max_restarts_tries() {
    for failure in FAILURES {
        world(async {
            let scene = Scene::of(DynamicSupervisor::builder().max_restarts(3)).await;
            let spec = Flaky { failure, good_again: usize::MAX, journal: scene.journal.clone() };
            let child = scene.supervisor.start_child(spec).await.unwrap();
            let exited = scene.supervisor.exited();

            child.addr.do_send(Panic("boom"));
            let queued = child.addr.send(Ask).await;

            assert_eq!(queued, Err(MailboxError::Closed), "{failure:?}");
            assert_eq!(exited.await.to_string(), "shutdown");
            let tries = ["child_terminated", "start_error", NEAR, "start_error", NEAR, "start_error", "shutdown"];
            assert_eq!(scene.told(), tries, "{failure:?}");
            assert!(scene.bystanders_journal.has("dropped 1"));
        });
    }
}

/// F07
#[test]
fn requests_that_wait_already_are_answered_before_the_next_try_and_see_the_child_restarting() {
    world(async {
        let scene = Scene::new().await;
        let (journal, seen) = (scene.journal.clone(), Journal::new());
        let notes = seen.clone();
        let spec = Child::try_with(move |cx| {
            if cx.incarnation() > 3 || cx.incarnation() == 1 {
                notes.note("runs");
                return Ok(Start::Run(Probe::new(&journal, cx.incarnation())));
            }
            notes.note("fails");
            let (listed, notes) = (cx.supervisor().unwrap().which_children(), notes.clone());
            actix::spawn(async move {
                let child = listed.await.unwrap().remove(1);
                notes.note(format_args!("{:?} after {:?} restarts", child.state, child.restarts));
            });
            Err("not yet")
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(4));
        settle().await;

        let answers = seen.entries().iter().filter(|entry| *entry == "Restarting after 0 restarts").count();
        assert_eq!(answers, 2, "{:?}", seen.entries());
        assert_eq!(scene.others().await, (1, 1));
    });
}

/// F07
#[test]
fn a_child_between_two_tries_can_be_terminated_and_the_later_try_is_void() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx| match cx.incarnation() {
            1 => Ok(Start::Run(Probe::new(&journal, 1))),
            n => {
                journal.note(format_args!("try {n}"));
                cx.supervisor().unwrap().do_send(TerminateChild(cx.id().into()));
                Err("not yet")
            }
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();
        scene.journal.take();

        child.addr.do_send(Panic("boom"));
        let queued = child.addr.send(Ask).await;
        settle().await;

        assert_eq!(queued, Err(MailboxError::Closed));
        assert_eq!(scene.journal.entries(), ["stopping 1", "stopped 1", "dropped 1", "try 2"]);
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        scene.expect_no_other_harm().await;
    });
}

/// F07, F08
#[test]
fn a_restart_that_hangs_holds_up_nobody_and_can_be_terminated() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::from_async(move |cx| {
            let (probe, first) = (Probe::new(&journal, cx.incarnation()), cx.incarnation() == 1);
            async move {
                if !first {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(Start::Run(probe))
            }
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let queued = child.addr.send(Ask);
        scene.expect_no_other_harm().await;

        assert_eq!(scene.others().await, (1, 0));
        assert_eq!(scene.info(child.id).await.state, ChildState::Restarting);
        assert!(child.addr.connected());
        assert_eq!(scene.supervisor.terminate_child(&child.addr).await, Ok(()));
        assert_eq!(queued.await, Err(MailboxError::Closed));
        assert!(scene.journal.has("dropped 2"));
        assert_eq!(scene.others().await, (0, 0));
    });
}

/// An actor whose `restarting` panics once.
struct Startled {
    probe: Probe,
}

impl Actor for Startled {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        self.probe.note("started");
    }
}

impl Supervised for Startled {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.probe.note("restarting");
        if self.probe.incarnation == 2 {
            fail("in restarting")
        }
    }
}

#[derive(Message)]
#[rtype(result = "usize")]
struct Number;

impl Handler<Number> for Startled {
    type Result = usize;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> usize {
        self.probe.incarnation
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Boom;

impl Handler<Boom> for Startled {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut Context<Self>) {
        fail("boom")
    }
}

/// F07
#[test]
fn a_panic_in_restarting_is_a_try_that_failed_and_started_is_not_run() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::with(move |cx| Startled { probe: Probe::new(&journal, cx.incarnation()) });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Boom);

        assert_eq!(child.addr.send(Number).await, Ok(3));
        assert_eq!(
            scene.journal.entries(),
            ["started 1", "dropped 1", "restarting 2", "dropped 2", "restarting 3", "started 3"]
        );
        assert_eq!(scene.told(), ["child_terminated", "start_error", NEAR]);
        assert_eq!(scene.reports.all()[1].field("reason"), "panicked: in restarting");
        scene.expect_no_other_harm().await;
    });
}

/// F07
#[test]
fn a_restart_that_declines_removes_the_child_and_is_no_fault() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx| {
            Ok::<_, Infallible>(match cx.incarnation() {
                1 => Start::Run(Probe::new(&journal, 1)),
                _ => Start::Ignore,
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Err(MailboxError::Closed));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), ["child_terminated"]);
    });
}
