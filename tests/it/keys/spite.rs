//! Keys whose own code panics, and what else may panic where children are found by key.

use std::{
    fmt,
    hash::{Hash, Hasher},
    panic::{catch_unwind, panic_any, AssertUnwindSafe},
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{holder, Desk, Scene};
use crate::support::script::{slow_to_stop, Gate};
use crate::support::{settle, world, Ask, Journal, Panic, Probe, Reports};

/// What of a key panics at present.
#[derive(Default)]
struct Traps {
    hash: AtomicBool,
    eq: AtomicBool,
    display: AtomicBool,
    drop: AtomicBool,
}

fn spring(trap: &AtomicBool) {
    if trap.load(SeqCst) {
        panic_any("trap");
    }
}

/// A key with traps, which all its clones share.
#[derive(Clone)]
struct Spiteful(&'static str, Arc<Traps>);

impl Spiteful {
    fn new(name: &'static str) -> Self {
        Self(name, Arc::default())
    }
}

impl Hash for Spiteful {
    fn hash<H: Hasher>(&self, state: &mut H) {
        spring(&self.1.hash);
        self.0.hash(state);
    }
}

impl PartialEq for Spiteful {
    fn eq(&self, other: &Self) -> bool {
        spring(&self.1.eq);
        self.0 == other.0
    }
}

impl Eq for Spiteful {}

impl fmt::Display for Spiteful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spring(&self.1.display);
        f.write_str(self.0)
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        spring(&self.1.drop);
    }
}

impl Scene {
    /// The supervisor and the keys of others are as they should be.
    async fn expect_no_harm(&self) {
        settle().await;
        let bystander = self.supervisor.get_or_start(Spiteful::new("bystander"), Probe::child(&Journal::new())).await;
        let bystander = bystander.expect("it can be had");
        assert_eq!(self.supervisor.whereis(&Spiteful::new("bystander")), Some(bystander.addr.clone()));
        assert_eq!(bystander.addr.send(Ask).await, Ok(1));
        assert_eq!(
            self.supervisor.terminate_child(ChildHandle::key::<Probe>(Spiteful::new("bystander"))).await,
            Ok(())
        );
        self.expect_free("plain").await;
    }
}

#[test]
fn a_key_that_cannot_be_hashed_fails_its_request_and_nothing_else() {
    world(async {
        let scene = Scene::new();
        scene.start(Spiteful::new("there")).await.unwrap();
        let key = Spiteful::new("there");
        key.1.hash.store(true, SeqCst);

        let started = scene.start(key.clone()).await;
        assert!(
            matches!(&started, Err(StartChildError::Panicked(report)) if report.message() == "trap"),
            "{started:?}"
        );
        let got = scene.supervisor.get_or_start(key.clone(), Probe::child(&scene.journal)).await;
        assert!(matches!(got, Err(StartChildError::Panicked(_))), "{got:?}");
        let handle = || ChildHandle::key::<Probe>(key.clone());
        assert_eq!(scene.supervisor.terminate_child(handle()).await, Err(TerminateChildError::NotFound));
        assert_eq!(scene.supervisor.kill_child(handle()).await, Err(TerminateChildError::NotFound));
        let asked = catch_unwind(AssertUnwindSafe(|| scene.supervisor.whereis::<Probe>(&key)));
        assert!(asked.is_err(), "who brought it here has it");

        key.1.hash.store(false, SeqCst);
        assert!(scene.supervisor.whereis::<Probe>(&key).is_some());
        scene.expect_no_harm().await;
    });
}

#[test]
fn a_key_that_cannot_be_compared_fails_its_request_and_nothing_else() {
    world(async {
        let scene = Scene::new();
        let key = Spiteful::new("there");
        let child = scene.start(key.clone()).await.unwrap();
        key.1.eq.store(true, SeqCst);

        let again = key.clone();
        assert!(matches!(scene.start(again.clone()).await, Err(StartChildError::Panicked(_))));
        let got = scene.supervisor.get_or_start(again.clone(), Probe::child(&scene.journal)).await;
        assert!(matches!(got, Err(StartChildError::Panicked(_))), "{got:?}");
        let handle = ChildHandle::key::<Probe>(again.clone());
        assert_eq!(scene.supervisor.terminate_child(handle).await, Err(TerminateChildError::NotFound));
        assert!(catch_unwind(AssertUnwindSafe(|| scene.supervisor.whereis::<Probe>(&again))).is_err());
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2), "a restart compares nothing");

        key.1.eq.store(false, SeqCst);
        assert_eq!(holder(scene.start(again).await).id(), Some(child.id));
        key.1.eq.store(true, SeqCst);
        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()), "nor does an end");
        key.1.eq.store(false, SeqCst);
        assert!(scene.supervisor.whereis::<Probe>(&key).is_none());
        scene.expect_no_harm().await;
    });
}

