//! What supervision assumes of Actix 0.13 and actix-rt 2: an upgrade that breaks it fails here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use actix::dev::channel::{channel, AddressReceiver};
use actix::dev::{AsyncContextParts, ContextFut, ContextParts, EnvelopeProxy, Mailbox};
use actix::{fut::wrap_future, prelude::*};
use futures::future::{join, pending, poll_fn, Future, FutureExt};
use futures::{stream::StreamExt, task::noop_waker_ref};
use std::{
    any::Any,
    cell::RefCell,
    panic::{catch_unwind, panic_any, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    sync::{atomic::AtomicUsize, atomic::Ordering::SeqCst, mpsc, Arc, Mutex},
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, task::yield_now, time::sleep};

const CLOSED: Option<Result<(), MailboxError>> = Some(Err(MailboxError::Closed));
const ANSWERED: Option<Result<(), MailboxError>> = Some(Ok(()));
const BUDGET: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

type Ctx = Context<Probe>;
type Hook<T> = Box<dyn FnMut(&mut Ctx, &Log) -> T>;
type Act = Box<dyn FnOnce(&mut Probe, &mut Ctx) + Send>;
type Trap = fn(Probe) -> Life;
type Inbox = Rc<RefCell<AddressReceiver<Probe>>>;

/// What was called, in order; a call made while the thread unwinds says so.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// An actor that logs its hooks; what a hook does besides is written by the test.
struct Probe {
    log: Log,
    on_started: Hook<()>,
    on_stopping: Hook<Running>,
    on_stopped: Hook<()>,
    _cargo: Option<Bomb>,
}

/// A message that says what its handler does.
#[derive(Message)]
#[rtype(result = "()")]
struct Do(Act);

/// A message whose answer is a `ResponseFuture` that panics.
#[derive(Message)]
#[rtype(result = "()")]
struct Detached;

/// A value whose destructor panics.
struct Bomb;

/// A context that the test polls by hand, as a supervisor does.
struct Life {
    log: Log,
    addr: Addr<Probe>,
    future: ContextFut<Probe, Ctx>,
}

/// Feeds an actor from a mailbox outside of its context.
struct Pump(Inbox);

impl ActorFuture<Probe> for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, probe: &mut Probe, ctx: &mut Ctx, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut handled = 0;
        while !ctx.waiting() {
            if handled == BUDGET {
                cx.waker().wake_by_ref();
                break;
            }
            let next = self.0.borrow_mut().poll_next_unpin(cx);
            let Poll::Ready(Some(mut envelope)) = next else {
                break;
            };
            handled += 1;
            envelope.handle(probe, ctx);
        }
        Poll::Pending
    }
}

// ---- panics under plain Actix ------------------------------------------------------------------

#[test]
fn a_panic_in_a_handler_closes_the_actor_for_its_sender_and_for_all_that_is_queued() {
    in_system(async {
        let addr = probe().start();

        let (in_flight, queued) = join(addr.send(boom()), addr.send(note("queued"))).await;

        assert_eq!((Some(in_flight), Some(queued)), (CLOSED, CLOSED));
        assert!(!addr.connected());
    });
}

#[test]
fn a_panic_in_started_or_in_a_future_or_a_timer_kills_the_actor_too() {
    let places: [fn(&mut Ctx, &Log); 4] = [
        fail,
        |ctx, _| _ = ctx.spawn(wrap_future(async { panic!("in a spawned future") })),
        |ctx, _| ctx.wait(wrap_future(async { panic!("in a future waited for") })),
        |ctx, _| _ = ctx.run_later(SECOND, |_, _| panic!("in a timer")),
    ];
    for place in places {
        in_system(async move {
            let addr = probe().on_started(place).start();

            sleep(2 * SECOND).await;

            assert!(!addr.connected());
            assert_eq!(Some(addr.send(note("late")).await), CLOSED);
        });
    }
}

