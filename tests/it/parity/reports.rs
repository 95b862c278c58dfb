//! The four reports, with every field.

use std::{any::type_name, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::time::advance;
use tracing::Level;

use super::{crashes, ends_normally, ends_with, ignores, quiet_reasons, Answer, Scripted};
use crate::support::{settle, world, Ask, Journal, Probe, Report, Reports};

/// All fields of a report, in the order of their names.
fn fields(report: &Report) -> Vec<(&str, &str)> {
    report.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The fields of a report about a scripted child of a supervisor named `rooms`.
fn expected<'a>(kind: &'a str, reason: &'a str, id: &'a str, incarnation: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("child.id", id),
        ("child.incarnation", incarnation),
        ("child.label", "scripted"),
        ("child.module", type_name::<Probe>()),
        ("child.restart", "permanent"),
        ("child.shutdown", "5s"),
        ("child.type", "worker"),
        ("reason", reason),
        ("report", kind),
        ("supervisor", "rooms"),
    ]
}

#[test]
fn child_terminated_tells_who_ended_and_why() {
    world(async {
        let reports = Reports::capture();
        let rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let child = rooms.start_child(Scripted::new(&Journal::new(), [Answer::Run])).await.unwrap();
        let id = child.id.to_string();

        advance(Duration::from_secs(7)).await;
        crashes(&child.addr).await;
        crashes(&child.addr).await;

        let all = reports.all();
        for (report, incarnation, uptime) in [(&all[0], "1", "7.0 s"), (&all[1], "2", "0 µs")] {
            let mut expected = expected("child_terminated", "panicked: boom", &id, incarnation);
            expected.push(("uptime", uptime));
            assert_eq!(fields(report), expected, "the one that ended");
        }
        assert!(all.iter().all(|report| (report.level, report.message.as_str()) == (Level::ERROR, "child terminated")));
        rooms.stop().await.unwrap();
    });
}

#[test]
fn start_error_tells_which_try_failed_and_why() {
    world(async {
        let reports = Reports::capture();
        let rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("a"), Answer::Fail("b"), Answer::Run]);
        let child = rooms.start_child(spec).await.unwrap();
        let id = child.id.to_string();

        crashes(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(4));

        let all = reports.all();
        assert_eq!(all.len(), 3);
        assert_eq!(fields(&all[1]), expected("start_error", "a", &id, "2"));
        assert_eq!(fields(&all[2]), expected("start_error", "b", &id, "3"));
        for report in &all[1..] {
            assert_eq!((report.level, report.message.as_str()), (Level::ERROR, "child failed to restart"));
        }
        rooms.stop().await.unwrap();
    });
}

#[test]
fn shutdown_names_the_child_that_was_one_too_many() {
    world(async {
        let reports = Reports::capture();
        let rooms = DynamicSupervisor::builder().name("rooms").max_restarts(0).start().unwrap();
        let child = rooms.start_child(Scripted::new(&Journal::new(), [Answer::Run])).await.unwrap();
        let id = child.id.to_string();

        crashes(&child.addr).await;
        settle().await;

        let all = reports.all();
        assert_eq!(reports.kinds(), ["child_terminated", "shutdown"]);
        let mut expected = expected("shutdown", "reached max restart intensity", &id, "1");
        expected.insert(7, ("last_lives", "panicked: boom after 0 µs"));
        assert_eq!(fields(&all[1]), expected);
        assert_eq!((all[1].level, all[1].message.as_str()), (Level::ERROR, "child caused shutdown"));
    });
}

#[test]
fn shutdown_error_tells_how_a_child_ended_that_was_asked_to() {
    world(async {
        let reports = Reports::capture();
        let rooms = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(ends_normally);
        let one = rooms.start_child(spec).await.unwrap().id;
        let spec = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(ignores);
        let two = rooms.start_child(spec).await.unwrap().id;

        rooms.terminate_child(one).await.unwrap();
        rooms.stop().await.unwrap();

        let all = reports.all();
        assert_eq!(all.len(), 2);
        assert_eq!(fields(&all[0]), expected("shutdown_error", "normal", &one.to_string(), "1"));
        assert_eq!(fields(&all[1]), expected("shutdown_error", "killed", &two.to_string(), "1"));
        for report in &all {
            assert_eq!((report.level, report.message.as_str()), (Level::ERROR, "child shut down abnormally"));
        }
    });
}

#[test]
fn a_report_shows_the_childs_own_restart_type_shutdown_and_type_and_no_label_if_it_has_none() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for (restart, shutdown, child_type) in [
            (Restart::Transient, Shutdown::BrutalKill, ChildType::Worker),
            (Restart::Temporary, Shutdown::Timeout(Duration::from_millis(1500)), ChildType::Worker),
            (Restart::Permanent, Shutdown::Infinity, ChildType::Supervisor),
        ] {
            let spec = Probe::child(&Journal::new()).restart(restart).shutdown(shutdown).child_type(child_type);
            let child = supervisor.start_child(spec).await.unwrap();
            crashes(&child.addr).await;
        }
        settle().await;

        let all = reports.all();
        let told: Vec<_> = ["child.restart", "child.shutdown", "child.type"]
            .map(|name| all.iter().map(|report| report.field(name)).collect::<Vec<_>>())
            .into();
        assert_eq!(told[0], ["transient", "temporary", "permanent"]);
        assert_eq!(told[1], ["brutal_kill", "1.5s", "infinity"]);
        assert_eq!(told[2], ["worker", "worker", "supervisor"]);
        assert!(all.iter().all(|report| !report.fields.contains_key("child.label")));
    });
}

