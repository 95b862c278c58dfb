//! The table's rules, with made-up instants and nobody in the seats.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

mod elsewhere;
mod patience;
mod seen;

use super::*;
use crate::{policy::Restart, spec::Rules, unwind::PanicReport, ExitReason, Shutdown};

/// A table and a clock that stands where it is put.
struct Table {
    children: Children<()>,
    now: Instant,
}

fn table(flags: Flags) -> Table {
    Table { children: Children::new(SupervisorId::fresh(), &flags), now: Instant::now() }
}

fn rules(restart: Restart, child_type: ChildType) -> Rc<Rules> {
    Rc::new(Rules {
        restart,
        shutdown: Shutdown::default_for(child_type),
        child_type,
        label: None,
        module: "test",
        patience: None,
    })
}

fn crash() -> ExitReason {
    ExitReason::Panicked(PanicReport::new("crash"))
}

impl Table {
    /// A child that runs, if there is a place.
    fn start(&mut self, restart: Restart) -> Option<ChildId> {
        self.start_as(restart, ChildType::Worker, Phase::Running)
    }

    fn start_as(&mut self, restart: Restart, child_type: ChildType, phase: Phase) -> Option<ChildId> {
        let id = self.children.admit().ok()?;
        self.children.insert(id, Entry::new(rules(restart, child_type), phase, (), self.now));
        Some(id)
    }

    fn incarnation(&self, id: ChildId) -> Incarnation {
        self.children.get(id).expect("in the table").incarnation
    }

    /// Ends the present incarnation.
    fn exit(&mut self, id: ChildId, reason: &ExitReason) -> AfterExit<()> {
        self.children.exited(id, self.incarnation(id), reason, self.now)
    }

    fn try_fails(&mut self, id: ChildId) -> AfterTry<()> {
        self.children.not_started(id, self.incarnation(id), false)
    }

    fn try_works(&mut self, id: ChildId) -> bool {
        self.children.started(id, self.incarnation(id), self.now)
    }

    fn retry(&mut self, id: ChildId) -> Option<Again<()>> {
        self.children.retry(id, self.incarnation(id), self.now)
    }

    fn counts(&self) -> (usize, usize) {
        let ChildCounts { specs, active, supervisors, workers } = self.children.counts();
        assert_eq!(specs, supervisors + workers);
        (specs, active)
    }
}

#[test]
fn ids_are_given_in_start_order_and_never_again() {
    let mut table = table(Flags::new());
    let first = table.start(Restart::Permanent).expect("a place");
    assert!(table.children.remove(first).is_some());
    let second = table.start(Restart::Permanent).expect("a place");
    assert!(first < second);
    assert!(table.children.get(first).is_none());
    assert!(table.children.remove(first).is_none());
}

#[test]
fn an_id_of_another_supervisor_is_nobodys_here() {
    let (mut here, mut there) = (table(Flags::new()), table(Flags::new()));
    let (own, foreign) = (here.start(Restart::Permanent), there.start(Restart::Permanent));
    assert_eq!(own.map(ChildId::number), foreign.map(ChildId::number));
    let foreign = foreign.expect("a place");
    assert!(here.children.get(foreign).is_none());
    assert!(here.children.remove(foreign).is_none());
    assert!(matches!(here.children.exited(foreign, Incarnation::FIRST, &crash(), Instant::now()), AfterExit::Stale));
    assert_eq!(here.counts(), (1, 1));
}

#[test]
fn every_entry_fills_a_place_whatever_it_is_doing() {
    for phase in [Phase::Running, Phase::Starting] {
        let mut table = table(Flags::new().max_children(1));
        assert!(table.start_as(Restart::Permanent, ChildType::Worker, phase).is_some());
        assert_eq!(table.children.admit(), Err(Full { limit: 1 }));
    }
    let mut table = table(Flags::new().max_children(1));
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    assert_eq!(table.children.admit(), Err(Full { limit: 1 }), "restarting");
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert_eq!(table.children.admit(), Err(Full { limit: 1 }), "between two tries");
    table.children.stopping(id, table.now);
    assert_eq!(table.children.admit(), Err(Full { limit: 1 }), "stopping");
    assert!(table.children.remove(id).is_some());
    assert!(table.children.admit().is_ok());
}