#[test]
fn the_supervisor_of_actix_restarts_after_a_stop_but_not_after_a_panic() {
    in_system(async {
        let (log, child) = logged();
        let addr = Supervisor::start(|_| child);

        addr.do_send(stop());
        addr.send(note("second life")).await.unwrap();
        assert_eq!(log.take(), "started, stopping, stopped, restarting, started, second life");

        assert_eq!(Some(addr.send(boom()).await), CLOSED);
        settle().await;
        assert_eq!(log.take(), "stopping while unwinding, stopped while unwinding");
        assert!(!addr.connected());
    });
}

#[test]
fn plain_actix_runs_both_stop_hooks_while_the_thread_unwinds() {
    in_system(async {
        let (log, child) = logged();

        let _ = child.start().send(boom()).await;

        assert_eq!(log.take(), "started, stopping while unwinding, stopped while unwinding");
    });
}

#[test]
#[cfg(unix)]
fn a_second_panic_while_plain_actix_unwinds_aborts_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    const CASE: &str = "ACTIX_FACTS_CASE";
    const THIS_TEST: &str = "a_second_panic_while_plain_actix_unwinds_aborts_the_process";
    if let Ok(case) = std::env::var(CASE) {
        let (_, life) = second_panics()[case.parse::<usize>().unwrap()];
        return in_system(async {
            // The address outlives the task: an actor that nobody can reach has no hooks to run.
            let life = life(probe());
            let _ = actix_rt::spawn(life.future).await;
            drop(life.addr);
        });
    }
    for (case, (name, _)) in second_panics().into_iter().enumerate() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", THIS_TEST, "--nocapture"]).env(CASE, case.to_string());

        let end = child.output().unwrap();

        assert_eq!(end.status.signal(), Some(SIGABRT), "{name}: {end:?}");
    }
}

#[test]
fn a_panic_inside_a_response_future_reaches_its_caller_but_not_the_actor() {
    in_system(async {
        let (log, child) = logged();
        let addr = child.start();

        let (detached, next) = join(addr.send(Detached), addr.send(note("next"))).await;
        settle().await;

        assert_eq!((Some(detached), Some(next)), (CLOSED, ANSWERED));
        assert_eq!(log.take(), "started, next");
        assert!(addr.connected());
    });
}

#[test]
fn dropping_all_addresses_ends_a_plain_actor() {
    in_system(async {
        let (log, child) = logged();
        let addr = child.start();
        settle().await;
        assert_eq!(log.take(), "started");

        drop(addr);
        settle().await;

        assert_eq!(log.take(), "stopping, stopped");
    });
}

// ---- panics caught round the poll --------------------------------------------------------------

#[test]
fn catching_the_poll_then_terminating_then_dropping_calls_no_hook() {
    let mut life = plain(probe());
    let in_flight = life.addr.send(boom());

    life.crash();
    life.future.ctx().terminate();
    drop(life.future);

    assert_eq!(life.log.take(), "started");
    assert_eq!(in_flight.now_or_never(), CLOSED);
}

#[test]
fn a_crash_caught_first_survives_every_second_panic_that_aborts_plain_actix() {
    for (name, life) in second_panics() {
        let mut life = life(probe());

        life.crash();
        life.future.ctx().stop();
        let hooks = caught(|| life.turn());
        life.future.ctx().terminate();
        let end = caught(|| drop(life.future));

        assert!(hooks.is_err() || end.is_err(), "no second panic {name}");
    }
}

#[test]
fn hooks_run_by_one_more_poll_after_the_catch_see_no_panic_under_way() {
    let mut life = plain(probe()).with(boom());

    life.crash();
    life.future.ctx().stop();

    assert!(life.turn().is_ready());
    assert_eq!(life.log.take(), "started, stopping, stopped");
}

#[test]
fn a_context_polled_again_after_a_panic_panics_anew_in_the_future_that_failed() {
    let failing = async { panic_any("first") };
    let message = act(|_, ctx| _ = ctx.spawn(wrap_future(failing)));
    let mut life = plain(probe()).with(message);

    let (first, second) = (life.crash(), life.crash());

    assert_eq!(first.downcast_ref(), Some(&"first"));
    let second = second.downcast_ref::<&str>().unwrap();
    assert!(second.contains("resumed after panicking"), "{second}");
    life.future.ctx().terminate();
}

