//! A supervisor's options.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use super::Placement;
use crate::policy::Backoff;

/// How a supervisor reacts when a child has to be restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Only that child is restarted. The only strategy, and the default.
    #[default]
    OneForOne,
}

/// The options of a supervisor that [`SupervisorModule::init`](crate::SupervisorModule::init) answers with.
///
/// Defaults: `strategy` one for one, `max_restarts` 3, `max_seconds` 5, `max_children` unlimited, no extra arguments,
/// `max_reports_per_second` 10. They hold always.
///
/// # In Elixir
///
/// A hand-made flags map without `intensity` gets 1 there, not 3.
#[derive(Clone, Debug)]
#[must_use]
pub struct Flags {
    pub(crate) strategy: Strategy,
    pub(crate) max_restarts: u32,
    pub(crate) period: Duration,
    pub(crate) max_children: Option<usize>,
    pub(crate) extras: Extras,
    pub(crate) max_reports_per_second: u32,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) max_concurrent_starts: Option<NonZeroUsize>,
    pub(crate) placement: Placement,
    pub(crate) unresponsive_after: Duration,
    pub(crate) last_lives: usize,
    pub(crate) is_measured: bool,
    pub(crate) has_spans: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            max_restarts: 3,
            period: Duration::from_secs(5),
            max_children: None,
            extras: Extras::default(),
            max_reports_per_second: 10,
            backoff: None,
            max_concurrent_starts: None,
            placement: Placement::Same,
            unresponsive_after: Duration::from_secs(5),
            last_lives: 8,
            is_measured: false,
            has_spans: false,
        }
    }
}

impl Flags {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The strategy; there is one.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How many restarts are borne within the period. Default 3.
    ///
    /// Rule: `max_restarts` + 1 restarts within the period end the supervisor, the last of them is not made any more.
    /// All children share this one limit, and failed tries count. A child that a client can crash belongs under a
    /// supervisor of its own ([`Builder::into_child`](crate::Builder::into_child)), or one client takes all the others
    /// down. A child that takes longer than the period to crash again is never one too many: where tries are slow,
    /// make the period long.
    pub fn max_restarts(mut self, max_restarts: u32) -> Self {
        self.max_restarts = max_restarts;
        self
    }

    /// The period for `max_restarts` in whole seconds. Default 5. Zero is refused.
    pub fn max_seconds(self, max_seconds: u64) -> Self {
        self.period(Duration::from_secs(max_seconds))
    }

    /// The period for `max_restarts`. Default 5 s. Zero is refused.
    ///
    /// # In Elixir
    ///
    /// The period is counted in whole seconds of the clock, so it is up to a second longer than asked for. Here it is
    /// exact: a restart that lies at most this long ago counts.
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How many children there may be at a time, those being started or restarted included. Default unlimited.
    ///
    /// Zero is legal and means none.
    pub fn max_children(mut self, max_children: usize) -> Self {
        self.max_children = Some(max_children);
        self
    }