#[test]
fn zero_places_refuse_always() {
    assert_eq!(table(Flags::new().max_children(0)).children.admit(), Err(Full { limit: 0 }));
}

#[test]
fn restart_type_and_reason_decide_what_follows_an_end() {
    let quiet = [ExitReason::Normal, ExitReason::Shutdown, ExitReason::shutdown_with("x")];
    let abnormal = [crash(), ExitReason::Killed, ExitReason::failed("x")];
    for (restart, after_quiet, after_abnormal) in
        [(Restart::Permanent, true, true), (Restart::Transient, false, true), (Restart::Temporary, false, false)]
    {
        for (reasons, comes_back) in [(&quiet, after_quiet), (&abnormal, after_abnormal)] {
            for reason in reasons {
                let mut table = table(Flags::new());
                let id = table.start(restart).expect("a place");
                match table.exit(id, reason) {
                    AfterExit::Again(Again::Restart(next)) => {
                        assert!(comes_back, "{restart} after {reason}");
                        assert_eq!(next, Incarnation::FIRST.next());
                        assert_eq!(table.counts(), (1, 0));
                        assert!(table.try_works(id));
                        assert_eq!(table.counts(), (1, 1));
                    }
                    AfterExit::Forget(_) => {
                        assert!(!comes_back, "{restart} after {reason}");
                        assert_eq!(table.counts(), (0, 0));
                    }
                    _ => panic!("{restart} after {reason}"),
                }
            }
        }
    }
}

#[test]
fn a_report_about_an_earlier_incarnation_is_stale() {
    let mut table = table(Flags::new());
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(table.try_works(id));
    let now = table.now;
    assert!(matches!(table.children.exited(id, Incarnation::FIRST, &crash(), now), AfterExit::Stale));
    assert!(!table.children.started(id, Incarnation::FIRST, now));
    assert!(matches!(table.children.not_started(id, Incarnation::FIRST, false), AfterTry::Stale));
    assert_eq!(table.counts(), (1, 1));
}

