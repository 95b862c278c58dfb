//! How many children there are.

use std::{fmt, iter::Sum};

/// How many children a supervisor has, answered by [`count_children`](crate::SupervisorAddr::count_children).
///
/// `specs` is always `supervisors` + `workers`.
///
/// # In Elixir
///
/// The same four numbers. `specs` is the number of children; older editions of its documentation say "always 1".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ChildCounts {
    /// All children.
    pub specs: usize,
    /// Those with a living incarnation: not being started or restarted. One that is asked to stop still counts.
    pub active: usize,
    /// Children of type supervisor, those being restarted included.
    pub supervisors: usize,
    /// Children of type worker, those being restarted included.
    pub workers: usize,
}

impl Sum for ChildCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, one| Self {
            specs: sum.specs + one.specs,
            active: sum.active + one.active,
            supervisors: sum.supervisors + one.supervisors,
            workers: sum.workers + one.workers,
        })
    }
}

impl fmt::Display for ChildCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { specs, active, supervisors, workers } = self;
        write!(f, "specs: {specs}, active: {active}, supervisors: {supervisors}, workers: {workers}")
    }
}
