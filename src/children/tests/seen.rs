//! What is kept to be seen: last lives, how near the limit is, starts that were noticed too late.

use super::*;
use crate::policy::{Budget, GiveUp};

const SECOND: Duration = Duration::from_secs(1);

/// Which incarnation, when it began and ended after a moment, whether it had started.
fn lives(table: &Table, id: ChildId, since: Instant) -> Vec<(usize, u64, u64, bool)> {
    let entry = table.children.get(id).expect("in the table");
    let after = |moment: Instant| moment.saturating_duration_since(since).as_secs();
    entry
        .lives()
        .map(|life| (life.incarnation.number(), after(life.began), after(life.ended), life.has_started))
        .collect()
}

impl Table {
    fn pass(&mut self, seconds: u64) {
        self.now += SECOND * seconds as u32;
    }

    fn phase(&self, id: ChildId) -> Phase {
        self.children.get(id).expect("in the table").phase()
    }

    /// It ends, and is on its way back.
    fn crash_and_return(&mut self, id: ChildId) {
        assert!(matches!(self.exit(id, &crash()), AfterExit::Again(_)));
    }
}

#[test]
fn the_last_lives_of_a_child_are_kept_oldest_first_and_no_more_of_them_than_are_asked_for() {
    let mut table = table(Flags::new().max_restarts(100).last_lives(2));
    let (id, begun) = (table.start(Restart::Permanent).expect("a place"), table.now);
    assert_eq!(lives(&table, id, begun), []);
    for seconds in [1, 2, 3] {
        table.pass(seconds);
        table.crash_and_return(id);
        assert!(table.try_works(id));
    }
    assert_eq!(lives(&table, id, begun), [(2, 1, 3, true), (3, 3, 6, true)]);
    table.children.set_flags(&Flags::new().max_restarts(100).last_lives(1));
    table.crash_and_return(id);
    assert_eq!(lives(&table, id, begun), [(4, 6, 6, true)]);
}

#[test]
fn a_try_that_failed_is_a_life_that_never_started_and_lasted_as_long_as_the_try() {
    let mut table = table(Flags::new().max_restarts(100));
    let (id, begun) = (table.start(Restart::Permanent).expect("a place"), table.now);
    table.pass(1);
    table.crash_and_return(id);
    table.pass(1);
    table.children.note_try(id, table.now);
    table.pass(3);
    table.children.note_failed_try(id, Incarnation::FIRST, crash(), table.now);
    assert_eq!(lives(&table, id, begun), [(1, 0, 1, true)], "an earlier one is stale");
    table.children.note_failed_try(id, table.incarnation(id), crash(), table.now);
    table.pass(1);
    table.children.note_failed_try(id, table.incarnation(id), crash(), table.now);
    assert_eq!(lives(&table, id, begun), [(1, 0, 1, true), (2, 2, 5, false), (2, 6, 6, false)]);
}

#[test]
fn a_near_limit_is_told_once_by_the_restart_that_brings_it_near() {
    let mut table = table(Flags::new().max_restarts(4).period(SECOND * 10));
    let id = table.start(Restart::Permanent).expect("a place");
    let mut told = Vec::new();
    for _ in 0..4 {
        table.crash_and_return(id);
        told.push((table.children.has_come_near(), table.children.has_come_near()));
        assert!(table.try_works(id));
    }
    assert_eq!(told, [(false, false), (true, false), (false, false), (true, false)], "at half, and at four fifths");
    let usage = table.children.usage(table.now);
    assert_eq!((usage.used, usage.next_free), (4, Some(table.now + SECOND * 10)));
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::GiveUp(_))));
    assert!(!table.children.has_come_near(), "that is told otherwise");
}

#[test]
fn a_near_limit_is_not_forgotten_by_a_restart_that_brings_it_no_nearer() {
    let mut table = table(Flags::new().max_restarts(10));
    let id = table.start(Restart::Permanent).expect("a place");
    for _ in 0..6 {
        table.crash_and_return(id);
        assert!(table.try_works(id));
    }
    assert!(table.children.has_come_near(), "at the fifth, and nobody has asked until now");
}