#[test]
fn a_panic_payload_is_a_str_a_string_or_something_opaque() {
    let number = thread::available_parallelism().map_or(1, usize::from);

    let literal = plain(probe()).with(act(|_, _| panic!("literal"))).crash();
    let formatted = plain(probe()).with(act(move |_, _| panic!("with a {number}"))).crash();
    let opaque = plain(probe()).with(act(|_, _| panic_any(7_u8))).crash();

    assert_eq!(literal.downcast_ref(), Some(&"literal"));
    assert_eq!(formatted.downcast_ref(), Some(&format!("with a {number}")));
    assert_eq!(opaque.downcast_ref(), Some(&7_u8));
}

#[test]
fn the_state_tells_a_panic_in_a_stop_hook_from_any_other() {
    let state_after = |child, message| {
        let mut life = plain(child).with(message);
        life.crash();
        let state = life.future.ctx().state();
        life.future.ctx().terminate();
        state
    };

    let in_started = probe().on_started(fail);
    let in_stopping = probe().on_stopping(fail);
    let in_stopped = probe().on_stopped(fail);

    assert_eq!(state_after(probe(), boom()), ActorState::Running);
    assert_eq!(state_after(in_started, note("queued")), ActorState::Running);
    assert_eq!(state_after(in_stopping, stop()), ActorState::Stopping);
    assert_eq!(state_after(in_stopped, stop()), ActorState::Stopped);
}

// ---- stopping, terminating and dropping a context ----------------------------------------------

#[test]
fn dropping_a_live_context_polls_it_once_more_and_so_runs_the_stop_hooks() {
    let life = plain(probe()).begun();

    drop(life.future);

    assert_eq!(life.log.take(), "started, stopping, stopped");
}

#[test]
fn dropping_a_live_context_that_continues_even_works_off_its_queue() {
    let life = plain(probe().on_stopping(go_on)).begun();
    life.addr.do_send(note("queued"));

    drop(life.future);

    assert_eq!(life.log.take(), "started, stopping, queued");
}

#[test]
fn dropping_a_terminated_context_calls_nothing() {
    let mut life = plain(probe()).begun();
    let queued = life.addr.send(note("queued"));

    life.future.ctx().terminate();
    drop(life.future);

    assert_eq!(life.log.take(), "started");
    assert_eq!(queued.now_or_never(), CLOSED);
}

#[test]
fn polling_a_terminated_context_calls_started_again() {
    let mut life = plain(probe()).begun();

    life.future.ctx().terminate();

    assert!(life.turn().is_ready());
    assert_eq!(life.log.take(), "started, started, stopped");
}

#[test]
fn an_actor_that_terminates_itself_is_stopped_without_stopping() {
    let mut life = plain(probe()).with(act(|_, ctx| ctx.terminate()));

    assert!(life.turn().is_ready());

    assert_eq!(life.log.take(), "started, stopped");
}

#[test]
fn a_stop_from_outside_reaches_an_actor_that_waits_while_a_stop_message_does_not() {
    let waits = probe().on_started(|ctx, _| ctx.wait(wrap_future(pending())));
    let mut life = plain(waits).with(stop()).begun();
    assert_eq!(life.log.take(), "started");

    life.future.ctx().stop();

    assert!(life.turn().is_ready());
    assert_eq!(life.log.take(), "stopping, stopped");
}

#[test]
fn an_actor_that_answers_continue_goes_on() {
    let mut life = plain(probe().on_stopping(go_on)).begun();

    life.future.ctx().stop();
    let mut life = life.begun().with(note("after")).begun();

    assert_eq!(life.future.ctx().state(), ActorState::Running);
    assert_eq!(life.log.take(), "started, stopping, after");
    life.future.ctx().terminate();
}

#[test]
fn a_context_counts_as_waiting_while_it_stops() {
    let stopping = |ctx: &mut Ctx, log: &Log| {
        log.add(if ctx.waiting() { "waiting" } else { "free" });
        Running::Stop
    };
    let mut life = plain(probe().on_stopping(stopping)).begun();
    assert!(!life.future.ctx().waiting());

    life.future.ctx().stop();

    assert!(life.future.ctx().waiting());
    assert!(life.turn().is_ready());
    assert_eq!(life.log.take(), "started, stopping, waiting, stopped");
}

