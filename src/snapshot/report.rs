//! How it went: what a supervisor answers to who stopped it.

use std::fmt;

use crate::id::ChildId;

/// How the children of a supervisor ended when it stopped.
///
/// Children that were being restarted are in none of the lists: there was nothing to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many ended when they were asked.
    pub stopped: usize,
    /// Those ended by force: `BrutalKill`, or a deadline passed.
    pub killed: Vec<ChildId>,
    /// Those that panicked or gave an error on their way out.
    pub failed: Vec<ChildId>,
    /// Those that kept their thread blocked for longer than their deadline and a second. On the supervisor's own thread
    /// they have ended, but late; on another they are left behind, and end when they give it back.
    pub unresponsive: Vec<ChildId>,
}

impl ShutdownReport {
    /// Did every child end when it was asked?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.killed.is_empty() && self.failed.is_empty() && self.unresponsive.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stopped, killed, failed, unresponsive } = self;
        let (killed, failed, unresponsive) = (killed.len(), failed.len(), unresponsive.len());
        write!(f, "stopped: {stopped}, killed: {killed}, failed: {failed}, unresponsive: {unresponsive}")
    }
}
