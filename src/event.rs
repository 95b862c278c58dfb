//! What a supervisor has to tell, as typed facts, and how they become log lines.
//!
//! The core decides and returns; the supervisor turns that into a [`Fact`] and tells it here, once. A second sink is a
//! second reader of [`Fact`].
//!
//! Levels: `error` for what went wrong (an abnormal end, a failed try of a restart, the limit reached, an odd end on
//! shutdown), `warn` for a restart after a quiet end, `debug` for starts, restarts and ends in good order. Reports never
//! show start arguments or messages.

use std::{
    fmt,
    time::{Duration, Instant},
};

use tracing::{debug, error, warn};

use crate::{
    exit::ExitReason,
    id::{ChildId, Incarnation},
    runner::StartFailure,
    spec::Rules,
    unwind::{self, PanicReport},
};

/// The target of every line.
macro_rules! target {
    () => {
        "actix_dynamic_supervisor"
    };
}

/// The child a fact is about: the *offender* of Elixir's reports.
#[derive(Clone, Copy)]
pub(crate) struct Offender<'a> {
    pub(crate) id: ChildId,
    pub(crate) incarnation: Incarnation,
    pub(crate) rules: &'a Rules,
}

/// What a contained panic is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Child(Offender<'a>),
    /// A child that is out of the table already.
    Former(ChildId),
    /// What was to be a child.
    Request,
}