#[test]
fn a_future_spawned_in_stopped_never_runs() {
    let mut life = plain(probe().on_stopped(spawn_a_future)).begun();

    life.future.ctx().stop();
    assert!(life.turn().is_ready());
    drop(life.future);

    assert_eq!(life.log.take(), "started, stopping, stopped");
}

#[test]
fn a_future_spawned_in_stopping_runs_if_the_answer_is_continue() {
    let stopping = |ctx: &mut Ctx, log: &Log| {
        spawn_a_future(ctx, log);
        Running::Continue
    };
    let mut life = plain(probe().on_stopping(stopping)).begun();

    life.future.ctx().stop();
    let mut life = life.begun();

    assert_eq!(life.log.take(), "started, stopping, future polled");
    life.future.ctx().terminate();
}

// ---- a mailbox outside of the context ----------------------------------------------------------

#[test]
fn parts_made_from_an_outer_mailbox_make_the_context_speak_with_the_outer_address() {
    let (tx, rx) = channel::<Probe>(16);
    let (outer, mut ctx) = (Addr::new(tx), Ctx::new());
    assert_ne!(ctx.address(), outer);

    *ctx.parts() = ContextParts::new(rx.sender_producer());
    assert_eq!(ctx.address(), outer);

    *ctx.parts() = ContextParts::new(Mailbox::new(rx).sender_producer());
    assert_eq!(ctx.address(), outer);
}

#[test]
fn a_pending_pump_keeps_the_context_alive_without_any_address() {
    let mut life = pumped(&inbox(16), probe());
    drop(life.addr);

    assert!(poll(&mut life.future).is_pending());

    assert!(life.future.alive());
    assert_eq!(life.log.take(), "started");
}

#[test]
fn messages_queued_outside_survive_a_panic_but_the_one_in_flight_is_closed() {
    let inbox = inbox(16);
    let mut life = pumped(&inbox, probe());
    let in_flight = life.addr.send(boom());
    let mut queued = life.addr.send(note("queued")).boxed_local();

    life.crash();
    life.future.ctx().terminate();
    drop(life.future);
    assert_eq!(in_flight.now_or_never(), CLOSED);
    assert_eq!(queued.as_mut().now_or_never(), None);

    let next = pumped(&inbox, probe()).begun();
    assert_eq!(queued.now_or_never(), ANSWERED);
    assert_eq!(next.log.take(), "started, queued");
}

#[test]
fn a_panic_in_started_leaves_a_context_that_counts_as_dead_with_its_pump_never_polled() {
    let inbox = inbox(16);
    let fails = probe().on_started(fail);
    let mut life = pumped(&inbox, fails).with(note("queued"));

    life.crash();

    // Items are merged after `started`: until then only the unused inner mailbox speaks for it.
    assert!(!life.future.alive());
    drop(life.future);
    assert_eq!(life.log.take(), "started");
    assert_eq!(drain(&inbox), 1);
}

#[test]
fn the_stop_hooks_can_still_be_run_by_a_poll_after_a_panic_in_started() {
    let inbox = inbox(16);
    let fails = probe().on_started(fail);
    let mut life = pumped(&inbox, fails).with(note("queued"));

    life.crash();
    life.future.ctx().stop();

    assert!(life.turn().is_ready());
    assert_eq!(life.log.take(), "started, stopping, stopped");
    assert_eq!(drain(&inbox), 1);
}

#[test]
fn a_pump_is_not_polled_if_started_stops_the_context() {
    let inbox = inbox(16);
    let mut life = pumped(&inbox, probe().on_started(|ctx, _| ctx.stop())).with(note("queued"));

    assert!(life.turn().is_ready());

    assert_eq!(life.log.take(), "started, stopping, stopped");
    assert_eq!(drain(&inbox), 1);
}

#[test]
fn a_pump_spawned_before_the_first_poll_comes_before_all_that_started_spawns() {
    let life = pumped(&inbox(16), probe().on_started(spawn_a_future)).with(note("message"));

    let life = life.begun();

    assert_eq!(life.log.take(), "started, message, future polled");
}

