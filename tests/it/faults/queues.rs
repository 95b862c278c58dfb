//! F06: destructors of messages that are never handled.

use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    Arc,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use super::{Bomb, Scene, CONTAINED};
use crate::support::{settle, silently, world, Ask, Do, Journal, Panic, Probe};

/// Handled it does no harm; dropped in the queue it panics.
#[derive(Message)]
#[rtype(result = "()")]
struct Explosive(Option<Bomb>);

impl Explosive {
    fn new() -> Self {
        Self(Some(Bomb))
    }
}

impl Handler<Explosive> for Probe {
    type Result = ();

    fn handle(&mut self, Explosive(bomb): Explosive, _: &mut Context<Self>) {
        std::mem::forget(bomb);
    }
}

/// F06
#[test]
fn senders_queued_behind_a_message_whose_destructor_panics_are_answered_closed() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        // Begun before the child has a turn to handle what is queued.
        let terminated = scene.supervisor.terminate_child(child.id);
        let first = child.addr.send(Ask);
        child.addr.do_send(Explosive::new());
        let behind = join_all([child.addr.send(Ask), child.addr.send(Ask)]);
        let answers = (terminated.await, first.await, behind.await);

        assert_eq!(answers.0, Ok(()));
        assert_eq!(answers.1, Err(MailboxError::Closed));
        assert_eq!(answers.2, [Err(MailboxError::Closed), Err(MailboxError::Closed)]);
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
    });
}

/// F06
#[test]
fn a_panic_in_the_destructor_of_a_queued_message_is_told_once() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        let terminated = scene.supervisor.terminate_child(child.id);
        child.addr.do_send(Explosive::new());
        terminated.await.unwrap();

        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn every_sender_of_a_queue_full_of_such_messages_is_answered_when_the_child_is_not_restarted() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::child(&scene.journal).restart(Restart::Temporary);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let queued: Vec<_> = (0..40).map(|_| child.addr.send(Explosive::new())).collect();
        let answers = join_all(queued).await;

        assert!(answers.iter().all(|answer| *answer == Err(MailboxError::Closed)), "{answers:?}");
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
    });
}

/// F06
#[test]
fn a_queued_message_whose_destructor_panics_survives_a_crash_and_is_handled() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Explosive::new()).await, Ok(()));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.told(), ["child_terminated"]);
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_message_whose_sender_has_gone_and_whose_destructor_panics_does_not_crash_the_child() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        // Queued when it is made; Actix drops it unhandled when its turn comes and nobody waits for the answer.
        drop(child.addr.send(Explosive::new()));

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (1, 1));
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn a_request_to_start_whose_caller_has_gone_and_whose_spec_panics_when_dropped_does_not_end_the_supervisor() {
    world(async {
        let scene = Scene::new().await;
        let (journal, bomb) = (scene.journal.clone(), Bomb);
        let spec = Child::with(move |cx: &mut StartContext<Probe>| {
            let _ = &bomb;
            Probe::new(&journal, cx.incarnation())
        });

        drop(scene.supervisor.start_child(spec));

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.journal.entries(), [""; 0]);
    });
}

/// Sends itself again instead of being lost, as long as the mailbox takes it.
struct Stubborn {
    to: Addr<Probe>,
    resent: Arc<AtomicUsize>,
}

impl Message for Stubborn {
    type Result = ();
}

impl Handler<Stubborn> for Probe {
    type Result = ();

    fn handle(&mut self, stubborn: Stubborn, _: &mut Context<Self>) {
        std::mem::forget(stubborn);
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        // An end of the test's own, so that it fails rather than hangs.
        if self.resent.load(SeqCst) >= 1_000 || !self.to.connected() {
            return;
        }
        let again = Stubborn { to: self.to.clone(), resent: Arc::clone(&self.resent) };
        match self.to.try_send(again) {
            Ok(()) => _ = self.resent.fetch_add(1, SeqCst),
            Err(SendError::Full(back) | SendError::Closed(back)) => std::mem::forget(back),
        }
    }
}

