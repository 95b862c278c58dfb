//! Facts as figures, for whatever recorder of the `metrics` facade is installed.
//!
//! Nothing is kept here: a figure is looked up in the recorder each time, so one that is installed late is heard from then
//! on. A recorder is user code: [`Teller::tell`](super::Teller::tell) and what else calls it here contain its panics.

use std::{sync::Arc, time::Instant};

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, Label, Unit};

use super::fact::{Exit, Fact, Offender, Subject};
use crate::{
    children::{Census, ChildState},
    policy::Usage,
    unwind,
};

const CHILDREN: &str = "actix_supervisor_children";
const STARTS: &str = "actix_supervisor_starts_total";
const START_FAILURES: &str = "actix_supervisor_start_failures_total";
const EXITS: &str = "actix_supervisor_exits_total";
const RESTARTS: &str = "actix_supervisor_restarts_total";
const KILLED_AT_DEADLINE: &str = "actix_supervisor_killed_at_deadline_total";
const GAVE_UP: &str = "actix_supervisor_gave_up_total";
const LIMIT_REACHED: &str = "actix_supervisor_limit_reached_total";
const UNDELIVERED: &str = "actix_supervisor_undelivered_messages_total";
const RESTART_SECONDS: &str = "actix_supervisor_restart_seconds";
const UPTIME_SECONDS: &str = "actix_supervisor_uptime_seconds";
const SHUTDOWN_SECONDS: &str = "actix_supervisor_shutdown_seconds";
const LIMIT_USED: &str = "actix_supervisor_restart_limit_used_ratio";

/// Tells the installed recorder of the [`metrics`](::metrics) facade what each figure of this crate means, and its unit.
///
/// Once, when the recorder has been installed and before the first supervisor starts; without it there are the same figures,
/// unexplained. They are listed in `docs/observing.md` in the repository.
///
/// # Examples
///
/// ```
/// # let recorder = metrics::NoopRecorder;
/// metrics::set_global_recorder(recorder).expect("the first one");
/// actix_dynamic_supervisor::describe_metrics();
/// ```
pub fn describe_metrics() {
    describe_gauge!(CHILDREN, Unit::Count, "Children, by what they do.");
    describe_counter!(STARTS, Unit::Count, "First starts that succeeded.");
    describe_counter!(START_FAILURES, Unit::Count, "Starts that failed, first ones and tries of a restart.");
    describe_counter!(EXITS, Unit::Count, "Ends of incarnations, by the kind of their reason.");
    describe_counter!(RESTARTS, Unit::Count, "Restarts that succeeded.");
    describe_counter!(KILLED_AT_DEADLINE, Unit::Count, "Children that took longer to end than they may.");
    describe_counter!(GAVE_UP, Unit::Count, "Children removed as they had used up a restart limit of their own.");
    describe_counter!(LIMIT_REACHED, Unit::Count, "Ends of a supervisor as its restart limit was exceeded.");
    describe_counter!(UNDELIVERED, Unit::Count, "Messages in the queues of children that are gone.");
    describe_histogram!(RESTART_SECONDS, Unit::Seconds, "For how long a restarted child was away.");
    describe_histogram!(UPTIME_SECONDS, Unit::Seconds, "For how long an incarnation that has ended ran.");
    describe_histogram!(SHUTDOWN_SECONDS, Unit::Seconds, "For how long a supervisor took to end its children.");
    describe_gauge!(LIMIT_USED, "How much of the restart limit is used: at 1 the next restart ends the supervisor.");
}

/// Measures one supervisor.
pub(crate) struct Meter {
    supervisor: Arc<str>,
    closing_since: Option<Instant>,
}

impl Meter {
    pub(super) fn new(supervisor: &str) -> Self {
        Self { supervisor: supervisor.into(), closing_since: None }
    }

    /// Who measures its children.
    pub(crate) fn population(&self) -> Population {
        Population { supervisor: Arc::clone(&self.supervisor) }
    }

    /// How much of the restart limit is used.
    pub(crate) fn limit(&self, Usage { used, max_restarts, .. }: Usage) {
        // The restart that was one too many is noted, too; where none is allowed any is that.
        let ratio = if used == 0 { 0.0 } else { (used as f64 / f64::from(max_restarts)).min(1.0) };
        let _ = unwind::guard(|| self.set_limit_used(ratio));
    }