#[test]
fn a_pump_loses_its_first_place_once_a_handler_makes_the_actor_wait() {
    let wait = act(|_, ctx| ctx.wait(wrap_future(async {})));
    let life = pumped(&inbox(16), probe().on_started(spawn_a_future)).with(wait);

    let life = life.with(note("message")).begun();

    assert_eq!(life.log.take(), "started, future polled, message");
}

// ---- fairness ----------------------------------------------------------------------------------

#[test]
fn a_plain_actor_that_messages_itself_never_yields() {
    let life = plain(probe()).with(echo(10_000)).begun();

    assert_eq!(life.log.count("echo"), 10_001);
}

#[test]
fn an_actor_that_notifies_itself_never_yields_even_under_a_pump() {
    let life = pumped(&inbox(16), probe()).with(mutter(10_000)).begun();

    assert_eq!(life.log.count("mutter"), 10_001);
}

#[test]
fn a_pump_with_a_budget_handles_that_many_messages_and_wakes_itself() {
    let mut life = pumped(&inbox(16), probe()).with(echo(10_000));
    let (wakes, waker) = counting_waker();

    assert!(life.future.poll_unpin(&mut TaskContext::from_waker(&waker)).is_pending());

    assert_eq!((life.log.count("echo"), wakes.count()), (BUDGET, 1));
}

#[test]
fn a_sibling_makes_progress_beside_a_self_messaging_actor_under_a_pump() {
    in_system(async {
        let Life { future, log, .. } = pumped(&inbox(16), probe()).with(echo(usize::MAX));
        let flooded = actix_rt::spawn(future);

        let sibling = actix_rt::spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        sibling.await.unwrap();

        assert!(!flooded.is_finished() && log.count("echo") >= BUDGET);
        flooded.abort();
    });
}

#[test]
fn every_wake_of_a_context_polls_all_its_futures() {
    let ten = |ctx: &mut Ctx, log: &Log| (0..10).for_each(|_| spawn_a_future(ctx, log));

    let life = plain(probe().on_started(ten)).begun().begun();

    assert_eq!(life.log.count("future polled"), 20);
}

// ---- mailboxes, addresses, requests ------------------------------------------------------------

#[test]
fn do_send_ignores_the_capacity_of_the_mailbox() {
    let inbox = inbox(2);
    let addr = address(&inbox);

    (0..100).for_each(|_| addr.do_send(note("one of many")));

    assert_eq!(drain(&inbox), 100);
}

#[test]
fn every_clone_of_an_address_has_a_slot_of_its_own() {
    let inbox = inbox(2);
    let addr = address(&inbox);
    assert!(addr.try_send(note("1")).is_ok() && addr.try_send(note("2")).is_ok());
    assert!(matches!(addr.try_send(note("3")), Err(SendError::Full(_))));

    for _ in 0..100 {
        assert!(addr.clone().try_send(note("by a clone")).is_ok());
    }

    assert_eq!(drain(&inbox), 102);
}

#[test]
fn a_request_to_a_full_mailbox_is_queued_when_it_is_polled_however_full_it_is() {
    let inbox = inbox(1);
    let addr = address(&inbox);
    let _fills_it = addr.send(note("first"));

    let mut late = addr.send(note("late")).boxed_local();
    assert_eq!(drain(&inbox), 1);

    addr.do_send(note("fills it again"));
    assert_eq!(late.as_mut().now_or_never(), None);
    assert_eq!(drain(&inbox), 2);
}

#[test]
fn dropping_the_last_address_wakes_the_receiver_and_leaves_it_disconnected() {
    let inbox = inbox(16);
    let (addr, clone) = (address(&inbox), address(&inbox));
    let (wakes, waker) = counting_waker();
    let next = inbox.borrow_mut().poll_next_unpin(&mut TaskContext::from_waker(&waker));
    assert!(next.is_pending());

    drop(addr);
    assert_eq!((wakes.count(), inbox.borrow().connected()), (0, true));

    drop(clone);
    assert_eq!((wakes.count(), inbox.borrow().connected()), (1, false));
}

