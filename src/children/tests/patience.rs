//! Delays before tries, and limits of a child's own.

use super::*;
use crate::{
    policy::{Budget, GiveUp},
    spec::Patience,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

impl Table {
    pub(super) fn start_patient(&mut self, backoff: Option<Backoff>, budget: Option<Budget>) -> ChildId {
        let id = self.children.admit().expect("a place");
        let mut rules = Rules::clone(&rules(Restart::Permanent, ChildType::Worker));
        rules.patience = Some(Box::new(Patience { backoff, budget, on_unresponsive: crate::OnUnresponsive::Wait }));
        self.children.insert(id, Entry::new(Rc::new(rules), Phase::Running, (), self.now));
        id
    }

    /// Ends the present incarnation; how long it has to wait, or `None` if it does not come back.
    fn crash(&mut self, id: ChildId) -> Option<u128> {
        match self.exit(id, &crash()) {
            AfterExit::Again(again) => delay(again),
            _ => panic!("it ran"),
        }
    }

    /// Lets the present try fail; how long it has to wait for the next.
    fn fail(&mut self, id: ChildId) -> Option<u128> {
        assert!(matches!(self.try_fails(id), AfterTry::TryAgain(_)));
        delay(self.retry(id).expect("it is restarting"))
    }

    /// Lets the present try work, and the child run for a while.
    fn run_for(&mut self, id: ChildId, ran_for: Duration) {
        assert!(self.try_works(id));
        self.now += ran_for;
    }
}

fn delay(again: Again<()>) -> Option<u128> {
    match again {
        Again::Restart(_) => Some(0),
        Again::Wait(wait) => Some(wait.delay.as_millis()),
        Again::GiveUp(_) | Again::GiveUpOn(_) => None,
    }
}

fn doubling() -> Backoff {
    Backoff::exponential(MS(10), MS(1000)).forget_after(MS(500))
}

#[test]
fn each_further_try_waits_longer_until_a_child_has_run_for_a_stable_time() {
    let mut table = table(Flags::new().max_restarts(100));
    let id = table.start_patient(Some(doubling()), None);
    assert_eq!([table.crash(id), table.fail(id), table.fail(id)], [Some(10), Some(20), Some(40)]);
    table.run_for(id, MS(499));
    assert_eq!(table.crash(id), Some(80), "it has not run for long enough");
    table.run_for(id, MS(500));
    assert_eq!(table.crash(id), Some(10));
}

#[test]
fn a_child_without_a_delay_of_its_own_has_that_of_the_supervisor() {
    let mut table = table(Flags::new().max_restarts(100).backoff(doubling()));
    let plain = table.start(Restart::Permanent).expect("a place");
    let own = table.start_patient(Some(Backoff::fixed(MS(7))), None);
    let none = table.start_patient(Some(Backoff::none()), None);
    assert_eq!([table.crash(plain), table.fail(plain)], [Some(10), Some(20)]);
    assert_eq!([table.crash(own), table.fail(own)], [Some(7), Some(7)]);
    assert_eq!([table.crash(none), table.fail(none)], [Some(0), Some(0)]);
}

#[test]
fn a_child_that_waits_is_restarting_and_says_when_it_is_due() {
    let mut table = table(Flags::new().max_children(1));
    let id = table.start_patient(Some(doubling()), None);
    assert_eq!(table.crash(id), Some(10));
    let due = table.now + MS(10);
    let entry = table.children.get(id).expect("it waits");
    assert_eq!((entry.phase(), entry.next_try()), (Phase::Restarting, Some(due)));
    assert_eq!(table.counts(), (1, 0));
    assert!(table.children.admit().is_err(), "it fills its place");

    assert!(table.children.is_due(id, table.incarnation(id)));
    assert_eq!(table.children.get(id).expect("it is tried").next_try(), None);
    assert!(!table.children.is_due(id, table.incarnation(id)), "once");
}

#[test]
fn a_delayed_try_that_fails_leaves_the_child_restarting() {
    let mut table = table(Flags::new().max_restarts(100));
    let id = table.start_patient(Some(doubling()), None);
    assert_eq!(table.crash(id), Some(10));
    for _ in 0..5 {
        assert!(table.children.is_due(id, table.incarnation(id)));
        assert!(table.fail(id).is_some());
        assert_eq!(table.children.get(id).expect("still there").phase(), Phase::Restarting);
    }
    assert_eq!(table.counts(), (1, 0));
}

#[test]
fn the_end_of_a_delay_is_stale_for_a_child_that_was_terminated_or_is_further_on() {
    let mut table = table(Flags::new().max_restarts(100));
    let id = table.start_patient(Some(doubling()), None);
    assert_eq!(table.crash(id), Some(10));
    let first = table.incarnation(id);
    assert_eq!(table.fail(id), Some(20));
    assert!(!table.children.is_due(id, first), "of the try before");
    let second = table.incarnation(id);
    assert!(table.children.remove(id).is_some());
    assert!(!table.children.is_due(id, second));
}

#[test]
fn waiting_does_not_spare_a_child_the_limit() {
    let mut table = table(Flags::new().max_restarts(2).max_seconds(5));
    let id = table.start_patient(Some(Backoff::fixed(MS(100))), None);
    assert_eq!([table.crash(id), table.fail(id), table.fail(id)], [Some(100), Some(100), None]);
}

#[test]
fn a_delay_that_cannot_be_told_is_none_and_the_panic_is_handed_on() {
    let mut table = table(Flags::new());
    let id = table.start_patient(Some(Backoff::with(|_, _| std::panic::panic_any("no idea"))), None);
    let AfterExit::Again(Again::Wait(wait)) = table.exit(id, &crash()) else { panic!("it waits") };
    assert_eq!((wait.delay, wait.panic), (Duration::ZERO, Some(PanicReport::new("no idea"))));
}

#[test]
fn a_delay_without_end_does_not_overflow() {
    let mut table = table(Flags::new());
    let id = table.start_patient(Some(Backoff::fixed(Duration::MAX)), None);
    assert!(table.crash(id).is_some());
    let due = table.children.get(id).expect("it waits").next_try().expect("it waits");
    assert!(due > table.now + MS(1000 * 60 * 60 * 24 * 365 * 99));
}

#[test]
fn a_child_with_a_limit_of_its_own_does_not_touch_that_of_the_supervisor() {
    let mut table = table(Flags::new().max_restarts(0));
    let id = table.start_patient(None, Some(Budget::new(3, MS(5000))));
    assert_eq!([table.crash(id), table.fail(id), table.fail(id)], [Some(0), Some(0), Some(0)]);
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert!(matches!(table.retry(id), Some(Again::GiveUpOn(_))));
    assert_eq!(table.counts(), (0, 0));
}

#[test]
fn a_limit_of_its_own_forgets_what_is_longer_ago_than_its_time() {
    let mut table = table(Flags::new().max_restarts(0));
    let id = table.start_patient(None, Some(Budget::new(1, MS(5000))));
    for _ in 0..5 {
        assert_eq!(table.crash(id), Some(0));
        table.run_for(id, MS(5001));
    }
}

#[test]
fn an_escalated_end_of_a_limit_counts_once_in_the_supervisors_and_begins_anew() {
    let mut table = table(Flags::new().max_restarts(1).max_seconds(5));
    let budget = Budget::new(2, MS(5000)).give_up(GiveUp::Escalate);
    let id = table.start_patient(None, Some(budget));
    // Two of its own, one of the supervisor's, two of its own again, and then the supervisor has had enough.
    assert_eq!(table.crash(id), Some(0));
    for _ in 0..4 {
        assert_eq!(table.fail(id), Some(0));
    }
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert!(matches!(table.retry(id), Some(Again::GiveUp(_))));
}

#[test]
fn a_parked_child_is_tried_every_so_often_without_a_limit_until_it_runs() {
    let mut table = table(Flags::new().max_restarts(0));
    let budget = Budget::new(1, MS(5000)).give_up(GiveUp::Park { every: MS(300) });
    let id = table.start_patient(Some(Backoff::fixed(MS(10))), Some(budget));
    let is_parked = |table: &Table| table.children.get(id).expect("in the table").is_parked();
    assert!(!is_parked(&table));
    assert_eq!((table.crash(id), is_parked(&table)), (Some(10), false));
    assert_eq!((table.fail(id), is_parked(&table)), (Some(300), true));
    for _ in 0..100 {
        table.now += MS(300);
        assert_eq!((table.fail(id), is_parked(&table)), (Some(300), true));
    }
    table.run_for(id, MS(6000));
    assert!(!is_parked(&table));
    assert_eq!(table.crash(id), Some(10), "it has run, and its limit has forgotten");
}

#[test]
fn a_parked_child_stays_parked_though_its_limit_has_forgotten_why() {
    let mut table = table(Flags::new().max_restarts(0));
    let budget = Budget::new(1, MS(100)).give_up(GiveUp::Park { every: MS(300) });
    let id = table.start_patient(None, Some(budget));
    assert_eq!([table.crash(id), table.fail(id)], [Some(0), Some(300)]);
    for _ in 0..3 {
        table.now += MS(300);
        assert_eq!(table.fail(id), Some(300), "no burst of tries in between");
    }
    table.run_for(id, MS(1));
    assert_eq!(table.crash(id), Some(0), "it has run");
}

#[test]
fn a_parked_child_that_crashes_as_soon_as_it_runs_is_parked_again() {
    let mut table = table(Flags::new().max_restarts(0));
    let budget = Budget::new(1, MS(5000)).give_up(GiveUp::Park { every: MS(300) });
    let id = table.start_patient(None, Some(budget));
    assert_eq!([table.crash(id), table.fail(id)], [Some(0), Some(300)]);
    table.now += MS(300);
    table.run_for(id, MS(1));
    assert_eq!(table.crash(id), Some(300));
}
