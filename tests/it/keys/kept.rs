//! A key is kept without a gap, however its child comes back.

use std::{cell::Cell, rc::Rc, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{holder, Scene};
use crate::support::script::{gated, starts_once, Gate};
use crate::support::{settle, world, Ask, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Looks at every turn of the executor whether the key is found, until the guard is dropped.
struct Watch(Rc<Cell<[usize; 2]>>, tokio::task::JoinHandle<()>);

impl Watch {
    fn over(supervisor: &Addr<DynamicSupervisor>, key: &'static str) -> Self {
        let (seen, supervisor) = (Rc::new(Cell::new([0, 0])), supervisor.clone());
        let own = Rc::clone(&seen);
        let task = tokio::task::spawn_local(async move {
            loop {
                let [there, gone] = own.get();
                own.set(match supervisor.whereis::<Probe>(key) {
                    Some(_) => [there + 1, gone],
                    None => [there, gone + 1],
                });
                tokio::task::yield_now().await;
            }
        });
        Self(seen, task)
    }

    fn expect_no_gap(self) {
        self.1.abort();
        let [there, gone] = self.0.get();
        assert!(there > 0 && gone == 0, "{gone} of {}", there + gone);
    }
}

#[test]
fn a_child_that_crashes_keeps_its_key() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1000).start().unwrap();
        let scene = Scene { supervisor, ..Scene::new() };
        let child = scene.start("a").await.unwrap();
        let watch = Watch::over(&scene.supervisor, "a");

        for incarnation in 2..500 {
            child.addr.do_send(Panic("again"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            let existing = holder(scene.start("a").await);
            assert_eq!(existing.id(), Some(child.id));
        }

        watch.expect_no_gap();
    });
}

#[test]
fn a_child_whose_tries_fail_keeps_its_key_until_it_is_given_up() {
    world(async {
        let scene = Scene::new();
        let supervisor = scene.supervisor.clone();
        let (journal, seen) = (scene.journal.clone(), scene.journal.clone());
        let spec = starts_once(&journal, move |_| {
            let found = supervisor.whereis::<Probe>("a").is_some();
            seen.note(format_args!("found {found}"));
        });
        let spec = spec.max_restarts(5, SECOND);
        let child = scene.supervisor.start_child(spec.key("a")).await.unwrap();
        assert!(scene.supervisor.whereis::<Probe>("a").is_some());

        child.addr.do_send(Panic("boom"));
        settle().await;

        let found = |entry: &str| scene.journal.entries().iter().filter(|written| *written == entry).count();
        assert_eq!((found("found true"), found("found false")), (5, 0));
        assert!(!scene.has("a"));
        scene.expect_free("a").await;
    });
}

#[test]
fn a_child_that_waits_for_its_next_try_keeps_its_key_and_is_what_get_or_start_answers() {
    world(async {
        let scene = Scene::new();
        let spec = Probe::child(&scene.journal).backoff(Backoff::fixed(SECOND)).key("a");
        let child = scene.supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        settle().await;
        assert_eq!(scene.supervisor.which_children().await.unwrap()[0].state, ChildState::Restarting);

        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr.clone()));
        assert_eq!(holder(scene.start("a").await).id(), Some(child.id));
        let got = scene.supervisor.get_or_start("a", Probe::child(&scene.journal)).await.unwrap();

        assert_eq!((got.id, got.addr.send(Ask).await), (child.id, Ok(2)), "its queue is kept");
    });
}

#[test]
fn a_child_whose_restart_takes_time_keeps_its_key() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let child = scene.supervisor.start_child(gated(&scene.journal, &gate, 2).key("a")).await.unwrap();
        child.addr.do_send(Panic("boom"));
        scene.journal.expect("starting 2").await;

        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr.clone()));
        let got = scene.supervisor.get_or_start("a", Probe::child(&scene.journal)).await.unwrap();
        assert_eq!(got.id, child.id);

        gate.admit(1);
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr));
    });
}

#[test]
fn a_child_finds_itself_by_its_key_when_it_has_been_restarted_but_not_in_its_first_start() {
    world(async {
        let scene = Scene::new();
        let (supervisor, journal) = (scene.supervisor.clone(), scene.journal.clone());
        let spec = Probe::scripted(&scene.journal, move |probe| {
            let (supervisor, journal) = (supervisor.clone(), journal.clone());
            probe.on_started(move |_, ctx| {
                let is_found = supervisor.whereis::<Probe>("a") == Some(ctx.address());
                journal.note(format_args!("found {is_found}"));
            })
        });
        let child = scene.supervisor.start_child(spec.key("a")).await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));

        let mut entries = scene.journal.entries();
        entries.retain(|entry| entry.starts_with("found"));
        assert_eq!(entries, ["found false", "found true"]);
        scene.supervisor.stop().await.unwrap();
    });
}
