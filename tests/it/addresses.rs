//! Addresses and queues survive: what is sent to a child is sent to all its incarnations.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        Arc, Mutex,
    },
    time::Duration,
};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;
use futures::{future::join_all, stream};

use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);
const CLOSED: MailboxError = MailboxError::Closed;

fn supervisor() -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().max_restarts(1_000).start().unwrap()
}

/// Writes its number and the incarnation that handled it.
#[derive(Message)]
#[rtype(result = "()")]
struct Note(usize);

impl Handler<Note> for Probe {
    type Result = ();

    fn handle(&mut self, Note(number): Note, _: &mut Context<Self>) {
        self.note(&format!("note {number} in"));
    }
}

// ---- one and the same

#[test]
fn every_kind_of_address_is_one_and_the_same_over_any_number_of_restarts() {
    world(async {
        let supervisor = supervisor();
        let (journal, inside) = (Journal::new(), Arc::new(Mutex::new(Vec::new())));
        let (in_start, in_started) = (Arc::clone(&inside), Arc::clone(&inside));
        let spec = Child::with(move |cx| {
            in_start.lock().unwrap().push(cx.address());
            let in_started = Arc::clone(&in_started);
            Probe::new(&journal, cx.incarnation())
                .on_started(move |_, ctx| in_started.lock().unwrap().push(ctx.address()))
        });
        let child = supervisor.start_child(spec).await.unwrap();
        let (weak, recipient) = (child.addr.downgrade(), child.addr.clone().recipient::<Ask>());

        for incarnation in 1..=30 {
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            assert_eq!(recipient.send(Ask).await, Ok(incarnation));
            assert_eq!(weak.upgrade(), Some(child.addr.clone()));
            assert!(child.addr.connected() && recipient.connected());
            let seen = Arc::clone(&inside);
            child.addr.send(Do::this(move |_, ctx| seen.lock().unwrap().push(ctx.address()))).await.unwrap();
            let listed = supervisor.which_children().await.unwrap();
            assert_eq!(listed[0].addr::<Probe>(), Some(child.addr.clone()));
            assert_eq!(listed[0].id, child.id);
            child.addr.do_send(Panic("boom"));
        }

        let inside = inside.lock().unwrap();
        assert_eq!(inside.len(), 3 * 30, "in the start, in `started`, in a handler; the last restart is still to come");
        assert!(inside.iter().all(|addr| *addr == child.addr));
        assert!(inside.iter().all(|addr| addr.clone().recipient::<Ask>() == recipient));
    });
}

#[test]
fn an_address_taken_inside_the_first_incarnation_reaches_the_second() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        child.addr.send(Do::this(move |_, ctx| *keep.lock().unwrap() = Some(ctx.address()))).await.unwrap();
        let kept = kept.lock().unwrap().take().unwrap();

        kept.do_send(Panic("boom"));

        assert_eq!(kept.send(Ask).await, Ok(2));
    });
}

#[test]
fn every_way_to_come_back_keeps_the_address_and_what_is_queued() {
    for end in ["panic", "exit", "kill", "stop", "terminate itself"] {
        world(async {
            let (supervisor, journal) = (supervisor(), Journal::new());
            let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

            match end {
                "panic" => child.addr.do_send(Panic("boom")),
                "exit" => child.addr.do_send(Exit(ExitReason::failed("no more"))),
                "kill" => supervisor.do_send(KillChild(child.id.into())),
                "stop" => child.addr.do_send(Do::this(|_, ctx| ctx.stop())),
                _ => child.addr.do_send(Do::this(|_, ctx| ctx.terminate())),
            }
            if end == "kill" {
                settle().await;
            }

            assert_eq!(child.addr.send(Ask).await, Ok(2), "{end}");
        });
    }
}

