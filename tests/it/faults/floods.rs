//! F14, F15: floods of messages. Turns are counted, not time.

use std::{
    future::Future,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        Arc,
    },
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use super::Scene;
use crate::support::{settle, world, Ask, Panic, Probe};

/// Sends itself again, without end.
#[derive(Message)]
#[rtype(result = "()")]
struct Flood(Arc<AtomicUsize>);

impl Handler<Flood> for Probe {
    type Result = ();

    fn handle(&mut self, flood: Flood, ctx: &mut Context<Self>) {
        flood.0.fetch_add(1, SeqCst);
        ctx.address().do_send(flood);
    }
}

/// The most messages of a flood that may be handled before others have their turn; some turns' worth.
const A_FEW_TURNS: usize = 10 * 128;

/// Asks, and counts the messages of the flood that are handled until the answer is there.
///
/// In a task of its own, whose turns are those of children; a test's own future has a turn only after many of them.
async fn asked_amid<T: 'static, F: Future<Output = T> + 'static>(
    flood: &Arc<AtomicUsize>,
    ask: impl FnOnce() -> F + 'static,
) -> (T, usize) {
    let flood = Arc::clone(flood);
    let asked = actix::spawn(async move {
        let before = flood.load(SeqCst);
        let answer = ask().await;
        (answer, flood.load(SeqCst) - before)
    });
    asked.await.unwrap()
}

/// F14
#[test]
fn a_child_that_floods_itself_holds_up_neither_siblings_nor_the_supervisor() {
    world(async {
        let scene = Scene::new().await;
        let (child, flood) = (scene.victim().await, Arc::new(AtomicUsize::new(0)));
        child.addr.do_send(Flood(Arc::clone(&flood)));
        settle().await;
        assert!(flood.load(SeqCst) > A_FEW_TURNS, "the flood goes on: {}", flood.load(SeqCst));

        let (sibling, supervisor) = (scene.bystander.addr.clone(), scene.supervisor.clone());
        let (answer, meanwhile) = asked_amid(&flood, move || sibling.send(Ask)).await;
        assert_eq!(answer, Ok(1));
        assert!(meanwhile <= A_FEW_TURNS, "{meanwhile} messages before the sibling");

        let (counts, meanwhile) = asked_amid(&flood, move || supervisor.count_children()).await;
        assert_eq!(counts.unwrap().active, 2);
        assert!(meanwhile <= A_FEW_TURNS, "{meanwhile} messages before the supervisor");

        let itself = child.addr.clone();
        let (answer, meanwhile) = asked_amid(&flood, move || itself.send(Ask)).await;
        assert_eq!(answer, Ok(1), "and the flooded child itself answers too");
        assert!(meanwhile <= A_FEW_TURNS, "{meanwhile} messages before its own answer");

        let supervisor = scene.supervisor.clone();
        let (ended, meanwhile) =
            asked_amid(&flood, move || async move { supervisor.terminate_child(child.id).await }).await;
        assert_eq!(ended, Ok(()));
        assert!(meanwhile <= A_FEW_TURNS, "{meanwhile} messages before its end");
        let at_its_end = flood.load(SeqCst);
        scene.expect_no_other_harm().await;
        assert_eq!(flood.load(SeqCst), at_its_end);
    });
}

/// F14
#[test]
fn two_children_that_flood_each_other_hold_up_nobody() {
    struct PingPong {
        to: Addr<Probe>,
        from: Addr<Probe>,
        count: Arc<AtomicUsize>,
    }
    impl Message for PingPong {
        type Result = ();
    }
    impl Handler<PingPong> for Probe {
        type Result = ();
        fn handle(&mut self, PingPong { to, from, count }: PingPong, _: &mut Context<Self>) {
            count.fetch_add(1, SeqCst);
            to.do_send(PingPong { to: from, from: to.clone(), count });
        }
    }
    world(async {
        let scene = Scene::new().await;
        let (one, other) = (scene.victim().await, scene.victim().await);
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..1_000 {
            one.addr.do_send(PingPong { to: other.addr.clone(), from: one.addr.clone(), count: Arc::clone(&count) });
        }
        settle().await;

        let sibling = scene.bystander.addr.clone();
        let (answer, meanwhile) = asked_amid(&count, move || sibling.send(Ask)).await;

        assert_eq!(answer, Ok(1));
        assert!(meanwhile > 0, "the flood goes on");
        assert!(meanwhile <= 2 * A_FEW_TURNS, "{meanwhile} messages before the sibling");
        scene.supervisor.stop().await.unwrap();
    });
}

/// F14
#[test]
fn a_child_that_crashes_in_a_flood_works_off_the_rest_in_its_next_life() {
    world(async {
        let scene = Scene::new().await;
        let (child, handled) = (scene.victim().await, Arc::new(AtomicUsize::new(0)));
        struct Count(Arc<AtomicUsize>);
        impl Message for Count {
            type Result = usize;
        }
        impl Handler<Count> for Probe {
            type Result = usize;
            fn handle(&mut self, Count(count): Count, _: &mut Context<Self>) -> usize {
                count.fetch_add(1, SeqCst)
            }
        }

        let before: Vec<_> = (0..500).map(|_| child.addr.send(Count(Arc::clone(&handled)))).collect();
        let before = actix::spawn(join_all(before));
        settle().await;
        child.addr.do_send(Panic("boom"));
        for _ in 0..5_000 {
            child.addr.do_send(Count(Arc::clone(&handled)));
        }

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert!(before.await.unwrap().iter().all(Result::is_ok));
        assert_eq!(handled.load(SeqCst), 5_500, "each once");
        scene.expect_no_other_harm().await;
    });
}

/// F15
#[test]
fn a_flooded_supervisor_answers_every_request_and_its_arbiter_is_not_held_up() {
    const REQUESTS: usize = 20_000;
    world(async {
        let scene = Scene::new().await;
        let answered = Arc::new(AtomicUsize::new(0));
        let mut flood = Vec::new();
        for _ in 0..REQUESTS {
            let (request, answered) = (scene.supervisor.count_children(), Arc::clone(&answered));
            flood.push(actix::spawn(async move {
                let counts = request.await.unwrap();
                answered.fetch_add(1, SeqCst);
                counts.specs
            }));
        }
        for _ in 0..REQUESTS {
            scene.supervisor.do_send(CountChildren);
        }
        let behind = scene.supervisor.which_children();
        tokio::pin!(behind);
        assert!(futures::poll!(behind.as_mut()).is_pending());

        assert_eq!(scene.bystander.addr.send(Ask).await, Ok(1));
        assert!(futures::poll!(behind.as_mut()).is_pending(), "the sibling did not wait for the end of the flood");

        assert_eq!(behind.await.unwrap().len(), 1);
        assert!(join_all(flood).await.into_iter().all(|specs| specs.unwrap() == 1));
        assert_eq!(answered.load(SeqCst), REQUESTS);
        scene.expect_no_other_harm().await;
    });
}

/// F15
#[test]
fn a_flood_of_starts_and_terminates_is_answered_to_the_last() {
    world(async {
        let scene = Scene::new().await;
        let starts: Vec<_> = (0..2_000).map(|_| scene.supervisor.start_child(Probe::child(&scene.journal))).collect();
        let started: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(scene.others().await, (2_000, 2_000));

        let ends: Vec<_> = started.iter().map(|child| scene.supervisor.terminate_child(child.id)).collect();
        let ended = join_all(ends).await;

        assert!(ended.iter().all(Result::is_ok));
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 2_000);
        scene.expect_no_other_harm().await;
    });
}
