//! Who gets a turn.

use super::*;

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
