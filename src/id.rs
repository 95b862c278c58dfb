//! Who is who: [`ChildId`], never used twice, and the number of a child's incarnation.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The name of one child, for as long as its supervisor knows it and ever after.
///
/// It stays the same over restarts and is never given to another child, of this or any other supervisor in the
/// process. An id that is stale or belongs to another supervisor is answered `NotFound`, never mistaken.
///
/// # In Elixir
///
/// Handles are pids there: a restart makes a new one and the old one goes stale.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId {
    supervisor: SupervisorId,
    number: u64,
    /// Where the supervisor finds it. Others had this place before, and will have it.
    place: u32,
}

impl ChildId {
    pub(crate) fn new(supervisor: SupervisorId, number: u64, place: u32) -> Self {
        Self { supervisor, number, place }
    }

    pub(crate) fn supervisor(self) -> SupervisorId {
        self.supervisor
    }

    pub(crate) fn number(self) -> u64 {
        self.number
    }

    pub(crate) fn place(self) -> u32 {
        self.place
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.supervisor, self.number)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildId({self})")
    }
}

/// One incarnation of a supervisor of this process. It prints as the first part of its children's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SupervisorId(u64);

impl SupervisorId {
    /// The counter is a source of fresh names, nothing reads it.
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// One that somebody named; there may be no such supervisor.
    #[cfg(feature = "dashboard")]
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SupervisorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which start of a child a command or report belongs to; a mismatch is ignored (invariant 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incarnation(u32);

impl Incarnation {
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn next(self) -> Self {
        // Never again the first: after four billion restarts it goes on with the second.
        Self(self.0.checked_add(1).unwrap_or(2))
    }

    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_two_supervisors_differ_even_with_equal_numbers() {
        let (one, other) = (SupervisorId::fresh(), SupervisorId::fresh());
        assert_ne!(ChildId::new(one, 7, 1), ChildId::new(other, 7, 1));
        assert_ne!(ChildId::new(one, 7, 1), ChildId::new(one, 8, 1));
        assert_eq!(ChildId::new(one, 7, 1), ChildId::new(one, 7, 1));
    }

    #[test]
    fn an_id_prints_its_supervisor_and_its_number() {
        let id = ChildId::new(SupervisorId(3), 12, 0);
        assert_eq!(id.to_string(), "3.12");
        assert_eq!(format!("{id:?}"), "ChildId(3.12)");
    }
}