#[test]
fn a_key_that_cannot_be_displayed_is_shown_as_that() {
    world(async {
        let scene = Scene::new();
        let key = Spiteful::new("there");
        key.1.display.store(true, SeqCst);
        let child = scene.start(key.clone()).await.unwrap();

        let children = scene.supervisor.which_children().await.unwrap();
        assert!(children[0].key.as_deref().expect("it has one").contains("Display panicked"));
        assert!(format!("{:?}", ChildKey::new(key.clone())).contains("Display panicked"));
        assert!(format!("{:?}", ChildHandle::key::<Probe>(key.clone())).contains("Display panicked"));

        assert_eq!(scene.supervisor.whereis(&key), Some(child.addr));
        key.1.display.store(false, SeqCst);
        assert_eq!(scene.supervisor.which_children().await.unwrap()[0].key.as_deref(), Some("there"));
        scene.expect_no_harm().await;
    });
}

#[test]
fn a_destructor_of_a_key_that_panics_changes_no_answer() {
    world(async {
        let (scene, reports) = (Scene::new(), Reports::capture());
        let key = || {
            let key = Spiteful::new("there");
            let traps = Arc::clone(&key.1);
            let held = ChildKey::new(key);
            traps.drop.store(true, SeqCst);
            held
        };

        let child = scene.start(key()).await.unwrap();
        assert_eq!(holder(scene.start(key()).await).id(), Some(child.id));
        let got = scene.supervisor.get_or_start(key(), Probe::child(&scene.journal)).await.unwrap();
        assert_eq!(got.id, child.id);
        drop(key());
        let handle = ChildHandle::key::<Probe>(key());
        assert_eq!(scene.supervisor.terminate_child(handle).await, Ok(()));
        assert!(scene.supervisor.get_or_start(key(), Probe::child(&scene.journal)).await.is_ok());
        assert_eq!(scene.supervisor.stop().await.unwrap().stopped, 1);

        let told = reports.lines().iter().filter(|line| line.field("panic") == "trap").count();
        assert_eq!(told, 6, "each is told once");
    });
}

#[test]
fn a_key_that_panics_when_it_is_hashed_and_again_when_it_is_dropped_does_not_abort() {
    world(async {
        let scene = Scene::new();
        let key = || {
            let key = Spiteful::new("there");
            let traps = Arc::clone(&key.1);
            let held = ChildKey::new(key);
            traps.drop.store(true, SeqCst);
            traps.hash.store(true, SeqCst);
            held
        };

        assert!(matches!(scene.start(key()).await, Err(StartChildError::Panicked(_))));
        let got = scene.supervisor.get_or_start(key(), Probe::child(&scene.journal)).await;
        assert!(matches!(got, Err(StartChildError::Panicked(_))));
        let handle = ChildHandle::key::<Probe>(key());
        assert_eq!(scene.supervisor.terminate_child(handle).await, Err(TerminateChildError::NotFound));
        scene.expect_no_harm().await;
    });
}

#[test]
fn a_key_that_equals_nothing_not_even_itself_harms_nobody() {
    struct Nothing;
    impl Hash for Nothing {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u8(0);
        }
    }
    impl PartialEq for Nothing {
        fn eq(&self, _: &Self) -> bool {
            false
        }
    }
    impl Eq for Nothing {}
    impl fmt::Display for Nothing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nothing")
        }
    }
    world(async {
        let scene = Scene::new();
        let [first, second] = [scene.start(Nothing).await.unwrap(), scene.start(Nothing).await.unwrap()];

        assert!(scene.supervisor.whereis::<Probe>(&Nothing).is_none());
        assert_eq!(scene.supervisor.terminate_child(first.id).await, Ok(()));
        assert_eq!(second.addr.send(Ask).await, Ok(1));
        assert_eq!(scene.supervisor.terminate_child(second.id).await, Ok(()));
        scene.expect_no_harm().await;
    });
}

