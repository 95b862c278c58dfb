//! F01, F02, F08: the first start.

use std::{convert::Infallible, future::pending, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::time::Instant;

use super::{fail, Scene};
use crate::support::{settle, world, Ask, Probe};

/// One place beside the bystander's.
async fn scene_with_one_place() -> Scene {
    Scene::of(DynamicSupervisor::builder().max_children(2).max_restarts(0)).await
}

/// Nothing is left of a start that came to nothing: the place is free, nothing was counted, nothing told.
async fn expect_no_trace(scene: &Scene) {
    settle().await;
    assert_eq!(scene.others().await, (0, 0));
    assert_eq!(scene.told(), [""; 0]);
    let next = scene.victim().await;
    assert_eq!(next.addr.send(Ask).await, Ok(1), "the place is free");
    scene.expect_no_other_harm().await;
}

/// Sends itself a message before the start has come to its end.
fn ask_early<A>(cx: &StartContext<Probe>, answers: &Addr<A>)
where
    A: Actor<Context = Context<A>> + Handler<Answer>,
{
    let (early, answers) = (cx.address().send(Ask), answers.clone());
    actix::spawn(async move { answers.do_send(Answer(early.await)) });
}

#[derive(Message)]
#[rtype(result = "()")]
struct Answer(Result<usize, MailboxError>);

impl Handler<Answer> for Probe {
    type Result = ();

    fn handle(&mut self, Answer(answer): Answer, _: &mut Context<Self>) {
        self.note(if answer == Err(MailboxError::Closed) { "told closed" } else { "told otherwise" });
    }
}

/// F01
#[test]
fn a_panic_in_the_factory_is_answered_and_leaves_nothing() {
    world(async {
        let scene = scene_with_one_place().await;

        let started = scene.supervisor.start_child(Child::new(|| fail::<Probe>("no actor"))).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "no actor"));
        expect_no_trace(&scene).await;
    });
}

/// F01
#[test]
fn a_panic_in_started_is_answered_and_leaves_nothing_though_the_stop_hooks_run() {
    world(async {
        let scene = scene_with_one_place().await;
        let spec = Probe::scripted(&scene.journal, |probe| probe.on_started(|_, _| fail("too early")));

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "too early"));
        assert_eq!(scene.journal.take(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        expect_no_trace(&scene).await;
    });
}

/// F01
#[test]
fn what_was_sent_to_a_child_whose_start_panics_is_answered_closed() {
    world(async {
        let scene = scene_with_one_place().await;
        let (journal, bystander) = (scene.journal.clone(), scene.bystander.addr.clone());
        let spec = Child::with(move |cx| {
            ask_early(cx, &bystander);
            Probe::new(&journal, cx.incarnation()).on_started(|_, _| fail("too early"))
        });

        assert!(scene.supervisor.start_child(spec).await.is_err());

        scene.bystanders_journal.expect("told closed 1").await;
    });
}

/// F01
#[test]
fn a_panic_in_an_asynchronous_start_is_answered_whether_early_or_late() {
    world(async {
        let scene = scene_with_one_place().await;
        for late in [false, true] {
            let spec = Child::from_async(move |_| async move {
                if late {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                fail::<Result<Start<Probe>, Infallible>>("on the way")
            });

            let started = scene.supervisor.start_child(spec).await;

            assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "on the way"));
            assert_eq!(scene.others().await, (0, 0));
        }
        expect_no_trace(&scene).await;
    });
}

/// F01
#[test]
fn a_panic_before_an_asynchronous_start_is_a_future_is_answered() {
    world(async {
        let scene = scene_with_one_place().await;
        let spec = Child::from_async(|_| fail::<std::future::Ready<Result<Start<Probe>, Infallible>>>("no future"));

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "no future"));
        expect_no_trace(&scene).await;
    });
}

/// F01
#[test]
fn a_panic_in_started_after_an_asynchronous_start_is_answered() {
    world(async {
        let scene = scene_with_one_place().await;
        let journal = scene.journal.clone();
        let spec = Child::from_async(move |cx| {
            let probe = Probe::new(&journal, cx.incarnation()).on_started(|_, _| fail("too early"));
            async { Ok::<_, Infallible>(Start::Run(probe)) }
        });

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "too early"));
        scene.journal.take();
        expect_no_trace(&scene).await;
    });
}

