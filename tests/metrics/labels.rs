//! Under which labels figures are told: few, however many children there are.

use std::{any::type_name, collections::BTreeSet};

use actix::prelude::*;
use actix_dynamic_supervisor::{describe_metrics, prelude::*};
use metrics::with_local_recorder;

use super::{
    crash, measured,
    recorder::Figures,
    support::{script::stubborn, settle, Do, Journal, Panic, Probe},
    SECOND,
};

/// All that can be told is told, of children that have an id, a label and a key each.
async fn everything(supervisor: &Addr<DynamicSupervisor>) {
    let spec = |n: usize| Probe::scripted(&Journal::new(), stubborn).id(format!("label-{n}")).key(format!("key-{n}"));
    let crashes = supervisor.start_child(spec(1)).await.unwrap();
    crash(&crashes.addr).await;
    let stubborn = supervisor.start_child(spec(2).shutdown(Shutdown::Timeout(SECOND))).await.unwrap();
    supervisor.terminate_child(stubborn.id).await.unwrap();
    let used_up = supervisor.start_child(spec(3).max_restarts(0, SECOND)).await.unwrap();
    used_up.addr.do_send(Panic("used up"));
    used_up.addr.do_send(Do::this(|_, _| ()));
    let fails = Child::try_with(|_: &mut StartContext<Probe>| Err::<Start<Probe>, _>(BoxError::from("no")));
    assert!(supervisor.start_child(fails.id("label-4").key("key-4")).await.is_err());
    for _ in 0..3 {
        crashes.addr.do_send(Panic("one too many"));
    }
    supervisor.exited().await;
}

#[test]
fn each_figure_has_the_labels_it_is_said_to_have_and_none_is_a_childs_own() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().name("rooms").start().unwrap();
        everything(&supervisor).await;
        for series in figures.series() {
            let expected: &[&str] = match series.name.as_str() {
                "children" => &["actor", "state", "supervisor"],
                "exits_total" => &["actor", "reason", "supervisor"],
                "shutdown_seconds" | "restart_limit_used_ratio" => &["supervisor"],
                _ => &["actor", "supervisor"],
            };
            assert_eq!(series.labels.keys().collect::<Vec<_>>(), expected, "{}", series.name);
            assert_eq!(series.labels["supervisor"], "rooms", "{}", series.name);
            if let Some(actor) = series.labels.get("actor") {
                assert_eq!(actor, type_name::<Probe>(), "{}", series.name);
            }
        }
        let values: BTreeSet<String> =
            figures.series().into_iter().flat_map(|series| series.labels.into_values()).collect();
        let own = |value: &&String| ["label-", "key-", "1.", "#"].iter().any(|part| value.contains(part));
        assert_eq!(values.iter().find(own), None);
    });
}

#[test]
fn what_is_told_is_described_and_what_is_described_is_told() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        everything(&supervisor).await;
        let told: BTreeSet<String> = figures.series().into_iter().map(|series| series.name).collect();

        describe_metrics();

        assert_eq!(told, figures.described());
    });
}

#[test]
fn the_documentation_lists_them_all() {
    let figures = Figures::default();
    with_local_recorder(&figures, describe_metrics);
    let page = include_str!("../../docs/observing.md");
    let listed = page.split("| `actix_supervisor_").skip(1).map(|row| row.split('`').next().unwrap().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), figures.described());
}

#[test]
fn a_supervisor_without_a_name_is_told_without_its_id() {
    struct Rooms;
    impl SupervisorModule for Rooms {
        type Arg = ();

        fn init((): &()) -> Result<Init, BoxError> {
            Ok(Init::Flags(Flags::new()))
        }
    }
    measured(async |figures| {
        for _ in 0..3 {
            let plain = DynamicSupervisor::builder().start().unwrap();
            plain.start_child(Probe::child(&Journal::new())).await.unwrap();
            let module = DynamicSupervisor::start_module::<Rooms>(()).unwrap();
            module.start_child(Probe::child(&Journal::new())).await.unwrap();
        }
        let names: BTreeSet<String> =
            figures.series().into_iter().map(|mut series| series.labels.remove("supervisor").unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["DynamicSupervisor".to_owned(), type_name::<Rooms>().to_owned()]));
    });
}

#[test]
fn a_task_is_told_by_the_type_of_its_actor() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for n in 0..3 {
            assert_eq!(supervisor.run_task(Task::new(move || async move { n })).await.unwrap(), n);
        }
        settle().await;
        let actors: BTreeSet<String> =
            figures.series().into_iter().filter_map(|mut series| series.labels.remove("actor")).collect();
        assert_eq!(actors.len(), 1, "{actors:?}");
        assert_eq!(figures.sum_of("exits_total", ("reason", "normal")), 3.0);
    });
}
