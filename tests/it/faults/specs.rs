//! F01, F06, F07 for specs: their methods, their arguments and their destructors are user code.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, SupervisorRegistry};

use super::{fail, Bomb, Scene, CONTAINED};
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

/// A spec that panics in one of its methods.
struct Picky {
    panics_in: &'static str,
    journal: Journal,
}

impl Picky {
    fn reach(&self, method: &'static str) {
        if self.panics_in == method {
            fail(method)
        }
    }
}

impl ChildSpec for Picky {
    type Actor = Probe;
    type Info = ();

    fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe> {
        self.reach("start");
        Starting::now(Ok(Start::Run(Probe::new(&self.journal, cx.incarnation()))))
    }

    fn restart(&self) -> Restart {
        self.reach("restart");
        Restart::Permanent
    }

    fn child_type(&self) -> ChildType {
        self.reach("child_type");
        ChildType::Worker
    }

    fn shutdown(&self) -> Shutdown {
        self.reach("shutdown");
        Shutdown::Infinity
    }

    fn id(&self) -> Option<String> {
        self.reach("id");
        None
    }

    fn start_timeout(&self) -> Option<Duration> {
        self.reach("start_timeout");
        None
    }
}

/// F01
#[test]
fn a_panic_in_any_method_of_a_spec_is_answered_and_leaves_nothing() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_children(2)).await;
        for method in ["start", "restart", "child_type", "shutdown", "id", "start_timeout"] {
            let spec = Picky { panics_in: method, journal: scene.journal.clone() };

            let started = scene.supervisor.start_child(spec).await;

            let Err(StartChildError::Panicked(report)) = started else { panic!("{method}: {started:?}") };
            assert_eq!(report.message(), method);
            assert_eq!(scene.others().await, (0, 0), "{method}");
        }
        let good = Picky { panics_in: "", journal: scene.journal.clone() };
        assert!(scene.supervisor.start_child(good).await.is_ok(), "the place is free");
        assert_eq!(scene.told(), [""; 0]);
        scene.expect_no_other_harm().await;
    });
}

// ---- destructors

/// A spec with a bomb; it goes off when the spec is dropped.
fn explosive(
    journal: &Journal,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let bomb = Bomb;
    Probe::scripted(journal, move |probe| {
        let _ = &bomb;
        probe
    })
}

/// F06
#[test]
fn the_spec_of_a_temporary_child_may_panic_when_it_is_dropped_after_the_start() {
    world(async {
        let scene = Scene::new().await;

        let child = scene.supervisor.start_child(explosive(&scene.journal).restart(Restart::Temporary)).await.unwrap();

        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED], "dropped right after the start");
        assert_eq!(child.addr.send(Ask).await, Ok(1));
        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));
    });
}

/// F06
#[test]
fn the_spec_of_a_permanent_child_may_panic_when_it_is_dropped_at_the_end() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.supervisor.start_child(explosive(&scene.journal)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.told(), ["child_terminated"]);

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        assert!(!child.addr.connected());
        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), ["child_terminated", CONTAINED]);
    });
}

