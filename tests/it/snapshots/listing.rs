//! Which children a snapshot lists, and what it sums up.

use std::collections::BTreeSet;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Snapshot};

use super::{keys, look, patient, SECOND};
use crate::support::{settle, world, Ask, Exit, Journal, Panic, Probe};

/// Another type of children.
#[derive(Default)]
struct Lodger;

impl Actor for Lodger {
    type Context = Context<Self>;
}

impl Supervised for Lodger {}

async fn rooms(supervisor: &Addr<DynamicSupervisor>, journal: &Journal, names: &[&'static str]) -> Vec<Addr<Probe>> {
    let mut rooms = Vec::new();
    for name in names {
        let spec = Probe::child(journal).key(*name).backoff(Backoff::fixed(SECOND));
        rooms.push(supervisor.start_child(spec).await.unwrap().addr);
    }
    rooms
}

#[test]
fn the_worst_come_first() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let names = ["quiet", "once", "down", "long ago", "twice", "as quiet", "also down"];
        let rooms = rooms(&supervisor, &journal, &names).await;
        for _ in 0..5 {
            rooms[3].do_send(Panic("boom"));
            assert!(rooms[3].send(Ask).await.is_ok());
        }
        tokio::time::sleep(61 * SECOND).await;
        for (room, times) in [(&rooms[1], 1), (&rooms[4], 2)] {
            for _ in 0..times {
                room.do_send(Panic("boom"));
                assert!(room.send(Ask).await.is_ok());
            }
        }
        rooms[2].do_send(Panic("boom"));
        rooms[6].do_send(Panic("boom"));
        settle().await;
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!(keys(&snapshot), ["down", "also down", "twice", "once", "long ago", "quiet", "as quiet"]);
        let few = look(&supervisor, TakeSnapshot::new().worst_first().limit(3)).await;
        assert_eq!((keys(&few), few.matched), (vec!["down", "also down", "twice"], 7));
    });
}

#[test]
fn of_those_with_whom_it_is_equally_bad_the_oldest_are_listed_in_their_order_also_in_places_used_again() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(supervisor.start_child(Probe::child(&journal)).await.unwrap().id);
        }
        for id in ids.drain(2..5) {
            supervisor.terminate_child(id).await.unwrap();
        }
        for _ in 0..5 {
            ids.push(supervisor.start_child(Probe::child(&journal)).await.unwrap().id);
        }
        let listed = |snapshot: Snapshot| snapshot.children.iter().map(|child| child.id).collect::<Vec<_>>();
        assert_eq!(listed(look(&supervisor, TakeSnapshot::new()).await), ids);
        assert_eq!(listed(look(&supervisor, TakeSnapshot::new().limit(8)).await), ids[..8]);
        assert_eq!(listed(look(&supervisor, TakeSnapshot::new().limit(8).in_start_order(None)).await), ids[..8]);
        let rest = TakeSnapshot::new().limit(8).in_start_order(ids[7]);
        assert_eq!(listed(look(&supervisor, rest).await), ids[8..]);
    });
}

#[test]
fn a_hundred_are_listed_unless_told_otherwise_and_all_are_summed_up() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        for _ in 0..150 {
            supervisor.start_child(Probe::child(&journal)).await.unwrap();
        }
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!((snapshot.children.len(), snapshot.matched, snapshot.counts.active), (100, 150, 150));
        assert_eq!((snapshot.sums.len(), snapshot.sums[0].children), (1, 150));
        let none = look(&supervisor, TakeSnapshot::new().limit(0)).await;
        assert_eq!((none.children.len(), none.matched, none.sums[0].children), (0, 150, 150));
        let none = look(&supervisor, TakeSnapshot::new().limit(0).in_start_order(None)).await;
        assert_eq!((none.children.len(), none.matched), (0, 150));
        let all = look(&supervisor, TakeSnapshot::new().limit(usize::MAX)).await;
        assert_eq!(all.children.len(), 150);
    });
}

