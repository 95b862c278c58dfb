//! How tasks end that do not come to a result at once, or never.

use std::{
    panic::panic_any,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block_on, children, endless, supervisor, Note};
use crate::support::{settle, world, Journal, Reports};

/// A task that panics `times` times and then answers how often it was begun.
fn works_after(times: usize) -> (Task<usize>, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let task = Task::new(move || {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            assert!(now > times, "boom {now}");
            now
        }
    });
    (task, begun)
}

#[test]
fn a_task_that_is_terminated_while_it_runs_ends_with_a_shutdown() {
    world(async {
        let (journal, supervisor, reports) = (Journal::new(), supervisor(), Reports::capture());
        let running = supervisor.run_task(endless(&journal));
        journal.expect("begun").await;
        supervisor.terminate_child(running.id().unwrap()).await.unwrap();
        assert!(matches!(running.await, Err(TaskError::Exited(ExitReason::Shutdown))));
        assert_eq!(journal.entries(), ["begun", "dropped"]);
        assert!(reports.kinds().is_empty());
    });
}

#[test]
fn a_task_that_is_killed_says_so() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let killed = supervisor.run_task(endless(&journal));
        let brutally = supervisor.run_task(endless(&journal).shutdown(Shutdown::BrutalKill));
        settle().await;
        supervisor.kill_child(killed.id().unwrap()).await.unwrap();
        supervisor.terminate_child(brutally.id().unwrap()).await.unwrap();
        assert!(matches!(killed.await, Err(TaskError::Exited(ExitReason::Killed))));
        assert!(matches!(brutally.await, Err(TaskError::Exited(ExitReason::Killed))));
    });
}

#[test]
fn a_task_hears_of_every_end_of_its_supervisor() {
    for end in ["stop", "drop", "limit", "terminate"] {
        world(async {
            let journal = Journal::new();
            let parent = supervisor();
            let flags = DynamicSupervisor::builder().max_restarts(0);
            let nested = parent.start_child(flags.into_child().restart(Restart::Temporary)).await.unwrap();
            let supervisor = if end == "drop" { super::supervisor() } else { nested.addr };
            let running = supervisor.run_task(endless(&journal));
            journal.expect("begun").await;

            match end {
                "stop" => assert!(supervisor.stop().await.unwrap().is_clean()),
                "drop" => drop(supervisor),
                "terminate" => parent.terminate_child(nested.id).await.unwrap(),
                _ => {
                    let (crashing, _) = works_after(1);
                    supervisor.start_child(crashing.restart(Restart::Permanent)).await.map(drop).unwrap();
                }
            }

            assert!(matches!(running.await, Err(TaskError::Exited(ExitReason::Shutdown))), "{end}");
            assert_eq!(journal.entries(), ["begun", "dropped"], "{end}");
        });
    }
}

#[test]
fn a_task_hears_that_its_thread_is_gone() {
    let journal = Journal::new();
    let own = journal.clone();
    let running = std::thread::spawn(move || {
        let system = System::new();
        let supervisor = system.block_on(async { supervisor() });
        let running = supervisor.run_task(endless(&own));
        system.block_on(own.expect("begun"));
        running
    });
    let ended = block_on(running.join().unwrap());
    let Err(TaskError::Exited(reason)) = ended else { panic!("no result") };
    assert!(matches!(reason, ExitReason::Shutdown | ExitReason::ArbiterGone), "{reason}");
    assert_eq!(journal.entries(), ["begun", "dropped"]);
}

#[test]
fn a_task_that_is_refused_was_not_started() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let first = supervisor.run_task(endless(&journal));
        let note = Note(journal.clone(), "refused");
        let second = supervisor.run_task(Task::once(move || async move { drop(note) }));
        let refused = second.await;
        assert!(matches!(refused, Err(TaskError::NotStarted(StartChildError::MaxChildren { limit: 1 }))));
        assert!(journal.has("refused"), "its closure is dropped");
        drop(first);
    });
}

#[test]
fn a_task_for_a_supervisor_that_is_gone_or_going_was_not_started() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let slow = crate::support::Probe::scripted(&journal, crate::support::script::stubborn);
        supervisor.start_child(slow).await.unwrap();

        let stopped = supervisor.stop();
        let refused = supervisor.run_task(Task::new(|| async {})).await;
        assert!(matches!(refused, Err(TaskError::NotStarted(StartChildError::ShuttingDown))));
        stopped.await.unwrap();
        let refused = supervisor.run_task(Task::new(|| async {})).await;
        assert!(matches!(refused, Err(TaskError::NotStarted(StartChildError::SupervisorGone))));
    });
}

#[test]
fn a_task_whose_closure_panics_was_not_started() {
    world(async {
        let supervisor = supervisor();
        let closure = || -> std::future::Ready<()> { panic_any("no future") };
        let running = supervisor.run_task(Task::new(closure).restart(Restart::Permanent));
        let Err(TaskError::NotStarted(StartChildError::Panicked(panic))) = running.await else { panic!("refused") };
        assert_eq!((panic.message(), children(&supervisor).await), ("no future", 0));
    });
}

#[test]
fn a_transient_task_is_tried_until_it_works() {
    world(async {
        let supervisor = supervisor();
        let (task, begun) = works_after(3);
        assert_eq!(supervisor.run_task(task.restart(Restart::Transient)).await.unwrap(), 4);
        settle().await;
        assert_eq!((begun.load(Ordering::SeqCst), children(&supervisor).await), (4, 0));
    });
}

#[test]
fn a_transient_task_that_answers_an_error_is_tried_again() {
    world(async {
        let supervisor = supervisor();
        let mut tries = 0;
        let task = Task::try_new(move || {
            tries += 1;
            async move {
                if tries < 3 {
                    Err(BoxError::from("not yet"))
                } else {
                    Ok(tries)
                }
            }
        });
        assert_eq!(supervisor.run_task(task.restart(Restart::Transient)).await.unwrap(), 3);
    });
}

#[test]
fn a_transient_task_that_crashes_for_good_tells_its_last_crash() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let (task, begun) = works_after(9);
        let error = supervisor.run_task(task.restart(Restart::Transient)).await.unwrap_err();
        assert_eq!(error.to_string(), "the task ended without a result: panicked: boom 3");
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_transient_task_that_is_killed_is_begun_again_and_the_wait_goes_on() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let own = journal.clone();
        let mut lives = 0;
        let running = supervisor.run_task(
            Task::new(move || {
                lives += 1;
                own.note(format_args!("life {lives}"));
                async move {
                    if lives == 1 {
                        std::future::pending().await
                    } else {
                        lives
                    }
                }
            })
            .restart(Restart::Transient),
        );
        journal.expect("life 1").await;
        supervisor.kill_child(running.id().unwrap()).await.unwrap();
        assert_eq!(running.await.unwrap(), 2);
    });
}

#[test]
fn a_permanent_task_answers_its_first_result_and_is_begun_again() {
    world(async {
        let supervisor = supervisor();
        let mut life = 0;
        let task = Task::new(move || {
            life += 1;
            async move {
                if life < 3 {
                    life
                } else {
                    std::future::pending().await
                }
            }
        });
        assert_eq!(supervisor.run_task(task.restart(Restart::Permanent)).await.unwrap(), 1);
        settle().await;
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.restarts, info.state), (2, ChildState::Running));
    });
}