    fn set_limit_used(&self, ratio: f64) {
        gauge!(LIMIT_USED, vec![self.own()]).set(ratio);
    }

    /// Call it guarded.
    pub(super) fn note(&mut self, fact: &Fact<'_>, now: &dyn Fn() -> Instant) {
        match *fact {
            // Before anything has been restarted there is a figure to look at.
            Fact::SupervisorStarted => self.set_limit_used(0.0),
            Fact::ShutdownBegun { .. } => self.closing_since = Some(now()),
            Fact::SupervisorEnded { .. } => {
                self.set_limit_used(0.0);
                if let Some(since) = self.closing_since {
                    histogram!(SHUTDOWN_SECONDS, vec![self.own()]).record(now().saturating_duration_since(since));
                }
            }
            Fact::Started { child } => self.count(STARTS, child),
            Fact::StartFailed { child, .. } | Fact::StartError { child, .. } => self.count(START_FAILURES, child),
            Fact::ChildTerminated { child, exit } | Fact::Ended { child, exit } | Fact::EndedOddly { child, exit } => {
                self.exited(child, exit, now);
            }
            Fact::Restarted { child, since } => {
                self.count(RESTARTS, child);
                histogram!(RESTART_SECONDS, self.labels(child)).record(now().saturating_duration_since(since));
            }
            Fact::GaveUp { child, .. } => self.count(GAVE_UP, child),
            Fact::LimitReached { child, .. } => self.count(LIMIT_REACHED, child),
            Fact::KilledAtDeadline { child } => self.count(KILLED_AT_DEADLINE, child),
            Fact::QueueClosed { of, undelivered } => {
                let actor = match of {
                    Subject::Child(child) => child.rules.module,
                    Subject::Former(_) | Subject::Request => "unknown",
                };
                let labels = vec![self.own(), Label::from_static_parts("actor", actor)];
                counter!(UNDELIVERED, labels).increment(undelivered as u64);
            }
            Fact::PanicsAbort
            | Fact::Declined { .. }
            | Fact::Waits { .. }
            | Fact::LimitNear { .. }
            | Fact::ShutdownError { .. }
            | Fact::Residue { .. }
            | Fact::ThreadBlocked { .. }
            | Fact::ThreadsLeft
            | Fact::Abandoned { .. }
            | Fact::Overran { .. } => {}
        }
    }

    fn exited(&self, child: Offender<'_>, exit: Exit<'_>, now: &dyn Fn() -> Instant) {
        // Without it, a child has gone while it was away: the end of its last life has been counted.
        let Some(began) = exit.began else { return };
        let mut labels = self.labels(child);
        labels.push(Label::from_static_parts("reason", exit.reason.kind()));
        counter!(EXITS, labels).increment(1);
        histogram!(UPTIME_SECONDS, self.labels(child)).record(now().saturating_duration_since(began));
    }

    fn count(&self, name: &'static str, child: Offender<'_>) {
        counter!(name, self.labels(child)).increment(1);
    }

    fn own(&self) -> Label {
        Label::new("supervisor", Arc::clone(&self.supervisor))
    }

    /// By type only: ids, labels and keys are without end.
    fn labels(&self, child: Offender<'_>) -> Vec<Label> {
        vec![self.own(), Label::from_static_parts("actor", child.rules.module)]
    }
}

/// How many children of one supervisor do what. Added to and taken from, never set: others may share its name.
pub(crate) struct Population {
    supervisor: Arc<str>,
}

impl Census for Population {
    fn moved(&self, module: &'static str, from: Option<ChildState>, to: Option<ChildState>) {
        if from == to {
            return;
        }
        let change = |state, by: f64| {
            let labels = vec![
                Label::new("supervisor", Arc::clone(&self.supervisor)),
                Label::from_static_parts("actor", module),
                Label::from_static_parts("state", state),
            ];
            gauge!(CHILDREN, labels).increment(by);
        };
        // Each by itself: one that panics does not keep the other from being told.
        for (state, by) in [(from, -1.0), (to, 1.0)] {
            let _ = unwind::guard(|| {
                if let Some(state) = state {
                    change(word(state), by);
                }
            });
        }
    }
}

fn word(state: ChildState) -> &'static str {
    match state {
        ChildState::Starting => "starting",
        ChildState::Running => "running",
        ChildState::Restarting => "restarting",
        ChildState::Stopping => "stopping",
    }
}
