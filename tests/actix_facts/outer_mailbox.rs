//! A mailbox that lives outside of the context.

use super::*;

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
