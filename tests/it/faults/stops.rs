//! F09: children that do not end when they are asked.

use std::{future::pending, time::Duration};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;
use tokio::time::Instant;

use super::Scene;
use crate::support::{settle, world, Ask, Do, Journal, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Never obeys.
fn stubborn(
    journal: &Journal,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Probe::scripted(journal, |probe| probe.on_stopping(|_, _| Running::Continue))
}

/// F09
#[test]
fn a_child_that_continues_for_ever_is_killed_at_its_deadline_without_further_hooks() {
    world(async {
        let scene = Scene::new().await;
        let spec = stubborn(&scene.journal).shutdown(Shutdown::Timeout(3 * SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(began.elapsed().as_secs(), 3);
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "dropped 1"]);
        assert!(!child.addr.connected());
        assert_eq!(scene.told(), ["shutdown_error"]);
        assert_eq!(scene.reports.all()[0].field("reason"), "killed");
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
    });
}

/// F09
#[test]
fn a_child_that_takes_its_time_to_stop_still_answers_and_so_do_others() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.supervisor.start_child(stubborn(&scene.journal)).await.unwrap();

        let terminated = scene.supervisor.terminate_child(child.id);
        scene.expect_no_other_harm().await;

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        assert_eq!(scene.info(child.id).await.state, ChildState::Stopping);
        assert_eq!(terminated.await, Ok(()));
        assert_eq!(child.addr.send(Ask).await, Err(MailboxError::Closed));
    });
}

/// F09
#[test]
fn a_child_that_keeps_itself_busy_does_not_outrun_its_deadline() {
    world(async {
        let scene = Scene::new().await;
        let spec = stubborn(&scene.journal).shutdown(Shutdown::Timeout(SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        fn again(ctx: &mut Context<Probe>) {
            ctx.run_later(Duration::from_millis(1), |_, ctx| again(ctx));
        }
        child.addr.send(Do::this(|_, ctx| again(ctx))).await.unwrap();
        let began = Instant::now();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(began.elapsed().as_secs(), 1);
        assert!(scene.journal.has("dropped 1"));
    });
}

/// F09
#[test]
fn a_child_that_waits_for_a_future_that_hangs_obeys_at_once() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;
        child.addr.send(Do::this(|_, ctx| ctx.wait(wrap_future(pending())))).await.unwrap();
        let never_handled = child.addr.send(Ask);
        let began = Instant::now();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(never_handled.await, Err(MailboxError::Closed));
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(scene.told(), [""; 0]);
        scene.expect_no_other_harm().await;
    });
}

/// F09
#[test]
fn a_child_that_hangs_in_a_wait_of_its_start_or_of_its_stop_is_killed_at_its_deadline() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_started(|_, ctx| ctx.wait(wrap_future(pending()))).on_stopping(|_, ctx| {
                ctx.wait(wrap_future(pending()));
                Running::Continue
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(began.elapsed().as_secs(), 5, "the default");
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "dropped 1"]);
        scene.expect_no_other_harm().await;
    });
}

/// F09
#[test]
fn a_brutal_kill_asks_nothing() {
    world(async {
        let scene = Scene::new().await;
        let spec = stubborn(&scene.journal).shutdown(Shutdown::BrutalKill);
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(scene.journal.entries(), ["started 1", "dropped 1"]);
        assert_eq!(scene.told(), [""; 0]);
        scene.expect_no_other_harm().await;
    });
}

/// F09
#[test]
fn without_a_limit_a_child_is_waited_for_until_a_later_kill() {
    world(async {
        let scene = Scene::new().await;
        let spec = stubborn(&scene.journal).shutdown(Shutdown::Infinity);
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let terminated = scene.supervisor.terminate_child(child.id);
        tokio::pin!(terminated);

        tokio::time::sleep(Duration::from_secs(20 * 3600)).await;
        assert!(futures::poll!(terminated.as_mut()).is_pending());
        assert_eq!(child.addr.send(Ask).await, Ok(1));
        scene.supervisor.kill_child(child.id).await.unwrap();

        assert_eq!(terminated.await, Ok(()));
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "dropped 1"], "not restarted");
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), ["shutdown_error"]);
        scene.expect_no_other_harm().await;
    });
}

/// F09
#[test]
fn a_second_terminate_joins_the_first_and_both_are_answered() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.supervisor.start_child(stubborn(&scene.journal)).await.unwrap();

        let first = scene.supervisor.terminate_child(child.id);
        let second = scene.supervisor.terminate_child(&child.addr);

        assert_eq!(futures::future::join(first, second).await, (Ok(()), Ok(())));
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "dropped 1"]);
    });
}

/// F09
#[test]
fn a_stop_takes_as_long_as_the_slowest_child_and_names_those_it_killed() {
    world(async {
        let scene = Scene::new().await;
        let mut ids = Vec::new();
        for seconds in [1, 4, 2] {
            let spec = stubborn(&scene.journal).shutdown(Shutdown::Timeout(seconds * SECOND));
            ids.push(scene.supervisor.start_child(spec).await.unwrap().id);
        }
        let began = Instant::now();

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!(began.elapsed().as_secs(), 4);
        let mut killed = report.killed.clone();
        killed.sort();
        assert_eq!((report.stopped, killed, report.unresponsive), (1, ids, vec![]));
        assert_eq!(scene.told(), ["shutdown_error"; 3]);
    });
}

/// F09
#[test]
fn a_deadline_of_the_stop_overrides_children_without_a_limit() {
    world(async {
        let scene = Scene::new().await;
        let spec = stubborn(&scene.journal).shutdown(Shutdown::Infinity);
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        let report = scene.supervisor.stop_with(ExitReason::Shutdown, 2 * SECOND).await.unwrap();
        settle().await;

        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!((report.stopped, report.killed), (1, vec![child.id]));
        assert!(!child.addr.connected());
        assert!(scene.journal.has("dropped 1"));
    });
}
