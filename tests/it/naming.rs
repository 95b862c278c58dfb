//! Names: within a System, and in registries of the test's own.

use std::{
    collections::HashMap,
    sync::{mpsc, Arc, Mutex},
    thread,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, SupervisorRegistry};

use crate::{
    support::script::OnTheWay,
    support::{real_world, settle, world, Ask, Journal, Panic, Probe},
};

#[test]
fn whereis_finds_a_supervisor_by_its_name_as_long_as_it_lives() {
    world(async {
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);

        let rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let halls = DynamicSupervisor::builder().name("halls").start().unwrap();

        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(rooms.clone()));
        assert_eq!(DynamicSupervisor::whereis("halls"), Some(halls));
        assert_eq!(DynamicSupervisor::whereis("room"), None);
        rooms.stop().await.unwrap();
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
    });
}

#[test]
fn any_text_is_a_name() {
    world(async {
        for name in ["", " ", "räume", "a\nb", "rooms/7"] {
            let supervisor = DynamicSupervisor::builder().name(name).start().unwrap();
            assert_eq!(DynamicSupervisor::whereis(name), Some(supervisor));
        }
    });
}

#[test]
fn a_name_is_seen_on_all_arbiters_of_its_system() {
    real_world(async {
        let rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let arbiter = Arbiter::new();
        let (seen_tx, seen_rx) = tokio::sync::oneshot::channel();

        arbiter.spawn_fn(move || {
            let rival = DynamicSupervisor::builder().name("rooms").start();
            let _ = seen_tx.send((DynamicSupervisor::whereis("rooms"), rival));
        });

        let (found, rival) = seen_rx.await.unwrap();
        assert_eq!(found, Some(rooms.clone()));
        assert!(matches!(rival, Err(StartError::AlreadyStarted(existing)) if existing == rooms));
        rooms.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn two_systems_have_names_of_their_own() {
    real_world(async {
        let here = DynamicSupervisor::builder().name("rooms").start().unwrap();

        let there = thread::spawn(|| {
            real_world(async {
                assert_eq!(DynamicSupervisor::whereis("rooms"), None);
                let there = DynamicSupervisor::builder().name("rooms").start().unwrap();
                assert_eq!(DynamicSupervisor::whereis("rooms"), Some(there.clone()));
                there.stop().await.unwrap();
                there
            })
        });

        assert_ne!(there.join().unwrap(), here);
        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(here.clone()), "the end of the other frees only its own");
        here.stop().await.unwrap();
    });
}

#[test]
fn outside_of_any_system_nobody_has_a_name() {
    real_world(async {
        let _rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();

        let found = thread::spawn(|| DynamicSupervisor::whereis("rooms")).join().unwrap();

        assert_eq!(found, None);
    });
}

/// A registry of pairs of a tenant and a room, as users might write it.
#[derive(Default)]
struct Tenants {
    rooms: Mutex<HashMap<(String, u32), Addr<DynamicSupervisor>>>,
}

type Key = (String, u32);

impl Tenants {
    fn find(&self, tenant: &str, room: u32) -> Option<Addr<DynamicSupervisor>> {
        self.rooms.lock().unwrap().get(&(tenant.to_owned(), room)).cloned()
    }
}

impl SupervisorRegistry<Key> for Tenants {
    fn register(&self, key: &Key, supervisor: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        let mut rooms = self.rooms.lock().unwrap();
        if let Some(existing) = rooms.get(key) {
            return Err(existing.clone());
        }
        rooms.insert(key.clone(), supervisor);
        Ok(())
    }

    fn unregister(&self, key: &Key) {
        let last = self.rooms.lock().unwrap().remove(key);
        drop(last);
    }
}

fn key(tenant: &str, room: u32) -> Key {
    (tenant.to_owned(), room)
}

#[test]
fn a_supervisor_is_found_in_a_registry_of_ones_own_until_its_stop_is_answered() {
    world(async {
        let tenants = Arc::new(Tenants::default());

        let supervisor = DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 7)).start().unwrap();

        assert_eq!(tenants.find("acme", 7), Some(supervisor.clone()));
        supervisor.stop().await.unwrap();
        assert_eq!(tenants.find("acme", 7), None);
        DynamicSupervisor::builder().via(tenants, key("acme", 7)).start().unwrap();
    });
}

