//! What a task answers, and when.

use std::{cell::Cell, panic::panic_any, rc::Rc, thread};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, IntoTask, OnceTask, RunningTask, TaskActor};
use futures::future::join_all;

use super::{block_on, children, endless, supervisor, Note};
use crate::support::{real_world, script::OnTheWay, settle, world, Journal};

#[test]
fn a_task_answers_its_result() {
    world(async {
        let supervisor = supervisor();
        assert_eq!(supervisor.run_task(Task::new(|| async { 7 })).await.unwrap(), 7);
        assert_eq!(supervisor.run_task(Task::try_new(|| async { Ok::<_, BoxError>(8) })).await.unwrap(), 8);
        let file = String::from("what cannot be made twice");
        assert_eq!(supervisor.run_task(Task::once(|| async move { file.len() })).await.unwrap(), 25);
        assert_eq!(supervisor.run_task(Task::try_once(|| async { Ok::<_, BoxError>(9) })).await.unwrap(), 9);
    });
}

#[test]
fn a_task_that_answers_an_error_ends_with_it() {
    world(async {
        let supervisor = supervisor();
        let failing = || async { "x".parse::<u8>() };

        for running in [supervisor.run_task(Task::try_new(failing)), supervisor.run_task(Task::try_once(failing))] {
            let Err(TaskError::Exited(ExitReason::Failed(failure))) = running.await else { panic!("it failed") };
            assert!(failure.downcast_ref::<std::num::ParseIntError>().is_some());
        }
    });
}

#[test]
fn a_task_that_panics_ends_with_what_it_said_and_is_not_restarted() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let own = journal.clone();
        let running = supervisor.run_task(Task::new(move || {
            own.note("begun");
            async { panic_any("boom") }
        }));

        let error = running.await.unwrap_err();

        assert_eq!(error.to_string(), "the task ended without a result: panicked: boom");
        assert_eq!((journal.entries().len(), children(&supervisor).await), (1, 0));
    });
}

#[test]
fn a_task_need_not_be_send_and_takes_its_time() {
    world(async {
        let supervisor = supervisor();
        let result = supervisor.run_task(Task::new(|| async {
            let count = Rc::new(Cell::new(0));
            for _ in 0..3 {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                count.set(count.get() + 1);
            }
            count.get()
        }));
        assert_eq!(result.await.unwrap(), 3);
    });
}

#[test]
fn a_task_that_nobody_awaits_is_a_child_like_any_other() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let child = supervisor.start_child(endless(&journal).id("mail")).await.unwrap();
        journal.expect("begun").await;

        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.id, info.label.as_deref()), (child.id, Some("mail")));
        assert_eq!((info.restart, info.child_type), (Restart::Temporary, ChildType::Worker));
        assert!(info.module.ends_with("TaskActor"));
        supervisor.terminate_child(&child.addr).await.unwrap();
        assert_eq!(journal.entries(), ["begun", "dropped"]);
    });
}

#[test]
fn a_task_can_be_started_by_a_message_and_is_forgotten_when_it_is_through() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let own = journal.clone();
        supervisor.send(StartChild(Task::once(move || async move { own.note("done") }))).await.unwrap().unwrap();
        journal.expect("done").await;
        settle().await;
        assert_eq!(children(&supervisor).await, 0);
    });
}

#[test]
fn the_work_of_a_task_begins_after_its_start_was_answered() {
    world(async {
        let (supervisor, answers) = (supervisor(), OnTheWay::default());
        let own = answers.clone();
        let work = supervisor.run_task(Task::once(move || async move { own.still() }));
        answers.add(supervisor.start_child(endless(&Journal::new())));
        assert_eq!(work.await.unwrap(), Some(false), "the start of the one after it was answered, too");
    });
}

#[test]
fn a_task_that_has_answered_is_no_child_any_more_and_its_future_is_dropped() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let note = Note(journal.clone(), "dropped");
        let running = supervisor.run_task(Task::once(move || async move {
            let _note = note;
        }));
        settle().await;
        running.await.unwrap();
        assert_eq!((journal.entries().len(), children(&supervisor).await), (1, 0));
    });
}

#[test]
fn a_supervisor_with_room_for_one_has_room_again_when_a_task_has_answered() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        for n in 0..100 {
            assert_eq!(supervisor.run_task(Task::new(move || async move { n })).await.unwrap(), n);
        }
    });
}

#[test]
fn a_running_task_tells_its_child_as_long_as_it_is_one() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let mut running = supervisor.run_task(endless(&journal));
        assert_eq!(running.id(), None, "the supervisor has not begun with it");
        journal.expect("begun").await;
        let id = running.id().expect("it runs");
        assert_eq!(supervisor.which_children().await.unwrap()[0].id, id);
        supervisor.terminate_child(id).await.unwrap();
        assert!((&mut running).await.is_err());
        assert_eq!(running.id(), None);
    });
}

#[test]
fn who_asks_again_after_the_answer_hears_that_nothing_is_known() {
    world(async {
        let supervisor = supervisor();
        let mut running = supervisor.run_task(Task::new(|| async {}));
        (&mut running).await.unwrap();
        assert!(matches!((&mut running).await, Err(TaskError::Exited(ExitReason::Unknown))));
    });
}

#[test]
fn waiting_can_be_given_up_and_begun_again() {
    world(async {
        let supervisor = supervisor();
        let second = std::time::Duration::from_secs(1);
        let mut running = supervisor.run_task(Task::new(move || async move { tokio::time::sleep(second * 3).await }));
        assert!(tokio::time::timeout(second, &mut running).await.is_err());
        running.await.unwrap();
    });
}

#[test]
fn a_type_of_ones_own_can_be_run_as_a_task() {
    struct Double(u32);
    impl IntoTask for Double {
        type Output = u32;
        fn into_task(self) -> Task<u32> {
            Task::new(move || async move { self.0 * 2 })
        }
    }
    world(async { assert_eq!(supervisor().run_task(Double(4)).await.unwrap(), 8) });
}

#[test]
fn tasks_are_run_from_threads_that_have_no_system_and_no_runtime() {
    real_world(async {
        let supervisor = supervisor();
        let (done, mut is_done) = tokio::sync::mpsc::unbounded_channel();
        let own = supervisor.clone();
        let threads = thread::spawn(move || {
            let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            let spawned: Vec<_> = (0..20)
                .map(|n| {
                    let own = own.clone();
                    tokio.spawn(async move { own.run_task(Task::new(move || async move { n })).await.unwrap() })
                })
                .collect();
            let results = tokio.block_on(join_all(spawned));
            assert_eq!(results.into_iter().map(Result::unwrap).sum::<i32>(), 190);
            assert_eq!(block_on(own.run_task(Task::new(|| async { 7 }))).unwrap(), 7);
            done.send(()).unwrap();
        });
        assert_eq!(is_done.recv().await, Some(()));
        threads.join().unwrap();
        assert_eq!(children(&supervisor).await, 0);
    });
}

#[test]
fn handles_go_wherever_they_are_needed() {
    fn is_send_and_unpin<T: Send + Unpin + 'static>() {}
    fn is_send<T: Send + 'static>() {}
    is_send_and_unpin::<RunningTask<Cell<u8>>>();
    is_send::<Task<Cell<u8>>>();
    is_send::<OnceTask<Cell<u8>>>();
    is_send_and_unpin::<Addr<TaskActor>>();
    is_send_and_unpin::<TaskError>();
}
