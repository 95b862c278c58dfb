//! Arbiters of a supervisor's own.

use std::{
    collections::HashMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block, thread_of};
use crate::support::{real_world, Ask, Do, Journal, Panic, Probe};

#[test]
fn a_pool_without_an_arbiter_is_refused() {
    real_world(async {
        for placement in [Placement::Pool(0), Placement::LeastLoaded(0)] {
            let refused = DynamicSupervisor::builder().placement(placement).start();
            assert!(matches!(refused, Err(StartError::InvalidOption { option: "placement", .. })));
        }
    });
}

#[test]
fn a_pool_has_as_many_threads_as_it_was_given_and_they_take_turns() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(3)).start().unwrap();
        let mut threads = HashMap::<_, usize>::new();
        for _ in 0..9 {
            let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            *threads.entry(thread_of(&child.addr).await).or_default() += 1;
        }
        assert_eq!(threads.into_values().collect::<Vec<_>>(), [3, 3, 3]);
    });
}

#[test]
fn the_least_loaded_arbiter_gets_the_next_child() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::LeastLoaded(2)).start().unwrap();
        let mut children = Vec::new();
        for _ in 0..6 {
            let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            children.push((thread_of(&child.addr).await, child));
        }
        let emptied = children[0].0;
        for (_, child) in children.iter().filter(|(thread, _)| *thread == emptied) {
            supervisor.terminate_child(child.id).await.unwrap();
        }
        for _ in 0..3 {
            let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            assert_eq!(thread_of(&child.addr).await, emptied);
        }
    });
}

#[test]
fn the_threads_of_a_pool_have_ended_when_a_stop_is_answered() {
    thread_local! {
        static ENDS: std::cell::RefCell<Option<Ends>> = const { std::cell::RefCell::new(None) };
    }
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    real_world(async {
        let (journal, ended) = (Journal::new(), Arc::new(AtomicUsize::new(0)));
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).start().unwrap();
        for _ in 0..4 {
            let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            let ended = Arc::clone(&ended);
            let leave_a_mark = move |_: &mut Probe, _: &mut Context<Probe>| {
                ENDS.with_borrow_mut(|ends| {
                    ends.get_or_insert_with(|| Ends(ended));
                });
            };
            child.addr.send(Do::this(leave_a_mark)).await.unwrap();
        }
        assert_eq!(supervisor.stop().await.unwrap().stopped, 4);
        assert_eq!(ended.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn one_blocked_child_of_a_pool_does_not_hold_up_those_on_other_threads() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).start().unwrap();
        let blocked = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let other = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let release = block(&blocked.addr).await;
        assert!(other.addr.send(Panic("boom")).await.is_err());
        assert_eq!(other.addr.send(Ask).await.unwrap(), 2);
        drop(release);
        assert_eq!(blocked.addr.send(Ask).await.unwrap(), 1);
    });
}

#[test]
fn a_supervisor_that_is_dropped_takes_its_children_on_other_threads_along() {
    real_world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = DynamicSupervisor::builder().placement(Placement::Pool(2)).into_child();
        let nested = parent.start_child(nested).await.unwrap();
        let mut children = Vec::new();
        for _ in 0..10 {
            children.push(nested.addr.start_child(Probe::child(&journal)).await.unwrap());
        }
        parent.kill_child(nested.id).await.unwrap();
        for child in &children {
            super::eventually("it has ended", async || !child.addr.connected()).await;
        }
        assert_eq!(nested.addr.count_children().await.unwrap().specs, 0, "it is back, and empty");
    });
}
