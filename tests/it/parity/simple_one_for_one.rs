//! Erlang's tests of `simple_one_for_one`, as far as a dynamic supervisor took them over.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tokio::time::{advance, sleep, Instant};

use super::{counts, crashes, ends, ends_with, lingers, quiet_reasons, states, Answer, Scripted};
use crate::support::{settle, world, Ask, Journal, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_start_that_declines_leaves_no_child_and_the_next_is_the_only_one() {
    for restart in [Restart::Temporary, Restart::Permanent] {
        world(async move {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let start = |answer| supervisor.start_child(Scripted::new(&Journal::new(), [answer]).restart(restart));

            assert!(matches!(start(Answer::Ignore).await.unwrap_err(), StartChildError::Ignored));
            let child = start(Answer::Run).await.unwrap();

            let infos = supervisor.which_children().await.unwrap();
            assert_eq!((infos.len(), infos[0].id), (1, child.id));
            assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        });
    }
}

#[test]
fn an_end_by_the_parent_is_quiet() {
    world(async {
        let reports = Reports::capture();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        let exited = nested.addr.exited();

        parent.terminate_child(nested.id).await.unwrap();

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(reports.kinds().is_empty());
        assert!(reports.lines().iter().all(|line| line.level == tracing::Level::DEBUG));
    });
}

#[test]
fn a_start_that_fails_is_answered_with_its_error_and_leaves_no_child() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let error = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Fail("reason")])).await.unwrap_err();

        let StartChildError::Failed(error) = error else { panic!("{error}") };
        assert_eq!(error.to_string(), "reason");
        assert!(supervisor.which_children().await.unwrap().is_empty());
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_spec_without_options_has_the_defaults_and_they_can_be_read_back() {
    let worker = Child::new(|| Probe::new(&Journal::new(), 1));
    let supervisor = Child::new(|| Probe::new(&Journal::new(), 1)).child_type(ChildType::Supervisor);

    assert_eq!(ChildSpec::restart(&worker), Restart::Permanent);
    assert_eq!(ChildSpec::child_type(&worker), ChildType::Worker);
    assert_eq!(ChildSpec::shutdown(&worker), Shutdown::Timeout(SECOND * 5));
    assert_eq!(ChildSpec::shutdown(&supervisor), Shutdown::Infinity);
    assert_eq!((ChildSpec::id(&worker), ChildSpec::start_timeout(&worker)), (None, None));
}

#[test]
fn list_and_counts_follow_starts_and_terminations() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        assert!(supervisor.which_children().await.unwrap().is_empty());
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);

        let one = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(supervisor.which_children().await.unwrap()[0].addr(), Some(one.addr.clone()));
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);

        let two = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(supervisor.which_children().await.unwrap().len(), 2);
        assert_eq!(counts(&supervisor).await, [2, 2, 0, 2]);

        assert_eq!(supervisor.terminate_child(&two.addr).await, Ok(()));
        assert_eq!(supervisor.terminate_child(&two.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
        assert_eq!(one.addr.send(Ask).await, Ok(1));
    });
}

#[test]
fn two_crashes_are_borne_the_third_ends_the_supervisor_and_its_children() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).max_seconds(3600).start().unwrap();
        let exited = supervisor.exited();
        let sibling = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for number in [2, 3] {
            crashes(&child.addr).await;
            assert_eq!(child.addr.send(Ask).await, Ok(number));
            assert_eq!(sibling.addr.send(Ask).await, Ok(1), "nothing is done to the sibling");
        }
        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(!sibling.addr.connected() && !child.addr.connected());
    });
}

#[test]
fn a_shutdown_takes_longer_than_its_quick_children_and_no_longer_than_its_limit() {
    world(async {
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for seconds in [1, 1, 5] {
            let spec = Scripted::new(&Journal::new(), [Answer::Run])
                .shutdown(Shutdown::Timeout(SECOND * 2))
                .on_stopping(lingers(SECOND * seconds));
            supervisor.start_child(spec).await.unwrap();
        }
        let before = Instant::now();

        let report = supervisor.stop().await.unwrap();

        let took = before.elapsed().as_millis();
        assert!((2000..=2002).contains(&took), "{took} ms");
        assert_eq!((report.stopped, report.killed.len()), (2, 1));
        assert_eq!(ends(&reports), ["shutdown", "shutdown", "killed"]);
    });
}

