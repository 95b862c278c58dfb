//! How many children do what.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{
    crash,
    endings::expect_one_end_for_each_life,
    measured,
    recorder::Figures,
    support::{
        script::{gated, slow_to_stop, Gate},
        settle, Exit, Journal, Panic, Probe,
    },
    SECOND,
};

/// The figures say what the supervisor says; how many children are starting, running, restarting, stopping.
async fn states(figures: &Figures, supervisor: &Addr<DynamicSupervisor>) -> [usize; 4] {
    settle().await;
    let children = supervisor.which_children().await.unwrap();
    [ChildState::Starting, ChildState::Running, ChildState::Restarting, ChildState::Stopping].map(|state| {
        let there = children.iter().filter(|child| child.state == state).count();
        assert_eq!(figures.children(&state.to_string()), there as f64, "{state}");
        there
    })
}

#[test]
fn children_are_counted_by_what_they_do() {
    measured(async |figures| {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        assert_eq!(states(figures, &supervisor).await, [0, 0, 0, 0]);

        let starting = supervisor.start_child(gated(&journal, &gate, 1));
        assert_eq!(states(figures, &supervisor).await, [1, 0, 0, 0]);
        gate.admit(1);
        let gated = starting.await.unwrap();
        assert_eq!(states(figures, &supervisor).await, [0, 1, 0, 0]);

        let waits = Probe::child(&journal).backoff(Backoff::fixed(SECOND));
        let waits = supervisor.start_child(waits).await.unwrap();
        assert!(waits.addr.send(Panic("crash")).await.is_err());
        assert_eq!(states(figures, &supervisor).await, [0, 1, 1, 0]);
        tokio::time::sleep(SECOND).await;
        assert_eq!(states(figures, &supervisor).await, [0, 2, 0, 0]);

        // Its restart goes on for as long as the gate is shut.
        assert!(gated.addr.send(Panic("crash")).await.is_err());
        assert_eq!(states(figures, &supervisor).await, [0, 1, 1, 0]);

        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
        let slow = supervisor.start_child(slow).await.unwrap();
        let ended = supervisor.terminate_child(slow.id);
        assert_eq!(states(figures, &supervisor).await, [0, 1, 1, 1]);
        ended.await.unwrap();
        assert_eq!(states(figures, &supervisor).await, [0, 1, 1, 0]);

        supervisor.terminate_child(gated.id).await.unwrap();
        supervisor.terminate_child(waits.id).await.unwrap();
        assert_eq!(states(figures, &supervisor).await, [0, 0, 0, 0]);
    });
}

#[test]
fn whatever_is_done_to_children_the_figures_say_what_the_supervisor_says() {
    measured(async |figures| {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(1_000).start().unwrap();
        let mut children: Vec<Started<Probe>> = Vec::new();
        let (mut seed, mut seen) = (0x2545_f491_4f6c_dd1d_u64, [0; 4]);
        for _ in 0..400 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let (dice, nth) = (seed % 100, (seed >> 32) as usize);
            let child = (!children.is_empty()).then(|| &children[nth % children.len()]);
            match child {
                Some(child) if (30..45).contains(&dice) => child.addr.do_send(Panic("crash")),
                Some(child) if (45..55).contains(&dice) => child.addr.do_send(Exit(ExitReason::Normal)),
                Some(child) if (55..65).contains(&dice) => drop(supervisor.terminate_child(child.id)),
                Some(child) if (65..75).contains(&dice) => drop(supervisor.kill_child(child.id)),
                Some(_) if dice >= 75 => tokio::time::sleep(SECOND / 4).await,
                _ => {
                    let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
                    let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary][nth % 3];
                    let delay = [Backoff::none(), Backoff::fixed(SECOND)][nth % 2].clone();
                    let spec = spec.restart(restart).backoff(delay).max_restarts(2, SECOND * 60);
                    children.push(supervisor.start_child(spec).await.unwrap());
                }
            }
            let states = states(figures, &supervisor).await;
            for (most, now) in seen.iter_mut().zip(states) {
                *most = now.max(*most);
            }
        }
        assert!(seen[1] > 1 && seen[2] > 1 && seen[3] > 1, "it has come to something: {seen:?}");
        supervisor.stop().await.unwrap();
        assert_eq!(figures.sum("children"), 0.0);
        expect_one_end_for_each_life(figures);
    });
}

#[test]
fn supervisors_that_share_a_name_are_added_up() {
    measured(async |figures| {
        let journal = Journal::new();
        // They share what they are called without a name, too.
        let [first, second] = [(); 2].map(|()| DynamicSupervisor::builder().start().unwrap());
        first.start_child(Probe::child(&journal)).await.unwrap();
        for _ in 0..2 {
            second.start_child(Probe::child(&journal)).await.unwrap();
        }
        let running = || figures.sum_of("children", ("supervisor", "DynamicSupervisor"));
        assert_eq!((running(), figures.sum("starts_total")), (3.0, 3.0));

        second.stop().await.unwrap();

        assert_eq!(running(), 1.0);
    });
}

#[test]
fn a_restart_in_the_turn_of_the_crash_leaves_the_child_counted_once() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        crash(&child.addr).await;

        assert_eq!(states(figures, &supervisor).await, [0, 1, 0, 0]);
        assert_eq!(figures.sum("restarts_total"), 1.0);
    });
}
