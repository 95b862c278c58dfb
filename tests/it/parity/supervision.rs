//! Supervisors under supervisors, names, options.

use std::{
    any::type_name,
    collections::HashMap,
    panic::panic_any,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, SupervisorRegistry};
use tokio::time::advance;

use super::{counts, crashes, ends_with, Answer, Scripted};
use crate::support::{settle, world, Ask, Journal, Probe};

/// A registry of the user's own.
#[derive(Clone, Default)]
struct Directory(Arc<Mutex<HashMap<&'static str, Addr<DynamicSupervisor>>>>);

impl SupervisorRegistry<&'static str> for Directory {
    fn register(&self, key: &&'static str, holder: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        let mut entries = self.0.lock().unwrap();
        match entries.get(key) {
            Some(existing) => Err(existing.clone()),
            None => {
                entries.insert(key, holder);
                Ok(())
            }
        }
    }

    fn unregister(&self, key: &&'static str) {
        let holder = self.0.lock().unwrap().remove(key);
        drop(holder);
    }
}

impl Directory {
    fn whereis(&self, key: &str) -> Option<Addr<DynamicSupervisor>> {
        self.0.lock().unwrap().get(key).cloned()
    }
}

#[test]
fn a_named_supervisor_is_a_child_of_another_and_has_no_children() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();

        let rooms = parent.start_child(DynamicSupervisor::builder().name("rooms").into_child()).await.unwrap();

        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(rooms.addr.clone()));
        assert_eq!(rooms.addr.which_children().await.unwrap().len(), 0);
        assert_eq!(counts(&rooms.addr).await, [0, 0, 0, 0]);
        assert_eq!(counts(&parent).await, [1, 1, 1, 0]);
    });
}

#[test]
fn supervisors_with_every_kind_of_name_and_without_one_live_under_one_parent() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let (here, there) = (Directory::default(), Directory::default());
        let make = DynamicSupervisor::builder;

        let local = parent.start_child(make().name("a").into_child()).await.unwrap();
        let via = parent.start_child(make().via(here.clone(), "a").into_child()).await.unwrap();
        let other = parent.start_child(make().via(there.clone(), "a").into_child()).await.unwrap();
        let unnamed = parent.start_child(make().into_child()).await.unwrap();
        let second = parent.start_child(make().into_child()).await.unwrap();

        assert_eq!(DynamicSupervisor::whereis("a"), Some(local.addr.clone()));
        assert_eq!(here.whereis("a"), Some(via.addr.clone()));
        assert_eq!(there.whereis("a"), Some(other.addr.clone()));
        for supervisor in [local, via, other, unnamed, second] {
            assert_eq!(supervisor.addr.which_children().await.unwrap().len(), 0);
        }
        assert_eq!(counts(&parent).await, [5, 5, 5, 0]);
    });
}

#[test]
fn a_name_that_is_taken_is_answered_with_who_has_it_and_nobody_is_harmed() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let directory = Directory::default();
        let by_name = || DynamicSupervisor::builder().name("rooms");
        let by_key = || DynamicSupervisor::builder().via(directory.clone(), "rooms");
        let first = by_name().start().unwrap();
        let second = by_key().start().unwrap();

        let root = by_name().start().unwrap_err();
        let nested = parent.start_child(by_name().into_child()).await.unwrap_err();
        let keyed = parent.start_child(by_key().into_child()).await.unwrap_err();

        let StartError::AlreadyStarted(existing) = root else { panic!("{root}") };
        assert_eq!(existing, first);
        let StartChildError::AlreadyStarted(existing) = nested else { panic!("{nested}") };
        assert_eq!(existing.addr(), Some(first.clone()));
        let StartChildError::AlreadyStarted(existing) = keyed else { panic!("{keyed}") };
        assert_eq!(existing.addr(), Some(second));
        assert_eq!(counts(&parent).await, [0, 0, 0, 0]);
        assert_eq!(counts(&first).await, [0, 0, 0, 0], "it still answers");
    });
}

struct Rooms;

impl SupervisorModule for Rooms {
    type Arg = Flags;

    fn init(flags: &Flags) -> Result<Init, BoxError> {
        Ok(Init::Flags(flags.clone()))
    }
}

#[test]
fn the_spec_of_a_module_is_named_after_it_and_of_type_supervisor() {
    let spec = DynamicSupervisor::module::<Rooms>(Flags::new()).into_child();

    assert_eq!(ChildSpec::id(&spec).as_deref(), Some(type_name::<Rooms>()));
    assert_eq!(ChildSpec::child_type(&spec), ChildType::Supervisor);
    assert_eq!(ChildSpec::restart(&spec), Restart::Permanent);
    assert_eq!(ChildSpec::shutdown(&spec), Shutdown::Infinity);
}

