//! Wrong options are rejected by name; odd but legal ones hold.

use actix_dynamic_supervisor::{prelude::*, ReinitError};

use crate::support::{world, Journal, Probe};

/// F32
#[test]
fn a_period_of_zero_is_rejected_by_name() {
    world(async {
        for builder in [
            DynamicSupervisor::builder().max_seconds(0),
            DynamicSupervisor::builder().period(std::time::Duration::ZERO),
        ] {
            let started = builder.start();
            let Err(StartError::InvalidOption { option: "max_seconds", .. }) = &started else { panic!("{started:?}") };
            let text = started.unwrap_err().to_string();
            assert!(text.contains("max_seconds"), "{text}");
        }
    });
}

/// F32
#[test]
fn a_name_of_more_than_255_bytes_is_rejected_by_name_and_one_of_255_is_fine() {
    world(async {
        let too_long = DynamicSupervisor::builder().name("é".repeat(128)).start();
        assert!(matches!(too_long, Err(StartError::InvalidOption { option: "name", .. })), "{too_long:?}");

        let longest = "n".repeat(255);
        let supervisor = DynamicSupervisor::builder().name(longest.as_str()).start().unwrap();
        assert_eq!(DynamicSupervisor::whereis(&longest), Some(supervisor));
    });
}

/// F32
#[test]
fn of_two_wrong_options_the_name_is_told_first() {
    world(async {
        let started = DynamicSupervisor::builder().max_seconds(0).name("n".repeat(256)).start();
        assert!(matches!(started, Err(StartError::InvalidOption { option: "name", .. })), "{started:?}");
    });
}

/// F32
#[test]
fn a_rejected_supervisor_leaves_its_name_free() {
    world(async {
        assert!(DynamicSupervisor::builder().name("rooms").max_seconds(0).start().is_err());

        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        DynamicSupervisor::builder().name("rooms").start().unwrap();
    });
}

/// F32
#[test]
fn wrong_options_of_a_nested_supervisor_fail_its_start_and_leave_its_name_free() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();

        let started = parent.start_child(DynamicSupervisor::builder().name("rooms").max_seconds(0).into_child()).await;

        let Err(StartChildError::Failed(error)) = started else { panic!("{started:?}") };
        assert!(matches!(
            error.downcast_ref::<StartError>(),
            Some(StartError::InvalidOption { option: "max_seconds", .. })
        ));
        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        assert_eq!(parent.count_children().await.unwrap().specs, 0);
    });
}

struct Careless;

impl SupervisorModule for Careless {
    type Arg = std::sync::atomic::AtomicU64;

    fn init(seconds: &Self::Arg) -> Result<Init, BoxError> {
        let seconds = seconds.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Init::Flags(Flags::new().max_seconds(seconds).max_children(1)))
    }
}

/// F32
#[test]
fn wrong_options_of_a_module_are_rejected_by_name_at_the_start_and_later() {
    world(async {
        let started = DynamicSupervisor::start_module::<Careless>(0.into());
        assert!(matches!(started, Err(StartError::InvalidOption { option: "max_seconds", .. })), "{started:?}");

        let supervisor = DynamicSupervisor::start_module::<Careless>(1.into()).unwrap();
        let reinit = supervisor.reinit().await;
        assert!(matches!(reinit, Err(ReinitError::InvalidOption { option: "max_seconds", .. })), "{reinit:?}");
    });
}

/// F32
#[test]
fn zero_children_zero_restarts_and_zero_reports_are_legal() {
    world(async {
        let supervisor =
            DynamicSupervisor::builder().max_children(0).max_restarts(0).max_reports_per_second(0).start().unwrap();

        let journal = Journal::new();
        let refused = supervisor.start_child(Probe::child(&journal)).await;

        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 0 })), "{refused:?}");
        assert!(journal.entries().is_empty(), "its start was not called");
    });
}
