//! A restart limit of a child's own, and what happens at its end.

use std::time::Duration;

/// What happens to a child whose own restarts are used up; see [`Child::max_restarts`](crate::Child::max_restarts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GiveUp {
    /// It is removed, and that is reported. Its siblings do not notice. The default.
    #[default]
    Remove,
    /// It is the supervisor's matter: one restart counts in the supervisor's limit. If that allows it, the child is
    /// restarted and its own count begins anew; if not, the supervisor gives up. So it is for a child that is alone under
    /// a supervisor of its own.
    Escalate,
    /// It is parked: `Restarting`, its queue kept, and tried again every so often, without a limit, until a try works.
    Park {
        /// How long to wait before each try.
        every: Duration,
    },
}

/// A child's own limit, in place of its share of the supervisor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub(crate) max_restarts: u32,
    pub(crate) within: Duration,
    pub(crate) give_up: GiveUp,
}

impl Budget {
    /// Rule: `max_restarts` + 1 restarts within this time use it up, the last of them is not made any more. A time of
    /// zero is a limit for restarts at one instant only, so practically none.
    #[must_use]
    pub const fn new(max_restarts: u32, within: Duration) -> Self {
        Self { max_restarts, within, give_up: GiveUp::Remove }
    }

    /// What happens when it is used up. Default: [`GiveUp::Remove`].
    #[must_use]
    pub const fn give_up(mut self, give_up: GiveUp) -> Self {
        self.give_up = give_up;
        self
    }
}
