//! Destructors that panic, of futures, results, closures and wakers.

use std::{
    future::{pending, Future},
    panic::panic_any,
    pin::{pin, Pin},
    sync::Arc,
    task::{Context as Cx, Poll, Wake, Waker},
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tracing::Level;

use super::{children, supervisor, Bomb};
use crate::support::{settle, world, Reports};

/// Answers `7` at once, or never, and panics when it is dropped.
struct Spiteful {
    is_through: bool,
}

impl Future for Spiteful {
    type Output = u8;

    fn poll(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<u8> {
        if self.is_through {
            Poll::Ready(7)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        panic_any("bomb");
    }
}

/// Panics that were contained.
fn contained(reports: &Reports) -> Vec<String> {
    let lines = reports.lines().into_iter().filter(|line| line.level == Level::ERROR);
    lines.map(|line| line.field("panic").to_owned()).filter(|panic| !panic.is_empty()).collect()
}

#[test]
fn a_future_whose_destructor_panics_when_it_is_through_has_answered_all_the_same() {
    world(async {
        let (supervisor, reports) = (supervisor(), Reports::capture());
        let mut begun = 0;
        let task = Task::new(move || {
            begun += 1;
            assert_eq!(begun, 1, "it is not begun again");
            Spiteful { is_through: true }
        });
        assert_eq!(supervisor.run_task(task.restart(Restart::Transient)).await.unwrap(), 7);
        settle().await;
        assert_eq!((contained(&reports), children(&supervisor).await), (vec!["bomb".to_owned()], 0));
    });
}

#[test]
fn a_future_whose_destructor_panics_harms_nobody_when_it_is_terminated_killed_or_cancelled() {
    for end in ["terminate", "kill", "cancel"] {
        world(async {
            let (supervisor, reports) = (supervisor(), Reports::capture());
            let running = supervisor.run_task(Task::new(|| Spiteful { is_through: false }));
            settle().await;
            let id = running.id().unwrap();
            match end {
                "terminate" => supervisor.terminate_child(id).await.unwrap(),
                "kill" => supervisor.kill_child(id).await.unwrap(),
                _ => drop(running.cancel_on_drop()),
            }
            settle().await;
            assert_eq!((contained(&reports), children(&supervisor).await), (vec!["bomb".to_owned()], 0), "{end}");
        });
    }
}

#[test]
fn a_future_that_panics_and_panics_again_when_it_is_dropped_is_one_crash() {
    struct Twice;
    impl Future for Twice {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<()> {
            panic_any("boom")
        }
    }
    impl Drop for Twice {
        fn drop(&mut self) {
            panic_any("bomb");
        }
    }
    world(async {
        let (supervisor, reports) = (supervisor(), Reports::capture());
        let error = supervisor.run_task(Task::new(|| Twice)).await.unwrap_err();
        assert_eq!(error.to_string(), "the task ended without a result: panicked: boom");
        settle().await;
        assert_eq!((contained(&reports), children(&supervisor).await), (vec!["bomb".to_owned()], 0));
    });
}

#[test]
fn a_result_that_nobody_takes_is_dropped_quietly_though_its_destructor_panics() {
    for nobody in ["started and forgotten", "dropped before", "dropped after"] {
        world(async {
            let (supervisor, reports) = (supervisor(), Reports::capture());
            let task = Task::new(|| async { Bomb }).restart(Restart::Transient);
            match nobody {
                "started and forgotten" => drop(supervisor.start_child(task).await.unwrap()),
                "dropped before" => drop(supervisor.run_task(task)),
                _ => {
                    let running = supervisor.run_task(task);
                    settle().await;
                    drop(running);
                }
            }
            settle().await;
            assert_eq!(contained(&reports), ["bomb"], "{nobody}");
            assert_eq!((reports.kinds().len(), children(&supervisor).await), (0, 0), "{nobody}");
        });
    }
}

#[test]
fn a_closure_whose_destructor_panics_harms_neither_the_task_nor_its_supervisor() {
    world(async {
        let (supervisor, reports) = (supervisor(), Reports::capture());
        let bomb = Bomb;
        let task = Task::new(move || {
            let _bomb = &bomb;
            async { 7 }
        });
        assert_eq!(supervisor.run_task(task).await.unwrap(), 7);
        let bomb = Bomb;
        let never = supervisor.run_task(Task::<()>::new(move || {
            let _bomb = &bomb;
            pending()
        }));
        drop(never.cancel_on_drop());
        settle().await;
        assert_eq!((contained(&reports), children(&supervisor).await), (vec!["bomb".to_owned(); 2], 0));
    });
}

#[test]
fn a_waker_that_panics_harms_neither_the_task_nor_its_supervisor() {
    struct Loud;
    impl Wake for Loud {
        fn wake(self: Arc<Self>) {
            panic_any("woken");
        }
    }
    world(async {
        let supervisor = supervisor();
        let mut running = pin!(supervisor.run_task(Task::new(|| async { 7 })));
        let waker = Waker::from(Arc::new(Loud));
        while running.as_mut().poll(&mut Cx::from_waker(&waker)).is_pending() {
            tokio::task::yield_now().await;
        }
        assert_eq!(supervisor.run_task(Task::new(|| async { 8 })).await.unwrap(), 8);
        assert_eq!(children(&supervisor).await, 0);
    });
}