#[test]
fn the_restart_one_too_many_drops_the_child_and_gives_up() {
    let mut table = table(Flags::new().max_restarts(1));
    let (one, other) = (table.start(Restart::Permanent), table.start(Restart::Permanent));
    let (one, other) = (one.expect("a place"), other.expect("a place"));
    assert!(matches!(table.exit(one, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(table.try_works(one));
    assert!(matches!(table.exit(other, &crash()), AfterExit::Again(Again::GiveUp(_))), "the limit is shared");
    assert_eq!(table.counts(), (1, 1));
}

#[test]
fn failed_tries_count_and_so_does_each_of_them() {
    let mut table = table(Flags::new().max_restarts(2));
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert!(matches!(table.retry(id), Some(Again::Restart(_))));
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert!(matches!(table.retry(id), Some(Again::GiveUp(_))));
    assert_eq!(table.counts(), (0, 0));
}

#[test]
fn restarts_outside_of_the_period_do_not_count() {
    let mut table = table(Flags::new().max_restarts(1).max_seconds(5));
    let id = table.start(Restart::Permanent).expect("a place");
    for _ in 0..10 {
        assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
        assert!(table.try_works(id));
        table.now += Duration::from_millis(5_001);
    }
}

#[test]
fn a_restart_that_declines_removes_the_child_and_a_first_start_that_fails_leaves_none() {
    let mut table = table(Flags::new());
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    let now = table.incarnation(id);
    assert!(matches!(table.children.not_started(id, now, true), AfterTry::Forget(_)));

    let starting = table.start_as(Restart::Permanent, ChildType::Worker, Phase::Starting).expect("a place");
    assert_eq!(table.counts(), (1, 0));
    assert!(matches!(table.try_fails(starting), AfterTry::Forget(_)));
    assert_eq!(table.counts(), (0, 0));
}

#[test]
fn a_retry_finds_the_child_terminated_and_is_void() {
    let mut table = table(Flags::new());
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    let incarnation = table.incarnation(id);
    assert!(table.children.remove(id).is_some());
    assert!(table.children.retry(id, incarnation, table.now).is_none());
}

#[test]
fn a_child_asked_to_end_is_not_restarted_however_it_ends() {
    for reason in [ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed, crash()] {
        let mut table = table(Flags::new().max_restarts(0));
        let id = table.start(Restart::Permanent).expect("a place");
        table.children.stopping(id, table.now);
        assert_eq!(table.counts(), (1, 1));
        assert!(matches!(table.exit(id, &reason), AfterExit::Stopped(_)));
        assert_eq!(table.counts(), (0, 0));
    }
}

#[test]
fn new_flags_keep_children_and_notes() {
    let mut table = table(Flags::new().max_restarts(3));
    let (one, _two) = (table.start(Restart::Permanent).expect("a place"), table.start(Restart::Permanent));
    assert!(matches!(table.exit(one, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(table.try_works(one));
    table.children.set_flags(&Flags::new().max_restarts(1).max_children(1));
    assert_eq!(table.counts(), (2, 2));
    assert!(table.children.admit().is_err());
    assert!(matches!(table.exit(one, &crash()), AfterExit::Again(Again::GiveUp(_))), "the restart before still counts");
}

#[test]
fn restarts_that_worked_are_counted_per_child() {
    let mut table = table(Flags::new().max_restarts(10));
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(matches!(table.exit(id, &crash()), AfterExit::Again(Again::Restart(_))));
    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
    assert!(matches!(table.retry(id), Some(Again::Restart(_))));
    assert!(table.try_works(id));
    let entry = table.children.get(id).expect("in the table");
    assert_eq!(entry.restarts, 1);
    assert!(matches!(entry.last_exit(), Some(ExitReason::Panicked(_))));
}

/// The same rules, written as naively as possible: every count walks a list.
#[derive(Default)]
struct Naive {
    children: Vec<(ChildId, Restart, ChildType, Phase)>,
    notes: Vec<Instant>,
}

#[test]
fn random_histories_agree_with_a_naive_list() {
    const PERIOD: Duration = Duration::from_secs(3);
    const LIMIT: usize = 6;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut gave_up, mut refused, mut tried_again) = (0, 0, 0);
    for history in 0..400 {
        let max_restarts = history % 7;
        let flags = Flags::new().max_restarts(max_restarts).period(PERIOD).max_children(LIMIT);
        let (mut table, mut naive) = (table(flags), Naive::default());
        for _ in 0..120 {
            table.now += Duration::from_millis(random(600));
            let chosen = naive.children.get(random(LIMIT as u64) as usize).copied();
            match (random(6), chosen) {
                (0 | 1, _) => {
                    let restart = [Restart::Permanent, Restart::Transient, Restart::Temporary][random(3) as usize];
                    let child_type = [ChildType::Worker, ChildType::Supervisor][random(2) as usize];
                    let started = table.start_as(restart, child_type, Phase::Running);
                    assert_eq!(started.is_some(), naive.children.len() < LIMIT);
                    refused += usize::from(started.is_none());
                    naive.children.extend(started.map(|id| (id, restart, child_type, Phase::Running)));
                }
                (2 | 3, Some((id, restart, _, Phase::Running))) => {
                    let reason = [ExitReason::Normal, crash()][random(2) as usize].clone();
                    let comes_back = match restart {
                        Restart::Permanent => true,
                        Restart::Transient => reason.is_abnormal(),
                        Restart::Temporary => false,
                    };
                    let may = comes_back && naive.may_restart(table.now, PERIOD, max_restarts);
                    match table.exit(id, &reason) {
                        AfterExit::Again(Again::Restart(_)) => {
                            assert!(may);
                            naive.set(id, Phase::Restarting);
                        }
                        AfterExit::Forget(_) => {
                            assert!(!comes_back);
                            naive.forget(id);
                        }
                        AfterExit::Again(Again::GiveUp(_)) => {
                            assert!(comes_back && !may);
                            gave_up += 1;
                            break;
                        }
                        AfterExit::Again(Again::Wait(_) | Again::GiveUpOn(_)) => panic!("it has no patience"),
                        AfterExit::Stale | AfterExit::Stopped(_) => panic!("it ran"),
                    }
                }
                (4, Some((id, _, _, Phase::Restarting))) => {
                    assert!(table.try_works(id));
                    naive.set(id, Phase::Running);
                }
                (5, Some((id, _, _, Phase::Restarting))) => {
                    assert!(matches!(table.try_fails(id), AfterTry::TryAgain(_)));
                    tried_again += 1;
                    let may = naive.may_restart(table.now, PERIOD, max_restarts);
                    match table.retry(id) {
                        Some(Again::Restart(_)) => assert!(may),
                        Some(Again::GiveUp(_)) => {
                            assert!(!may);
                            gave_up += 1;
                            break;
                        }
                        Some(Again::Wait(_) | Again::GiveUpOn(_)) | None => {
                            panic!("it is restarting, without patience")
                        }
                    }
                }
                (_, Some((id, ..))) => {
                    assert!(table.children.remove(id).is_some());
                    naive.forget(id);
                }
                (_, None) => {}
            }
            naive.compare(&table.children);
        }
    }
    assert!(gave_up > 50 && refused > 50 && tried_again > 50, "{gave_up} {refused} {tried_again}: too tame");
}

impl Naive {
    fn may_restart(&mut self, now: Instant, period: Duration, max_restarts: u32) -> bool {
        self.notes.push(now);
        self.notes.iter().filter(|&&note| now <= note + period).count() <= max_restarts as usize
    }

    fn set(&mut self, id: ChildId, phase: Phase) {
        for child in self.children.iter_mut().filter(|child| child.0 == id) {
            child.3 = phase;
        }
    }

    fn forget(&mut self, id: ChildId) {
        self.children.retain(|child| child.0 != id);
    }

    fn compare(&self, children: &Children<()>) {
        let counts = children.counts();
        assert_eq!(counts.specs, self.children.len());
        assert_eq!(counts.active, self.children.iter().filter(|child| child.3 == Phase::Running).count());
        assert_eq!(counts.supervisors, self.children.iter().filter(|child| child.2 == ChildType::Supervisor).count());
        assert_eq!(counts.workers, counts.specs - counts.supervisors);
        let listed: Vec<_> = children.iter().map(|(id, entry)| (id, entry.phase())).collect();
        assert_eq!(listed, self.children.iter().map(|child| (child.0, child.3)).collect::<Vec<_>>());
    }
}

#[test]
fn a_table_is_empty_until_a_child_is_in_it_and_again_when_it_is_gone() {
    let mut table = table(Flags::new());
    assert!(table.children.is_empty());
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(!table.children.is_empty());
    let _ = table.children.remove(id);
    assert!(table.children.is_empty());
}

#[test]
fn a_seat_is_that_of_a_child_in_the_table_and_of_no_other() {
    let (mut table, mut other) = (table(Flags::new()), table(Flags::new()));
    let id = table.start(Restart::Permanent).expect("a place");
    assert!(table.children.seat_mut(id).is_some());
    assert!(other.children.seat_mut(id).is_none());
    let _ = table.children.remove(id);
    assert!(table.children.seat_mut(id).is_none());
}

#[test]
fn counts_print_as_elixir_writes_them() {
    let counts = ChildCounts { specs: 3, active: 1, supervisors: 1, workers: 2 };
    assert_eq!(counts.to_string(), "specs: 3, active: 1, supervisors: 1, workers: 2");
}
