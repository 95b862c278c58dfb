//! Panics that would end the whole process if they were contained badly, each in a process of its own.
//!
//! A test starts its own executable once more, with itself as the only test; the inner run does the harm, and the
//! outer one looks at how the process ended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code, unused_imports)]

#[path = "it/support/mod.rs"]
mod support;

use std::{
    env,
    panic::panic_any,
    process::{self, Command, Output},
    thread,
    time::Duration,
};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;

use crate::support::{real_world, settle, world, Ask, Do, Journal, Panic, Probe};

/// Set in the inner process.
const INNER: &str = "ACTIX_DYNAMIC_SUPERVISOR_ABORTS_INNER";

/// The last line of an inner process that came to its end.
const ALIVE: &str = "the process lives";

/// No inner process takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `harm` in a process of its own: `None` there, how it ended here.
fn in_its_own_process(test: &str, harm: impl FnOnce()) -> Option<Output> {
    if env::var_os(INNER).is_none() {
        let mut again = Command::new(env::current_exe().unwrap());
        return Some(again.args(["--exact", test, "--nocapture"]).env(INNER, "1").output().unwrap());
    }
    thread::spawn(|| {
        thread::sleep(LIMIT);
        println!("\nit hangs");
        process::exit(3);
    });
    harm();
    println!("\n{ALIVE}");
    None
}

/// Expects the process to survive `harm`.
fn survives(test: &str, harm: impl FnOnce()) {
    let Some(Output { status, stdout, stderr }) = in_its_own_process(test, harm) else { return };
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    assert!(stdout.lines().any(|line| line == ALIVE), "{status}\n{stdout}\n{stderr}");
}

fn fail<T>(message: &'static str) -> T {
    panic_any(message)
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        fail("bomb")
    }
}

#[derive(Clone, Copy, Debug)]
enum Stopping {
    Obeys,
    Continues,
    Panics,
}

/// What is wrong with a probe's first incarnation. One destructor at most.
#[derive(Clone, Copy, Debug)]
struct Faults {
    stopping: Stopping,
    stopped_panics: bool,
    destructor: Destructor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Destructor {
    None,
    OfTheActor,
    OfAFuture,
    OfATimer,
    OfAWaitedFuture,
}

const ALL_STOPPING: [Stopping; 3] = [Stopping::Obeys, Stopping::Continues, Stopping::Panics];

const ALL_DESTRUCTORS: [Destructor; 5] = [
    Destructor::None,
    Destructor::OfTheActor,
    Destructor::OfAFuture,
    Destructor::OfATimer,
    Destructor::OfAWaitedFuture,
];

fn every_combination() -> impl Iterator<Item = Faults> {
    ALL_STOPPING.into_iter().flat_map(|stopping| {
        [false, true].into_iter().flat_map(move |stopped_panics| {
            ALL_DESTRUCTORS.into_iter().map(move |destructor| Faults { stopping, stopped_panics, destructor })
        })
    })
}

impl Faults {
    fn done_to(self, probe: Probe) -> Probe {
        if probe.incarnation > 1 {
            return probe;
        }
        let probe = match self.stopping {
            Stopping::Obeys => probe,
            Stopping::Continues => probe.on_stopping(|_, _| Running::Continue),
            Stopping::Panics => probe.on_stopping(|_, _| fail("in stopping")),
        };
        let probe = if self.stopped_panics { probe.on_stopped(|_, _| fail("in stopped")) } else { probe };
        match self.destructor {
            Destructor::OfTheActor => probe.on_drop(|| fail("in drop")),
            _ => probe,
        }
    }

