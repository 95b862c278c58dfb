//! Panics under plain Actix.

use super::*;

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
    const THIS_TEST: &str = "plain_panics::a_second_panic_while_plain_actix_unwinds_aborts_the_process";
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