#[test]
fn supervisors_are_called_what_they_are_said_to_be_called_unless_they_have_a_name() {
    world(async {
        let tenants = Arc::new(Tenants::default());
        let root = DynamicSupervisor::builder().called("first").called("ro\not").start().unwrap();
        let made = [
            DynamicSupervisor::builder().called("tenants"),
            DynamicSupervisor::builder().called("tenants"),
            DynamicSupervisor::builder().called("not this").name("found"),
            DynamicSupervisor::builder().name("found too").called("not this"),
            DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 1)).called("by a key"),
            DynamicSupervisor::builder().called("by another").via(Arc::clone(&tenants), key("acme", 2)),
        ];
        for builder in made {
            root.start_child(builder.into_child()).await.unwrap();
        }
        let snapshot = root.snapshot(TakeSnapshot::new()).await.unwrap();
        assert_eq!(snapshot.name, "ro\\not", "escaped as in a report");
        let below: Vec<_> = snapshot.supervisors().skip(1).map(|supervisor| &*supervisor.name).collect();
        let expected = ["tenants", "tenants", "found", "found too", "by a key", "by another"];
        assert_eq!(below, expected);
        let called: Vec<_> = snapshot.nested.iter().map(|branch| &*branch.name).collect();
        assert_eq!(called, expected, "by their parent, too");
        assert!(DynamicSupervisor::whereis("tenants").is_none());
        let unnamed = DynamicSupervisor::builder().via(tenants, key("acme", 3)).start().unwrap();
        assert!(unnamed.snapshot(TakeSnapshot::new()).await.unwrap().name.starts_with("DynamicSupervisor#"));
    });
}

#[test]
fn a_key_that_is_taken_is_answered_with_who_has_it() {
    world(async {
        let tenants = Arc::new(Tenants::default());
        let parent = DynamicSupervisor::builder().start().unwrap();
        let first = DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 7)).start().unwrap();

        let second = DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 7)).start();
        let nested = DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 7)).into_child();
        let nested = parent.start_child(nested).await;

        assert!(matches!(second, Err(StartError::AlreadyStarted(existing)) if existing == first));
        let Err(StartChildError::AlreadyStarted(existing)) = nested else { panic!("{nested:?}") };
        assert_eq!(existing.addr(), Some(first.clone()));
        assert_eq!(tenants.find("acme", 7), Some(first), "and keeps it");
    });
}

#[test]
fn a_nested_supervisor_keeps_its_key_over_restarts_and_gives_it_back_at_its_end() {
    world(async {
        let tenants = Arc::new(Tenants::default());
        let parent = DynamicSupervisor::builder().start().unwrap();
        let spec = DynamicSupervisor::builder().max_restarts(0).via(Arc::clone(&tenants), key("acme", 7)).into_child();
        let nested = parent.start_child(spec).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();

        let ended = nested.addr.exited();
        child.addr.do_send(Panic("boom"));
        ended.await;
        assert_eq!(tenants.find("acme", 7), Some(nested.addr.clone()));
        assert_eq!(nested.addr.count_children().await.unwrap().specs, 0);
        assert_eq!(tenants.find("acme", 7), Some(nested.addr.clone()));

        parent.terminate_child(nested.id).await.unwrap();
        assert_eq!(tenants.find("acme", 7), None);
    });
}

/// A registry that writes down what is asked of it.
struct Noting(Journal);

impl SupervisorRegistry<()> for Noting {
    fn register(&self, _: &(), _: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        self.0.note("register");
        Ok(())
    }

    fn unregister(&self, _: &()) {
        self.0.note("unregister");
    }
}

#[test]
fn a_key_is_taken_once_and_given_back_once_however_often_its_supervisor_is_restarted() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        world(async {
            let journal = Journal::new();
            let parent = DynamicSupervisor::builder().start().unwrap();
            let spec = DynamicSupervisor::builder().via(Noting(journal.clone()), ()).into_child().restart(restart);
            let nested = parent.start_child(spec).await.unwrap();

            if restart != Restart::Temporary {
                for _ in 0..3 {
                    parent.kill_child(nested.id).await.unwrap();
                    assert_eq!(nested.addr.count_children().await.unwrap().specs, 0, "it is back");
                }
            }
            assert_eq!(journal.entries(), ["register"], "{restart}");
            parent.stop().await.unwrap();

            assert_eq!(journal.entries(), ["register", "unregister"], "{restart}");
        });
    }
}

