//! Supervisors whose options are decided by code, at the start and again at run time.

use std::sync::{Arc, Mutex};

use actix_dynamic_supervisor::{prelude::*, ReinitError};

use crate::support::{settle, world, Ask, Journal, Panic, Probe};

/// What `init` is to do the next time it is called.
#[derive(Clone)]
struct Script(Arc<Mutex<Next>>);

#[derive(Clone)]
#[allow(clippy::large_enum_variant)]
enum Next {
    Flags(Flags),
    Ignore,
    Fail,
    Panic,
}

impl Script {
    fn new(next: Next) -> Self {
        Self(Arc::new(Mutex::new(next)))
    }

    fn then(&self, next: Next) {
        *self.0.lock().unwrap() = next;
    }
}

struct Scripted;

impl SupervisorModule for Scripted {
    type Arg = Script;

    fn init(Script(next): &Script) -> Result<Init, BoxError> {
        let next = next.lock().unwrap().clone();
        match next {
            Next::Flags(flags) => Ok(Init::Flags(flags)),
            Next::Ignore => Ok(Init::Ignore),
            Next::Fail => Err("no database".into()),
            Next::Panic => std::panic::panic_any("no idea"),
        }
    }
}

/// Writes the supervisor's extra `u8` at each start.
fn noting_extra(
    journal: &Journal,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let journal = journal.clone();
    Child::with(move |cx: &mut StartContext<Probe>| {
        match cx.extra::<u8>() {
            Ok(extra) => journal.note(format_args!("extra {extra}")),
            Err(missing) => journal.note(missing),
        }
        Probe::new(&journal, cx.incarnation())
    })
}

#[test]
fn the_flags_that_init_answers_hold() {
    world(async {
        let script = Script::new(Next::Flags(Flags::new().max_children(1).max_restarts(0)));
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script).unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        let refused = supervisor.start_child(Probe::child(&journal)).await;
        let ended = supervisor.exited();
        child.addr.do_send(Panic("boom"));

        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 1 })));
        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn flags_made_by_hand_have_the_same_defaultss_a_builder() {
    world(async {
        let journal = Journal::new();
        let script = Script::new(Next::Flags(Flags::default()));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script).unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        for incarnation in 2..=4 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation), "three restarts, not one as in Elixir");
        }
    });
}

#[test]
fn an_init_that_ignores_fails_or_panics_makes_no_supervisor_and_leaves_the_name_free() {
    world(async {
        let start = |next| DynamicSupervisor::module::<Scripted>(Script::new(next)).name("module").start();

        assert!(matches!(start(Next::Ignore), Err(StartError::Ignored)));
        let failed = start(Next::Fail);
        assert!(matches!(&failed, Err(StartError::Init(error)) if error.to_string() == "no database"), "{failed:?}");
        let panicked = start(Next::Panic);
        assert!(matches!(&panicked, Err(StartError::Init(error)) if error.to_string() == "no idea"), "{panicked:?}");
        assert!(matches!(start(Next::Flags(Flags::new().max_seconds(0))), Err(StartError::InvalidOption { .. })));

        assert_eq!(DynamicSupervisor::whereis("module"), None);
        let supervisor = start(Next::Flags(Flags::new())).unwrap();
        assert_eq!(DynamicSupervisor::whereis("module"), Some(supervisor));
    });
}

#[test]
fn init_is_not_called_where_the_name_is_taken() {
    world(async {
        let _first = DynamicSupervisor::builder().name("taken").start().unwrap();

        let second = DynamicSupervisor::module::<Scripted>(Script::new(Next::Panic)).name("taken").start();

        assert!(matches!(second, Err(StartError::AlreadyStarted(_))), "{second:?}");
    });
}

#[test]
fn a_nested_module_answers_as_a_start_of_a_child() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let start = |next| {
            parent.start_child(DynamicSupervisor::module::<Scripted>(Script::new(next)).name("module").into_child())
        };

        assert!(matches!(start(Next::Ignore).await, Err(StartChildError::Ignored)));
        let failed = start(Next::Fail).await;
        let Err(StartChildError::Failed(error)) = failed else { panic!("{failed:?}") };
        assert!(matches!(error.downcast_ref::<StartError>(), Some(StartError::Init(_))));
        assert!(matches!(start(Next::Panic).await, Err(StartChildError::Failed(_))));
        assert_eq!(parent.count_children().await.unwrap().specs, 0);

        let nested = start(Next::Flags(Flags::new().max_children(0))).await.unwrap();
        let refused = nested.addr.start_child(Probe::child(&Journal::new())).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 0 })));
    });
}

#[test]
fn init_is_called_again_when_a_nested_module_is_restarted_and_may_decline() {
    world(async {
        let script = Script::new(Next::Flags(Flags::new().max_children(1)));
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested =
            parent.start_child(DynamicSupervisor::module::<Scripted>(script.clone()).into_child()).await.unwrap();

        script.then(Next::Flags(Flags::new().max_children(0)));
        parent.kill_child(nested.id).await.unwrap();
        let refused = nested.addr.start_child(Probe::child(&Journal::new())).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 0 })));

        script.then(Next::Ignore);
        parent.kill_child(nested.id).await.unwrap();
        settle().await;
        assert_eq!(parent.count_children().await.unwrap().specs, 0);
        assert!(!nested.addr.connected());
    });
}