#[test]
fn what_is_given_to_the_spec_of_a_module_is_in_it() {
    let spec = DynamicSupervisor::module::<Rooms>(Flags::new())
        .into_child()
        .id("mine")
        .restart(Restart::Transient)
        .shutdown(Shutdown::BrutalKill);

    assert_eq!(ChildSpec::id(&spec).as_deref(), Some("mine"));
    assert_eq!(ChildSpec::restart(&spec), Restart::Transient);
    assert_eq!(ChildSpec::shutdown(&spec), Shutdown::BrutalKill);
}

#[test]
fn the_spec_of_a_supervisor_has_its_name_as_id() {
    let named = DynamicSupervisor::builder().name("rooms").into_child();
    let unnamed = DynamicSupervisor::builder().into_child();

    assert_eq!(ChildSpec::id(&named).as_deref(), Some("rooms"));
    assert_eq!(ChildSpec::id(&unnamed).as_deref(), Some("DynamicSupervisor"));
}

/// The defaults hold for options given here, for a module's and for those of a supervisor that is a child.
#[test]
fn by_default_three_restarts_in_five_seconds_are_borne_and_children_are_not_limited() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child().restart(Restart::Temporary));
        let supervisors = [
            DynamicSupervisor::builder().start().unwrap(),
            DynamicSupervisor::start_module::<Rooms>(Flags::default()).unwrap(),
            nested.await.unwrap().addr,
        ];
        for supervisor in supervisors {
            let exited = supervisor.exited();
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            for _ in 0..100 {
                supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            }

            for _ in 0..3 {
                crashes(&child.addr).await;
            }
            advance(Duration::from_nanos(5_000_000_001)).await;
            for _ in 0..3 {
                crashes(&child.addr).await;
            }
            assert_eq!(child.addr.send(Ask).await, Ok(7));
            advance(Duration::from_secs(5)).await;
            crashes(&child.addr).await;

            assert_eq!(exited.await.to_string(), "shutdown");
        }
    });
}

#[test]
fn by_default_there_are_no_extra_arguments() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let journal = Journal::new();

        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            cx.extra::<usize>().map(|_| Start::Run(Probe::new(&journal, 1)))
        });

        let error = supervisor.start_child(spec).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the start failed: the supervisor has no extra argument of type usize",
            "the error tells the type that was asked for"
        );
    });
}

#[test]
fn a_period_of_zero_is_refused_whoever_gives_it() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();

        let root = DynamicSupervisor::builder().max_seconds(0).start().unwrap_err();
        let module = DynamicSupervisor::start_module::<Rooms>(Flags::new().period(Duration::ZERO)).unwrap_err();
        let child = parent.start_child(DynamicSupervisor::builder().max_seconds(0).into_child()).await.unwrap_err();

        for error in [root, module] {
            assert!(matches!(error, StartError::InvalidOption { option: "max_seconds", .. }), "{error}");
        }
        let StartChildError::Failed(error) = child else { panic!("{child}") };
        let error = error.downcast::<StartError>().unwrap();
        assert!(matches!(*error, StartError::InvalidOption { option: "max_seconds", .. }), "{error}");
        assert_eq!(counts(&parent).await, [0, 0, 0, 0]);
    });
}

struct Refusing;

impl SupervisorModule for Refusing {
    type Arg = &'static str;

    fn init(how: &&'static str) -> Result<Init, BoxError> {
        match *how {
            "ignore" => Ok(Init::Ignore),
            "fail" => Err("no database".into()),
            message => panic_any(message),
        }
    }
}

#[test]
fn an_init_that_declines_fails_or_panics_leaves_no_supervisor_and_frees_the_name() {
    world(async {
        let start = |how| DynamicSupervisor::module::<Refusing>(how).name("refusing").start().unwrap_err();

        assert!(matches!(start("ignore"), StartError::Ignored));
        assert_eq!(start("fail").to_string(), "init failed: no database");
        assert_eq!(start("boom").to_string(), "init failed: boom");
        assert_eq!(DynamicSupervisor::whereis("refusing"), None);
    });
}

#[test]
fn an_init_that_declines_or_fails_under_a_parent_is_a_start_that_declines_or_fails() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();

        let ignored = parent.start_child(DynamicSupervisor::module::<Refusing>("ignore").into_child()).await;
        let failed = parent.start_child(DynamicSupervisor::module::<Refusing>("fail").into_child()).await;

        assert!(matches!(ignored.unwrap_err(), StartChildError::Ignored));
        assert_eq!(failed.unwrap_err().to_string(), "the start failed: init failed: no database");
        assert_eq!(counts(&parent).await, [0, 0, 0, 0]);
    });
}

/// An actor that has a supervisor of its own.
struct Owner {
    _rooms: Linked,
}