#[test]
fn the_same_key_given_to_two_children_is_one_key() {
    world(async {
        let (scene, elsewhere) = (Scene::new(), Scene::new());
        let key = ChildKey::new(super::Seat('A', 1));
        let probe = scene.start(key.clone()).await.unwrap();
        let desk = scene.supervisor.start_child(Child::new(|| Desk).key(key.clone())).await.unwrap();
        let other = elsewhere.start(key.clone()).await.unwrap();

        assert_eq!(holder(scene.start(key.clone()).await).id(), Some(probe.id));
        assert_eq!(scene.supervisor.terminate_child(ChildHandle::key::<Probe>(key.clone())).await, Ok(()));

        assert_eq!(scene.supervisor.whereis(&super::Seat('A', 1)), Some(desk.addr));
        assert_eq!(elsewhere.supervisor.whereis(&super::Seat('A', 1)), Some(other.addr));
        assert!(scene.start(key).await.is_ok());
    });
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("bomb");
    }
}

/// A spec that panics when it is dropped.
fn explosive() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let bomb = Bomb;
    Child::new(move || {
        let _ = &bomb;
        Probe::new(&Journal::new(), 1)
    })
}

#[test]
fn a_spec_that_is_not_needed_may_panic_when_it_is_dropped() {
    world(async {
        let (scene, reports) = (Scene::new(), Reports::capture());
        let child = scene.start("a").await.unwrap();

        let got = scene.supervisor.get_or_start("a", explosive()).await.unwrap();
        let refused = scene.supervisor.start_child(explosive().key("a")).await;

        assert_eq!((got.id, holder(refused).id()), (child.id, Some(child.id)));
        assert_eq!(reports.lines().iter().filter(|line| line.field("panic") == "bomb").count(), 2);
        scene.expect_no_harm().await;
    });
}

#[test]
fn specs_of_those_who_wait_may_panic_when_the_supervisor_is_dropped() {
    world(async {
        let (parent, journal) = (DynamicSupervisor::builder().start().unwrap(), Journal::new());
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene { supervisor: nested.addr.clone(), journal };
        let slow = Probe::scripted(&scene.journal, |probe| slow_to_stop(probe, Duration::from_secs(1)));
        let child = scene.supervisor.start_child(slow.key("a")).await.unwrap();
        let terminated = scene.supervisor.terminate_child(child.id);
        scene.journal.expect("stopping 1").await;
        let waiting = [explosive(), explosive(), explosive()].map(|spec| scene.supervisor.get_or_start("a", spec));
        settle().await;

        parent.kill_child(nested.id).await.unwrap();

        for answer in waiting {
            assert!(matches!(answer.await, Err(StartChildError::SupervisorGone)));
        }
        assert_eq!(terminated.await, Err(TerminateChildError::SupervisorGone));
        scene.expect_no_harm().await;
    });
}

#[test]
fn what_starts_hand_over_may_panic_when_the_supervisor_is_dropped_before_it_is_handed_over() {
    world(async {
        let (parent, gate) = (DynamicSupervisor::builder().start().unwrap(), Gate::shut());
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene { supervisor: nested.addr.clone(), journal: Journal::new() };
        let start = |key: &'static str| {
            let (gate, journal) = (gate.clone(), scene.journal.clone());
            let spec = Child::from_async_with_info(move |cx: StartContext<Probe>| {
                let (gate, journal) = (gate.clone(), journal.clone());
                async move {
                    gate.pass().await;
                    Ok::<_, BoxError>(Start::RunWith(Probe::new(&journal, cx.incarnation()), Bomb))
                }
            });
            scene.supervisor.get_or_start(key, spec)
        };
        let started = [start("a"), start("b"), start("c")];
        settle().await;

        // All three have started, and the supervisor is ended before it comes to hear of it.
        gate.admit(3);
        let killed = parent.kill_child(nested.id);

        assert_eq!(killed.await, Ok(()));
        for answer in started {
            assert!(matches!(answer.await, Err(StartChildError::SupervisorGone)));
        }
        let count = |entry: &str| scene.journal.entries().iter().filter(|written| *written == entry).count();
        assert_eq!((count("started 1"), count("stopped 1"), count("dropped 1")), (3, 3, 3), "all with their hooks");
        scene.expect_no_harm().await;
    });
}
