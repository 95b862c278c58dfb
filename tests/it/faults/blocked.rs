//! F10: a thread that is blocked. Nobody can end what runs on it; who asks is told so, and it is told again at the end.

use std::{cell::RefCell, future::Future, sync::mpsc, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, StopError};
use futures::FutureExt;
use tokio::{sync::oneshot, time::Instant};

use super::{told, Scene};
use crate::support::{real_world, world, Do, Journal, Probe, Reports};

thread_local! {
    /// What supervisors on a thread of their own tell.
    static TOLD_HERE: RefCell<Option<Reports>> = const { RefCell::new(None) };
}

/// A supervisor on a thread of its own.
struct Elsewhere {
    arbiter: Arbiter,
    supervisor: Addr<DynamicSupervisor>,
    journal: Journal,
}

impl Elsewhere {
    fn new() -> Self {
        let (arbiter, (tx, rx)) = (Arbiter::new(), mpsc::channel());
        arbiter.spawn_fn(move || {
            TOLD_HERE.with(|reports| reports.replace(Some(Reports::capture())));
            tx.send(DynamicSupervisor::builder().start().unwrap()).unwrap();
        });
        Self { arbiter, supervisor: rx.recv().unwrap(), journal: Journal::new() }
    }

    /// What was told there, asked when its thread is free.
    async fn told(&self) -> Vec<String> {
        let (tx, rx) = oneshot::channel();
        self.arbiter.spawn_fn(move || {
            let all = TOLD_HERE.with(|reports| reports.borrow().as_ref().map(told));
            tx.send(all.unwrap_or_default()).unwrap();
        });
        rx.await.unwrap()
    }

    fn end(self) {
        // The reports go before the thread does: a subscriber must not outlive what it hangs on.
        self.arbiter.spawn_fn(|| drop(TOLD_HERE.with(RefCell::take)));
        self.arbiter.stop();
        self.arbiter.join().unwrap();
    }
}

/// Blocks whoever calls the closure until the sender is used; the receiver tells that it does.
fn blockade() -> (impl FnOnce() + Send + 'static, oneshot::Receiver<()>, mpsc::Sender<()>) {
    let ((began_tx, began), (release, released)) = (oneshot::channel(), mpsc::channel());
    let block = move || {
        let _ = began_tx.send(());
        // An end of its own, so that a test that fails does not leave the thread behind.
        let _ = released.recv_timeout(Duration::from_secs(60));
    };
    (block, began, release)
}

/// Runs it on a thread of its own whose clock is paused: time limits pass as soon as it waits for another thread.
fn impatiently<T: Send + 'static>(ask: impl Future<Output = T> + Send + 'static) -> (T, Vec<String>) {
    let asked = std::thread::spawn(move || {
        let here = Reports::capture();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        (runtime.block_on(ask), told(&here))
    });
    asked.join().unwrap()
}

