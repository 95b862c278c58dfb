//! Children on other arbiters.

use super::*;

#[test]
fn a_child_that_is_asked_to_end_before_it_runs_is_not_active_and_cannot_start_any_more() {
    let mut table = table(Flags::new());
    let id = table.start_as(Restart::Permanent, ChildType::Worker, Phase::Starting).expect("a place");
    table.children.cancelling(id, table.now);
    assert_eq!(table.counts(), (1, 0));
    assert_eq!(ChildState::from(table.children.get(id).expect("there").phase()), ChildState::Stopping);
    assert!(!table.try_works(id));
    assert!(matches!(table.exit(id, &crash()), AfterExit::Stopped(_)));
    assert_eq!(table.counts(), (0, 0));
}

#[test]
fn the_end_of_an_arbiter_counts_where_it_is_told_to_and_follows_the_restart_type() {
    let mut table = table(Flags::new().max_restarts(1));
    let ids = [(); 3].map(|()| table.start(Restart::Transient).expect("a place"));
    let once = table.start(Restart::Temporary).expect("a place");
    for (id, is_counted) in ids.into_iter().zip([true, false, false]) {
        let after = table.children.lost_arbiter(id, table.incarnation(id), is_counted, table.now);
        assert!(matches!(after, AfterExit::Again(Again::Restart(_))));
        assert!(matches!(table.children.get(id).expect("it comes back").last_exit(), Some(ExitReason::ArbiterGone)));
    }
    let after = table.children.lost_arbiter(once, Incarnation::FIRST, false, table.now);
    assert!(matches!(after, AfterExit::Forget(_)));
    let id = table.start(Restart::Permanent).expect("a place");
    let after = table.children.lost_arbiter(id, Incarnation::FIRST, true, table.now);
    assert!(matches!(after, AfterExit::Again(Again::GiveUp(_))), "the second that counts is one too many");
}
