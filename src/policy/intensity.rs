//! How many restarts a supervisor bears: `max_restarts` within a period.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Notes of the restart tries that still count.
///
/// Rule: a try is noted *before* it is made; notes older than the period are dropped; if more than `max_restarts`
/// remain, the try is not made. So `max_restarts` tries are allowed in any period, the next one is not, and
/// `max_restarts(0)` ends the supervisor at the first. A try exactly one period ago still counts.
///
/// At most `max_restarts + 1` notes are kept.
#[derive(Debug)]
pub(crate) struct RestartWindow {
    max_restarts: u32,
    period: Duration,
    /// Oldest first.
    notes: VecDeque<Instant>,
    /// What has been told of how near the limit is: 0, 50 or 80 %.
    told_percent: u8,
}

/// How much of a restart limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) used: usize,
    pub(crate) max_restarts: u32,
    pub(crate) period: Duration,
    /// When the oldest restart that counts will not count any more.
    pub(crate) next_free: Option<Instant>,
}

impl RestartWindow {
    pub(crate) fn new(max_restarts: u32, period: Duration) -> Self {
        Self { max_restarts, period, notes: VecDeque::new(), told_percent: 0 }
    }

    /// New limits; the notes stay.
    pub(crate) fn set_limits(&mut self, max_restarts: u32, period: Duration) {
        self.max_restarts = max_restarts;
        self.period = period;
    }

