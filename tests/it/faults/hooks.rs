//! F05: a panic in `stopping` or `stopped`, alone and after another.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{fail, Scene};
use crate::support::{world, Ask, Do, Panic, Probe};

/// What a hook does in the first incarnation; later ones behave.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stopping {
    Obeys,
    Continues,
    Panics,
}

fn with_hooks(probe: Probe, stopping: Stopping, stopped_panics: bool) -> Probe {
    if probe.incarnation > 1 {
        return probe;
    }
    let probe = match stopping {
        Stopping::Obeys => probe,
        Stopping::Continues => probe.on_stopping(|_, _| Running::Continue),
        Stopping::Panics => probe.on_stopping(|_, _| fail("in stopping")),
    };
    if stopped_panics {
        probe.on_stopped(|_, _| fail("in stopped"))
    } else {
        probe
    }
}

/// F05
#[test]
fn a_terminate_is_answered_ok_though_a_stop_hook_panics() {
    for (stopping, stopped_panics, reason) in
        [(Stopping::Panics, false, "panicked: in stopping"), (Stopping::Obeys, true, "panicked: in stopped")]
    {
        world(async {
            let scene = Scene::new().await;
            let spec = Probe::scripted(&scene.journal, move |probe| with_hooks(probe, stopping, stopped_panics));
            let child = scene.supervisor.start_child(spec).await.unwrap();

            let terminated = scene.supervisor.terminate_child(child.id).await;

            assert_eq!(terminated, Ok(()));
            assert!(!child.addr.connected());
            assert!(scene.journal.has("dropped 1"));
            scene.expect_no_other_harm().await;
            assert_eq!(scene.others().await, (0, 0));
            assert_eq!(scene.told(), ["shutdown_error"]);
            assert_eq!(scene.reports.all()[0].field("reason"), reason);
        });
    }
}

/// F05
#[test]
fn a_stop_of_the_supervisor_is_answered_though_every_hook_panics() {
    world(async {
        let scene = Scene::new().await;
        for stopping in [Stopping::Panics, Stopping::Obeys, Stopping::Panics] {
            let spec = Probe::scripted(&scene.journal, move |probe| with_hooks(probe, stopping, true));
            scene.supervisor.start_child(spec).await.unwrap();
        }

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.failed.len()), (1, 3));
        assert!(!report.is_clean());
        assert_eq!(scene.told(), ["shutdown_error"; 3]);
        assert!(scene.bystanders_journal.has("dropped 1"));
    });
}

/// F05
#[test]
fn a_child_whose_stop_hook_panics_on_its_own_stop_has_crashed() {
    for (stopping, stopped_panics, reason) in
        [(Stopping::Panics, false, "panicked: in stopping"), (Stopping::Obeys, true, "panicked: in stopped")]
    {
        world(async {
            let scene = Scene::new().await;
            // A quiet end would not bring a transient child back.
            let spec = Probe::scripted(&scene.journal, move |probe| with_hooks(probe, stopping, stopped_panics))
                .restart(Restart::Transient);
            let child = scene.supervisor.start_child(spec).await.unwrap();

            child.addr.send(Do::this(|_, ctx| ctx.stop())).await.unwrap();

            assert_eq!(child.addr.send(Ask).await, Ok(2));
            assert_eq!(scene.last_exit(child.id).await, reason);
            assert_eq!(scene.told(), ["child_terminated"]);
            scene.expect_no_other_harm().await;
        });
    }
}

/// F05
#[test]
fn whatever_hooks_do_after_a_panic_in_a_handler_that_panic_is_the_reason_and_the_queue_is_kept() {
    for stopping in [Stopping::Obeys, Stopping::Continues, Stopping::Panics] {
        for stopped_panics in [false, true] {
            world(async {
                let scene = Scene::new().await;
                let spec = Probe::scripted(&scene.journal, move |probe| with_hooks(probe, stopping, stopped_panics));
                let child = scene.supervisor.start_child(spec).await.unwrap();

                child.addr.do_send(Panic("boom"));

                assert_eq!(child.addr.send(Ask).await, Ok(2), "{stopping:?} {stopped_panics}");
                assert_eq!(scene.last_exit(child.id).await, "panicked: boom");
                assert_eq!(scene.reports.kinds(), ["child_terminated"]);
                let contained = match (stopping, stopped_panics) {
                    // `stopped` is not run when `stopping` has panicked.
                    (Stopping::Panics, _) => vec!["contained: in stopping"],
                    (_, true) => vec!["contained: in stopped"],
                    (_, false) => vec![],
                };
                let told: Vec<_> = scene.told().into_iter().filter(|line| line != "child_terminated").collect();
                assert_eq!(told, contained, "{stopping:?} {stopped_panics}");
                assert!(scene.journal.has("dropped 1"));
                scene.expect_no_other_harm().await;
            });
        }
    }
}

/// F05
#[test]
fn hooks_that_continue_or_panic_after_a_panic_in_started_do_not_keep_a_failed_start_alive() {
    for stopping in [Stopping::Continues, Stopping::Panics] {
        world(async {
            let scene = Scene::new().await;
            let spec = Probe::scripted(&scene.journal, move |probe| {
                with_hooks(probe, stopping, true).on_started(|_, _| fail("too early"))
            });

            let started = scene.supervisor.start_child(spec).await;

            assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "too early"));
            assert!(scene.journal.has("dropped 1"));
            scene.expect_no_other_harm().await;
            assert_eq!(scene.others().await, (0, 0));
            assert_eq!(scene.told().len(), 1, "the hook's panic: {:?}", scene.told());
        });
    }
}

/// F05
#[test]
fn a_panic_in_a_future_that_a_stopping_child_continues_for_ends_it_and_the_terminate() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, ctx| {
                ctx.run_later(std::time::Duration::from_secs(1), |_, _| fail("boom"));
                Running::Continue
            })
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), ["shutdown_error"]);
        assert_eq!(scene.reports.all()[0].field("reason"), "panicked: boom");
    });
}