#[test]
fn addresses_of_a_child_that_is_gone_are_closed_for_good() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let (weak, recipient) = (child.addr.downgrade(), child.addr.clone().recipient::<Ask>());

        supervisor.terminate_child(child.id).await.unwrap();
        let another = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        assert!(!child.addr.connected() && !recipient.connected());
        assert_eq!(child.addr.send(Ask).await, Err(CLOSED));
        assert_eq!(recipient.send(Ask).await, Err(CLOSED));
        assert!(weak.upgrade().is_none_or(|addr| !addr.connected()));
        assert_ne!(another.addr, child.addr);
    });
}

/// F27
#[test]
fn a_child_lives_though_nobody_holds_its_address() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let Started { id, addr, .. } = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(addr);
        tokio::time::sleep(3600 * SECOND).await;

        let listed = supervisor.which_children().await.unwrap().remove(0);
        assert_eq!((listed.id, listed.state), (id, ChildState::Running));
        assert_eq!(listed.addr::<Probe>().unwrap().send(Ask).await, Ok(1));
        assert_eq!(journal.entries(), ["started 1"]);
    });
}

// ---- the queue

#[test]
fn queued_messages_are_handled_in_order_by_the_next_incarnations() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        for number in 0..9 {
            child.addr.do_send(Note(number));
            if number % 3 == 2 {
                child.addr.do_send(Panic("boom"));
            }
        }
        assert_eq!(child.addr.send(Ask).await, Ok(4));

        let notes: Vec<_> = journal.entries().into_iter().filter(|entry| entry.starts_with("note")).collect();
        let expected: Vec<_> = (0..9).map(|number| format!("note {number} in {}", number / 3 + 1)).collect();
        assert_eq!(notes, expected);
    });
}

#[test]
fn more_requests_than_the_mailbox_has_room_for_wait_over_a_crash_and_keep_their_order() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let answers = join_all((0..500).map(|number| child.addr.send(Note(number)))).await;

        assert!(answers.iter().all(Result::is_ok));
        let notes: Vec<_> = journal.entries().into_iter().filter(|entry| entry.starts_with("note")).collect();
        assert_eq!(notes, (0..500).map(|number| format!("note {number} in 2")).collect::<Vec<_>>());
    });
}

#[test]
fn the_message_in_flight_is_answered_closed_and_never_delivered_again() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let handled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&handled);
        let in_flight = child.addr.send(Do::this(move |_, _| {
            counted.fetch_add(1, SeqCst);
            std::panic::panic_any("boom")
        }));
        let behind = child.addr.send(Ask);

        assert_eq!(in_flight.await, Err(CLOSED));
        assert_eq!(behind.await, Ok(2));
        tokio::time::sleep(3600 * SECOND).await;
        assert_eq!(handled.load(SeqCst), 1);
        assert_eq!(child.addr.send(Ask).await, Ok(2));
    });
}

#[test]
fn requests_whose_answer_was_still_to_come_are_closed_by_a_crash_and_not_delivered_again() {
    struct AnswerLater(Arc<AtomicUsize>);
    impl Message for AnswerLater {
        type Result = ();
    }
    impl Handler<AnswerLater> for Probe {
        type Result = ResponseActFuture<Self, ()>;
        fn handle(&mut self, AnswerLater(handled): AnswerLater, _: &mut Context<Self>) -> Self::Result {
            handled.fetch_add(1, SeqCst);
            Box::pin(wrap_future(std::future::pending()))
        }
    }
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let handled = Arc::new(AtomicUsize::new(0));

        let waiting: Vec<_> = (0..10).map(|_| child.addr.send(AnswerLater(Arc::clone(&handled)))).collect();
        let waiting = actix::spawn(join_all(waiting));
        settle().await;
        assert_eq!(handled.load(SeqCst), 10);
        child.addr.do_send(Panic("boom"));

        assert_eq!(waiting.await.unwrap(), [Err(CLOSED); 10]);
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(handled.load(SeqCst), 10);
    });
}

