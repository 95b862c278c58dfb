//! Many supervisors behind one handle.

use std::{
    collections::{BTreeSet, HashSet},
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};

use crate::support::{real_world, Ask, Do, Exit, Journal, Panic, Probe};

fn two() -> PartitionSupervisor<impl Fn(usize) -> Builder + Send + Sync> {
    PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(2)
}

async fn thread_of(probe: &Addr<Probe>) -> thread::ThreadId {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Do::this(move |_, _| tell.send(thread::current().id()).unwrap());
    probe.send(tell).await.unwrap();
    told.await.unwrap()
}

#[test]
fn children_without_a_key_take_turns_on_as_many_threads_as_there_are_partitions() {
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        let mut threads = HashSet::new();
        for _ in 0..6 {
            threads.insert(thread_of(&partitions.start_child(Probe::child(&journal)).await.unwrap().addr).await);
        }
        assert_eq!(threads.len(), 2);
        assert!(!threads.contains(&thread::current().id()));
        for _ in 0..2 {
            assert_eq!(partitions.in_turn().count_children().await.unwrap().active, 3);
        }
        partitions.stop().await.unwrap();
    });
}

#[test]
fn a_key_leads_to_one_partition_whoever_asks() {
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        for key in 0..20_u64 {
            let child = partitions.start_child(Probe::child(&journal).key(key)).await.unwrap();
            assert_eq!(partitions.for_key(&key), partitions.for_key(&(key as i8)));
            assert_eq!(partitions.whereis::<Probe>(&key).as_ref(), Some(&child.addr));
            assert_eq!(partitions.get_or_start(key, Probe::child(&journal)).await.unwrap().id, child.id);
            let taken = partitions.start_child(Probe::child(&journal).key(key)).await;
            assert!(matches!(taken, Err(StartChildError::AlreadyStarted(existing)) if existing.id() == Some(child.id)));
        }
        assert_eq!(partitions.for_key(&2), partitions.for_key(&-4), "as in Elixir: by the remainder of its magnitude");
        assert_ne!(partitions.for_key(&2), partitions.for_key(&3));
        let led: BTreeSet<usize> =
            (0..100).map(|n| usize::from(partitions.for_key(&format!("room {n}")) == partitions.for_key(&0))).collect();
        assert_eq!(led.len(), 2, "text is spread");

        assert_eq!(partitions.terminate_key::<Probe>(7).await, Ok(()));
        assert_eq!(partitions.terminate_key::<Probe>(7).await, Err(TerminateChildError::NotFound));
        assert!(partitions.whereis::<Probe>(&7).is_none());
        partitions.stop().await.unwrap();
    });
}

#[test]
fn counts_and_lists_are_those_of_all_partitions() {
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        let mut ids = BTreeSet::new();
        for _ in 0..7 {
            ids.insert(partitions.start_child(Probe::child(&journal)).await.unwrap().id);
        }
        let counts = partitions.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.supervisors, counts.workers), (7, 7, 0, 7));
        let listed: BTreeSet<_> = partitions.which_children().await.unwrap().iter().map(|info| info.id).collect();
        assert_eq!(listed, ids);
        for id in ids {
            assert_eq!(partitions.terminate_child(id).await, Ok(()));
            assert_eq!(partitions.terminate_child(id).await, Err(TerminateChildError::NotFound));
        }
        partitions.stop().await.unwrap();
    });
}

