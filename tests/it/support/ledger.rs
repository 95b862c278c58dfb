//! The books of what a supervisor tells: whether it adds up.

use std::collections::{HashMap, HashSet};

use actix_dynamic_supervisor::{prelude::*, EventChild, SupervisorId};
use futures::StreamExt;

/// Reads a stream to its end and holds what comes against what events promise of each child and each supervisor.
#[derive(Default)]
pub struct Ledger {
    lines: Vec<String>,
    faults: Vec<String>,
    children: HashMap<ChildId, State>,
    closed: HashSet<SupervisorId>,
    /// How many lives of workers have begun, and how many have ended.
    pub begun: usize,
    pub ended: usize,
    /// A supervisor was killed, and what had begun and was not noticed yet is not told.
    pub is_cut_off: bool,
}

/// What has been told of a child last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Unknown,
    Lives(usize),
    /// It lives and is to be told as killed.
    Overdue(usize),
    /// It comes back after this incarnation, or this try.
    Away(usize),
    /// It has ended and does not come back. Why may follow.
    Ended,
    Gone,
}

impl Ledger {
    pub async fn of(mut events: EventStream) -> Self {
        let mut ledger = Self::default();
        while let Some(event) = events.next().await {
            ledger.note(&event);
        }
        ledger
    }

    /// All that was told, a line each, and when.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What is wrong; empty if all adds up.
    pub fn faults(mut self) -> String {
        let open = |(_, child): &(&ChildId, &State)| !matches!(child, State::Unknown | State::Ended | State::Gone);
        let open: Vec<_> =
            self.children.iter().filter(open).map(|(id, child)| format!("{id} in the end: {child:?}")).collect();
        self.faults.extend(open);
        if self.begun != self.ended {
            self.faults.push(format!("{} lives began and {} ended", self.begun, self.ended));
        }
        if self.faults.is_empty() {
            return String::new();
        }
        format!("{}\n{}", self.lines.join("\n"), self.faults.join("\n"))
    }

    fn note(&mut self, event: &Event) {
        let line = format!("{:?} {event}", event.at);
        if self.closed.contains(&event.supervisor.id) {
            self.faults.push(format!("after its supervisor: {line}"));
        }
        match &event.kind {
            EventKind::ShutdownEnded { .. } => {
                self.closed.insert(event.supervisor.id);
            }
            EventKind::Missed { .. } => self.faults.push(line.clone()),
            EventKind::Started { child } | EventKind::Restarted { child, .. } if is_worker(child) => self.begun += 1,
            EventKind::Exited { child, .. } if is_worker(child) => self.ended += 1,
            EventKind::Exited { reason: ExitReason::Killed, .. } => self.is_cut_off = true,
            _ => {}
        }
        if let Some(child) = event.child() {
            let state = self.children.entry(child.id).or_default();
            match follows(*state, child.incarnation, &event.kind) {
                Some(next) => *state = next,
                None => self.faults.push(format!("of one that is {state:?}: {line}")),
            }
        }
        self.lines.push(line);
    }
}

fn is_worker(child: &EventChild) -> bool {
    child.child_type == ChildType::Worker
}

/// What a child is after an event; `None` if that must not come.
fn follows(state: State, incarnation: usize, kind: &EventKind) -> Option<State> {
    use State::*;
    Some(match (kind, state) {
        (EventKind::Started { .. }, Unknown) if incarnation == 1 => Lives(1),
        (EventKind::StartFailed { comes_back: false, .. }, Unknown) => Gone,
        (EventKind::KilledAtDeadline { .. }, Lives(present)) if present == incarnation => Overdue(present),
        (EventKind::Exited { reason, asked, comes_back, .. }, Lives(present) | Overdue(present)) => {
            let is_as_told = !matches!(state, Overdue(_)) || (matches!(reason, ExitReason::Killed) && *asked);
            match comes_back {
                _ if present != incarnation || !is_as_told => return None,
                true => Away(present),
                false => Ended,
            }
        }
        (EventKind::RestartScheduled { .. }, Away(last)) if incarnation > last => state,
        (EventKind::StartFailed { comes_back: true, .. }, Away(last)) if incarnation > last => Away(incarnation),
        (EventKind::Restarted { .. }, Away(last)) if incarnation > last => Lives(incarnation),
        (EventKind::Removed { .. } | EventKind::Declined { .. }, Away(_)) => Gone,
        (EventKind::GaveUp { .. } | EventKind::LimitReached { .. }, Away(_) | Ended) => Gone,
        (EventKind::Unresponsive { .. }, Unknown | Lives(_) | Away(_)) => state,
        // Of one that is gone, too.
        (EventKind::QueueClosed { .. } | EventKind::PanicContained { .. }, _) => state,
        _ => return None,
    })
}