#[test]
fn a_child_tells_how_much_of_a_limit_of_its_own_is_used_before_and_after_its_first_restart() {
    let mut table = table(Flags::new().max_restarts(0));
    let budget = Budget { max_restarts: 3, within: SECOND * 9, give_up: GiveUp::Remove };
    let (own, none) = (table.start_patient(None, Some(budget)), table.start(Restart::Permanent).expect("a place"));
    let usage = |table: &Table, id| table.children.get(id).and_then(|entry| entry.usage(table.now));
    assert_eq!(usage(&table, none), None);
    let before = usage(&table, own).expect("it has one");
    assert_eq!((before.used, before.max_restarts, before.period, before.next_free), (0, 3, SECOND * 9, None));
    table.crash_and_return(own);
    let after = usage(&table, own).expect("it has one");
    assert_eq!((after.used, after.next_free), (1, Some(table.now + SECOND * 9)));
}

#[test]
fn places_are_walked_each_once_with_the_id_of_who_is_there_now() {
    let mut table = table(Flags::new().max_children(3));
    let ids: Vec<_> = (0..3).filter_map(|_| table.start(Restart::Permanent)).collect();
    assert!(table.children.remove(ids[1]).is_some());
    let last = table.start(Restart::Permanent).expect("the place that is free");
    assert_eq!(last.place(), ids[1].place(), "used again");
    assert!(table.children.get(ids[1]).is_none() && table.children.seat_mut(ids[1]).is_none());
    assert!(table.children.remove(ids[1]).is_none(), "another is there");
    let mut walked: Vec<_> = table.children.in_places().map(|(id, _)| id).collect();
    walked.sort();
    assert_eq!(walked, [ids[0], ids[2], last]);
    assert_eq!(table.children.max_children(), Some(3));
}

#[test]
fn a_start_that_is_noticed_after_the_child_was_told_to_end_was_one_for_all_that() {
    for (phase, has_run) in [(Phase::Starting, false), (Phase::Restarting, true)] {
        let mut table = table(Flags::new());
        let first = if has_run { Phase::Running } else { phase };
        let id = table.start_as(Restart::Permanent, ChildType::Worker, first).expect("a place");
        if has_run {
            table.crash_and_return(id);
        }
        let since = table.now;
        table.pass(2);
        let incarnation = table.incarnation(id);
        assert_eq!(table.children.started_late(id, incarnation, table.now), None, "it was not told to end");
        table.children.cancelling(id, table.now);
        assert_eq!(table.counts(), (1, 0));
        assert_eq!(table.children.started_late(id, incarnation.next(), table.now), None, "another incarnation");
        let away = table.children.started_late(id, incarnation, table.now);
        assert_eq!(away, Some(has_run.then_some(since)));
        assert_eq!((table.phase(id), table.counts()), (Phase::Stopping, (1, 1)));
        assert_eq!(table.children.get(id).and_then(Entry::began), Some(table.now));
        assert_eq!(table.children.started_late(id, incarnation, table.now), None, "once");
        table.pass(1);
        let AfterExit::Stopped(entry) = table.exit(id, &ExitReason::Shutdown) else { panic!("it was told to") };
        let last = entry.lives().last().expect("it has lived");
        assert_eq!((last.began, last.ended), (table.now - SECOND, table.now));
        assert_eq!(table.counts(), (0, 0));
    }
}

