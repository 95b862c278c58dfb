//! Stopping, terminating and dropping a context.

use super::*;

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
