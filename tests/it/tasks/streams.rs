//! Many tasks, some at a time.

use std::{
    panic::panic_any,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, OnceTask, TaskStream};
use futures::{stream, Stream, StreamExt};

use super::{block_on, children, endless, supervisor};
use crate::support::{real_world, settle, world, Journal};

/// How many run at this moment, and how many did at most.
#[derive(Clone, Default)]
struct Gauge {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gauge {
    /// A task that answers `n` after so many seconds.
    fn task(&self, n: usize, seconds: u64) -> OnceTask<usize> {
        let Self { now, most } = self.clone();
        Task::once(move || async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            n
        })
    }

    /// The tasks 0, 1, 2 …, each faster than the one before it.
    fn tasks(&self, count: usize) -> impl Stream<Item = OnceTask<usize>> + Send + 'static {
        let gauge = self.clone();
        stream::iter(0..count).map(move |n| gauge.task(n, (count - n) as u64))
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[test]
fn a_stream_answers_in_order_with_at_most_so_many_at_a_time() {
    world(async {
        let (supervisor, gauge) = (supervisor(), Gauge::default());
        let results: Vec<_> = supervisor.stream_tasks(gauge.tasks(20), 4).map(Result::unwrap).collect().await;
        assert_eq!(results, (0..20).collect::<Vec<_>>());
        assert_eq!((gauge.most(), children(&supervisor).await), (4, 0));
    });
}

#[test]
fn an_unordered_stream_answers_as_they_come_with_at_most_so_many_at_a_time() {
    world(async {
        let (supervisor, gauge) = (supervisor(), Gauge::default());
        let results: Vec<_> = supervisor.stream_tasks_unordered(gauge.tasks(6), 3).map(Result::unwrap).collect().await;
        // They take 6, 5, 4, 3, 2 and 1 seconds: they end after 6, 5, 4 and, begun then, 7, 7 and 7.
        assert_eq!(results[..3], [2, 1, 0]);
        assert_eq!((results.len(), gauge.most(), children(&supervisor).await), (6, 3, 0));
    });
}

#[test]
fn a_limit_of_zero_counts_as_one() {
    world(async {
        let (supervisor, gauge) = (supervisor(), Gauge::default());
        assert_eq!(supervisor.stream_tasks(gauge.tasks(3), 0).count().await, 3);
        assert_eq!(supervisor.stream_tasks_unordered(gauge.tasks(3), 0).count().await, 3);
        assert_eq!(gauge.most(), 1);
    });
}

#[test]
fn a_stream_with_the_limit_of_its_supervisor_is_never_refused() {
    let crowd = |supervisor: Addr<DynamicSupervisor>| async move {
        let tasks = || stream::iter(0..2_000).map(|n| Task::once(move || async move { n }));
        for mut results in [supervisor.stream_tasks(tasks(), 8), supervisor.stream_tasks_unordered(tasks(), 8)] {
            while let Some(result) = results.next().await {
                result.unwrap();
            }
        }
    };
    real_world(async {
        let supervisor = DynamicSupervisor::builder().max_children(8).start().unwrap();
        crowd(supervisor.clone()).await;
        // From another thread, where an answer is seen as soon as it is given.
        let own = supervisor.clone();
        let (done, is_done) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            block_on(crowd(own));
            done.send(()).unwrap();
        });
        is_done.await.expect("none was refused");
        thread.join().unwrap();
    });
}

#[test]
fn a_task_that_fails_is_an_item_and_the_stream_goes_on() {
    world(async {
        let supervisor = supervisor();
        let tasks = stream::iter(0..3).map(|n| {
            Task::new(move || async move {
                if n == 1 {
                    panic_any("boom")
                } else {
                    n
                }
            })
        });
        let results: Vec<_> = supervisor.stream_tasks(tasks, 2).collect().await;
        assert!(matches!(results[..], [Ok(0), Err(TaskError::Exited(ExitReason::Panicked(_))), Ok(2)]));
    });
}

#[test]
fn tasks_that_are_refused_are_items_too() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(0).start().unwrap();
        let tasks = stream::iter(0..3).map(|_| Task::new(|| async {}));
        let results: Vec<_> = supervisor.stream_tasks_unordered(tasks, 2).collect().await;
        assert_eq!(results.len(), 3);
        for result in results {
            assert!(matches!(result, Err(TaskError::NotStarted(StartChildError::MaxChildren { limit: 0 }))));
        }
    });
}

#[test]
fn a_stream_that_is_dropped_cancels_what_runs_and_begins_no_more() {
    world(async {
        for is_ordered in [true, false] {
            let (journal, supervisor) = (Journal::new(), supervisor());
            let own = journal.clone();
            let tasks = stream::repeat_with(move || endless(&own));
            let mut results = if is_ordered {
                supervisor.stream_tasks(tasks, 3)
            } else {
                supervisor.stream_tasks_unordered(tasks, 3)
            };
            assert!(tokio::time::timeout(Duration::from_secs(1), results.next()).await.is_err());
            assert_eq!(children(&supervisor).await, 3);
            drop(results);
            assert_eq!(children(&supervisor).await, 0);
            settle().await;
            let mut entries = journal.entries();
            entries.sort();
            assert_eq!(entries, ["begun", "begun", "begun", "dropped", "dropped", "dropped"]);
        }
    });
}

#[test]
fn a_stream_begins_nothing_before_it_is_asked_and_takes_no_more_tasks_than_it_has_room_for() {
    world(async {
        let (supervisor, taken) = (supervisor(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&taken);
        let tasks = stream::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Task::new(|| async {})
        });
        let mut results = supervisor.stream_tasks(tasks, 2);
        settle().await;
        assert_eq!(taken.load(Ordering::SeqCst), 0);
        results.next().await.unwrap().unwrap();
        settle().await;
        assert!(taken.load(Ordering::SeqCst) <= 3);
    });
}

#[test]
fn a_stream_ends_with_its_supervisor_item_by_item() {
    world(async {
        let (journal, supervisor) = (Journal::new(), supervisor());
        let own = journal.clone();
        let tasks = stream::repeat_with(move || endless(&own)).take(3);
        let mut results = supervisor.stream_tasks(tasks, 2);
        assert!(tokio::time::timeout(Duration::from_secs(1), results.next()).await.is_err());
        supervisor.stop().await.unwrap();
        assert!(matches!(results.next().await, Some(Err(TaskError::Exited(ExitReason::Shutdown)))));
        assert!(matches!(results.next().await, Some(Err(TaskError::Exited(ExitReason::Shutdown)))));
        let last = results.next().await;
        assert!(matches!(last, Some(Err(TaskError::NotStarted(StartChildError::SupervisorGone)))));
        assert!(results.next().await.is_none());
    });
}

#[test]
fn a_stream_can_be_sent_to_another_thread() {
    fn is_send_and_unpin<T: Send + Unpin>(_: &T) {}
    world(async {
        let results: TaskStream<_> = supervisor().stream_tasks(Gauge::default().tasks(1), 1);
        is_send_and_unpin(&results);
        assert_eq!(results.size_hint(), (1, Some(1)));
    });
}
