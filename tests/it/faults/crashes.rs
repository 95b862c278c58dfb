//! F03, F04: a panic in anything the child runs.

use std::{panic::panic_any, time::Duration};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;
use futures::{future::join, stream};

use super::{fail, Scene};
use crate::support::{world, Ask, Do, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Answers when the future is through, and nothing else is handled until then.
#[derive(Message)]
#[rtype(result = "()")]
struct FailAtomically;

impl Handler<FailAtomically> for Probe {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: FailAtomically, _: &mut Context<Self>) -> Self::Result {
        AtomicResponse::new(Box::pin(wrap_future(async { fail("boom") })))
    }
}

/// Answers when the future is through; others are handled meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
struct FailInActFuture;

impl Handler<FailInActFuture> for Probe {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: FailInActFuture, _: &mut Context<Self>) -> Self::Result {
        Box::pin(wrap_future(async { fail("boom") }))
    }
}

/// Answers when a future is through that is none of the actor's.
#[derive(Message)]
#[rtype(result = "()")]
struct FailDetached;

impl Handler<FailDetached> for Probe {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: FailDetached, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { fail("boom") })
    }
}

/// An item of a stream; where its handler panics.
#[derive(Clone, Copy, PartialEq)]
enum StreamFails {
    OnItem,
    OnEnd,
}

impl StreamHandler<StreamFails> for Probe {
    fn handle(&mut self, fails: StreamFails, _: &mut Context<Self>) {
        if fails == StreamFails::OnItem {
            fail("boom")
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        fail("boom")
    }
}

/// An item of a stream whose handler panics before the first.
struct StreamFailsAtOnce;

impl StreamHandler<StreamFailsAtOnce> for Probe {
    fn handle(&mut self, _: StreamFailsAtOnce, _: &mut Context<Self>) {}

    fn started(&mut self, _: &mut Context<Self>) {
        fail("boom")
    }
}

/// Sends `message` and a question behind it, and expects the child to crash exactly once and to come back.
///
/// `answered`: was the message answered before the crash? `queued`: which incarnation answers the question?
fn expect_one_crash<M>(message: M, answered: Result<(), MailboxError>, queued: usize)
where
    M: Message<Result = ()> + Send + 'static,
    Probe: Handler<M>,
{
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        let answers = join(child.addr.send(message), ask(&child.addr)).await;
        scene.journal.expect("started 2").await;

        assert_eq!(answers, (answered, Ok(queued)));
        assert_eq!(ask(&child.addr).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "panicked: boom");
        assert_eq!(scene.info(child.id).await.restarts, 1);
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1", "started 2"]);
        assert_eq!(scene.told(), ["child_terminated"]);
        scene.expect_no_other_harm().await;
    });
}

/// On its own, as a bound on the messages of `Probe` hides all but the one that is bound.
fn ask(child: &Addr<Probe>) -> Request<Probe, Ask> {
    child.send(Ask)
}

const CLOSED: Result<(), MailboxError> = Err(MailboxError::Closed);

/// F03
#[test]
fn a_panic_in_a_handler_is_one_crash_and_the_queue_is_kept() {
    expect_one_crash(Panic("boom"), CLOSED, 2);
}

/// F03
#[test]
fn a_panic_in_a_handler_that_has_stopped_the_actor_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.stop();
        fail("boom")
    });
    expect_one_crash(message, CLOSED, 2);
}

/// F03
#[test]
fn a_panic_in_an_atomic_response_is_one_crash_and_the_queue_is_kept() {
    expect_one_crash(FailAtomically, CLOSED, 2);
}

/// F03
#[test]
fn a_panic_in_a_future_waited_for_is_one_crash_and_the_queue_is_kept() {
    expect_one_crash(Do::this(|_, ctx| ctx.wait(wrap_future(async { fail("boom") }))), Ok(()), 2);
}

/// F03
#[test]
fn a_panic_in_a_response_act_future_is_one_crash_and_its_request_is_closed() {
    expect_one_crash(FailInActFuture, CLOSED, 1);
}

