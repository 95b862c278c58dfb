//! However it ends: no child is counted that is no more.

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};
use metrics::with_local_recorder;

use super::{
    block, eventually, measured, really_measured,
    recorder::Figures,
    support::{
        script::{slow_to_stop, stubborn},
        settle, world, Ask, Do, Exit, Journal, Panic, Probe,
    },
    SECOND,
};

/// A bug in the supervisor itself.
struct Bug;

impl Message for Bug {
    type Result = ();
}

impl Handler<Bug> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, _: Bug, _: &mut Context<Self>) {
        std::panic::panic_any("a bug")
    }
}

/// A supervisor with three children.
async fn three(figures: &Figures, builder: Builder) -> (Addr<DynamicSupervisor>, Vec<Started<Probe>>) {
    let (supervisor, mut children) = (builder.start().unwrap(), Vec::new());
    for _ in 0..3 {
        children.push(supervisor.start_child(Probe::child(&Journal::new())).await.unwrap());
    }
    assert_eq!(figures.children("running"), 3.0);
    (supervisor, children)
}

pub(super) fn expect_one_end_for_each_life(figures: &Figures) {
    assert_eq!(figures.sum("exits_total"), figures.sum("starts_total") + figures.sum("restarts_total"));
}

fn expect_none(figures: &Figures) {
    for state in ["starting", "running", "restarting", "stopping"] {
        assert_eq!(figures.children(state), 0.0, "{state}");
    }
    expect_one_end_for_each_life(figures);
}

#[test]
fn by_a_storm_of_crashes_that_reaches_the_limit() {
    measured(async |figures| {
        let (supervisor, children) = three(figures, DynamicSupervisor::builder()).await;
        for child in children.iter().cycle().take(4) {
            child.addr.do_send(Panic("storm"));
        }
        assert!(matches!(supervisor.exited().await, ExitReason::Shutdown));
        expect_none(figures);
        assert_eq!((figures.sum("restarts_total"), figures.sum("limit_reached_total")), (3.0, 1.0));
        assert_eq!(figures.sum_of("exits_total", ("reason", "panicked")), 4.0);
    });
}

#[test]
fn by_a_stop() {
    measured(async |figures| {
        let (supervisor, _) = three(figures, DynamicSupervisor::builder()).await;
        supervisor.stop().await.unwrap();
        expect_none(figures);
        assert_eq!(figures.sum_of("exits_total", ("reason", "shutdown")), 3.0);
    });
}

#[test]
fn by_a_stop_with_a_deadline_that_one_does_not_keep() {
    measured(async |figures| {
        let (supervisor, _) = three(figures, DynamicSupervisor::builder()).await;
        let spec = Probe::scripted(&Journal::new(), stubborn).shutdown(Shutdown::Infinity);
        supervisor.start_child(spec).await.unwrap();
        let stopped = supervisor.stop_with(ExitReason::Shutdown, SECOND);
        settle().await;
        assert_eq!((figures.children("stopping"), figures.sum("children")), (1.0, 1.0));
        assert_eq!(stopped.await.unwrap().killed.len(), 1);
        expect_none(figures);
        assert_eq!(figures.sum("shutdown_seconds"), 1.0);
    });
}

#[test]
fn by_a_termination_or_a_kill() {
    measured(async |figures| {
        let (supervisor, children) = three(figures, DynamicSupervisor::builder()).await;
        let temporary = Probe::child(&Journal::new()).restart(Restart::Temporary);
        let temporary = supervisor.start_child(temporary).await.unwrap();
        for child in &children {
            supervisor.terminate_child(child.id).await.unwrap();
        }
        supervisor.kill_child(temporary.id).await.unwrap();
        settle().await;
        expect_none(figures);
        assert!(supervisor.connected());
        assert_eq!(figures.sum_of("exits_total", ("reason", "killed")), 1.0);
    });
}

#[test]
fn by_itself() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let quiet = Probe::child(&Journal::new()).restart(Restart::Transient);
        let quiet = supervisor.start_child(quiet).await.unwrap();
        let spent = Child::with(|cx: &mut StartContext<Probe>| Probe::new(&Journal::new(), cx.incarnation()));
        let spent = supervisor.start_child(spent.max_restarts(0, SECOND)).await.unwrap();
        assert_eq!(figures.children("running"), 2.0);
        quiet.addr.do_send(Exit(ExitReason::Normal));
        spent.addr.do_send(Panic("used up"));
        settle().await;
        expect_none(figures);
        assert_eq!((figures.sum("gave_up_total"), figures.sum("exits_total")), (1.0, 2.0));
    });
}

#[test]
fn by_a_panic_of_the_supervisors_own() {
    measured(async |figures| {
        let (supervisor, _) = three(figures, DynamicSupervisor::builder()).await;
        let exited = supervisor.exited();
        assert!(supervisor.send(Bug).await.is_err());
        assert_eq!(exited.await.to_string(), "panicked: a bug");
        expect_none(figures);
    });
}