#[test]
fn a_weak_address_can_be_upgraded_as_long_as_the_receiver_lives() {
    let inbox = inbox(16);
    let weak = address(&inbox).downgrade();
    assert!(!inbox.borrow().connected());

    let addr = weak.upgrade().expect("the receiver lives");
    addr.do_send(note("again"));
    assert_eq!((drain(&inbox), inbox.borrow().connected()), (1, true));

    drop(inbox);
    assert!(weak.upgrade().is_none());
}

#[test]
fn addresses_of_a_dropped_receiver_are_closed() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    let queued = addr.send(note("queued"));

    drop(inbox);

    assert!(!addr.connected());
    assert_eq!(queued.now_or_never(), CLOSED);
    assert_eq!(addr.send(note("late")).now_or_never(), CLOSED);
    assert!(matches!(addr.try_send(note("late")), Err(SendError::Closed(_))));
}

#[test]
fn a_panicking_destructor_of_a_message_unwinds_out_of_the_receiver_and_strands_what_is_behind() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    addr.do_send(armed());
    let mut behind = addr.send(note("behind")).boxed_local();

    assert!(caught(|| drop(inbox)).is_err());

    // The address keeps the queue: who waits for the answer and holds an address waits for ever.
    assert!(!addr.connected());
    assert_eq!(behind.as_mut().now_or_never(), None);
    drop(addr);
    assert_eq!(behind.now_or_never(), CLOSED);
}

#[test]
fn a_receiver_emptied_message_by_message_strands_nothing_behind_a_panicking_destructor() {
    let inbox = inbox(16);
    let addr = address(&inbox);
    addr.do_send(armed());
    let behind = addr.send(note("behind"));

    let mut panics = 0;
    while let Some(Some(envelope)) = inbox.borrow_mut().next().now_or_never() {
        panics += usize::from(caught(|| drop(envelope)).is_err());
    }

    assert_eq!(panics, 1);
    assert_eq!(behind.now_or_never(), CLOSED);
}

#[test]
fn a_request_dropped_before_it_is_handled_is_skipped_but_a_told_message_is_not() {
    let life = plain(probe());

    drop(life.addr.send(note("asked")));
    let life = life.with(note("told")).begun();

    assert_eq!(life.log.take(), "started, told");
}

// ---- arbiters, threads, time -------------------------------------------------------------------

#[test]
fn a_spawn_on_a_stopping_arbiter_claims_success_and_drops_the_future() {
    in_system(async {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        let (ran, runs) = mpsc::channel();
        // Kept busy, the arbiter is surely asked to stop and has surely not stopped yet.
        let (block, entered, unblock) = blocking();
        arbiter.spawn_fn(block);
        entered.await.unwrap();
        arbiter.stop();

        let claimed = handle.spawn(async move { ran.send(()).unwrap() });
        unblock.send(()).unwrap();

        assert!(claimed);
        assert!(runs.recv().is_err(), "the future was dropped, it never ran");
        arbiter.join().unwrap();
        assert!(!handle.spawn(async {}), "it says so once its thread ended");
    });
}

#[test]
fn a_stop_of_the_arbiter_does_not_interrupt_a_handler_that_blocks_its_thread() {
    in_system(async {
        let arbiter = Arbiter::new();
        let addr = Probe::start_in_arbiter(&arbiter.handle(), |_| probe());
        let (block, entered, unblock) = blocking();
        let blocked = addr.send(act(|_, _| block()));
        entered.await.unwrap();

        arbiter.stop();
        unblock.send(()).unwrap();

        assert_eq!(Some(blocked.await), ANSWERED);
        arbiter.join().unwrap();
    });
}

#[test]
fn an_hour_of_timers_passes_at_once_under_a_paused_clock() {
    let wall = std::time::Instant::now();
    in_system(async {
        let (log, child) = logged();
        let timer = |ctx: &mut Ctx, _: &Log| {
            ctx.run_later(3_600 * SECOND, |probe, _| probe.log.add("an hour later"));
        };
        let _addr = child.on_started(timer).start();

        sleep(3_599 * SECOND).await;
        assert_eq!(log.take(), "started");
        sleep(2 * SECOND).await;
        assert_eq!(log.take(), "an hour later");
    });
    assert!(wall.elapsed() < 3_599 * SECOND);
}