/// F06
#[test]
fn a_message_that_sends_itself_again_when_it_is_dropped_does_not_keep_a_closing_mailbox_busy() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;
        let resent = Arc::new(AtomicUsize::new(0));

        let terminated = scene.supervisor.terminate_child(child.id);
        child.addr.do_send(Stubborn { to: child.addr.clone(), resent: Arc::clone(&resent) });
        assert_eq!(terminated.await, Ok(()));

        assert!(resent.load(SeqCst) <= 1, "taken {} times by a mailbox that is being closed", resent.load(SeqCst));
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_queue_of_a_supervisor_that_ends_is_answered_though_destructors_in_it_panic() {
    world(async {
        let scene = Scene::new().await;
        let bomb = Bomb;
        let spec = Child::with(move |_: &mut StartContext<Probe>| {
            let _ = &bomb;
            unreachable!("the supervisor is closing")
        });

        let stopped = scene.supervisor.stop();
        let refused = scene.supervisor.start_child(spec);
        let counted = scene.supervisor.count_children();

        assert_eq!(stopped.await.unwrap().stopped, 1);
        assert!(matches!(refused.await, Err(StartChildError::ShuttingDown | StartChildError::SupervisorGone)));
        assert!(counted.await.is_err() || !scene.supervisor.connected());
        settle().await;
        assert!(scene.bystanders_journal.has("dropped 1"));
    });
}

/// F06
#[test]
fn an_answer_that_nobody_waits_for_is_the_childs_own_and_crashes_only_it() {
    struct Slow;
    impl Message for Slow {
        type Result = Explosive;
    }
    impl Handler<Slow> for Probe {
        type Result = MessageResult<Slow>;
        fn handle(&mut self, _: Slow, _: &mut Context<Self>) -> Self::Result {
            MessageResult(Explosive::new())
        }
    }
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        child.addr.do_send(Slow);

        let answer = child.addr.send(Ask).await.unwrap();
        assert!(answer <= 2);
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (1, 1));
        assert!(child.addr.send(Do::this(|_, _| ())).await.is_ok());
    });
}

/// Counts those of its kind that are dropped unhandled; every hundredth panics then.
#[derive(Message)]
#[rtype(result = "()")]
struct Drip {
    dropped: Arc<AtomicUsize>,
}

impl Handler<Drip> for Probe {
    type Result = ();

    fn handle(&mut self, _: Drip, _: &mut Context<Self>) {
        unreachable!("the child is ended before it has a turn")
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        if self.dropped.fetch_add(1, SeqCst) % 100 == 99 {
            drop(Bomb);
        }
    }
}

const DRIPS: usize = 5_000;

/// F06
#[test]
fn what_a_flood_left_in_a_queue_is_not_waited_for_but_dropped_to_the_last() {
    world(async {
        let scene = Scene::new().await;
        let (child, dropped) = (scene.victim().await, Arc::new(AtomicUsize::new(0)));
        settle().await;

        let terminated = scene.supervisor.terminate_child(child.id);
        let asked = child.addr.send(Ask);
        for _ in 0..DRIPS {
            child.addr.do_send(Drip { dropped: Arc::clone(&dropped) });
        }
        // In a task, whose turns are those of children; a test's own future has one only after many of them.
        let (addr, seen) = (child.addr.clone(), Arc::clone(&dropped));
        let ended = actix::spawn(async move { (terminated.await, addr.connected(), seen.load(SeqCst)) });

        let (terminated, is_connected, dropped_by_then) = ended.await.unwrap();
        assert_eq!((terminated, is_connected), (Ok(()), false));
        assert!(dropped_by_then < DRIPS / 2, "{dropped_by_then} were waited for");
        assert_eq!(asked.await, Err(MailboxError::Closed));
        settle().await;
        assert_eq!(dropped.load(SeqCst), DRIPS);
        scene.expect_no_other_harm().await;
        // How many are told is limited; that each was contained is shown by those that were dropped after it.
        assert!(scene.told().iter().all(|told| told == CONTAINED), "{:?}", scene.told());
        assert!(!scene.told().is_empty());
    });
}

/// F06
#[test]
fn what_is_left_of_a_queue_goes_with_the_arbiter_if_not_before() {
    silently(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&dropped);
        System::new().block_on(async move {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            settle().await;
            let terminated = supervisor.terminate_child(child.id);
            for _ in 0..DRIPS {
                child.addr.do_send(Drip { dropped: Arc::clone(&dropped) });
            }
            // Ended and closed, but not yet rid of its queue.
            terminated.await.unwrap();
            assert!(!child.addr.connected());
        });
        assert_eq!(seen.load(SeqCst), DRIPS);
    });
}