#[test]
fn by_a_panic_of_one_that_actix_runs_by_itself() {
    measured(async |figures| {
        let supervisor = <DynamicSupervisor as ArbiterService>::from_registry();
        supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(figures.children("running"), 1.0);
        assert!(supervisor.send(Bug).await.is_err());
        settle().await;
        expect_none(figures);
    });
}

#[test]
fn by_the_end_of_the_supervisors_parent() {
    measured(async |figures| {
        let parent = DynamicSupervisor::builder().name("parent").start().unwrap();
        for ends_it in ["kill", "terminate"] {
            let nested = DynamicSupervisor::builder().name("nested").into_child().restart(Restart::Temporary);
            let nested = parent.start_child(nested).await.unwrap();
            nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
            assert_eq!(figures.sum_of("children", ("supervisor", "nested")), 1.0);
            match ends_it {
                "kill" => parent.kill_child(nested.id).await.unwrap(),
                _ => parent.terminate_child(nested.id).await.unwrap(),
            }
            settle().await;
            expect_none(figures);
        }
    });
}

#[test]
fn by_the_loss_of_the_supervisors_last_address() {
    measured(async |figures| {
        let (supervisor, children) = three(figures, DynamicSupervisor::builder()).await;
        super::crash(&children[0].addr).await;
        let exited = supervisor.exited();
        drop(supervisor);
        // At once, though the restart would count for seconds still.
        let began = tokio::time::Instant::now();
        assert!(matches!(exited.await, ExitReason::Normal));
        assert!(began.elapsed().is_zero());
        expect_none(figures);
    });
}

#[test]
fn by_the_end_of_the_system() {
    let figures = Figures::default();
    with_local_recorder(&figures, || {
        let _kept = world(async { three(&figures, DynamicSupervisor::builder()).await });
        expect_none(&figures);
    });
}

#[test]
fn by_the_end_of_an_arbiter_of_a_pool() {
    really_measured(async |figures| {
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(1);
        let (supervisor, children) = three(figures, builder).await;
        children[0].addr.do_send(Do::this(|_, _| {
            Arbiter::current().stop();
        }));
        // It has shared its arbiter with the third, and both go on elsewhere.
        for child in &children {
            child.addr.send(Ask).await.unwrap();
        }
        eventually("both run again", async || figures.sum("restarts_total") == 2.0).await;
        assert_eq!((figures.children("running"), figures.sum("children")), (3.0, 3.0));
        assert_eq!(figures.sum_of("exits_total", ("reason", "arbiter_gone")), 2.0);
        supervisor.stop().await.unwrap();
        expect_none(figures);
    });
}

#[test]
fn by_the_end_of_an_arbiter_that_its_spec_has_named() {
    really_measured(async |figures| {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new()).on(arbiter.handle())).await.unwrap();
        assert_eq!(figures.children("running"), 1.0);
        arbiter.stop();
        arbiter.join().unwrap();
        eventually("it is removed", async || supervisor.count_children().await.unwrap().specs == 0).await;
        expect_none(figures);
        assert!(!child.addr.connected());
        assert_eq!(figures.sum_of("exits_total", ("reason", "arbiter_gone")), 1.0);
    });
}

#[test]
fn by_being_left_behind_on_a_thread_that_is_blocked() {
    really_measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(1)).start().unwrap();
        let spec = Probe::child(&Journal::new()).shutdown(Shutdown::BrutalKill);
        let child = supervisor.start_child(spec).await.unwrap();
        let release = block(&child.addr).await;
        let stopped = supervisor.stop_with(ExitReason::Shutdown, std::time::Duration::ZERO);
        let left = async || figures.sum_of("exits_total", ("reason", "unresponsive")) == 1.0;
        eventually("it is left behind", left).await;
        expect_none(figures);
        drop(release);
        assert_eq!(stopped.await.unwrap().unresponsive, [child.id]);
        expect_none(figures);
    });
}

#[test]
fn by_being_taken_over_from_a_thread_that_is_blocked() {
    really_measured(async |figures| {
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1));
        let supervisor = builder.unresponsive_after(SECOND / 20).start().unwrap();
        let spec = Probe::child(&Journal::new()).on_unresponsive(OnUnresponsive::TakeOver);
        let child = supervisor.start_child(spec).await.unwrap();
        let release = block(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await.unwrap(), 2);
        eventually("it runs again", async || figures.sum("restarts_total") == 1.0).await;
        assert_eq!((figures.children("running"), figures.sum("children")), (1.0, 1.0), "the old one is not counted");
        assert_eq!(figures.sum_of("exits_total", ("reason", "unresponsive")), 1.0);
        drop(release);
        supervisor.stop().await.unwrap();
        expect_none(figures);
    });
}

#[test]
fn while_it_takes_its_time_it_is_still_counted() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = Probe::scripted(&Journal::new(), |probe| slow_to_stop(probe, SECOND));
        supervisor.start_child(slow).await.unwrap();
        let stopped = supervisor.stop();
        settle().await;
        assert_eq!(figures.children("stopping"), 1.0);
        stopped.await.unwrap();
        expect_none(figures);
        assert_eq!(figures.values("shutdown_seconds"), [1.0]);
    });
}