#[test]
fn sums_tell_children_by_type_and_state_whatever_is_listed() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let names = ["a", "b", "c", "d"];
        let rooms = rooms(&supervisor, &journal, &names).await;
        // Of both types in turn.
        for _ in 0..3 {
            supervisor.start_child(Child::new(Lodger::default)).await.unwrap();
            supervisor.start_child(Probe::child(&journal)).await.unwrap();
        }
        for room in &rooms[..2] {
            room.do_send(Panic("boom"));
            assert!(room.send(Ask).await.is_ok());
            room.do_send(Panic("boom"));
            assert!(room.send(Ask).await.is_ok());
        }
        rooms[3].do_send(Panic("boom"));
        settle().await;
        let filter = ChildFilter::new().text("nothing has this");
        let snapshot = look(&supervisor, TakeSnapshot::new().filter(filter)).await;
        assert_eq!((snapshot.children.len(), snapshot.matched), (0, 0));
        let told: Vec<_> =
            snapshot.sums.iter().map(|sum| (sum.module, sum.state, sum.children, sum.restarts)).collect();
        let (probe, lodger) = (std::any::type_name::<Probe>(), std::any::type_name::<Lodger>());
        let expected = [
            (probe, ChildState::Running, 6, 4),
            (probe, ChildState::Restarting, 1, 0),
            (lodger, ChildState::Running, 3, 0),
        ];
        assert_eq!(told, expected, "in the order of the oldest of each");
    });
}

#[test]
fn a_filter_finds_text_in_key_label_id_and_type_in_large_and_small_letters() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let lobby = supervisor.start_child(Probe::child(&journal).key("Lobby Ünten")).await.unwrap();
        let number = supervisor.start_child(Probe::child(&journal).key(4_711)).await.unwrap();
        let label = supervisor.start_child(Probe::child(&journal).id("Tenant-B")).await.unwrap();
        let lodger = supervisor.start_child(Child::new(Lodger::default)).await.unwrap();
        let found = async |text: &str| -> Vec<ChildId> {
            let request = TakeSnapshot::new().filter(ChildFilter::new().text(text));
            let snapshot = look(&supervisor, request).await;
            assert_eq!(snapshot.matched, snapshot.children.len());
            snapshot.children.iter().map(|child| child.id).collect()
        };
        assert_eq!(found("lobby ü").await, [lobby.id]);
        assert_eq!(found("LOBBY Ü").await, [lobby.id]);
        assert_eq!(found("711").await, [number.id]);
        assert_eq!(found("tenant-b").await, [label.id]);
        assert_eq!(found("listing::lODGER").await, [lodger.id]);
        assert_eq!(found(&number.id.to_string()).await, [number.id]);
        assert_eq!(found("").await, [lobby.id, number.id, label.id, lodger.id], "no text is no filter");
        assert_eq!(found("nobody").await, []);
    });
}

#[test]
fn a_filter_asks_for_state_and_type_and_all_of_it_at_once() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let rooms = rooms(&supervisor, &journal, &["a", "b", "ab"]).await;
        supervisor.start_child(Child::new(Lodger::default).key("a lodger")).await.unwrap();
        rooms[0].do_send(Panic("boom"));
        rooms[2].do_send(Panic("boom"));
        settle().await;
        let found = async |filter: ChildFilter| -> Vec<String> {
            let snapshot = look(&supervisor, TakeSnapshot::new().filter(filter)).await;
            snapshot.children.iter().map(|child| child.key.clone().unwrap()).collect()
        };
        let new = ChildFilter::new;
        assert_eq!(found(new().state(ChildState::Restarting)).await, ["a", "ab"]);
        assert_eq!(found(new().state(ChildState::Running)).await, ["b", "a lodger"]);
        assert_eq!(found(new().module(std::any::type_name::<Lodger>())).await, ["a lodger"]);
        assert_eq!(found(new().module("Lodger")).await, [""; 0], "the whole name");
        let both = new().module(std::any::type_name::<Probe>()).text("a").state(ChildState::Restarting);
        assert_eq!(found(both.clone().text("AB")).await, ["ab"], "the last text asked for");
        assert_eq!(found(both).await, ["a", "ab"]);
    });
}

