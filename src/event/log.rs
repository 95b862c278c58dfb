//! Facts as log lines, and the one place that tells them.
//!
//! Levels: `error` for what went wrong (an abnormal end, a failed try of a restart, the limit reached, an odd end on
//! shutdown), `warn` for a restart after a quiet end and for a restart limit that comes near, `debug` for starts, restarts and
//! ends in good order. Reports never show start arguments or messages.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, error, warn};

#[cfg(feature = "metrics")]
use super::metrics::Meter;
use super::{
    fact::{Exit, Fact, Offender, Subject},
    Event, Hub, OpenHub, Origin,
};
use crate::{children::Life, text, unwind};

/// The target of every line.
macro_rules! target {
    () => {
        "actix_dynamic_supervisor"
    };
}

/// Tells facts about one supervisor.
pub(crate) struct Teller {
    origin: Arc<Origin>,
    hub: Arc<OpenHub>,
    throttle: Throttle,
    #[cfg(feature = "metrics")]
    meter: Meter,
}

impl Teller {
    pub(crate) fn new(origin: Origin, hub: Arc<OpenHub>, max_reports_per_second: u32) -> Self {
        let origin = Arc::new(origin);
        hub.open(&origin);
        Self {
            #[cfg(feature = "metrics")]
            meter: Meter::new(&origin.name),
            origin,
            hub,
            throttle: Throttle::new(max_reports_per_second),
        }
    }

