//! Arbiters, threads, time.

use super::*;

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