#[test]
fn a_plain_tokio_thread_can_ask_an_actor_but_cannot_start_one() {
    in_system(async {
        let (addr, (tx, rx)) = (probe().start(), oneshot::channel());
        thread::spawn(move || {
            let tokio = tokio::runtime::Runtime::new().unwrap();
            let asked = tokio.block_on(addr.send(note("from outside")));
            let started = tokio.block_on(async { caught(|| probe().start()).is_ok() });
            tx.send((System::is_registered(), Some(asked), started)).unwrap();
        });

        assert_eq!(rx.await.unwrap(), (false, ANSWERED, false));
    });
}

// ---- how the tests are set up ------------------------------------------------------------------

/// Runs in a system of its own on one thread, whose clock moves only when nothing else can.
fn in_system<T>(future: impl Future<Output = T>) -> T {
    let paused = || {
        let mut tokio = tokio::runtime::Builder::new_current_thread();
        tokio.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(paused).block_on(future)
}

/// Under the paused clock a sleep ends when every other task waits for something.
async fn settle() {
    sleep(SECOND).await;
}

/// A first panic or stop, each with the second panic that plain Actix meets while it unwinds.
fn second_panics() -> [(&'static str, Trap); 7] {
    [
        ("in stopping", |child| plain(child.on_stopping(fail)).with(boom())),
        ("in stopped", |child| plain(child.on_stopped(fail)).with(boom())),
        ("in stopping, called again", |child| plain(child.on_stopping(fail)).with(stop())),
        ("as the actor drops", |child| plain(child.carrying(Bomb)).with(boom())),
        ("as a future drops", |child| plain(child.on_started(spawn_a_bomb)).with(boom())),
        ("as a queued message drops", |child| plain(child).with(boom()).with(armed())),
        ("in a queued message that stopping lets in", |child| {
            plain(child.on_stopping(go_on)).with(boom()).with(boom())
        }),
    ]
}

fn probe() -> Probe {
    Probe {
        log: Log::default(),
        on_started: Box::new(|_, _| ()),
        on_stopping: Box::new(|_, _| Running::Stop),
        on_stopped: Box::new(|_, _| ()),
        _cargo: None,
    }
}

fn logged() -> (Log, Probe) {
    let probe = probe();
    (probe.log.clone(), probe)
}

fn act(what: impl FnOnce(&mut Probe, &mut Ctx) + Send + 'static) -> Do {
    Do(Box::new(what))
}

fn note(text: &'static str) -> Do {
    act(move |probe, _| probe.log.add(text))
}

fn stop() -> Do {
    act(|_, ctx| ctx.stop())
}

fn boom() -> Do {
    act(|_, _| panic!("boom"))
}

/// A message whose destructor panics, handled or not.
fn armed() -> Do {
    let bomb = Bomb;
    act(move |_, _| drop(bomb))
}

/// A message that is sent to the actor's own address again, as often as it says.
fn echo(left: usize) -> Do {
    act(move |probe, ctx| {
        probe.log.add("echo");
        if left > 0 {
            ctx.address().do_send(echo(left - 1));
        }
    })
}

/// A message of which the context is notified again, as often as it says.
fn mutter(left: usize) -> Do {
    act(move |probe, ctx| {
        probe.log.add("mutter");
        if left > 0 {
            ctx.notify(mutter(left - 1));
        }
    })
}

fn fail<T>(_: &mut Ctx, _: &Log) -> T {
    panic!("in a hook")
}

fn go_on(_: &mut Ctx, _: &Log) -> Running {
    Running::Continue
}

fn spawn_a_bomb(ctx: &mut Ctx, _: &Log) {
    let bomb = Bomb;
    ctx.spawn(wrap_future(pending().map(move |()| drop(bomb))));
}

/// Spawns a future that logs its polls and never ends.
fn spawn_a_future(ctx: &mut Ctx, log: &Log) {
    let log = log.clone();
    ctx.spawn(wrap_future(poll_fn(move |_| {
        log.add("future polled");
        Poll::Pending
    })));
}

/// Something that blocks its thread, a word that it has begun, and what ends it.
fn blocking() -> (impl FnOnce() + Send + 'static, oneshot::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, word), (end, ended)) = (oneshot::channel(), mpsc::channel());
    let block = move || {
        begun.send(()).unwrap();
        ended.recv().unwrap();
    };
    (block, word, end)
}

fn inbox(capacity: usize) -> Inbox {
    Rc::new(RefCell::new(channel(capacity).1))
}

fn address(inbox: &Inbox) -> Addr<Probe> {
    Addr::new(inbox.borrow().sender())
}

fn drain(inbox: &Inbox) -> usize {
    std::iter::from_fn(|| inbox.borrow_mut().next().now_or_never().flatten()).count()
}

/// An actor with the mailbox that Actix gives it.
fn plain(child: Probe) -> Life {
    let (log, ctx) = (child.log.clone(), Ctx::new());
    Life { log, addr: ctx.address(), future: ctx.into_future(child) }
}

/// An actor that is fed from a mailbox outside of its context.
fn pumped(inbox: &Inbox, child: Probe) -> Life {
    let (log, mut ctx) = (child.log.clone(), Ctx::new());
    *ctx.parts() = ContextParts::new(inbox.borrow().sender_producer());
    ctx.spawn(Pump(inbox.clone()));
    Life { log, addr: address(inbox), future: ctx.into_future(child) }
}

impl Life {
    fn with(self, message: Do) -> Self {
        self.addr.do_send(message);
        self
    }

    /// Polled once, after which it goes on.
    fn begun(mut self) -> Self {
        assert!(self.turn().is_pending());
        self
    }

    fn turn(&mut self) -> Poll<()> {
        poll(&mut self.future)
    }

    /// Polled once, which panics; the payload.
    fn crash(&mut self) -> Box<dyn Any + Send> {
        caught(|| self.turn()).expect_err("this poll panics")
    }
}

fn poll(future: &mut ContextFut<Probe, Ctx>) -> Poll<()> {
    future.poll_unpin(&mut TaskContext::from_waker(noop_waker_ref()))
}

fn caught<T>(what: impl FnOnce() -> T) -> thread::Result<T> {
    catch_unwind(AssertUnwindSafe(what))
}

impl Log {
    fn add(&self, what: &str) {
        let manner = [" while unwinding", ""][usize::from(!thread::panicking())];
        self.0.lock().unwrap().push(format!("{what}{manner}"));
    }

    /// What was logged since it was last asked.
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(", ")
    }

    fn count(&self, what: &str) -> usize {
        let logged = self.0.lock().unwrap();
        logged.iter().filter(|one| *one == what).count()
    }
}

impl Probe {
    fn carrying(mut self, cargo: Bomb) -> Self {
        self._cargo = Some(cargo);
        self
    }

    fn on_started(mut self, hook: impl FnMut(&mut Ctx, &Log) + 'static) -> Self {
        self.on_started = Box::new(hook);
        self
    }

    fn on_stopping(mut self, hook: impl FnMut(&mut Ctx, &Log) -> Running + 'static) -> Self {
        self.on_stopping = Box::new(hook);
        self
    }

    fn on_stopped(mut self, hook: impl FnMut(&mut Ctx, &Log) + 'static) -> Self {
        self.on_stopped = Box::new(hook);
        self
    }
}

impl Actor for Probe {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        self.log.add("started");
        (self.on_started)(ctx, &self.log);
    }

    fn stopping(&mut self, ctx: &mut Ctx) -> Running {
        self.log.add("stopping");
        (self.on_stopping)(ctx, &self.log)
    }

    fn stopped(&mut self, ctx: &mut Ctx) {
        self.log.add("stopped");
        (self.on_stopped)(ctx, &self.log);
    }
}

impl Supervised for Probe {
    fn restarting(&mut self, _: &mut Ctx) {
        self.log.add("restarting");
    }
}

impl Handler<Do> for Probe {
    type Result = ();

    fn handle(&mut self, Do(what): Do, ctx: &mut Ctx) {
        what(self, ctx);
    }
}

impl Handler<Detached> for Probe {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Detached, _: &mut Ctx) -> ResponseFuture<()> {
        Box::pin(async { panic!("detached") })
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counting_waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), Waker::from(wakes))
}
