//! What a builder can set, and what comes of it.

use std::time::Duration;

use actix_dynamic_supervisor::{prelude::*, Strategy};

use crate::support::{settle, world, Ask, Journal, Panic, Probe, Reports};

#[test]
fn without_options_three_restarts_in_five_seconds_are_borne_and_a_fourth_is_not() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        for incarnation in 2..=4 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }
        let ended = supervisor.exited();
        tokio::time::advance(Duration::from_secs(5)).await;

        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert!(!journal.has("started 5"));
    });
}

#[test]
fn without_options_there_is_no_limit_of_children() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for _ in 0..1_000 {
            supervisor.start_child(Probe::child(&journal)).await.unwrap();
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1_000);
    });
}

#[test]
fn every_option_can_be_given_and_holds() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder()
            .strategy(Strategy::OneForOne)
            .max_restarts(5)
            .max_seconds(60)
            .max_children(2)
            .max_reports_per_second(1)
            .extra_argument(7_u8)
            .extra_argument("seven")
            .name("full")
            .start()
            .unwrap();
        let own = journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            let (number, word) = (cx.extra::<u8>()?, cx.extra::<&str>()?);
            own.note(format_args!("{number} {word}"));
            Ok::<_, MissingExtra>(Start::Run(Probe::new(&own, cx.incarnation())))
        });

        let child = supervisor.start_child(spec).await.unwrap();
        supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let refused = supervisor.start_child(Probe::child(&journal)).await;
        for incarnation in 2..=6 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }

        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 2 })));
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "7 seven").count(), 6);
        assert_eq!(reports.kinds(), ["child_terminated"], "one report a second");
        assert_eq!(DynamicSupervisor::whereis("full"), Some(supervisor.clone()));
        let ended = supervisor.exited();
        child.addr.do_send(Panic("boom"));
        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn a_period_can_be_shorter_than_a_second() {
    world(async {
        let journal = Journal::new();
        let supervisor =
            DynamicSupervisor::builder().max_restarts(1).period(Duration::from_millis(100)).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        for incarnation in 2..10 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            tokio::time::advance(Duration::from_millis(101)).await;
        }
    });
}

#[test]
fn the_last_value_given_for_an_option_counts() {
    world(async {
        let supervisor = DynamicSupervisor::builder()
            .max_seconds(0)
            .max_seconds(1)
            .max_children(0)
            .max_children(1)
            .extra_argument(1_u8)
            .extra_argument(2_u8)
            .start()
            .unwrap();
        let journal = Journal::new();
        let own = journal.clone();
        let spec = Child::with(move |cx: &mut StartContext<Probe>| {
            own.note(cx.extra::<u8>().unwrap());
            Probe::new(&own, cx.incarnation())
        });

        supervisor.start_child(spec).await.unwrap();

        assert_eq!(journal.entries(), ["2", "started 1"]);
    });
}

#[test]
fn a_supervisor_is_called_by_its_name_in_reports_or_by_its_kind_and_number() {
    struct Rooms;
    impl SupervisorModule for Rooms {
        type Arg = ();
        fn init(&(): &()) -> Result<Init, BoxError> {
            Ok(Init::Flags(Flags::new()))
        }
    }

    world(async {
        let reports = Reports::capture();
        let supervisors = [
            DynamicSupervisor::builder().name("rooms").start().unwrap(),
            DynamicSupervisor::builder().start().unwrap(),
            DynamicSupervisor::start_module::<Rooms>(()).unwrap(),
        ];
        for supervisor in &supervisors {
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            child.addr.do_send(Panic("boom"));
            settle().await;
        }

        let names: Vec<_> = reports.all().iter().map(|report| report.field("supervisor").to_owned()).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(names[0], "rooms");
        assert!(names[1].starts_with("DynamicSupervisor#"), "{}", names[1]);
        assert!(names[2].contains("Rooms#"), "{}", names[2]);
    });
}

#[test]
fn a_supervisor_needs_the_thread_of_an_arbiter() {
    assert!(matches!(DynamicSupervisor::builder().start(), Err(StartError::NoArbiter)));

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let started = runtime.block_on(async { DynamicSupervisor::builder().name("nowhere").start() });
    assert!(matches!(started, Err(StartError::NoArbiter)));
    assert!(matches!(DynamicSupervisor::builder().linked(), Err(StartError::NoArbiter)));
}