impl Actor for Owner {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Handler<Leave> for Owner {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[test]
fn a_linked_supervisor_ends_with_its_owner_even_if_that_ends_normally() {
    world(async {
        let journal = Journal::new();
        let rooms = DynamicSupervisor::builder().name("rooms").linked().unwrap();
        let supervisor = Addr::clone(&rooms);
        let owner = Owner { _rooms: rooms }.start();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let exited = supervisor.exited();

        owner.send(Leave).await.unwrap();

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
    });
}

#[test]
fn a_named_supervisor_is_found_until_it_is_stopped_and_its_name_is_free_then() {
    world(async {
        let first = DynamicSupervisor::builder().name("rooms").start().unwrap();
        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(first.clone()));

        let report = first.stop().await.unwrap();

        assert!(report.is_clean());
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        let second = DynamicSupervisor::builder().name("rooms").start().unwrap();
        assert_ne!(second, first);
    });
}

#[test]
fn a_supervisor_without_a_name_and_without_addresses_left_shuts_down_in_good_order() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(supervisor);
        settle().await;

        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn a_supervisor_ends_with_its_parent_and_its_children_with_it() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let middle = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        let inner = middle.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        inner.start_child(Probe::child(&journal)).await.unwrap();
        let (middle_exited, inner_exited) = (middle.exited(), inner.exited());

        let report = parent.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (1, true), "only its own children are counted");
        assert_eq!(middle_exited.await.to_string(), "shutdown");
        assert_eq!(inner_exited.await.to_string(), "shutdown");
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn a_supervisor_that_is_killed_takes_its_children_with_it_and_comes_back_empty() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().name("rooms").into_child()).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        let exited = nested.addr.exited();

        parent.kill_child(nested.id).await.unwrap();

        assert_eq!(exited.await.to_string(), "killed");
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert!(!child.addr.connected());
        assert_eq!(counts(&nested.addr).await, [0, 0, 0, 0]);
        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(nested.addr));
    });
}

#[test]
fn a_nested_supervisor_keeps_its_name_while_it_lives_and_frees_it_before_its_end_is_answered() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        world(async move {
            let parent = DynamicSupervisor::builder().start().unwrap();
            let spec = || DynamicSupervisor::builder().name("rooms").into_child().restart(restart);
            let first = parent.start_child(spec()).await.unwrap();
            settle().await;
            assert_eq!(DynamicSupervisor::whereis("rooms"), Some(first.addr), "{restart}");

            let terminated = parent.terminate_child(first.id).await;

            assert_eq!(DynamicSupervisor::whereis("rooms"), None, "{restart}");
            assert_eq!(terminated, Ok(()));
            parent.start_child(spec()).await.unwrap();
        });
    }
}

#[test]
fn a_supervisor_past_its_limit_comes_back_empty_with_its_address_and_name_if_it_is_permanent() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let spec = DynamicSupervisor::builder().name("rooms").max_restarts(0).into_child();
        let rooms = parent.start_child(spec).await.unwrap();
        let child = rooms.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        let exited = rooms.addr.exited();

        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(counts(&rooms.addr).await, [0, 0, 0, 0]);
        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(rooms.addr.clone()));
        assert_eq!(counts(&parent).await, [1, 1, 1, 0]);
        assert_eq!(parent.which_children().await.unwrap()[0].restarts, 1);
    });
}

#[test]
fn a_supervisor_past_its_limit_stays_down_if_it_is_transient() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let spec = DynamicSupervisor::builder().name("rooms").max_restarts(0).into_child();
        let rooms = parent.start_child(spec.restart(Restart::Transient)).await.unwrap();
        let child = rooms.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        let exited = rooms.addr.exited();

        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(counts(&parent).await, [0, 0, 0, 0]);
        assert!(rooms.addr.count_children().await.is_err());
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
    });
}

#[test]
fn a_module_that_declines_to_come_back_is_removed() {
    struct Once;
    impl SupervisorModule for Once {
        type Arg = Mutex<usize>;
        fn init(calls: &Mutex<usize>) -> Result<Init, BoxError> {
            *calls.lock().unwrap() += 1;
            Ok(if *calls.lock().unwrap() == 1 { Init::Flags(Flags::new()) } else { Init::Ignore })
        }
    }
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let once = parent.start_child(DynamicSupervisor::module::<Once>(Mutex::new(0)).into_child()).await.unwrap();

        parent.kill_child(once.id).await.unwrap();

        assert_eq!(counts(&parent).await, [0, 0, 0, 0]);
    });
}

#[test]
fn the_ends_of_a_nested_supervisors_children_are_no_concern_of_its_parent() {
    world(async {
        let parent = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        let child = nested.start_child(Scripted::new(&Journal::new(), [Answer::Run])).await.unwrap();

        crashes(&child.addr).await;
        ends_with(&child.addr, ExitReason::Normal).await;

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(counts(&parent).await, [1, 1, 1, 0]);
        assert_eq!(counts(&nested).await, [1, 1, 0, 1]);
    });
}