    /// Notes a try at `now`; `false` if it is one too many.
    #[must_use]
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        while self.notes.front().is_some_and(|&note| now.saturating_duration_since(note) > self.period) {
            self.notes.pop_front();
        }
        let allowed = self.max_restarts as usize;
        // More than that only after limits were lowered at run time: what is beyond the limit need not be remembered.
        self.notes.drain(..self.notes.len().saturating_sub(allowed));
        // What has been left by time alone may be reached again.
        self.told_percent = self.told_percent.min(self.percent());
        let admitted = self.notes.len() < allowed;
        self.notes.push_back(now);
        admitted
    }

    /// How much of it is used at `now`.
    pub(crate) fn usage(&self, now: Instant) -> Usage {
        // Not one by one: a limit may allow many, and it is asked for at each restart.
        let old = self.notes.partition_point(|note| now.saturating_duration_since(*note) > self.period);
        Usage {
            used: self.notes.len() - old,
            max_restarts: self.max_restarts,
            period: self.period,
            next_free: self.notes.get(old).and_then(|note| note.checked_add(self.period)),
        }
    }

    /// After a try that was admitted: has one half, or four fifths, of the limit been reached that was not before?
    pub(crate) fn has_come_near(&mut self) -> bool {
        let percent = self.percent();
        let before = std::mem::replace(&mut self.told_percent, percent);
        percent > before
    }

    /// How much is noted: 80 or 50 % of what is borne at least, or less.
    fn percent(&self) -> u8 {
        let (used, limit) = (self.notes.len() as u64, u64::from(self.max_restarts));
        match () {
            () if used * 100 >= limit * 80 => 80,
            () if used * 100 >= limit * 50 => 50,
            () => 0,
        }
    }

    #[cfg(test)]
    fn noted(&self) -> usize {
        self.notes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    /// Tries at these seconds; which of them are admitted?
    fn tries(max_restarts: u32, seconds: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        let mut window = RestartWindow::new(max_restarts, PERIOD);
        seconds.iter().map(|&s| window.admit(start + Duration::from_secs(s))).collect()
    }

    #[test]
    fn as_many_as_max_restarts_are_admitted_and_no_more() {
        assert_eq!(tries(3, &[0, 0, 0, 0]), [true, true, true, false]);
    }

    #[test]
    fn with_zero_the_first_try_is_one_too_many() {
        assert_eq!(tries(0, &[0]), [false]);
    }

    #[test]
    fn a_try_exactly_one_period_ago_still_counts() {
        assert_eq!(tries(1, &[0, 5]), [true, false]);
        let start = Instant::now();
        let mut window = RestartWindow::new(1, PERIOD);
        assert!(window.admit(start));
        assert!(window.admit(start + PERIOD + Duration::from_nanos(1)));
    }

    #[test]
    fn tries_spaced_so_that_the_limit_is_never_passed_go_on_for_ever() {
        let seconds: Vec<u64> = (0..1000).map(|n| n * 3).collect();
        assert!(tries(2, &seconds).iter().all(|&admitted| admitted));
        assert!(!tries(1, &seconds).iter().all(|&admitted| admitted));
    }

    #[test]
    fn huge_periods_and_a_clock_that_stands_still_do_not_overflow() {
        let now = Instant::now();
        let mut window = RestartWindow::new(u32::MAX, Duration::MAX);
        assert!((0..100).all(|_| window.admit(now)));
        assert!(window.admit(now - Duration::from_secs(1)), "an instant before the last one is no reason to panic");
    }

    #[test]
    fn at_most_one_note_more_than_the_limit_is_kept() {
        let now = Instant::now();
        let mut window = RestartWindow::new(3, Duration::MAX);
        for _ in 0..100 {
            let _ = window.admit(now);
            assert!(window.noted() <= 4);
        }
    }

    #[test]
    fn what_is_used_and_when_the_next_is_free_can_be_read_before_the_limit_is_reached() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = RestartWindow::new(3, PERIOD);
        let used = |window: &RestartWindow, now| {
            let usage = window.usage(now);
            (usage.used, usage.next_free)
        };
        assert_eq!(used(&window, start), (0, None));
        assert!(window.admit(at(0)) && window.admit(at(2)));
        assert_eq!(used(&window, at(2)), (2, Some(at(5))));
        assert_eq!(used(&window, at(5)), (2, Some(at(5))), "exactly one period ago still counts");
        assert_eq!(used(&window, at(6)), (1, Some(at(7))));
        assert_eq!(used(&window, at(8)), (0, None));
    }

    #[test]
    fn it_is_told_once_that_a_half_and_four_fifths_are_reached_and_again_after_it_was_less() {
        let start = Instant::now();
        let mut window = RestartWindow::new(10, PERIOD);
        let mut near = |seconds| {
            let admitted = window.admit(start + Duration::from_secs(seconds));
            admitted.then(|| window.has_come_near())
        };
        let told: Vec<_> = (0..11).map(|_| near(0)).collect();
        let at = |tries: &[Option<bool>]| {
            (1..).zip(tries).filter(|(_, near)| **near == Some(true)).map(|(n, _)| n).collect()
        };
        let (at, refused): (Vec<i32>, _) = (at(&told), told[10]);
        assert_eq!((at, refused), (vec![5, 8], None));
        assert_eq!(near(6), Some(false), "a period later it is far again");
        let again: Vec<_> = (0..4).map(|_| near(6)).collect();
        assert_eq!(again, [Some(false), Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn it_is_told_again_when_time_alone_has_made_it_less_meanwhile() {
        let start = Instant::now();
        let mut window = RestartWindow::new(2, PERIOD);
        let mut near = |seconds| window.admit(start + Duration::from_secs(seconds)) && window.has_come_near();
        assert_eq!([0, 6, 12].map(&mut near), [true; 3], "each is half of it, and alone");
        assert_eq!([13, 18, 19].map(&mut near), [true, true, true], "from one to two, again and again");
        assert!(near(24), "and the fourth in a row is not more than two in any period");
    }

    #[test]
    fn limits_lowered_at_run_time_hold_from_the_next_try_on() {
        let now = Instant::now();
        let mut window = RestartWindow::new(10, PERIOD);
        assert!((0..5).all(|_| window.admit(now)));
        window.set_limits(2, PERIOD);
        assert!(!window.admit(now));
        assert!(window.noted() <= 3);
    }

    #[test]
    fn it_agrees_with_a_naive_list() {
        let start = Instant::now();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for max_restarts in 0..6 {
            let mut window = RestartWindow::new(max_restarts, PERIOD);
            let (mut now, mut list) = (start, Vec::new());
            for _ in 0..2_000 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                now += Duration::from_millis(seed % 4_000);
                list.push(now);
                list.retain(|&then| now <= then + PERIOD);
                assert_eq!(window.admit(now), list.len() <= max_restarts as usize);
            }
        }
    }
}