#[test]
fn a_supervisor_that_does_not_start_gives_its_key_back() {
    world(async {
        let tenants = Arc::new(Tenants::default());

        let started = DynamicSupervisor::builder().via(Arc::clone(&tenants), key("acme", 7)).max_seconds(0).start();

        assert!(matches!(started, Err(StartError::InvalidOption { .. })));
        assert_eq!(tenants.find("acme", 7), None);
    });
}

#[test]
fn a_key_goes_back_to_its_registry_when_the_system_ends_without_a_stop() {
    let tenants = Arc::new(Tenants::default());
    let (own, (done_tx, done_rx)) = (Arc::clone(&tenants), mpsc::channel());

    thread::spawn(move || {
        real_world(async { drop(DynamicSupervisor::builder().via(own, key("acme", 7)).start().unwrap()) });
        done_tx.send(()).unwrap();
    });

    done_rx.recv().unwrap();
    assert_eq!(tenants.find("acme", 7), None);
}

/// A registry that looks, when it gets a name back, whether the end has been answered already.
struct Watchful {
    answers: OnTheWay,
    still: Arc<Mutex<Option<bool>>>,
}

impl SupervisorRegistry<()> for Watchful {
    fn register(&self, _: &(), _: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        Ok(())
    }

    fn unregister(&self, _: &()) {
        *self.still.lock().unwrap() = self.answers.still();
    }
}

#[test]
fn a_name_is_given_back_before_the_end_is_answered_or_told() {
    world(async {
        for is_nested in [false, true] {
            let (answers, still) = (OnTheWay::default(), Arc::new(Mutex::new(None)));
            let registry = Watchful { answers: answers.clone(), still: Arc::clone(&still) };
            let builder = DynamicSupervisor::builder().via(registry, ());
            let parent = DynamicSupervisor::builder().start().unwrap();
            if is_nested {
                let nested = parent.start_child(builder.into_child()).await.unwrap();
                answers.add(parent.terminate_child(nested.id));
            } else {
                let root = builder.start().unwrap();
                answers.add(root.stop());
                answers.add(root.exited());
            }

            settle().await;

            assert_eq!(*still.lock().unwrap(), Some(true), "nested: {is_nested}");
            assert_eq!(answers.still(), Some(false), "nested: {is_nested}, and then it is");
        }
    });
}

/// A registry that panics where it is told to.
#[derive(Clone, Copy, PartialEq)]
enum Broken {
    Register,
    Unregister,
}

impl SupervisorRegistry<()> for Broken {
    fn register(&self, _: &(), _: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        if *self == Self::Register {
            std::panic::panic_any("no registry today");
        }
        Ok(())
    }

    fn unregister(&self, _: &()) {
        if *self == Self::Unregister {
            std::panic::panic_any("no unregistering today");
        }
    }
}

#[test]
fn a_registry_that_panics_fails_the_start_with_its_words() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();

        let root = DynamicSupervisor::builder().via(Broken::Register, ()).start();
        let nested = parent.start_child(DynamicSupervisor::builder().via(Broken::Register, ()).into_child()).await;

        let Err(StartError::Init(error)) = root else { panic!("{root:?}") };
        assert_eq!(error.to_string(), "no registry today");
        assert!(matches!(nested, Err(StartChildError::Failed(_))), "{nested:?}");
        assert_eq!(parent.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_registry_that_panics_when_a_name_is_given_back_disturbs_nobody() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let root = DynamicSupervisor::builder().via(Broken::Unregister, ()).start().unwrap();
        root.start_child(Probe::child(&journal)).await.unwrap();
        let nested = DynamicSupervisor::builder().via(Broken::Unregister, ()).into_child();
        let nested = parent.start_child(nested).await.unwrap();
        let sibling = parent.start_child(Probe::child(&Journal::new())).await.unwrap();
        let ended = root.exited();

        assert_eq!(root.stop().await.unwrap().stopped, 1);
        assert!(matches!(ended.await, ExitReason::Normal));
        assert_eq!(journal.entries().last().unwrap(), "dropped 1");
        assert_eq!(parent.terminate_child(nested.id).await, Ok(()));
        assert_eq!(sibling.addr.send(Ask).await, Ok(1));
    });
}
