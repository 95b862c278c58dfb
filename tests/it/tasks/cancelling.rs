//! Handles that are dropped, with and without `cancel_on_drop`.

use std::{
    panic::panic_any,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc,
    },
    thread,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::FutureExt;
use tokio::sync::{mpsc::unbounded_channel, Semaphore};

use super::{block_on, children, endless, supervisor, Note};
use crate::support::{real_world, settle, world, Journal, Reports};

#[test]
fn a_task_goes_on_though_its_handle_is_dropped_before_or_after_it_began() {
    world(async {
        for is_begun in [false, true] {
            let (journal, supervisor, gate) = (Journal::new(), supervisor(), Arc::new(Semaphore::new(0)));
            let (own, pass) = (journal.clone(), Arc::clone(&gate));
            let running = supervisor.run_task(Task::once(move || async move {
                own.note("begun");
                let _ = pass.acquire().await;
                own.note("done");
            }));
            if is_begun {
                journal.expect("begun").await;
            }
            drop(running);
            settle().await;
            assert_eq!(children(&supervisor).await, 1);
            gate.add_permits(1);
            journal.expect("done").await;
            settle().await;
            assert_eq!(children(&supervisor).await, 0);
        }
    });
}

#[test]
fn a_handle_that_cancels_withdraws_a_task_that_has_not_begun() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let note = Note(journal.clone(), "dropped");
        let own = journal.clone();
        drop(
            supervisor
                .run_task(Task::once(move || {
                    own.note("made");
                    async move { drop(note) }
                }))
                .cancel_on_drop(),
        );
        assert_eq!(children(&supervisor).await, 0);
        assert_eq!(journal.entries(), ["dropped"]);
    });
}

#[test]
fn a_handle_that_cancels_ends_a_task_whose_start_it_has_not_heard_of() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let running = supervisor.run_task(endless(&journal)).cancel_on_drop();
        journal.expect("begun").await;
        drop(running);
        assert_eq!(children(&supervisor).await, 0);
        assert_eq!(journal.entries(), ["begun", "dropped"]);
    });
}

#[test]
fn a_wait_that_is_given_up_ends_a_task_whose_handle_cancels() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let running = supervisor.run_task(endless(&journal)).cancel_on_drop();
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), running).await.is_err());
        assert_eq!(children(&supervisor).await, 0);
        assert_eq!(journal.entries(), ["begun", "dropped"]);
    });
}

#[test]
fn a_handle_that_cancels_ends_a_permanent_task_even_after_its_result() {
    world(async {
        let supervisor = supervisor();
        let mut life = 0;
        let task = Task::new(move || {
            life += 1;
            async move {
                if life > 1 {
                    std::future::pending().await
                }
            }
        });
        let mut running = supervisor.run_task(task.restart(Restart::Permanent)).cancel_on_drop();
        (&mut running).await.unwrap();
        assert_eq!(children(&supervisor).await, 1);
        drop(running);
        assert_eq!(children(&supervisor).await, 0);
    });
}

#[test]
fn a_cancelled_task_is_not_begun_again() {
    world(async {
        let (journal, supervisor, reports) = (Journal::new(), supervisor(), Reports::capture());
        let own = journal.clone();
        let task = Task::new(move || {
            let note = Note(own.clone(), "crashed");
            note.0.note("begun");
            async move {
                let _note = note;
                panic_any("boom")
            }
        });
        let running = supervisor.run_task(task.restart(Restart::Permanent)).cancel_on_drop();

        // Woken before the supervisor is: the notice of the crash lies in its mailbox, before the order to end the child.
        let crashed = journal.clone();
        let canceller = actix_rt::spawn(async move {
            crashed.expect("crashed").await;
            drop(running);
        });
        canceller.await.unwrap();

        assert_eq!(children(&supervisor).await, 0);
        assert_eq!(journal.entries(), ["begun", "crashed"]);
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert!(reports.lines().iter().any(|line| line.message.contains("declined")), "it came to the start");
    });
}

#[test]
fn a_handle_does_not_keep_its_supervisor() {
    world(async {
        let supervisor = supervisor();
        let exited = supervisor.exited();
        let running = supervisor.run_task(Task::new(std::future::pending::<()>)).cancel_on_drop();
        drop(supervisor);
        assert!(matches!(exited.await, ExitReason::Normal));
        assert!(running.await.is_err());
    });
}

#[test]
fn a_task_may_hold_the_handle_of_another_and_drop_it_at_its_own_end() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let (own, inner) = (supervisor.clone(), journal.clone());
        let outer = supervisor.run_task(Task::once(move || async move {
            let _inner = own.run_task(endless(&inner)).cancel_on_drop();
            std::future::pending::<()>().await
        }));
        journal.expect("begun").await;
        assert_eq!(children(&supervisor).await, 2);
        drop(outer.cancel_on_drop());
        journal.expect("dropped").await;
        assert_eq!(children(&supervisor).await, 0);
    });
}

#[test]
fn no_child_is_left_behind_however_a_cancel_meets_the_end_of_its_task() {
    const ROUNDS: usize = 1_000;
    real_world(async {
        let (supervisor, dropped) = (supervisor(), Arc::new(AtomicUsize::new(0)));
        let (done, mut are_done) = unbounded_channel();
        for first in 0..2 {
            let (own, dropped, done) = (supervisor.clone(), Arc::clone(&dropped), done.clone());
            thread::spawn(move || {
                for round in (first..ROUNDS).step_by(2) {
                    cancel_one(&own, round, Counted(Arc::clone(&dropped)));
                }
                done.send(()).unwrap();
            });
        }
        assert_eq!((are_done.recv().await, are_done.recv().await), (Some(()), Some(())));

        // Each handle has sent its message before it was gone: this one is behind them all.
        assert_eq!(children(&supervisor).await, 0);
        assert_eq!(dropped.load(Ordering::SeqCst), ROUNDS);
    });
}

/// Runs a task and drops its handle: before it is begun, while it is, when it may be through, when it is.
fn cancel_one(supervisor: &Addr<DynamicSupervisor>, round: usize, counted: Counted) {
    let is_begun = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&is_begun);
    let task = Task::once(move || async move {
        let _counted = counted;
        begun.store(true, Ordering::SeqCst);
        for _ in 0..round / 8 % 3 {
            tokio::task::yield_now().await;
        }
    });
    let mut running = supervisor.run_task(task).cancel_on_drop();
    let wait_until_begun = || {
        while !is_begun.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    match round / 2 % 4 {
        0 => {}
        1 => wait_until_begun(),
        2 => {
            let _ = (&mut running).now_or_never();
            wait_until_begun();
        }
        _ => block_on(&mut running).unwrap(),
    }
}

/// Counts that it was dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