    /// Sets up what panics when the context drops it.
    fn arm(self) -> Do {
        Do::this(move |_, ctx| match self.destructor {
            Destructor::None | Destructor::OfTheActor => {}
            Destructor::OfAFuture => {
                let bomb = Bomb;
                ctx.spawn(wrap_future(async move {
                    let _bomb = bomb;
                    std::future::pending::<()>().await;
                }));
            }
            Destructor::OfATimer => {
                let bomb = Bomb;
                ctx.run_later(Duration::from_secs(3600), move |_, _| std::mem::forget(bomb));
            }
            Destructor::OfAWaitedFuture => {
                let bomb = Bomb;
                ctx.wait(wrap_future(async move {
                    let _bomb = bomb;
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }));
            }
        })
    }
}

/// How the first incarnation ends.
#[derive(Clone, Copy, Debug)]
enum End {
    HandlerPanics,
    TimerPanics,
    StopsItself,
    Killed,
    Terminated,
}

/// Does `faults` to a child that ends like this; supervisor and sibling must not care.
async fn end_one(supervisor: &Addr<DynamicSupervisor>, sibling: &Addr<Probe>, faults: Faults, end: End) {
    let journal = Journal::new();
    let spec = Probe::scripted(&journal, move |probe| faults.done_to(probe)).shutdown(Shutdown::Timeout(ONE_SECOND));
    let child = supervisor.start_child(spec).await.unwrap();
    if !matches!(end, End::Killed | End::Terminated) && faults.destructor == Destructor::OfAWaitedFuture {
        // Nothing is handled while it is waited for.
        return;
    }
    child.addr.send(faults.arm()).await.unwrap();
    match end {
        End::HandlerPanics => child.addr.do_send(Panic("boom")),
        End::TimerPanics => child.addr.do_send(Do::this(|_, ctx| {
            ctx.run_later(ONE_SECOND, |_, _| fail("boom"));
        })),
        End::StopsItself => child.addr.do_send(Do::this(|_, ctx| {
            // Where the answer to the stop is `Continue` it would go on for ever.
            ctx.stop();
            ctx.run_later(ONE_SECOND, |_, ctx| ctx.terminate());
        })),
        End::Killed => supervisor.kill_child(child.id).await.unwrap(),
        End::Terminated => supervisor.terminate_child(child.id).await.unwrap(),
    }
    journal.expect("dropped 1").await;
    match end {
        End::Terminated => assert_eq!(child.addr.send(Ask).await, Err(MailboxError::Closed), "{faults:?} {end:?}"),
        _ => assert_eq!(child.addr.send(Ask).await, Ok(2), "{faults:?} {end:?}"),
    }
    assert_eq!(sibling.send(Ask).await, Ok(1), "{faults:?} {end:?}");
    supervisor.count_children().await.unwrap();
}

const ONE_SECOND: Duration = Duration::from_secs(1);

fn end_all(end: End) {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).start().unwrap();
        let sibling = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        for faults in every_combination() {
            end_one(&supervisor, &sibling.addr, faults, end).await;
        }
        assert!(supervisor.stop().await.is_ok());
    });
}

/// F03, F05, F06
#[test]
fn panics_in_a_handler_in_both_hooks_and_in_a_destructor_together_leave_the_process_alive() {
    survives("panics_in_a_handler_in_both_hooks_and_in_a_destructor_together_leave_the_process_alive", || {
        end_all(End::HandlerPanics)
    });
}

/// F03, F05, F06
#[test]
fn panics_in_a_timer_in_both_hooks_and_in_a_destructor_together_leave_the_process_alive() {
    survives("panics_in_a_timer_in_both_hooks_and_in_a_destructor_together_leave_the_process_alive", || {
        end_all(End::TimerPanics)
    });
}

/// F05, F06
#[test]
fn panics_in_both_hooks_and_in_a_destructor_as_a_child_ends_itself_leave_the_process_alive() {
    survives("panics_in_both_hooks_and_in_a_destructor_as_a_child_ends_itself_leave_the_process_alive", || {
        end_all(End::StopsItself)
    });
}

/// F05, F06
#[test]
fn panics_in_both_hooks_and_in_a_destructor_as_a_child_is_ended_leave_the_process_alive() {
    survives("panics_in_both_hooks_and_in_a_destructor_as_a_child_is_ended_leave_the_process_alive", || {
        end_all(End::Killed);
        end_all(End::Terminated);
    });
}

/// F01, F05, F06
#[test]
fn a_start_that_panics_with_both_hooks_and_a_destructor_leaves_the_process_alive() {
    survives("a_start_that_panics_with_both_hooks_and_a_destructor_leaves_the_process_alive", || {
        world(async {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            for faults in every_combination() {
                let spec = Probe::scripted(&Journal::new(), move |probe| {
                    faults.done_to(probe).on_started(move |_, ctx| {
                        if faults.destructor == Destructor::OfAFuture {
                            let bomb = Bomb;
                            ctx.spawn(wrap_future(async move { drop(bomb) }));
                        }
                        fail("too early")
                    })
                });
                let started = supervisor.start_child(spec).await;
                assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "too early"));
            }
            assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        });
    });
}