#[test]
fn a_partition_that_gives_up_is_restarted_empty_and_the_others_go_on() {
    real_world(async {
        let journal = Journal::new();
        let partitions = PartitionSupervisor::new(|_| DynamicSupervisor::builder().max_restarts(0))
            .partitions(2)
            .start()
            .await
            .unwrap();
        let bad = partitions.start_child(Probe::child(&journal).key(0)).await.unwrap();
        let good = partitions.start_child(Probe::child(&journal).key(1)).await.unwrap();
        bad.addr.do_send(Panic("boom"));
        partitions.for_key(&0).exited().await;
        // Asked of the partition that has been restarted: it answers when it is there.
        assert!(partitions.get_or_start(0, Probe::child(&journal)).await.is_ok());
        assert_eq!(good.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(partitions.count_children().await.unwrap().active, 2);
        partitions.stop().await.unwrap();
    });
}

#[test]
fn a_smaller_number_of_partitions_ends_the_children_of_those_that_go() {
    real_world(async {
        let journal = Journal::new();
        let partitions =
            PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(3).start().await.unwrap();
        let mut children = Vec::new();
        for key in 0..9 {
            children.push(partitions.start_child(Probe::child(&journal).key(key)).await.unwrap());
        }
        assert_eq!(partitions.resize(1).await.unwrap(), 3);
        assert_eq!(partitions.partitions(), 1);
        let left: Vec<bool> = children.iter().map(|child| child.addr.connected()).collect();
        assert_eq!(left, [true, false, false, true, false, false, true, false, false]);
        assert_eq!(partitions.count_children().await.unwrap().specs, 3);

        assert_eq!(partitions.resize(4).await.unwrap(), 1);
        assert_eq!(partitions.partitions(), 4);
        assert!(partitions.start_child(Probe::child(&journal).key(7)).await.is_ok());
        assert!(matches!(partitions.resize(0).await, Err(StartChildError::Failed(_))));
        partitions.stop().await.unwrap();
    });
}

#[test]
fn one_stop_ends_all_partitions_and_all_their_children() {
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        for _ in 0..10 {
            partitions.start_child(Probe::child(&journal)).await.unwrap();
        }
        let exited = partitions.exited();
        let report = partitions.stop().await.unwrap();
        assert_eq!(report.stopped, 2);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 10);
        assert!(matches!(exited.await, ExitReason::Normal));
        assert!(matches!(
            partitions.start_child(Probe::child(&journal)).await,
            Err(StartChildError::SupervisorGone | StartChildError::ShuttingDown)
        ));
        assert!(partitions.count_children().await.is_err());
    });
}

#[test]
fn all_partitions_end_when_nobody_has_the_handle_any_more() {
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        let child = partitions.start_child(Probe::child(&journal)).await.unwrap();
        drop(partitions);
        journal.expect("dropped 1").await;
        while child.addr.connected() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn no_partition_at_all_is_refused() {
    real_world(async {
        let refused = PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(0).start().await;
        assert!(matches!(refused, Err(StartError::InvalidOption { option: "partitions", .. })));
    });
}

#[test]
fn a_partition_that_cannot_be_started_is_told_and_none_stays() {
    real_world(async {
        let make = |number| DynamicSupervisor::builder().max_seconds(if number == 1 { 0 } else { 5 });
        let refused = PartitionSupervisor::new(make).partitions(2).start().await;
        assert!(matches!(refused, Err(StartError::Init(_))));
    });
}

#[test]
fn get_or_start_is_exactly_once_whoever_asks_from_wherever() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    real_world(async {
        let (journal, partitions) = (Journal::new(), two().start().await.unwrap());
        for round in 0..1000_usize {
            let askers: Vec<_> = (0..4)
                .map(|_| {
                    let (partitions, journal) = (partitions.clone(), journal.clone());
                    let spec = move || {
                        Probe::scripted(&journal, |probe| {
                            STARTED.fetch_add(1, Ordering::SeqCst);
                            probe
                        })
                    };
                    tokio::task::spawn_blocking(move || {
                        tokio::runtime::Handle::current().block_on(partitions.get_or_start(round, spec())).unwrap().id
                    })
                })
                .collect();
            let ids: HashSet<_> = futures::future::try_join_all(askers).await.unwrap().into_iter().collect();
            assert_eq!((ids.len(), STARTED.load(Ordering::SeqCst)), (1, round + 1));
        }
        partitions.stop().await.unwrap();
    });
}