    /// A value for every child's start, first and repeated: [`StartContext::extra`](crate::StartContext::extra).
    ///
    /// There is one value per type; a second of the same type replaces the first.
    ///
    /// # In Elixir
    ///
    /// `extra_arguments`, put before the child's own arguments.
    pub fn extra_argument<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extras.insert(value);
        self
    }

    /// How many reports about children are logged in a second; what exceeds it is counted and summed up in one line.
    /// Default 10. The report that the supervisor gives up is never left out.
    pub fn max_reports_per_second(mut self, max_reports: u32) -> Self {
        self.max_reports_per_second = max_reports;
        self
    }

    /// The delay before each try of a restart, for children that have none of their own. Default: none.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// How many asynchronous starts, first and repeated, may go on at a time; further ones wait for their turn, in order.
    /// Default unlimited.
    ///
    /// The time that a start waits does not count in its `start_timeout`. A synchronous start never waits.
    pub fn max_concurrent_starts(mut self, max_starts: NonZeroUsize) -> Self {
        self.max_concurrent_starts = Some(max_starts);
        self
    }

    /// Where children live whose spec does not name an arbiter. Default: on the supervisor's own.
    ///
    /// It is settled when the supervisor starts: a `Reinit` does not change it.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// How long the thread of another arbiter that children live on may be busy with one thing before it is reported as
    /// blocked, with the child that blocks it. Default 5 s. Zero is refused.
    ///
    /// Looked at five times in that time; it is settled when the supervisor starts.
    pub fn unresponsive_after(mut self, limit: Duration) -> Self {
        self.unresponsive_after = limit;
        self
    }

    /// How many of a child's last incarnations are remembered: when each began and ended, and why. Default 8.
    ///
    /// Only a child that was restarted, or is tried again, has any. [`ChildInfo::lives`](crate::ChildInfo::lives).
    pub fn last_lives(mut self, lives: usize) -> Self {
        self.last_lives = lives;
        self
    }

    /// Measures how long children keep their thread at a time: [`ChildInfo::longest_poll`](crate::ChildInfo::longest_poll).
    /// Default: no, as it takes two looks at the clock whenever a child has its turn.
    ///
    /// It is settled when the supervisor starts.
    pub fn measure(mut self, is_measured: bool) -> Self {
        self.is_measured = is_measured;
        self
    }

    /// Has each incarnation run inside a `tracing` span `child`, level `INFO`, with the fields `supervisor`, `id`, `module`,
    /// `label`, `key` and `incarnation`, so that what the actor logs is known to be its own. Default: no.
    ///
    /// It is settled when the supervisor starts.
    pub fn spans(mut self, has_spans: bool) -> Self {
        self.has_spans = has_spans;
        self
    }

    /// The first option that is out of order: its name and what is wrong with it.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.period.is_zero() {
            return Some(("max_seconds", "the period must be longer than zero"));
        }
        if self.unresponsive_after.is_zero() {
            return Some(("unresponsive_after", "the time must be longer than zero"));
        }
        let is_pool = self.placement != Placement::Same;
        let is_in_order = (1..=Placement::MAX_ARBITERS).contains(&self.placement.arbiters());
        (is_pool && !is_in_order).then_some(("placement", "a pool has 1 to 1024 arbiters"))
    }
}

/// Values by type.
#[derive(Clone, Default)]
pub(crate) struct Extras(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Extras {
    fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.get(&TypeId::of::<T>())?).downcast().ok()
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} value(s)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_elixirs() {
        let flags = Flags::new();
        assert_eq!((flags.max_restarts, flags.period), (3, Duration::from_secs(5)));
        assert_eq!(flags.max_children, None);
        assert!(flags.backoff.is_none() && flags.max_concurrent_starts.is_none());
        assert_eq!((flags.placement, flags.unresponsive_after), (Placement::Same, Duration::from_secs(5)));
        assert_eq!(flags.strategy, Strategy::OneForOne);
        assert_eq!(flags.fault(), None);
    }

    #[test]
    fn only_a_period_of_zero_is_out_of_order() {
        assert_eq!(Flags::new().max_seconds(0).fault().map(|(option, _)| option), Some("max_seconds"));
        let extreme = Flags::new().max_restarts(u32::MAX).max_seconds(u64::MAX).max_children(0);
        assert_eq!(extreme.fault(), None);
    }

    #[test]
    fn a_pool_has_at_least_one_arbiter_and_not_more_than_a_machine_bears() {
        let fault = |placement| Flags::new().placement(placement).fault().map(|(option, _)| option);
        for of in [Placement::Pool, Placement::LeastLoaded] {
            assert_eq!([of(1), of(Placement::MAX_ARBITERS)].map(fault), [None, None]);
            let refused = [of(0), of(Placement::MAX_ARBITERS + 1), of(usize::MAX)].map(fault);
            assert_eq!(refused, [Some("placement"); 3]);
        }
        assert_eq!(fault(Placement::Same), None);
    }

    #[test]
    fn a_thread_is_not_blocked_at_once_and_may_be_waited_for_without_end() {
        let fault = |limit| Flags::new().unresponsive_after(limit).fault().map(|(option, _)| option);
        assert_eq!(fault(Duration::ZERO), Some("unresponsive_after"));
        assert_eq!([fault(Duration::from_nanos(1)), fault(Duration::MAX)], [None, None]);
    }

    #[test]
    fn an_extra_of_the_same_type_replaces_the_first() {
        let flags = Flags::new().extra_argument(1_u8).extra_argument("two").extra_argument(3_u8);
        assert_eq!(flags.extras.get::<u8>(), Some(Arc::new(3)));
        assert_eq!(flags.extras.get::<&str>(), Some(Arc::new("two")));
        assert_eq!(flags.extras.get::<u16>(), None);
    }
}
