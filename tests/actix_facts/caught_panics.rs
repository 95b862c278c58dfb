//! Panics caught round the poll of a context.

use super::*;

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