#[test]
fn one_child_alone_is_listed_wherever_it_is_in_the_tree() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let nested = supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        let snapshot = look(&supervisor, TakeSnapshot::new().only(child.id)).await;
        assert_eq!((snapshot.children.len(), snapshot.matched, snapshot.counts.specs), (0, 0, 1));
        let below = snapshot.nested[0].snapshot().unwrap();
        assert_eq!((below.children.len(), below.matched, below.counts.specs), (1, 1, 2));
        assert_eq!(below.children[0].id, child.id);
        nested.addr.terminate_child(child.id).await.unwrap();
        let gone = look(&nested.addr, TakeSnapshot::new().only(child.id)).await;
        assert_eq!((gone.children.len(), gone.matched), (0, 0), "an id is never another child's");
    });
}

#[test]
fn pages_hold_each_child_that_stays_exactly_once_while_others_come_and_go() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let mut stay = BTreeSet::new();
        let mut go = Vec::new();
        for number in 0..500 {
            let id = supervisor.start_child(Probe::child(&journal)).await.unwrap().id;
            if number % 3 == 0 {
                go.push(id);
            } else {
                stay.insert(id);
            }
        }
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = look(&supervisor, TakeSnapshot::new().in_start_order(after).limit(20)).await;
            let ids: Vec<ChildId> = page.children.iter().map(|child| child.id).collect();
            let Some(last) = ids.last() else { break };
            // The last of a page may go, and places are used again by others.
            after = Some(*last);
            listed.extend(ids);
            for _ in 0..6 {
                if let Some(id) = go.pop() {
                    supervisor.terminate_child(id).await.unwrap();
                }
            }
            if go.len() > 50 {
                for _ in 0..3 {
                    supervisor.start_child(Probe::child(&journal)).await.unwrap();
                }
            }
        }
        assert!(listed.is_sorted(), "in start order");
        let once: BTreeSet<ChildId> = listed.iter().copied().collect();
        assert_eq!(once.len(), listed.len(), "none twice");
        assert!(once.is_superset(&stay));
    });
}

#[test]
fn a_page_after_a_child_of_one_supervisor_leaves_out_nobody_of_another() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let nested = supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(supervisor.start_child(Probe::child(&journal)).await.unwrap().id);
            nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        }
        let snapshot = look(&supervisor, TakeSnapshot::new().in_start_order(ids[1])).await;
        assert_eq!(snapshot.children.iter().map(|child| child.id).collect::<Vec<_>>(), ids[2..]);
        assert_eq!(snapshot.matched, 4, "however many pages");
        assert_eq!(snapshot.nested[0].snapshot().unwrap().children.len(), 3);
    });
}

#[test]
fn what_a_spec_says_is_told_of_each_child() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::child(&journal).id("label").key("key").restart(Restart::Transient);
        let probe = supervisor.start_child(spec).await.unwrap();
        probe.addr.do_send(Panic("boom"));
        probe.addr.send(Ask).await.unwrap();
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        let info = &snapshot.children[0];
        assert_eq!((info.id, info.label.as_deref(), info.key.as_deref()), (probe.id, Some("label"), Some("key")));
        assert_eq!((info.restart, info.child_type), (Restart::Transient, ChildType::Worker));
        assert_eq!((info.restarts, info.incarnation, info.name()), (1, 2, Some("key")));
        assert_eq!(info.module, std::any::type_name::<Probe>());
        assert_eq!(info.addr::<Probe>().as_ref(), Some(&probe.addr));
        assert!(info.addr::<Lodger>().is_none());
        probe.addr.do_send(Exit(ExitReason::Normal));
        settle().await;
        assert!(look(&supervisor, TakeSnapshot::new()).await.children.is_empty());
        assert!(info.addr::<Probe>().is_none() || !probe.addr.connected());
    });
}
