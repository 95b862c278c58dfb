//! The whole tree: nested supervisors, partitions, and those that do not answer.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Snapshot, SnapshotError, SupervisorState, Told};
use futures::StreamExt;

use super::{look, patient, PATIENCE, SECOND};
use crate::support::{
    real_world,
    script::{block, stubborn},
    settle, silently, world, Ask, Journal, Panic, Probe,
};

async fn nested(supervisor: &Addr<DynamicSupervisor>, name: &str) -> Addr<DynamicSupervisor> {
    let spec = DynamicSupervisor::builder().name(name).max_restarts(0).into_child();
    supervisor.start_child(spec.backoff(Backoff::fixed(60 * SECOND))).await.unwrap().addr
}

/// Has it give up, and wait for its own restart.
async fn fell(supervisor: &Addr<DynamicSupervisor>) {
    let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
    child.addr.do_send(Panic("one too many"));
    settle().await;
}

fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.supervisors().map(|supervisor| &*supervisor.path).collect()
}

/// What the branches told, in a word each.
fn told(snapshot: &Snapshot) -> Vec<(&str, &'static str)> {
    let word = |told: &Told| match told {
        Told::Snapshot(_) => "snapshot",
        Told::NotAsked => "not asked",
        Told::Down => "down",
        Told::Silent { .. } => "silent",
        Told::Gone => "gone",
        _ => "something else",
    };
    snapshot.nested.iter().map(|branch| (&*branch.name, word(&branch.told))).collect()
}

#[test]
fn a_snapshot_shows_all_levels_each_with_its_children() {
    world(async {
        let journal = Journal::new();
        let root = DynamicSupervisor::builder().name("root").max_children(7).start().unwrap();
        let left = nested(&root, "left").await;
        let right = nested(&root, "right").await;
        let deep = nested(&left, "deep").await;
        for (supervisor, children) in [(&root, 1), (&left, 2), (&right, 3), (&deep, 4)] {
            for _ in 0..children {
                supervisor.start_child(Probe::child(&journal)).await.unwrap();
            }
        }
        tokio::time::sleep(5 * SECOND).await;
        let snapshot = look(&root, TakeSnapshot::new()).await;
        assert_eq!(paths(&snapshot), ["root", "root/left", "root/left/deep", "root/right"]);
        let children: Vec<_> = snapshot.supervisors().map(|supervisor| supervisor.counts.workers).collect();
        assert_eq!(children, [1, 2, 4, 3]);
        assert_eq!((snapshot.max_children, snapshot.nested_left_out), (Some(7), 0));
        assert_eq!((snapshot.counts.specs, snapshot.counts.supervisors), (3, 2));
        assert!(snapshot.supervisors().all(|supervisor| supervisor.state == SupervisorState::Running));
        assert_eq!(snapshot.started.elapsed(), 5 * SECOND);
        assert_eq!(snapshot.nested[0].addr::<DynamicSupervisor>(), Some(left.clone()));
        assert_eq!(snapshot.nested[0].child, snapshot.children[0].id, "a supervisor is a child, too");
        assert!(snapshot.children[0].id.to_string().starts_with(&format!("{}.", snapshot.id)));
        assert_eq!(
            paths(&look(&left, TakeSnapshot::new()).await),
            ["root/left", "root/left/deep"],
            "also if asked itself"
        );
        assert!(look(&root, TakeSnapshot::new().deadline(Duration::MAX)).await.nested[0].snapshot().is_some());
    });
}

#[test]
fn the_path_of_a_snapshot_is_that_of_its_events() {
    world(async {
        let root = DynamicSupervisor::builder().name("root/with slash").start().unwrap();
        let mut events = root.events(Events::new().nested(true));
        nested(&root, "a\nb").await;
        let path = loop {
            let event = events.next().await.unwrap();
            if matches!(event.kind, EventKind::SupervisorStarted) && event.supervisor.path.contains("slash/") {
                break event.supervisor.path.to_string();
            }
        };
        let snapshot = look(&root, TakeSnapshot::new()).await;
        assert_eq!(snapshot.nested[0].snapshot().unwrap().path, path);
    });
}

#[test]
fn no_deeper_than_asked_for_is_looked() {
    world(async {
        let root = patient();
        let mut supervisor = root.clone();
        for name in ["one", "two", "three"] {
            supervisor = nested(&supervisor, name).await;
        }
        for (depth, supervisors) in [(0, 1), (1, 2), (2, 3), (3, 4), (usize::MAX, 4)] {
            let snapshot = look(&root, TakeSnapshot::new().depth(depth)).await;
            assert_eq!(snapshot.supervisors().count(), supervisors, "{depth}");
            let last = snapshot.supervisors().last().unwrap();
            assert!(last.nested.iter().all(|branch| matches!(branch.told, Told::NotAsked)), "{depth}");
        }
    });
}