#[derive(Clone, Copy)]
pub(crate) enum Fact<'a> {
    /// A supervisor runs.
    SupervisorStarted,
    /// It has ended.
    SupervisorEnded { reason: &'a ExitReason },
    /// The crate was built with `panic = "abort"`: nothing can be contained.
    PanicsAbort,
    /// A child runs for the first time.
    Started { child: Offender<'a> },
    /// Report `child_terminated`: a child ended and that is worth a report.
    ChildTerminated { child: Offender<'a>, reason: &'a ExitReason },
    /// A child ended, and that is in order.
    Ended { child: Offender<'a>, reason: &'a ExitReason },
    /// A child runs again.
    Restarted { child: Offender<'a> },
    /// A child declined to come back.
    Declined { child: Offender<'a> },
    /// A child is tried again after this time.
    Waits { child: Offender<'a>, delay: Duration },
    /// A child has used up the restarts that are its own, and is gone.
    GaveUp { child: Offender<'a> },
    /// Report `start_error`: a try of a restart failed.
    StartError { child: Offender<'a>, failure: &'a StartFailure },
    /// Report `shutdown`: the restart limit is exceeded, this child was the one too many.
    LimitReached { child: Offender<'a> },
    /// Report `shutdown_error`: a child that was to end ended otherwise than expected.
    ShutdownError { child: Offender<'a>, reason: &'a ExitReason },
    /// A destructor, or a hook after a panic, panicked: contained, and nothing else comes of it.
    Residue { of: Subject<'a>, panic: &'a PanicReport },
    /// A child keeps its thread beyond its deadline; it is not waited for any longer.
    Abandoned { child: Offender<'a> },
    /// A thread that children live on is blocked, by this child if that is known.
    ThreadBlocked { by: Option<Offender<'a>>, children: usize },
    /// Threads of the supervisor's own have not ended in time.
    ThreadsLeft,
    /// A child kept its thread beyond its deadline, and has ended now.
    Overran { child: Offender<'a> },
}

impl Fact<'_> {
    /// Is it one of the reports whose number an outsider can drive up?
    fn is_limited(&self) -> bool {
        matches!(
            self,
            Self::ChildTerminated { .. }
                | Self::StartError { .. }
                | Self::ShutdownError { .. }
                | Self::Residue { .. }
                | Self::GaveUp { .. }
        )
    }
}

/// Tells facts about one supervisor.
pub(crate) struct Teller {
    /// Its name in reports.
    supervisor: String,
    throttle: Throttle,
}

impl Teller {
    pub(crate) fn new(supervisor: impl fmt::Display, max_reports_per_second: u32) -> Self {
        Self { supervisor: unwind::text_of(supervisor), throttle: Throttle::new(max_reports_per_second) }
    }

    pub(crate) fn set_max_reports_per_second(&mut self, max_reports: u32) {
        self.throttle.limit = max_reports;
    }

    /// Tells a fact. A subscriber is user code: its panics end here.
    ///
    /// The clock is read only for a fact that is limited.
    pub(crate) fn tell(&mut self, fact: &Fact<'_>, now: impl FnOnce() -> Instant) {
        if fact.is_limited() {
            match self.throttle.admit(now()) {
                Admitted::No => return,
                Admitted::Yes { left_out: 0 } => {}
                Admitted::Yes { left_out } => self.sum_up(left_out),
            }
        }
        let supervisor = self.supervisor.as_str();
        let _ = unwind::guard(|| log(supervisor, fact));
    }

    /// Has something been left out that no line has summed up yet?
    pub(crate) fn owes_summary(&self) -> bool {
        self.throttle.left_out > 0
    }

    /// Tells how many reports were left out so far, if any.
    pub(crate) fn summarise(&mut self) {
        match self.throttle.take_left_out() {
            0 => {}
            left_out => self.sum_up(left_out),
        }
    }

    fn sum_up(&self, left_out: u64) {
        let supervisor = self.supervisor.as_str();
        let _ = unwind::guard(|| {
            warn!(target: target!(), supervisor, left_out, "more reports than allowed in a second were left out");
        });
    }
}

/// One supervisor's lines about one child, with the fields of Elixir's reports.
macro_rules! tell_child {
    ($level:ident, $supervisor:expr, $child:expr, $($fields:tt)*) => {{
        let Offender { id, incarnation, rules } = $child;
        $level!(
            target: target!(),
            supervisor = $supervisor,
            child.id = %id,
            child.label = rules.label.as_deref(),
            child.incarnation = incarnation.number(),
            child.module = rules.module,
            child.restart = %rules.restart,
            child.shutdown = %rules.shutdown,
            child.type = %rules.child_type,
            $($fields)*
        )
    }};
}

fn log(supervisor: &str, fact: &Fact<'_>) {
    match *fact {
        Fact::SupervisorStarted => debug!(target: target!(), supervisor, "supervisor started"),
        Fact::SupervisorEnded { reason } if reason.is_abnormal() => {
            error!(target: target!(), supervisor, reason = unwind::text_of(reason), "supervisor ended")
        }
        Fact::SupervisorEnded { reason } => {
            debug!(target: target!(), supervisor, reason = unwind::text_of(reason), "supervisor ended")
        }
        Fact::PanicsAbort => warn!(
            target: target!(),
            supervisor,
            "built with panic = \"abort\": a panic in a child ends the process, nothing can be restarted"
        ),
        Fact::Started { child } => tell_child!(debug, supervisor, child, "child started"),
        Fact::ChildTerminated { child, reason } if reason.is_abnormal() => tell_child!(
            error,
            supervisor,
            child,
            report = "child_terminated",
            reason = unwind::text_of(reason),
            "child terminated"
        ),
        Fact::ChildTerminated { child, reason } => tell_child!(
            warn,
            supervisor,
            child,
            report = "child_terminated",
            reason = unwind::text_of(reason),
            "child terminated"
        ),
        Fact::Ended { child, reason } => {
            tell_child!(debug, supervisor, child, reason = unwind::text_of(reason), "child ended")
        }
        Fact::Restarted { child } => tell_child!(debug, supervisor, child, "child restarted"),
        Fact::Declined { child } => tell_child!(debug, supervisor, child, "child declined to restart"),
        Fact::StartError { child, failure } => tell_child!(
            error,
            supervisor,
            child,
            report = "start_error",
            reason = unwind::text_of(failure),
            "child failed to restart"
        ),
        Fact::Waits { child, delay } => {
            tell_child!(debug, supervisor, child, delay = ?delay, "child waits for its next try")
        }
        Fact::GaveUp { child } => tell_child!(
            error,
            supervisor,
            child,
            report = "gave_up",
            reason = "reached max restart intensity of its own",
            "child given up"
        ),
        Fact::LimitReached { child } => tell_child!(
            error,
            supervisor,
            child,
            report = "shutdown",
            reason = "reached max restart intensity",
            "child caused shutdown"
        ),
        Fact::ShutdownError { child, reason } => tell_child!(
            error,
            supervisor,
            child,
            report = "shutdown_error",
            reason = unwind::text_of(reason),
            "child shut down abnormally"
        ),
        Fact::Residue { of: Subject::Child(child), panic } => {
            tell_child!(error, supervisor, child, panic = panic.message(), "a panic on the way out was contained")
        }
        Fact::Residue { of: Subject::Former(id), panic } => error!(
            target: target!(), supervisor, child.id = %id,
            panic = panic.message(), "a panic on the way out was contained"
        ),
        Fact::Residue { of: Subject::Request, panic } => error!(
            target: target!(), supervisor,
            panic = panic.message(), "a panic on the way out was contained"
        ),
        Fact::Abandoned { child } => {
            tell_child!(error, supervisor, child, "child keeps its thread blocked past its deadline; it is left behind")
        }
        Fact::ThreadBlocked { by: Some(child), children } => {
            tell_child!(error, supervisor, child, children, "child blocks its thread, and the children that share it")
        }
        Fact::ThreadBlocked { by: None, children } => {
            error!(target: target!(), supervisor, children, "a thread that children live on is blocked")
        }
        Fact::ThreadsLeft => {
            error!(target: target!(), supervisor, "threads of the supervisor's own have not ended in time")
        }
        Fact::Overran { child } => {
            tell_child!(error, supervisor, child, "child kept its thread blocked past its deadline; it has ended now")
        }
    }
}

/// An end that could not be confirmed in time: told by who waited, as the supervisor's own thread is blocked.
pub(crate) fn tell_unresponsive(request: &'static str) {
    let _ = unwind::guard(|| {
        error!(target: target!(), request, "supervisor unresponsive: its thread is blocked past the deadline");
    });
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("declined"),
            Self::Error(error) => write!(f, "{error}"),
            Self::Panicked(report) => write!(f, "panicked: {report}"),
            Self::Exited(reason) => write!(f, "ended while it started: {reason}"),
            Self::TimedOut => f.write_str("took longer than allowed"),
        }
    }
}

/// Lets a number of reports through in each second and counts the rest.
struct Throttle {
    limit: u32,
    second: Option<Instant>,
    admitted: u32,
    left_out: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    /// With how many were left out before.
    Yes {
        left_out: u64,
    },
    No,
}

impl Throttle {
    fn new(limit: u32) -> Self {
        Self { limit, second: None, admitted: 0, left_out: 0 }
    }

    fn admit(&mut self, now: Instant) -> Admitted {
        let is_over = self.second.is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1));
        if is_over {
            self.second = Some(now);
            self.admitted = 0;
        }
        if self.admitted < self.limit {
            self.admitted += 1;
            Admitted::Yes { left_out: self.take_left_out() }
        } else {
            self.left_out += 1;
            Admitted::No
        }
    }

    fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_beyond_the_limit_of_a_second_are_counted_and_summed_up() {
        let now = Instant::now();
        let mut throttle = Throttle::new(2);
        assert_eq!(throttle.admit(now), Admitted::Yes { left_out: 0 });
        assert_eq!(throttle.admit(now), Admitted::Yes { left_out: 0 });
        assert_eq!(throttle.admit(now), Admitted::No);
        assert_eq!(throttle.admit(now + Duration::from_millis(999)), Admitted::No);
        assert_eq!(throttle.admit(now + Duration::from_secs(1)), Admitted::Yes { left_out: 2 });
        assert_eq!(throttle.take_left_out(), 0);
    }

    #[test]
    fn a_limit_of_zero_leaves_out_all() {
        let mut throttle = Throttle::new(0);
        assert_eq!(throttle.admit(Instant::now()), Admitted::No);
        assert_eq!(throttle.take_left_out(), 1);
    }
}