#[test]
fn children_that_hand_over_something_are_restarted_and_limited_like_all_others() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(2).start().unwrap();
        let exited = supervisor.exited();
        let child = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::RunWith("info")])).await.unwrap();
        assert_eq!(child.info, Some("info"));

        for number in [2, 3] {
            crashes(&child.addr).await;
            assert_eq!(child.addr.send(Ask).await, Ok(number));
        }
        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

#[test]
fn a_child_that_cannot_come_back_takes_the_supervisor_and_its_sibling_down() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(4).max_seconds(3600).start().unwrap();
        let exited = supervisor.exited();
        let sibling = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("never")]);
        let child = supervisor.start_child(spec).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(!sibling.addr.connected() && !child.addr.connected());
    });
}

#[test]
fn thousands_of_children_are_counted_and_listed_right_and_all_gone_when_killed() {
    for child_type in [ChildType::Worker, ChildType::Supervisor] {
        world(async move {
            let supervisor = DynamicSupervisor::builder().max_reports_per_second(0).start().unwrap();
            let mut ids = Vec::new();
            let expected = |n| match child_type {
                ChildType::Supervisor => [n, n, n, 0],
                _ => [n, n, 0, n],
            };
            for wanted in [1_000, 3_000] {
                while ids.len() < wanted {
                    let spec = Scripted::new(&Journal::new(), [Answer::Run]).restart(Restart::Temporary);
                    ids.push(supervisor.start_child(spec.child_type(child_type)).await.unwrap().id);
                }
                assert_eq!(counts(&supervisor).await, expected(wanted));
                let infos = supervisor.which_children().await.unwrap();
                assert!(infos.iter().map(|info| info.id).eq(ids.iter().copied()));
                assert!(infos.iter().all(|info| info.child_type == child_type && info.state == ChildState::Running));
            }

            for id in ids {
                supervisor.kill_child(id).await.unwrap();
            }

            assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
            assert!(supervisor.which_children().await.unwrap().is_empty());
        });
    }
}

#[test]
fn children_that_fail_to_come_back_slowly_are_not_active_until_they_do() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1000).start().unwrap();
        let is_broken = Arc::new(AtomicBool::new(false));
        let start = || {
            let is_broken = Arc::clone(&is_broken);
            supervisor.start_child(Child::from_async(move |cx: StartContext<Probe>| {
                let is_broken = Arc::clone(&is_broken);
                async move {
                    if is_broken.load(Ordering::Relaxed) {
                        sleep(SECOND).await;
                        return Err(BoxError::from("still broken"));
                    }
                    Ok(Start::Run(Probe::new(&Journal::new(), cx.incarnation())))
                }
            }))
        };
        let children = [start().await.unwrap(), start().await.unwrap(), start().await.unwrap()];
        is_broken.store(true, Ordering::Relaxed);

        crashes(&children[0].addr).await;
        crashes(&children[2].addr).await;
        for _ in 0..5 {
            assert_eq!(counts(&supervisor).await, [3, 1, 0, 3]);
            sleep(SECOND).await;
        }
        is_broken.store(false, Ordering::Relaxed);
        for child in &children {
            child.addr.send(Ask).await.unwrap();
        }

        assert_eq!(counts(&supervisor).await, [3, 3, 0, 3]);
        for (left, child) in (0..3).rev().zip(&children) {
            assert_eq!(supervisor.terminate_child(&child.addr).await, Ok(()));
            assert_eq!(counts(&supervisor).await, [left, left, 0, left]);
        }
    });
}

#[test]
fn what_a_temporary_child_was_started_from_is_not_kept_and_that_of_others_is() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for (restart, is_kept) in [(Restart::Permanent, 1), (Restart::Transient, 1), (Restart::Temporary, 0)] {
            let large = Arc::new(vec![0_u8; 1_000_000]);
            let held = Arc::clone(&large);
            let spec = Scripted::new(&Journal::new(), [Answer::Run]).restart(restart).on_start(move |_| {
                assert_eq!(held.len(), 1_000_000);
            });

            supervisor.start_child(spec).await.unwrap();

            assert_eq!(Arc::strong_count(&large), 1 + is_kept, "{restart}");
        }
    });
}

