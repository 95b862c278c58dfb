//! `Reinit`, in Elixir a hot code upgrade: `init` decides anew.

use std::{
    panic::panic_any,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, ReinitError};

use super::{counts, crashes};
use crate::support::{world, Ask, Journal, Probe};

/// Answers what is in its argument now.
struct Adjustable;

#[derive(Clone)]
enum Setting {
    Flags(Flags),
    Ignore,
    Fail(&'static str),
    Panic(&'static str),
}

impl SupervisorModule for Adjustable {
    type Arg = Arc<Mutex<Setting>>;

    fn init(setting: &Arc<Mutex<Setting>>) -> Result<Init, BoxError> {
        let setting = setting.lock().unwrap().clone();
        match setting {
            Setting::Flags(flags) => Ok(Init::Flags(flags)),
            Setting::Ignore => Ok(Init::Ignore),
            Setting::Fail(error) => Err(error.into()),
            Setting::Panic(message) => panic_any(message),
        }
    }
}

struct Adjusted {
    supervisor: Addr<DynamicSupervisor>,
    setting: Arc<Mutex<Setting>>,
}

impl Adjusted {
    fn start(flags: Flags) -> Self {
        let setting = Arc::new(Mutex::new(Setting::Flags(flags)));
        let supervisor = DynamicSupervisor::start_module::<Adjustable>(Arc::clone(&setting)).unwrap();
        Self { supervisor, setting }
    }

    async fn to(&self, setting: Setting) -> Result<(), ReinitError> {
        *self.setting.lock().unwrap() = setting;
        self.supervisor.reinit().await
    }
}

#[test]
fn an_upgrade_that_goes_wrong_is_answered_and_leaves_all_as_it_was() {
    world(async {
        let adjusted = Adjusted::start(Flags::new().max_children(1));
        let child = adjusted.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        let zero = adjusted.to(Setting::Flags(Flags::new().max_seconds(0).max_children(7))).await.unwrap_err();
        let failed = adjusted.to(Setting::Fail("no database")).await.unwrap_err();
        let panicked = adjusted.to(Setting::Panic("boom")).await.unwrap_err();

        assert!(matches!(zero, ReinitError::InvalidOption { option: "max_seconds", .. }), "{zero}");
        assert_eq!(failed.to_string(), "init failed: no database");
        assert_eq!(panicked.to_string(), "init failed: boom");
        let refused = adjusted.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(refused, StartChildError::MaxChildren { limit: 1 }), "{refused}");
        assert_eq!(child.addr.send(Ask).await, Ok(1));
    });
}

#[test]
fn an_upgrade_whose_init_declines_keeps_all_as_it_is() {
    world(async {
        let adjusted = Adjusted::start(Flags::new().max_children(1));
        let child = adjusted.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        adjusted.to(Setting::Ignore).await.unwrap();

        let refused = adjusted.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(refused, StartChildError::MaxChildren { limit: 1 }), "{refused}");
        assert_eq!(child.addr.send(Ask).await, Ok(1));
    });
}

#[test]
fn an_upgrade_to_fewer_children_keeps_those_there_are_and_refuses_new_ones() {
    world(async {
        let adjusted = Adjusted::start(Flags::new());
        let journal = Journal::new();
        let first = adjusted.supervisor.start_child(Probe::child(&journal)).await.unwrap();
        adjusted.supervisor.start_child(Probe::child(&journal)).await.unwrap();

        adjusted.to(Setting::Flags(Flags::new().max_children(1))).await.unwrap();

        assert_eq!(counts(&adjusted.supervisor).await, [2, 2, 0, 2]);
        let refused = adjusted.supervisor.start_child(Probe::child(&journal)).await.unwrap_err();
        assert!(matches!(refused, StartChildError::MaxChildren { limit: 1 }), "{refused}");

        adjusted.supervisor.terminate_child(first.id).await.unwrap();
        let refused = adjusted.supervisor.start_child(Probe::child(&journal)).await.unwrap_err();
        assert!(matches!(refused, StartChildError::MaxChildren { limit: 1 }), "{refused}");
        assert_eq!(counts(&adjusted.supervisor).await, [1, 1, 0, 1]);
    });
}

#[test]
fn restarts_from_before_an_upgrade_still_count_after_it() {
    world(async {
        let adjusted = Adjusted::start(Flags::new().max_restarts(5));
        let child = adjusted.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let exited = adjusted.supervisor.exited();
        crashes(&child.addr).await;
        crashes(&child.addr).await;

        adjusted.to(Setting::Flags(Flags::new().max_restarts(3))).await.unwrap();

        crashes(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(4), "the third is borne");
        crashes(&child.addr).await;
        assert_eq!(exited.await.to_string(), "shutdown", "the fourth is not");
    });
}

#[test]
fn restarts_after_an_upgrade_get_the_new_extra_arguments() {
    world(async {
        let adjusted = Adjusted::start(Flags::new().extra_argument("old"));
        let journal = Journal::new();
        let notes = journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            notes.note(cx.extra::<&str>()?);
            Ok::<_, MissingExtra>(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
        });
        let child = adjusted.supervisor.start_child(spec).await.unwrap();

        adjusted.to(Setting::Flags(Flags::new().extra_argument("new"))).await.unwrap();
        crashes(&child.addr).await;

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(journal.entries(), ["old", "new"]);
    });
}

#[test]
fn a_supervisor_that_is_not_module_based_keeps_its_options_over_an_upgrade() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        supervisor.reinit().await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(1));
        let refused = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap_err();
        assert!(matches!(refused, StartChildError::MaxChildren { limit: 1 }), "{refused}");
    });
}