/// F06
#[test]
fn a_payload_a_spec_and_queued_messages_that_panic_when_dropped_leave_the_process_alive() {
    struct Explosive(#[allow(dead_code)] Bomb);
    impl Message for Explosive {
        type Result = ();
    }
    impl Handler<Explosive> for Probe {
        type Result = ();
        fn handle(&mut self, explosive: Explosive, _: &mut Context<Self>) {
            panic_any(explosive)
        }
    }
    survives("a_payload_a_spec_and_queued_messages_that_panic_when_dropped_leave_the_process_alive", || {
        world(async {
            let supervisor = DynamicSupervisor::builder().max_restarts(1).start().unwrap();
            let bomb = Bomb;
            let spec = Probe::scripted(&Journal::new(), move |probe| {
                let _ = &bomb;
                probe.on_stopped(|_, _| fail("in stopped")).on_drop(|| fail("in drop"))
            });
            let child = supervisor.start_child(spec).await.unwrap();
            let exited = supervisor.exited();
            for _ in 0..10 {
                child.addr.do_send(Explosive(Bomb));
            }
            // The second crash is one too many: eight of them are dropped in the queue.
            assert_eq!(exited.await.to_string(), "shutdown");
            assert_eq!(child.addr.send(Ask).await, Err(MailboxError::Closed));
        });
    });
}

/// F06, F28
#[test]
fn a_system_that_ends_under_children_that_panic_on_every_way_out_leaves_the_process_alive() {
    survives("a_system_that_ends_under_children_that_panic_on_every_way_out_leaves_the_process_alive", || {
        for faults in every_combination() {
            let kept = world(async move {
                let supervisor = DynamicSupervisor::builder().start().unwrap();
                let nested = supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
                for parent in [&supervisor, &nested.addr] {
                    let spec = Probe::scripted(&Journal::new(), move |probe| faults.done_to(probe));
                    let child = parent.start_child(spec).await.unwrap();
                    child.addr.send(faults.arm()).await.unwrap();
                }
                (supervisor, nested.addr)
            });
            assert!(!kept.0.connected() && !kept.1.connected(), "{faults:?}");
        }
    });
}

/// F11
#[test]
fn an_arbiter_that_ends_under_children_that_panic_on_every_way_out_leaves_the_process_alive() {
    survives("an_arbiter_that_ends_under_children_that_panic_on_every_way_out_leaves_the_process_alive", || {
        real_world(async {
            let arbiter = Arbiter::new();
            let (tx, rx) = tokio::sync::oneshot::channel();
            arbiter.spawn_fn(move || drop(tx.send(DynamicSupervisor::builder().start().unwrap())));
            let supervisor = rx.await.unwrap();
            for faults in every_combination() {
                let spec = Probe::scripted(&Journal::new(), move |probe| faults.done_to(probe));
                let child = supervisor.start_child(spec).await.unwrap();
                child.addr.send(faults.arm()).await.unwrap();
            }
            arbiter.stop();
            arbiter.join().unwrap();
            assert!(!supervisor.connected());
        });
    });
}

/// F06, the limit that is documented: no code of this crate runs between two destructors of one incarnation.
#[cfg(unix)]
#[test]
fn two_destructors_of_one_incarnation_that_both_panic_abort_the_process() {
    use std::os::unix::process::ExitStatusExt;

    const SIGABRT: i32 = 6;
    let test = "two_destructors_of_one_incarnation_that_both_panic_abort_the_process";
    let harm = || {
        world(async {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let spec = Probe::scripted(&Journal::new(), |probe| probe.on_drop(|| fail("in drop")));
            let child = supervisor.start_child(spec).await.unwrap();
            let faults = Faults { stopping: Stopping::Obeys, stopped_panics: false, destructor: Destructor::OfAFuture };
            child.addr.send(faults.arm()).await.unwrap();
            child.addr.do_send(Panic("boom"));
            settle().await;
        });
    };
    let Some(Output { status, stdout, .. }) = in_its_own_process(test, harm) else { return };
    assert_eq!(status.signal(), Some(SIGABRT), "{status}");
    assert!(!String::from_utf8_lossy(&stdout).contains(ALIVE));
}