/// A factor of 10 in number may cost one of 50 in time, as in the original; 100 would be quadratic.
#[test]
fn ten_thousand_temporary_children_are_terminated_one_by_one() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let mut children = Vec::new();
        for _ in 0..10_000 {
            let spec = Child::once(|| Probe::new(&Journal::new(), 1));
            children.push(supervisor.start_child(spec).await.unwrap().addr);
        }

        for child in &children {
            assert_eq!(supervisor.terminate_child(child).await, Ok(()));
        }

        assert!(children.iter().all(|child| !child.connected()));
        assert_eq!(counts(&supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn a_child_that_hangs_on_its_way_back_can_be_terminated() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Scripted::new(&Journal::new(), [Answer::Run, Answer::Hang])).await.unwrap();

        crashes(&child.addr).await;

        assert_eq!(states(&supervisor).await, [ChildState::Restarting]);
        assert_eq!(counts(&supervisor).await, [1, 0, 0, 1]);
        assert_eq!(supervisor.terminate_child(&child.addr).await, Ok(()));
        assert!(supervisor.which_children().await.unwrap().is_empty());
    });
}

#[test]
fn a_supervisor_can_be_shut_down_while_a_child_fails_to_come_back_over_and_over() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).max_reports_per_second(0).start().unwrap();
        let spec = Scripted::new(&Journal::new(), [Answer::Run, Answer::Fail("never")]);
        let child = supervisor.start_child(spec).await.unwrap();
        crashes(&child.addr).await;
        assert_eq!(counts(&supervisor).await, [1, 0, 0, 1]);

        let report = supervisor.stop().await.unwrap();

        assert_eq!(report, ShutdownReport::default());
        assert!(!child.addr.connected());
    });
}

#[test]
fn crashes_that_lie_further_apart_than_the_period_are_borne_for_ever() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(1).max_seconds(1).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for number in 2..6 {
            crashes(&child.addr).await;
            assert_eq!(child.addr.send(Ask).await, Ok(number));
            advance(Duration::from_millis(2100)).await;
        }

        assert_eq!(counts(&supervisor).await, [1, 1, 0, 1]);
    });
}

/// The whole table: restart type by reason, whether the child comes back, and whether its end is reported.
#[test]
fn restart_type_and_reason_decide_what_is_restarted_and_what_is_reported() {
    use Restart::{Permanent, Temporary, Transient};
    let abnormal = [ExitReason::failed("x"), ExitReason::Killed, ExitReason::ArbiterGone, ExitReason::Unknown];
    let rows = quiet_reasons().map(|reason| (reason, false)).into_iter().chain(abnormal.map(|reason| (reason, true)));
    for (reason, is_abnormal) in rows {
        for restart in [Permanent, Transient, Temporary] {
            let reason = reason.clone();
            world(async move {
                let case = format!("{restart}, {reason}");
                let reports = Reports::capture();
                let supervisor = DynamicSupervisor::builder().start().unwrap();
                let spec = Scripted::new(&Journal::new(), [Answer::Run]).restart(restart);
                let child = supervisor.start_child(spec).await.unwrap();

                ends_with(&child.addr, reason.clone()).await;

                let is_restarted = restart == Permanent || restart == Transient && is_abnormal;
                let is_reported = restart == Permanent || is_abnormal;
                let n = usize::from(is_restarted);
                assert_eq!(counts(&supervisor).await, [n, n, 0, n], "{case}");
                assert_eq!(child.addr.connected(), is_restarted, "{case}");
                assert_eq!(reports.kinds().len(), usize::from(is_reported), "{case}");
                assert!(reports.kinds().iter().all(|kind| kind == "child_terminated"), "{case}");
                assert_eq!(ends(&reports), [reason.to_string()], "{case}");
            });
        }
    }
}

#[test]
fn the_panic_of_a_child_is_an_abnormal_end() {
    for (restart, is_restarted) in [(Restart::Permanent, 1), (Restart::Transient, 1), (Restart::Temporary, 0)] {
        world(async move {
            let reports = Reports::capture();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let child = supervisor.start_child(Probe::child(&Journal::new()).restart(restart)).await.unwrap();

            crashes(&child.addr).await;
            settle().await;

            assert_eq!(counts(&supervisor).await[1], is_restarted);
            assert_eq!(reports.kinds(), ["child_terminated"]);
            assert_eq!(reports.all()[0].field("reason"), "panicked: boom");
        });
    }
}
