//! The restart type and its truth table.

use std::fmt;

use crate::exit::ExitReason;

/// Which ends of a child are followed by a restart.
///
/// | ended | `Permanent` | `Transient` | `Temporary` |
/// |---|---|---|---|
/// | quietly (`Normal`, `Shutdown`, `ShutdownWith`) | reported, restarted | removed | removed |
/// | abnormally (all else) | reported, restarted | reported, restarted | reported, removed |
///
/// A child that its supervisor was told to terminate is never restarted, whatever its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restart {
    /// Always: the child is meant to be there. The default, as in Elixir.
    #[default]
    Permanent,
    /// Only after an abnormal end: the child may finish its work.
    Transient,
    /// Never: the child lives once. Its spec is dropped as soon as it has started.
    Temporary,
}

impl Restart {
    /// Does a child of this type come back after `reason`? Rule: the table above.
    #[must_use]
    pub fn applies_to(self, reason: &ExitReason) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => reason.is_abnormal(),
            Self::Temporary => false,
        }
    }

    /// Is this end worth a `child_terminated` report? Rule: the table above.
    pub(crate) fn reports(self, reason: &ExitReason) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient | Self::Temporary => reason.is_abnormal(),
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::PanicReport;

    #[test]
    fn every_restart_type_meets_every_reason() {
        let reasons = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("x"),
            ExitReason::Killed,
            ExitReason::Panicked(PanicReport::new("x")),
            ExitReason::failed("x"),
            ExitReason::ArbiterGone,
            ExitReason::Unknown,
        ];
        let row = |ask: &dyn Fn(&ExitReason) -> bool| reasons.iter().map(ask).collect::<Vec<_>>();
        let (y, n) = (true, false);

        assert_eq!(row(&|r| Restart::Permanent.applies_to(r)), [y, y, y, y, y, y, y, y]);
        assert_eq!(row(&|r| Restart::Transient.applies_to(r)), [n, n, n, y, y, y, y, y]);
        assert_eq!(row(&|r| Restart::Temporary.applies_to(r)), [n, n, n, n, n, n, n, n]);

        assert_eq!(row(&|r| Restart::Permanent.reports(r)), [y, y, y, y, y, y, y, y]);
        assert_eq!(row(&|r| Restart::Transient.reports(r)), [n, n, n, y, y, y, y, y]);
        assert_eq!(row(&|r| Restart::Temporary.reports(r)), [n, n, n, y, y, y, y, y]);
    }

    #[test]
    fn restart_types_print_as_elixir_writes_them() {
        let text = [Restart::Permanent, Restart::Transient, Restart::Temporary].map(|restart| restart.to_string());
        assert_eq!(text, ["permanent", "transient", "temporary"]);
    }

    #[test]
    fn permanent_is_the_default() {
        assert_eq!(Restart::default(), Restart::Permanent);
    }
}