#[test]
fn what_is_sent_while_an_asynchronous_restart_goes_on_is_handled_when_it_is_done() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let notes = journal.clone();
        let spec = Child::from_async(move |cx| {
            let probe = Probe::new(&notes, cx.incarnation());
            async move {
                tokio::time::sleep(10 * SECOND).await;
                Ok::<_, Infallible>(Start::Run(probe))
            }
        });
        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        settle().await;
        assert_eq!(supervisor.which_children().await.unwrap()[0].state, ChildState::Restarting);
        journal.take();

        let answers = join_all((0..3).map(|number| child.addr.send(Note(number)))).await;

        assert_eq!(answers, [Ok(()); 3]);
        assert_eq!(journal.entries(), ["started 2", "note 0 in 2", "note 1 in 2", "note 2 in 2"]);
    });
}

#[test]
fn what_a_start_sends_to_its_own_address_is_handled_after_started() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let notes = journal.clone();
        let spec = Child::with(move |cx| {
            cx.address().do_send(Note(cx.incarnation()));
            Probe::new(&notes, cx.incarnation())
        });
        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));

        let of_interest: Vec<_> = journal
            .entries()
            .into_iter()
            .filter(|line| line.starts_with("started") || line.starts_with("note"))
            .collect();
        assert_eq!(of_interest, ["started 1", "note 1 in 1", "started 2", "note 2 in 2"]);
    });
}

#[test]
fn what_was_sent_before_a_terminate_is_not_waited_for_and_answered_closed() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.do_send(Do::this(|_, ctx| ctx.wait(wrap_future(std::future::pending()))));
        settle().await;
        let queued: Vec<_> = (0..100).map(|number| child.addr.send(Note(number))).collect();

        supervisor.terminate_child(child.id).await.unwrap();

        assert_eq!(join_all(queued).await, [Err(CLOSED); 100]);
    });
}

// ---- what does not survive

#[test]
fn timers_futures_and_streams_of_the_old_incarnation_are_gone() {
    struct Tick;
    impl StreamHandler<Tick> for Probe {
        fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
            self.note("tick in");
        }
    }
    struct Alive(Arc<()>);
    impl Future for Alive {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            std::task::Poll::Pending
        }
    }
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let set_up = Do::this(move |_, ctx| {
            ctx.run_later(SECOND, |probe, _| probe.note("run_later in"));
            ctx.run_interval(SECOND, |probe, _| probe.note("run_interval in"));
            ctx.notify_later(Note(7), SECOND);
            ctx.spawn(wrap_future(Alive(held)));
            let ticks = stream::unfold((), |()| async {
                tokio::time::sleep(SECOND).await;
                Some((Tick, ()))
            });
            ctx.add_stream(Box::pin(ticks));
        });
        child.addr.send(set_up).await.unwrap();
        assert_eq!(Arc::strong_count(&alive), 2);

        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(Arc::strong_count(&alive), 1, "dropped before the next incarnation handles anything");
        tokio::time::sleep(60 * SECOND).await;

        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1", "started 2"]);
    });
}

#[test]
fn a_future_waited_for_does_not_hold_up_the_next_incarnation() {
    world(async {
        let (supervisor, journal) = (supervisor(), Journal::new());
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.send(Do::this(|_, ctx| ctx.wait(wrap_future(std::future::pending())))).await.unwrap();
        let queued = child.addr.send(Ask);

        supervisor.kill_child(child.id).await.unwrap();

        assert_eq!(queued.await, Ok(2));
    });
}

#[test]
fn a_handler_that_cancels_its_own_handle_does_not_make_the_child_deaf() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        child.addr.do_send(Do::this(|_, ctx| {
            ctx.run_interval(SECOND, |_, _| {});
            let own = ctx.handle();
            ctx.cancel_future(own);
        }));

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        assert_eq!(child.addr.send(Ask).await, Ok(1), "and again");
        supervisor.stop().await.unwrap();
    });
}