#[test]
fn reinit_takes_over_new_limits_and_children_keep_running() {
    world(async {
        let (journal, script) = (Journal::new(), Script::new(Next::Flags(Flags::new().max_children(3))));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();
        let mut children = Vec::new();
        for _ in 0..3 {
            children.push(supervisor.start_child(Probe::child(&journal)).await.unwrap());
        }

        script.then(Next::Flags(Flags::new().max_children(2).max_restarts(0)));
        supervisor.reinit().await.unwrap();

        for child in &children {
            assert_eq!(child.addr.send(Ask).await, Ok(1), "a lower limit ends nobody");
        }
        supervisor.terminate_child(children[0].id).await.unwrap();
        let refused = supervisor.start_child(Probe::child(&journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 2 })));
        supervisor.terminate_child(children[1].id).await.unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let ended = supervisor.exited();
        children[2].addr.do_send(Panic("boom"));
        assert!(matches!(ended.await, ExitReason::Shutdown), "no restart is borne any more");
    });
}

#[test]
fn restarts_noted_before_a_reinit_still_count() {
    world(async {
        let (journal, script) = (Journal::new(), Script::new(Next::Flags(Flags::new().max_restarts(5))));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        for incarnation in 2..=3 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }

        script.then(Next::Flags(Flags::new().max_restarts(2)));
        supervisor.reinit().await.unwrap();
        let ended = supervisor.exited();
        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn new_extras_reach_later_starts_and_restarts_and_old_ones_are_gone() {
    world(async {
        let (old, new) = (Journal::new(), Journal::new());
        let script = Script::new(Next::Flags(Flags::new().extra_argument(1_u8)));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();
        let child = supervisor.start_child(noting_extra(&old)).await.unwrap();

        script.then(Next::Flags(Flags::new().extra_argument(2_u8)));
        supervisor.reinit().await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        supervisor.start_child(noting_extra(&new)).await.unwrap();
        assert!(old.has("extra 1") && old.has("extra 2"));
        assert!(new.has("extra 2"));

        script.then(Next::Flags(Flags::new()));
        supervisor.reinit().await.unwrap();
        supervisor.start_child(noting_extra(&new)).await.unwrap();
        assert!(new.has("the supervisor has no extra argument of type u8"));
    });
}

#[test]
fn extras_of_a_reinit_before_the_first_child_reach_it() {
    world(async {
        let (journal, script) = (Journal::new(), Script::new(Next::Flags(Flags::new().extra_argument(1_u8))));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();

        script.then(Next::Flags(Flags::new().extra_argument(2_u8)));
        supervisor.reinit().await.unwrap();
        supervisor.start_child(noting_extra(&journal)).await.unwrap();

        assert!(journal.has("extra 2"));
    });
}

#[test]
fn a_reinit_that_fails_panics_or_is_invalid_keeps_all_flags() {
    world(async {
        let (journal, first) = (Journal::new(), Flags::new().max_children(2).extra_argument(1_u8));
        let script = Script::new(Next::Flags(first));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();
        let child = supervisor.start_child(noting_extra(&journal)).await.unwrap();

        script.then(Next::Fail);
        assert!(
            matches!(supervisor.reinit().await, Err(ReinitError::Init(error)) if error.to_string() == "no database")
        );
        script.then(Next::Panic);
        assert!(matches!(supervisor.reinit().await, Err(ReinitError::Init(error)) if error.to_string() == "no idea"));
        script.then(Next::Flags(Flags::new().max_seconds(0).max_children(0).extra_argument(9_u8)));
        assert!(matches!(supervisor.reinit().await, Err(ReinitError::InvalidOption { option: "max_seconds", .. })));

        journal.take();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        supervisor.start_child(noting_extra(&journal)).await.unwrap();
        let refused = supervisor.start_child(noting_extra(&journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 2 })));
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "extra 1").count(), 2);
    });
}

#[test]
fn a_reinit_that_ignores_keeps_everything_and_is_no_fault() {
    world(async {
        let (journal, script) = (Journal::new(), Script::new(Next::Flags(Flags::new().max_children(1))));
        let supervisor = DynamicSupervisor::start_module::<Scripted>(script.clone()).unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        script.then(Next::Ignore);
        supervisor.reinit().await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        let refused = supervisor.start_child(Probe::child(&journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 1 })));
    });
}

#[test]
fn reinit_of_a_supervisor_without_a_module_keeps_its_flags() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(0).extra_argument(1_u8).start().unwrap();

        supervisor.reinit().await.unwrap();

        let refused = supervisor.start_child(Probe::child(&Journal::new())).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 0 })));
    });
}