/// F02
#[test]
fn an_error_of_the_start_is_answered_as_it_is_and_the_spec_can_be_tried_again() {
    world(async {
        let scene = scene_with_one_place().await;
        let mut tries = 0;
        for answer in ["first", "second"] {
            tries += 1;
            let spec = Child::try_with(move |_| Err::<Start<Probe>, _>(std::io::Error::other(answer))).id("same");

            let started = scene.supervisor.start_child(spec).await;

            let Err(StartChildError::Failed(error)) = started else { panic!("try {tries}: {started:?}") };
            assert_eq!(error.downcast_ref::<std::io::Error>().unwrap().to_string(), answer);
        }
        expect_no_trace(&scene).await;
    });
}

/// F02
#[test]
fn a_start_that_declines_is_ignored_and_leaves_nothing() {
    world(async {
        let scene = scene_with_one_place().await;

        let now = scene.supervisor.start_child(Child::try_with(|_| Ok::<_, Infallible>(Start::<Probe>::Ignore))).await;
        let later = scene
            .supervisor
            .start_child(Child::from_async(|_| async { Ok::<_, Infallible>(Start::<Probe>::Ignore) }))
            .await;

        assert!(matches!(now, Err(StartChildError::Ignored)));
        assert!(matches!(later, Err(StartChildError::Ignored)));
        expect_no_trace(&scene).await;
    });
}

/// F02
#[test]
fn an_actor_that_stops_in_started_is_a_failed_start() {
    world(async {
        let scene = scene_with_one_place().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_started(|_, ctx| ctx.exit(ExitReason::shutdown_with("not today")))
        });

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Exited(reason)) if reason.to_string() == "shutdown: not today"));
        expect_no_trace(&scene).await;
    });
}

/// F08
#[test]
fn a_start_that_hangs_holds_up_nobody_but_fills_its_place() {
    world(async {
        let scene = scene_with_one_place().await;
        let hanging =
            scene.supervisor.start_child(Child::from_async(|_| pending::<Result<Start<Probe>, Infallible>>()));
        tokio::pin!(hanging);

        scene.expect_no_other_harm().await;
        let refused = scene.supervisor.start_child(Probe::child(&scene.journal)).await;

        assert!(futures::poll!(hanging.as_mut()).is_pending());
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 2 })));
        assert_eq!(scene.others().await, (1, 0));
        let shown = scene.supervisor.which_children().await.unwrap();
        assert_eq!(shown[1].state, ChildState::Starting);
        scene.supervisor.terminate_child(shown[1].id).await.unwrap();
        assert!(matches!(hanging.await, Err(StartChildError::Terminated)));
        expect_no_trace(&scene).await;
    });
}

/// F08
#[test]
fn a_start_that_hangs_past_its_deadline_is_dropped_and_answered_timeout() {
    world(async {
        let scene = scene_with_one_place().await;
        let (journal, began) = (scene.journal.clone(), Instant::now());
        let spec = Child::from_async(move |cx| {
            let unfinished = Probe::new(&journal, cx.incarnation());
            async move {
                pending::<()>().await;
                Ok::<_, Infallible>(Start::Run(unfinished))
            }
        })
        .start_timeout(Duration::from_secs(2));

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Timeout)));
        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!(scene.journal.take(), ["dropped 1"]);
        expect_no_trace(&scene).await;
    });
}

/// F08
#[test]
fn a_supervisor_with_a_hanging_start_can_be_stopped() {
    world(async {
        let scene = Scene::new().await;
        let hanging =
            scene.supervisor.start_child(Child::from_async(|_| pending::<Result<Start<Probe>, Infallible>>()));

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!(report.stopped, 1, "the bystander");
        let started = hanging.await;
        assert!(matches!(started, Err(StartChildError::ShuttingDown)), "{started:?}");
    });
}