#[test]
fn a_supervisor_without_a_name_is_told_from_others_by_its_kind_and_a_number() {
    struct Rooms;
    impl SupervisorModule for Rooms {
        type Arg = ();
        fn init((): &()) -> Result<Init, BoxError> {
            Ok(Init::Flags(Flags::new()))
        }
    }
    world(async {
        let reports = Reports::capture();
        let supervisors = [
            DynamicSupervisor::builder().start().unwrap(),
            DynamicSupervisor::builder().start().unwrap(),
            DynamicSupervisor::start_module::<Rooms>(()).unwrap(),
        ];
        let mut ids = Vec::new();
        for supervisor in &supervisors {
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            ids.push(child.id.to_string());
            crashes(&child.addr).await;
        }
        settle().await;

        let number = |index: usize| ids[index].split_once('.').unwrap().0.to_owned();
        let names: Vec<_> = reports.all().iter().map(|report| report.field("supervisor").to_owned()).collect();
        assert_eq!(names[0], format!("DynamicSupervisor#{}", number(0)), "the number that is in its children's ids");
        assert_eq!(names[1], format!("DynamicSupervisor#{}", number(1)));
        assert_eq!(names[2], format!("{}#{}", type_name::<Rooms>(), number(2)));
        assert_ne!(names[0], names[1]);
    });
}

#[test]
fn a_crash_two_tries_that_fail_and_the_limit_are_told_in_this_order_and_then_the_siblings() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let exited = supervisor.exited();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("never")]);
        let child = supervisor.start_child(spec).await.unwrap();
        let odd = Scripted::new(&Journal::new(), [Answer::Run]).on_stopping(ends_normally);
        let sibling = supervisor.start_child(odd).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(reports.kinds(), ["child_terminated", "start_error", "start_error", "shutdown", "shutdown_error"]);
        let all = reports.all();
        let incarnations: Vec<_> = all.iter().map(|report| report.field("child.incarnation")).collect();
        assert_eq!(incarnations, ["1", "2", "3", "3", "1"]);
        assert_eq!(all[3].field("child.id"), child.id.to_string());
        assert_eq!(all[4].field("child.id"), sibling.id.to_string());
    });
}

#[test]
fn a_permanent_child_is_reported_after_a_quiet_end_too_as_a_warning() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for reason in quiet_reasons() {
            ends_with(&child.addr, reason).await;
        }
        settle().await;

        assert_eq!(reports.kinds(), ["child_terminated"; 3]);
        let all = reports.all();
        let reasons: Vec<_> = all.iter().map(|report| report.field("reason")).collect();
        assert_eq!(reasons, ["normal", "shutdown", "shutdown: done"]);
        assert!(all.iter().all(|report| report.level == Level::WARN));
    });
}

#[test]
fn what_goes_well_is_told_at_debug_level_the_report_before_the_restart() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        crashes(&child.addr).await;
        supervisor.terminate_child(child.id).await.unwrap();
        supervisor.stop().await.unwrap();

        let lines = reports.lines();
        let told: Vec<_> = lines.iter().map(|line| (line.level, line.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (Level::DEBUG, "supervisor started"),
                (Level::DEBUG, "child started"),
                (Level::ERROR, "child terminated"),
                (Level::DEBUG, "child restarted"),
                (Level::DEBUG, "child ended"),
                (Level::DEBUG, "supervisor ended"),
            ]
        );
    });
}

#[test]
fn a_reason_with_several_lines_is_told_on_one() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        ends_with(&child.addr, ExitReason::failed("first\nsecond")).await;
        settle().await;

        assert_eq!(reports.all()[0].field("reason"), "failed: first\\nsecond");
    });
}

#[test]
fn reports_beyond_those_allowed_in_a_second_are_summed_up_and_the_last_word_is_not_left_out() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().max_restarts(5).max_reports_per_second(2).start().unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for _ in 0..4 {
            crashes(&child.addr).await;
        }
        advance(Duration::from_secs(1)).await;
        for _ in 0..2 {
            crashes(&child.addr).await;
        }
        exited.await;

        let summed = reports.lines().into_iter().filter(|line| line.fields.contains_key("left_out"));
        let summed: Vec<_> = summed.map(|line| (line.level, line.field("left_out").to_owned())).collect();
        assert_eq!(summed, [(Level::WARN, "2".to_owned())]);
        assert_eq!(
            reports.kinds(),
            ["child_terminated", "child_terminated", "child_terminated", "child_terminated", "shutdown"]
        );
    });
}