/// F10. The six seconds that a request may lie unbegun are not waited for in real time.
#[test]
fn a_handler_that_blocks_its_thread_makes_every_end_unresponsive_and_the_requests_hold() {
    real_world(async {
        let elsewhere = Elsewhere::new();
        let child = elsewhere.supervisor.start_child(Probe::child(&elsewhere.journal)).await.unwrap();
        let (block, blocked, release) = blockade();
        child.addr.do_send(Do::this(move |_, _| block()));
        blocked.await.unwrap();
        let exited = elsewhere.supervisor.exited();

        let supervisor = elsewhere.supervisor.clone();
        let (ends, told_here) = impatiently(async move {
            let (terminated, killed) = (supervisor.terminate_child(child.id), supervisor.kill_child(child.id));
            (terminated.await, killed.await, supervisor.stop().await)
        });

        let unresponsive = Err(TerminateChildError::Unresponsive);
        assert_eq!(ends, (unresponsive, unresponsive, Err(StopError::Unresponsive)));
        assert_eq!(told_here, ["supervisor unresponsive: its thread is blocked past the deadline"; 3]);
        assert!(child.addr.connected(), "it cannot be ended");

        release.send(()).unwrap();
        assert_eq!(exited.await.to_string(), "normal", "the requests hold and take effect when they can");
        assert!(!child.addr.connected());
        assert_eq!(elsewhere.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        elsewhere.end();
    });
}

/// F10. In real time, as a thread is blocked past a deadline of the supervisor's own: a little more than a second.
#[test]
fn a_stop_hook_that_blocks_its_thread_past_the_deadline_is_unresponsive_and_told_when_it_has_ended() {
    real_world(async {
        let here = Reports::capture();
        let elsewhere = Elsewhere::new();
        let (block, blocked, release) = blockade();
        let mut block = Some(block);
        let spec = Probe::scripted(&elsewhere.journal, move |probe| {
            let mut block = block.take();
            probe.on_stopping(move |_, _| {
                block.take().expect("asked once")();
                Running::Stop
            })
        });
        let limit = Duration::from_millis(20);
        let child = elsewhere.supervisor.start_child(spec.shutdown(Shutdown::Timeout(limit))).await.unwrap();

        let terminated = elsewhere.supervisor.terminate_child(child.id).await;
        blocked.await.unwrap();

        assert_eq!(terminated, Err(TerminateChildError::Unresponsive));
        assert_eq!(here.lines().iter().filter(|line| line.message.contains("unresponsive")).count(), 1);
        // The caller's clock began after the child's, by as much as a thread takes to wake.
        std::thread::sleep(Duration::from_millis(50));
        release.send(()).unwrap();
        assert_eq!(elsewhere.supervisor.count_children().await.unwrap().specs, 0, "the request holds");
        assert!(!child.addr.connected());
        assert_eq!(elsewhere.told().await, [OVERRAN]);
        assert_eq!(elsewhere.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        elsewhere.end();
    });
}

// ---- on the same thread, with a clock that is moved while the child keeps the thread

const OVERRAN: &str = "child kept its thread blocked past its deadline; it has ended now";

/// Keeps the thread while this much time passes.
fn block_for(time: Duration) {
    let _ = tokio::time::advance(time).now_or_never();
}

/// Without the method's own limit, at which the caller is told before there is a report.
async fn shutdown_report(scene: &Scene) -> ShutdownReport {
    scene.supervisor.send(Stop::default()).await.unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// F10
#[test]
fn a_stop_returns_and_names_a_child_whose_stop_hook_kept_the_thread_too_long() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, _| {
                block_for(seconds(7));
                Running::Stop
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.unresponsive), (1, vec![child.id]));
        assert_eq!(scene.told(), [OVERRAN]);
    });
}

/// F10
#[test]
fn a_child_that_keeps_the_thread_for_less_than_a_second_past_its_limit_is_not_called_unresponsive() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, _| {
                block_for(Duration::from_millis(5_900));
                Running::Stop
            })
        });
        scene.supervisor.start_child(spec).await.unwrap();

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (2, true));
        assert_eq!(scene.told(), [""; 0]);
    });
}

/// F10
#[test]
fn a_child_that_keeps_the_thread_in_its_stop_hook_and_then_continues_has_used_up_its_time() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, _| {
                block_for(seconds(7));
                Running::Continue
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        let report = shutdown_report(&scene).await;

        assert_eq!(began.elapsed().as_secs(), 7, "its five seconds are over, no others follow");
        assert_eq!((report.stopped, report.unresponsive), (1, vec![child.id]));
        assert_eq!(scene.told(), [OVERRAN, "shutdown_error"]);
    });
}

/// F10
#[test]
fn a_child_that_keeps_the_thread_after_it_was_asked_to_stop_is_named_too() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, ctx| {
                ctx.run_later(seconds(1), |_, _| block_for(seconds(7)));
                Running::Continue
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        let report = shutdown_report(&scene).await;

        assert_eq!((report.stopped, report.unresponsive), (1, vec![child.id]));
        assert_eq!(scene.told(), [OVERRAN, "shutdown_error"]);
    });
}

/// F10
#[test]
fn a_child_that_keeps_the_thread_past_its_deadline_and_then_stops_by_itself_is_named_too() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            let mut asked = false;
            probe.on_stopping(move |_, ctx| {
                if std::mem::replace(&mut asked, true) {
                    return Running::Stop;
                }
                ctx.run_later(seconds(1), |_, ctx| {
                    block_for(seconds(7));
                    ctx.stop();
                });
                Running::Continue
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        let report = shutdown_report(&scene).await;

        assert_eq!((report.stopped, report.unresponsive), (1, vec![child.id]));
        assert!(scene.told().iter().any(|line| line == OVERRAN), "{:?}", scene.told());
    });
}
