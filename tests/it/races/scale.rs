//! Twenty thousand children; cost is counted in turns, not in time.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::script::stubborn;
use crate::support::{world, Ask, Journal, Panic, Probe};

const MANY: usize = 20_000;

async fn populated(children: usize) -> (Addr<DynamicSupervisor>, Journal) {
    let journal = Journal::new();
    let supervisor = DynamicSupervisor::builder().start().unwrap();
    for _ in 0..children {
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
    }
    (supervisor, journal)
}

/// F34
#[test]
fn twenty_thousand_children_are_counted_listed_and_stopped() {
    world(async {
        let (supervisor, journal) = populated(MANY).await;

        let counts = supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (MANY, MANY, MANY, 0));
        let children = supervisor.which_children().await.unwrap();
        assert_eq!(children.len(), MANY);
        assert!(children.windows(2).all(|pair| pair[0].id < pair[1].id), "in start order");
        assert_eq!(children[MANY / 2].addr::<Probe>().unwrap().send(Ask).await, Ok(1));

        let report = supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (MANY, true));
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), MANY);
    });
}

/// F34
#[test]
fn one_of_twenty_thousand_is_found_by_its_address_crashes_and_is_terminated() {
    world(async {
        let (supervisor, _) = populated(MANY).await;
        let one = supervisor.which_children().await.unwrap().swap_remove(MANY / 3);
        let addr = one.addr::<Probe>().unwrap();

        addr.do_send(Panic("boom"));
        assert_eq!(addr.send(Ask).await, Ok(2));
        assert_eq!(supervisor.terminate_child(&addr).await, Ok(()));

        assert_eq!(supervisor.count_children().await.unwrap().specs, MANY - 1);
    });
}

/// How many turns of the executor it takes to stop children that have all to be killed at their deadline.
fn turns_to_stop(children: usize) -> usize {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        for _ in 0..children {
            supervisor.start_child(Probe::scripted(&journal, stubborn)).await.unwrap();
        }
        let (began, mut turns) = (tokio::time::Instant::now(), 0);
        let stopped = tokio::task::spawn_local(supervisor.stop());
        tokio::task::yield_now().await;
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        while !stopped.is_finished() {
            turns += 1;
            tokio::task::yield_now().await;
        }
        let report = stopped.await.unwrap().unwrap();
        assert_eq!((report.stopped, report.killed.len()), (0, children));
        assert!(began.elapsed() < std::time::Duration::from_millis(5_100), "all deadlines run at the same time");
        turns
    })
}

/// F34
#[test]
fn the_turns_of_a_shutdown_grow_no_faster_than_the_children() {
    let (some, many) = (turns_to_stop(MANY / 8), turns_to_stop(MANY));
    assert!(many <= 8 * some + 100, "{some} turns for an eighth, {many} for all");
}
