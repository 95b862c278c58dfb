//! How a child is asked to end, and which answers to that are in order.

use std::{fmt, time::Duration};

use super::Restart;
use crate::exit::ExitReason;

/// What a child is: a mark for counting, and the source of the default [`Shutdown`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildType {
    /// Does the work. The default.
    #[default]
    Worker,
    /// Has children of its own.
    Supervisor,
}

impl fmt::Display for ChildType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Worker => "worker",
            Self::Supervisor => "supervisor",
        })
    }
}

/// How a child is ended by its supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shutdown {
    /// Not asked: dropped at once, without `stopping` and `stopped`.
    BrutalKill,
    /// Asked by `ctx.stop()` from outside; if it still lives after this time, dropped without hooks.
    Timeout(Duration),
    /// Asked, and waited for as long as it takes. [`KillChild`](crate::KillChild) may cut that short.
    Infinity,
}

impl Shutdown {
    /// 5 seconds for a worker, no limit for a supervisor: its children have limits of their own.
    #[must_use]
    pub const fn default_for(child_type: ChildType) -> Self {
        match child_type {
            ChildType::Worker => Self::Timeout(Duration::from_secs(5)),
            ChildType::Supervisor => Self::Infinity,
        }
    }

    /// How long the child may take at most; `None` without limit.
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Self::BrutalKill => Some(Duration::ZERO),
            Self::Timeout(limit) => Some(limit),
            Self::Infinity => None,
        }
    }
}

impl fmt::Display for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrutalKill => f.write_str("brutal_kill"),
            Self::Timeout(limit) => write!(f, "{limit:?}"),
            Self::Infinity => f.write_str("infinity"),
        }
    }
}

/// What was done to a child that its supervisor wanted to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Killed without a question: `BrutalKill`.
    Kill,
    /// Asked to stop: `Timeout`, `Infinity`.
    Stop,
    /// Nothing: it had ended already, only the notice of it was still on its way.
    TooLate,
}

impl From<Shutdown> for Asked {
    fn from(shutdown: Shutdown) -> Self {
        match shutdown {
            Shutdown::BrutalKill => Self::Kill,
            Shutdown::Timeout(_) | Shutdown::Infinity => Self::Stop,
        }
    }
}

/// Is this the end one expects of a child that was `asked`? All others are worth a `shutdown_error` report.
pub(crate) fn is_expected_end(asked: Asked, restart: Restart, reason: &ExitReason) -> bool {
    let may_end_normally = restart != Restart::Permanent;
    match (asked, reason) {
        (Asked::Kill, ExitReason::Killed) => true,
        (Asked::Stop, ExitReason::Shutdown | ExitReason::ShutdownWith(_)) => true,
        (Asked::Stop | Asked::TooLate, ExitReason::Normal) => may_end_normally,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_what_a_child_may_take_at_most() {
        let limit = Duration::from_millis(7);
        assert_eq!(Shutdown::BrutalKill.limit(), Some(Duration::ZERO));
        assert_eq!(Shutdown::Timeout(limit).limit(), Some(limit));
        assert_eq!(Shutdown::Infinity.limit(), None);
    }

    #[test]
    fn types_and_shutdowns_print_as_elixir_writes_them() {
        assert_eq!(ChildType::Worker.to_string(), "worker");
        assert_eq!(ChildType::Supervisor.to_string(), "supervisor");
        assert_eq!(Shutdown::BrutalKill.to_string(), "brutal_kill");
        assert_eq!(Shutdown::Timeout(Duration::from_millis(1500)).to_string(), "1.5s");
        assert_eq!(Shutdown::Infinity.to_string(), "infinity");
    }

    #[test]
    fn workers_have_five_seconds_and_supervisors_all_the_time() {
        assert_eq!(Shutdown::default_for(ChildType::Worker), Shutdown::Timeout(Duration::from_secs(5)));
        assert_eq!(Shutdown::default_for(ChildType::Supervisor), Shutdown::Infinity);
    }

    #[test]
    fn which_ends_are_in_order_depends_on_what_was_asked() {
        let reasons = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("x"),
            ExitReason::Killed,
            ExitReason::failed("x"),
        ];
        let row =
            |asked, restart| reasons.iter().map(|reason| is_expected_end(asked, restart, reason)).collect::<Vec<_>>();
        let (y, n) = (true, false);

        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let normal = restart != Restart::Permanent;
            assert_eq!(row(Asked::Kill, restart), [n, n, n, y, n]);
            assert_eq!(row(Asked::Stop, restart), [normal, y, y, n, n]);
            assert_eq!(row(Asked::TooLate, restart), [normal, n, n, n, n]);
        }
    }
}