/// F06
#[test]
fn the_spec_of_a_child_that_was_not_started_may_panic_when_it_is_dropped() {
    world(async {
        let scene = Scene::new().await;
        let bomb = Bomb;
        let spec = Child::try_with(move |_| {
            let _ = &bomb;
            Err::<Start<Probe>, _>("no")
        });

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Failed(_))));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn the_spec_of_a_child_that_has_no_place_may_panic_when_it_is_dropped() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_children(1)).await;

        let started = scene.supervisor.start_child(explosive(&scene.journal)).await;

        assert!(matches!(started, Err(StartChildError::MaxChildren { limit: 1 })));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn the_spec_of_a_child_whose_method_panics_may_panic_again_when_it_is_dropped() {
    struct Worst(#[allow(dead_code)] Bomb);
    impl ChildSpec for Worst {
        type Actor = Probe;
        type Info = ();
        fn start(&mut self, _: &mut StartContext<Probe>) -> Starting<Probe> {
            fail("in start")
        }
    }
    world(async {
        let scene = Scene::new().await;

        let started = scene.supervisor.start_child(Worst(Bomb)).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "in start"));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn a_stop_is_answered_though_the_specs_of_all_children_panic_when_they_are_dropped() {
    world(async {
        let scene = Scene::new().await;
        for _ in 0..3 {
            scene.supervisor.start_child(explosive(&scene.journal)).await.unwrap();
        }

        let report = scene.supervisor.stop().await.unwrap();
        settle().await;

        assert_eq!(report.stopped, 4);
        assert!(!scene.supervisor.connected());
    });
}

// ---- extra arguments

/// Cannot be cloned from the `nth` time on.
struct Brittle {
    clones: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    panics_at: usize,
}

impl Brittle {
    fn panicking_at(nth: usize) -> Self {
        Self { clones: std::sync::Arc::default(), panics_at: nth }
    }
}

impl Clone for Brittle {
    fn clone(&self) -> Self {
        let nth = self.clones.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        if nth == self.panics_at {
            fail("in clone")
        }
        Self { clones: self.clones.clone(), panics_at: self.panics_at }
    }
}

fn takes_extra(
    journal: &Journal,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let journal = journal.clone();
    Child::try_with(move |cx| {
        cx.extra::<Brittle>()?;
        Ok::<_, MissingExtra>(Start::Run(Probe::new(&journal, cx.incarnation())))
    })
}

/// F01
#[test]
fn an_extra_argument_that_panics_when_cloned_fails_that_start_only() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().extra_argument(Brittle::panicking_at(1))).await;

        let first = scene.supervisor.start_child(takes_extra(&scene.journal)).await;
        let second = scene.supervisor.start_child(takes_extra(&scene.journal)).await;

        assert!(matches!(first, Err(StartChildError::Panicked(report)) if report.message() == "in clone"));
        assert_eq!(second.unwrap().addr.send(Ask).await, Ok(1));
        scene.expect_no_other_harm().await;
    });
}

/// F07
#[test]
fn an_extra_argument_that_panics_when_cloned_for_a_restart_is_a_try_that_failed() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().extra_argument(Brittle::panicking_at(2))).await;
        let child = scene.supervisor.start_child(takes_extra(&scene.journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(scene.told(), ["child_terminated", "start_error", super::NEAR]);
        scene.expect_no_other_harm().await;
    });
}

// ---- a supervisor's own

/// F01
#[test]
fn a_panic_in_init_is_answered_and_a_later_one_leaves_the_supervisor_as_it_is() {
    struct Fickle;
    impl SupervisorModule for Fickle {
        type Arg = std::sync::atomic::AtomicUsize;
        fn init(arg: &Self::Arg) -> Result<Init, BoxError> {
            match arg.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                1 => Ok(Init::Flags(Flags::new())),
                _ => fail("in init"),
            }
        }
    }
    world(async {
        let journal = Journal::new();
        let failed = DynamicSupervisor::start_module::<Fickle>(0.into());
        assert!(matches!(failed, Err(StartError::Init(error)) if error.to_string() == "in init"));

        let supervisor = DynamicSupervisor::start_module::<Fickle>(1.into()).unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        assert!(supervisor.reinit().await.is_err());
        assert_eq!(child.addr.send(Ask).await, Ok(1));
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
    });
}

/// F06
#[test]
fn a_registry_that_panics_fails_the_start_or_is_contained_at_the_end() {
    struct Broken {
        on_register: bool,
    }
    impl SupervisorRegistry<u8> for Broken {
        fn register(&self, _: &u8, _: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
            if self.on_register {
                fail("in register")
            }
            Ok(())
        }
        fn unregister(&self, _: &u8) {
            fail("in unregister")
        }
    }
    world(async {
        assert!(DynamicSupervisor::builder().via(Broken { on_register: true }, 1).start().is_err());

        let scene = Scene::of(DynamicSupervisor::builder().via(Broken { on_register: false }, 1)).await;
        let exited = scene.supervisor.exited();
        assert_eq!(scene.supervisor.stop().await.unwrap().stopped, 1);
        assert!(matches!(exited.await, ExitReason::Normal));
    });
}