/// F03
#[test]
fn a_panic_in_a_spawned_future_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.spawn(wrap_future(async { fail("boom") }));
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_timer_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.run_later(SECOND, |_, _| fail("boom"));
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_timer_that_has_stopped_the_actor_is_one_crash_with_hooks() {
    let message = Do::this(|_, ctx| {
        ctx.run_later(SECOND, |_, ctx| {
            ctx.stop();
            fail("boom")
        });
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_an_interval_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.run_interval(SECOND, |_, _| fail("boom"));
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_message_to_itself_is_one_crash() {
    expect_one_crash(Do::this(|_, ctx| ctx.notify(Panic("boom"))), Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_late_message_to_itself_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.notify_later(Panic("boom"), SECOND);
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_stream_handler_is_one_crash_at_its_start_at_an_item_and_at_its_end() {
    let at_item = Do::this(|_, ctx| {
        ctx.add_stream(stream::iter([StreamFails::OnItem]));
    });
    let at_end = Do::this(|_, ctx| {
        ctx.add_stream(stream::iter([StreamFails::OnEnd]));
    });
    let at_start = Do::this(|_, ctx| {
        ctx.add_stream(stream::iter([StreamFailsAtOnce]));
    });
    for message in [at_item, at_end, at_start] {
        expect_one_crash(message, Ok(()), 1);
    }
}

/// F03
#[test]
fn a_panic_in_a_stream_itself_is_one_crash() {
    let message = Do::this(|_, ctx| {
        ctx.add_stream(stream::poll_fn(|_| fail::<std::task::Poll<Option<StreamFails>>>("boom")));
    });
    expect_one_crash(message, Ok(()), 1);
}

/// F03
#[test]
fn a_panic_in_a_message_of_a_message_stream_is_one_crash() {
    expect_one_crash(Do::this(|_, ctx| ctx.add_message_stream(stream::iter([Panic("boom")]))), Ok(()), 1);
}

/// F03
#[test]
fn a_temporary_child_that_panics_is_gone_with_one_report_and_its_queue_answered() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::child(&scene.journal).restart(Restart::Temporary);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        let answers = join(child.addr.send(Panic("boom")), child.addr.send(Ask)).await;

        assert_eq!(answers, (CLOSED, Err(MailboxError::Closed)));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert!(!child.addr.connected());
        assert_eq!(scene.told(), ["child_terminated"]);
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

/// F03
#[test]
fn what_a_panic_said_reaches_the_report_on_one_line_and_cut() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;
        let hostile = format!("\n\u{1b}[2J{}", "x".repeat(100_000));

        let crash = child.addr.send(Do::this(move |_, _| std::panic::resume_unwind(Box::new(hostile)))).await;
        scene.journal.expect("started 2").await;

        assert!(crash.is_err());
        let reason = scene.reports.all()[0].field("reason").to_owned();
        assert!(reason.starts_with("panicked: \\n\\u{1b}[2Jxxx"), "{}", &reason[..40]);
        assert!(reason.len() <= 1100, "{} bytes", reason.len());
        assert!(!reason.contains(char::is_control));
    });
}

/// F03
#[test]
fn a_payload_that_is_no_text_is_a_crash_like_any_other() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        assert!(child.addr.send(Do::this(|_, _| panic_any(42_u64))).await.is_err());

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "panicked: (a payload that is not text)");
        assert_eq!(scene.told(), ["child_terminated"]);
        scene.expect_no_other_harm().await;
    });
}

/// F04
#[test]
fn a_panic_in_a_response_future_is_no_crash_only_its_request_is_closed() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        let answers = join(child.addr.send(FailDetached), child.addr.send(Ask)).await;

        assert_eq!(answers, (CLOSED, Ok(1)));
        scene.expect_no_other_harm().await;
        assert_eq!(child.addr.send(Ask).await, Ok(1), "the same incarnation");
        assert_eq!(scene.journal.entries(), ["started 1"]);
        assert_eq!(scene.told(), [""; 0]);
    });
}