#[test]
fn a_start_that_nobody_noticed_makes_a_child_run_and_is_no_restart() {
    for phase in [Phase::Starting, Phase::Running] {
        let mut table = table(Flags::new());
        let id = table.start_as(Restart::Permanent, ChildType::Worker, phase).expect("a place");
        let incarnation = table.incarnation(id);
        table.pass(1);
        assert!(!table.children.started_unnoticed(id, incarnation.next(), table.now), "another incarnation");
        let was_away = table.children.started_unnoticed(id, incarnation, table.now);
        assert_eq!(was_away, phase == Phase::Starting);
        assert_eq!((table.phase(id), table.counts()), (Phase::Running, (1, 1)));
        let entry = table.children.get(id).expect("in the table");
        let age = table.now.saturating_duration_since(entry.since());
        assert_eq!((entry.restarts, age), (0, if was_away { Duration::ZERO } else { SECOND }));
    }
}

#[test]
fn a_child_that_was_told_to_end_began_when_it_began_and_not_when_it_was_told() {
    let mut table = table(Flags::new());
    let (id, begun) = (table.start(Restart::Permanent).expect("a place"), table.now);
    table.pass(5);
    table.children.stopping(id, table.now);
    assert_eq!(table.children.get(id).and_then(Entry::began), Some(begun));
    table.pass(1);
    let AfterExit::Stopped(entry) = table.exit(id, &ExitReason::Shutdown) else { panic!("it was told to") };
    assert_eq!(entry.lives().map(|life| (life.began, life.ended)).collect::<Vec<_>>(), [(begun, table.now)]);
}

#[test]
fn counts_of_several_tables_add_up() {
    let counts = |workers, supervisors, away| {
        let mut table = table(Flags::new());
        let (worker, supervisor) = (ChildType::Worker, ChildType::Supervisor);
        let kinds = [
            (worker, Phase::Running, workers),
            (supervisor, Phase::Running, supervisors),
            (worker, Phase::Starting, away),
        ];
        for (child_type, phase, many) in kinds {
            for _ in 0..many {
                assert!(table.start_as(Restart::Permanent, child_type, phase).is_some());
            }
        }
        table.children.counts()
    };
    let sum: ChildCounts = [counts(1, 2, 3), counts(10, 20, 30)].into_iter().sum();
    assert_eq!(sum, counts(11, 22, 33));
    assert_eq!((sum.specs, sum.active, sum.supervisors, sum.workers), (66, 33, 22, 44));
}

#[test]
fn states_and_counts_are_told_in_words() {
    let all = [Phase::Starting, Phase::Running, Phase::Restarting, Phase::Stopping, Phase::Cancelling];
    let words = all.map(|phase| ChildState::from(phase).to_string());
    assert_eq!(words, ["starting", "running", "restarting", "stopping", "stopping"]);
    let counts = ChildCounts { specs: 7, active: 5, supervisors: 3, workers: 4 };
    assert_eq!(counts.to_string(), "specs: 7, active: 5, supervisors: 3, workers: 4");
}

#[cfg(feature = "metrics")]
#[test]
fn a_census_is_told_of_each_child_that_comes_does_something_else_or_goes() {
    use std::{cell::RefCell, rc::Rc};

    type Moves = Rc<RefCell<Vec<(Option<ChildState>, Option<ChildState>)>>>;

    struct Clerk(Moves);

    impl Census for Clerk {
        fn moved(&self, module: &'static str, from: Option<ChildState>, to: Option<ChildState>) {
            assert_eq!(module, "test");
            self.0.borrow_mut().push((from, to));
        }
    }

    let moves = Moves::default();
    let mut table = table(Flags::new());
    table.children = table.children.counted_by(Box::new(Clerk(Rc::clone(&moves))));
    let id = table.start(Restart::Permanent).expect("a place");
    table.crash_and_return(id);
    assert!(table.try_works(id));
    table.children.stopping(id, table.now);
    assert!(table.children.remove(id).is_some());
    let (running, restarting) = (Some(ChildState::Running), Some(ChildState::Restarting));
    let stopping = Some(ChildState::Stopping);
    let expected =
        [(None, running), (running, restarting), (restarting, running), (running, stopping), (stopping, None)];
    assert_eq!(*moves.borrow(), expected);
}