    /// Figures are told under this name.
    #[cfg(feature = "metrics")]
    pub(crate) fn measured_as(mut self, supervisor: &str) -> Self {
        self.meter = Meter::new(supervisor);
        self
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn set_max_reports_per_second(&mut self, max_reports: u32) {
        self.throttle.limit = max_reports;
    }

    /// Tells a fact. A subscriber and a recorder are user code: their panics end here.
    ///
    /// The clock is read only for a fact that is limited, heard or measured.
    pub(crate) fn tell(&mut self, fact: &Fact<'_>, now: impl Fn() -> Instant) {
        self.tell_listeners(fact, &now);
        if fact.is_limited() {
            match self.throttle.admit(now()) {
                Admitted::No => return,
                Admitted::Yes { left_out: 0 } => {}
                Admitted::Yes { left_out } => self.sum_up(left_out),
            }
        }
        let _ = unwind::guard(|| log(&self.origin.name, fact, &now));
    }

    /// Tells a fact to all but the log.
    pub(crate) fn tell_listeners(&mut self, fact: &Fact<'_>, now: impl Fn() -> Instant) {
        if self.hub.is_heard() {
            self.publish(fact, now());
        }
        #[cfg(feature = "metrics")]
        let _ = unwind::guard(|| self.meter.note(fact, &now));
    }

    #[cold]
    fn publish(&self, fact: &Fact<'_>, now: Instant) {
        let at = tokio::time::Instant::from_std(now);
        let mut event = fact.event(now).map(|kind| Event::new(&self.origin, at, kind));
        if event.is_some() {
            self.hub.publish(&mut event);
        }
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
        let supervisor = &*self.origin.name;
        let _ = unwind::guard(|| {
            warn!(target: target!(), supervisor, left_out, "more reports than allowed in a second were left out");
        });
    }
}

/// One supervisor's lines about one child, with the fields of Elixir's reports.
macro_rules! tell_child {
    ($level:ident, $supervisor:expr, $child:expr, $($fields:tt)*) => {{
        let Offender { id, incarnation, rules, key } = $child;
        $level!(
            target: target!(),
            supervisor = $supervisor,
            child.id = %id,
            child.label = rules.label.as_deref(),
            child.key = key.map(|key| key.text()).as_deref(),
            child.incarnation = incarnation.number(),
            child.module = rules.module,
            child.restart = %rules.restart,
            child.shutdown = %rules.shutdown,
            child.type = %rules.child_type,
            $($fields)*
        )
    }};
}

fn log(supervisor: &str, fact: &Fact<'_>, now: &dyn Fn() -> Instant) {
    match *fact {
        Fact::SupervisorStarted => debug!(target: target!(), supervisor, "supervisor started"),
        Fact::SupervisorEnded { reason, .. } if reason.is_abnormal() => {
            error!(target: target!(), supervisor, reason = unwind::text_of(reason), "supervisor ended")
        }
        Fact::SupervisorEnded { reason, .. } => {
            debug!(target: target!(), supervisor, reason = unwind::text_of(reason), "supervisor ended")
        }
        Fact::PanicsAbort => warn!(
            target: target!(),
            supervisor,
            "built with panic = \"abort\": a panic in a child ends the process, nothing can be restarted"
        ),
        Fact::Started { child } => tell_child!(debug, supervisor, child, "child started"),
        Fact::ChildTerminated { child, exit } if exit.reason.is_abnormal() => tell_child!(
            error,
            supervisor,
            child,
            report = "child_terminated",
            reason = unwind::text_of(exit.reason),
            uptime = uptime(&exit, now),
            "child terminated"
        ),
        Fact::ChildTerminated { child, exit } => tell_child!(
            warn,
            supervisor,
            child,
            report = "child_terminated",
            reason = unwind::text_of(exit.reason),
            uptime = uptime(&exit, now),
            "child terminated"
        ),
        Fact::Ended { child, exit } => {
            tell_child!(debug, supervisor, child, reason = unwind::text_of(exit.reason), "child ended")
        }
        // Of these a report follows; or somebody is told who asked; or they are counted in one.
        Fact::EndedOddly { .. } | Fact::KilledAtDeadline { .. } | Fact::StartFailed { .. } => {}
        // What comes of it is told.
        Fact::ShutdownBegun { .. } => {}
        Fact::Restarted { child, .. } => tell_child!(debug, supervisor, child, "child restarted"),
        Fact::Declined { child } => tell_child!(debug, supervisor, child, "child declined to restart"),
        Fact::StartError { child, failure } => tell_child!(
            error,
            supervisor,
            child,
            report = "start_error",
            reason = unwind::text_of(failure),
            "child failed to restart"
        ),
        Fact::Waits { child, delay, .. } => {
            tell_child!(debug, supervisor, child, delay = ?delay, "child waits for its next try")
        }
        Fact::GaveUp { child, lives } => tell_child!(
            error,
            supervisor,
            child,
            report = "gave_up",
            reason = "reached max restart intensity of its own",
            last_lives = last_lives(lives),
            "child given up"
        ),
        Fact::LimitNear { usage } => warn!(
            target: target!(),
            supervisor,
            restarts = usage.used,
            max_restarts = usage.max_restarts,
            period = ?usage.period,
            "restart limit near"
        ),
        Fact::LimitReached { child, lives } => tell_child!(
            error,
            supervisor,
            child,
            report = "shutdown",
            reason = "reached max restart intensity",
            last_lives = last_lives(lives),
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
        Fact::QueueClosed { of: Subject::Child(child), undelivered } => {
            tell_child!(debug, supervisor, child, undelivered, "child is gone with messages undelivered")
        }
        Fact::QueueClosed { of, undelivered } => debug!(
            target: target!(), supervisor, child.id = of.id().map(tracing::field::display),
            undelivered, "child is gone with messages undelivered"
        ),
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

fn uptime(exit: &Exit<'_>, now: &dyn Fn() -> Instant) -> Option<String> {
    exit.began.map(|began| text::brief(now().saturating_duration_since(began)))
}

/// The last few ends of a child, oldest first, on one line.
fn last_lives(lives: &[Life]) -> String {
    let one = |life: &Life| {
        let uptime = text::brief(life.ended.saturating_duration_since(life.began));
        format!("{} after {uptime}", unwind::text_of(&life.reason))
    };
    lives.iter().map(one).collect::<Vec<_>>().join("; ")
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