#[test]
fn a_supervisor_that_waits_for_its_own_restart_is_down_and_nobody_waits_for_it() {
    world(async {
        let root = patient();
        for name in ["first", "fallen", "last"] {
            nested(&root, name).await;
        }
        let fallen = look(&root, TakeSnapshot::new()).await.nested[1].addr::<DynamicSupervisor>().unwrap();
        fell(&fallen).await;
        let asked = tokio::time::Instant::now();
        let snapshot = look(&root, TakeSnapshot::new().deadline(3 * SECOND)).await;
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(told(&snapshot), [("first", "snapshot"), ("fallen", "down"), ("last", "snapshot")]);
        assert!(!snapshot.nested[1].is_silent());
        assert_eq!(snapshot.children[0].state, ChildState::Restarting, "its parent knows why");
        tokio::time::sleep(61 * SECOND).await;
        assert_eq!(told(&look(&root, TakeSnapshot::new()).await)[1], ("fallen", "snapshot"));
    });
}

#[test]
fn a_supervisor_whose_first_start_goes_on_is_down_and_nobody_waits_for_it() {
    real_world(async {
        let (root, arbiter) = (patient(), Arbiter::new());
        let child = root.start_child(Probe::child(&Journal::new()).on(arbiter.handle())).await.unwrap();
        let release = block(&child.addr).await;
        let start = actix::spawn(root.start_child(DynamicSupervisor::builder().into_child().on(arbiter.handle())));
        settle().await;
        let snapshot = look(&root, TakeSnapshot::new().limit(0).deadline(PATIENCE)).await;
        assert!(matches!(snapshot.nested[0].told, Told::Down), "{snapshot}");
        assert_eq!(snapshot.nested[0].state, ChildState::Starting);
        drop(release);
        assert!(start.await.unwrap().is_ok());
        root.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_supervisor_that_falls_when_it_has_been_asked_is_silent() {
    world(async {
        let root = patient();
        let falls = nested(&root, "falls").await;
        let child = falls.start_child(Probe::child(&Journal::new())).await.unwrap().addr;
        child.do_send(Panic("one too many"));
        let snapshot = look(&root, TakeSnapshot::new().deadline(3 * SECOND)).await;
        assert_eq!(told(&snapshot), [("falls", "silent")]);
        assert!(matches!(snapshot.nested[0].told, Told::Silent { within } if within == 3 * SECOND));
        assert_eq!(told(&look(&root, TakeSnapshot::new()).await), [("falls", "down")]);
    });
}

#[test]
fn who_is_silent_further_down_is_told_by_its_parent() {
    real_world(async {
        let (root, arbiter) = (patient(), Arbiter::new());
        let middle = root.start_child(DynamicSupervisor::builder().into_child().key("middle")).await.unwrap().addr;
        let spec = DynamicSupervisor::builder().name("low").into_child().on(arbiter.handle());
        let low = middle.start_child(spec).await.unwrap().addr;
        let release = block(&low.start_child(Probe::child(&Journal::new())).await.unwrap().addr).await;
        let snapshot = look(&root, TakeSnapshot::new().deadline(Duration::from_millis(50))).await;
        assert_eq!(told(&snapshot), [("middle", "snapshot")]);
        let middle = snapshot.nested[0].snapshot().unwrap();
        assert_eq!(told(middle), [("low", "silent")]);
        assert!(matches!(middle.nested[0].told, Told::Silent { within } if within == Duration::from_millis(40)));
        drop(release);
        root.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_supervisor_that_is_ended_before_it_can_tell_is_gone() {
    world(async {
        let root = patient();
        let ends = nested(&root, "ends").await;
        let child = ends.start_child(Probe::child(&Journal::new())).await.unwrap().addr;
        let id = look(&root, TakeSnapshot::new().depth(0)).await.children[0].id;
        child.do_send(Panic("one too many"));
        let asked = actix::spawn(root.snapshot(TakeSnapshot::new().deadline(PATIENCE)));
        settle().await;
        assert_eq!(root.terminate_child(id).await, Ok(()));
        let snapshot = asked.await.unwrap().unwrap();
        assert_eq!(told(&snapshot), [("ends", "gone")]);
        assert!(snapshot.nested[0].addr::<DynamicSupervisor>().is_none_or(|addr| !addr.connected()));
    });
}

#[test]
fn a_blocked_root_is_unresponsive_and_one_that_is_gone_is_gone() {
    real_world(async {
        let arbiter = Arbiter::new();
        let (tell, told) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || drop(tell.send(patient())));
        let supervisor = told.await.unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let release = block(&child.addr).await;
        let asked = supervisor.snapshot(TakeSnapshot::new().deadline(Duration::ZERO)).await;
        assert_eq!(asked.unwrap_err(), SnapshotError::Unresponsive);
        drop(release);
        assert!(supervisor.snapshot(TakeSnapshot::new().deadline(PATIENCE)).await.is_ok());
        supervisor.stop().await.unwrap();
        assert_eq!(supervisor.snapshot(TakeSnapshot::new()).await.unwrap_err(), SnapshotError::SupervisorGone);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_supervisor_whose_thread_is_blocked_is_silent_and_all_others_are_told() {
    real_world(async {
        let (arbiter, root) = (Arbiter::new(), patient());
        let spec = DynamicSupervisor::builder().name("its thread is blocked").into_child();
        let blocked = root.start_child(spec.on(arbiter.handle())).await.unwrap();
        nested(&root, "free").await;
        let child = blocked.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(look(&root, TakeSnapshot::new().deadline(PATIENCE)).await.supervisors().count(), 3);
        let release = block(&child.addr).await;
        let snapshot = look(&root, TakeSnapshot::new().deadline(Duration::from_millis(100))).await;
        assert_eq!(told(&snapshot), [("its thread is blocked", "silent"), ("free", "snapshot")]);
        drop(release);
        root.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn one_that_ends_its_children_says_so() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Timeout(5 * SECOND));
        supervisor.start_child(spec).await.unwrap();
        let stopped = actix::spawn(supervisor.stop());
        settle().await;
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!(snapshot.state, SupervisorState::Closing);
        assert_eq!(snapshot.children[0].state, ChildState::Stopping);
        assert_eq!(stopped.await.unwrap().unwrap().killed.len(), 1);
    });
}

#[test]
fn a_thousand_nested_supervisors_are_asked_and_the_rest_is_counted() {
    world(async {
        let root = patient();
        for _ in 0..1_003 {
            root.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        }
        let snapshot = look(&root, TakeSnapshot::new()).await;
        assert_eq!((snapshot.nested.len(), snapshot.nested_left_out, snapshot.counts.supervisors), (1_000, 3, 1_003));
        assert!(snapshot.nested.iter().all(|branch| branch.snapshot().is_some()));
        assert!(snapshot.nested.is_sorted_by_key(|branch| branch.child), "the oldest, in start order");
    });
}

#[test]
fn a_supervisor_of_somebody_elses_making_is_a_child_like_others() {
    world(async {
        let root = patient();
        let spec = Probe::child(&Journal::new()).child_type(ChildType::Supervisor).key("theirs");
        root.start_child(spec).await.unwrap();
        let snapshot = look(&root, TakeSnapshot::new()).await;
        assert_eq!(told(&snapshot), [("theirs", "not asked")]);
        assert!(snapshot.nested[0].addr::<Probe>().is_some());
    });
}

#[test]
fn partitions_are_a_tree_with_names() {
    real_world(async {
        let partitions = PartitionSupervisor::new(|number| match number {
            0 => DynamicSupervisor::builder().name("of its own name"),
            _ => DynamicSupervisor::builder(),
        });
        let rooms = partitions.partitions(2).name("rooms").start().await.unwrap();
        let mut events = rooms.events(Events::new());
        // Partitions are on threads of their own: what they do before their parent has heard of this is not seen.
        rooms.snapshot(TakeSnapshot::new().deadline(PATIENCE)).await.unwrap();
        let child = rooms.start_child(Probe::child(&Journal::new()).key(1)).await.unwrap();
        let snapshot = rooms.snapshot(TakeSnapshot::new().deadline(PATIENCE)).await.unwrap();
        assert_eq!(paths(&snapshot), ["rooms", "rooms/of its own name", "rooms/partition 1"]);
        let [_, partition] = &snapshot.nested[..] else { panic!("{snapshot}") };
        assert_eq!(partition.snapshot().unwrap().children[0].id, child.id);
        let event = events.next().await.unwrap();
        assert_eq!((&*event.supervisor.path, event.child().unwrap().id), ("rooms/partition 1", child.id));
        rooms.stop().await.unwrap();
        assert_eq!(rooms.snapshot(TakeSnapshot::new()).await.unwrap_err(), SnapshotError::SupervisorGone);
    });
}

#[test]
fn partitions_without_a_name_are_called_so_and_many_of_them_may_be() {
    real_world(async {
        let make = || PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(1).start();
        let both = [make().await.unwrap(), make().await.unwrap()];
        for rooms in both {
            let snapshot = rooms.snapshot(TakeSnapshot::new().deadline(PATIENCE)).await.unwrap();
            assert_eq!(paths(&snapshot), ["partitions", "partitions/partition 0"]);
            rooms.stop().await.unwrap();
        }
    });
}

#[test]
fn a_snapshot_can_be_asked_for_from_any_thread_and_need_not_be_awaited() {
    real_world(async {
        let supervisor = patient();
        nested(&supervisor, "nested").await;
        drop(supervisor.snapshot(TakeSnapshot::new()));
        let asked = supervisor.snapshot(TakeSnapshot::new());
        let count = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(asked).unwrap().supervisors().count()
        });
        super::eventually("it is told there", async || count.is_finished()).await;
        assert_eq!(count.join().unwrap(), 2);
    });
}

#[test]
fn where_there_is_no_clock_a_snapshot_is_taken_all_the_same() {
    silently(|| {
        let system = System::with_tokio_rt(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
        system.block_on(async {
            let supervisor = patient();
            let spec = DynamicSupervisor::builder().name("without a clock").into_child();
            supervisor.start_child(spec).await.unwrap();
            let snapshot = supervisor.snapshot(TakeSnapshot::new()).await.unwrap();
            assert_eq!(told(&snapshot), [("without a clock", "snapshot")]);
        });
    });
}
