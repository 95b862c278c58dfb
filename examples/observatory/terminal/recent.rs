//! What happened of late: the last events, and how many there were of which kind.

use std::{collections::VecDeque, time::Duration};

use actix_dynamic_supervisor::prelude::*;
use tokio::time::Instant;

/// Rates are over this time.
const LATELY: Duration = Duration::from_secs(60);

/// How many events are kept.
const KEPT: usize = 100;

#[derive(Default)]
pub(crate) struct Recent {
    /// Oldest first.
    events: VecDeque<Event>,
    /// When, and which.
    lately: VecDeque<(Instant, Kind)>,
    pub(crate) missed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Start,
    Crash,
    Restart,
    /// A limit is reached, or a child given up.
    Loss,
    Other,
}

impl Kind {
    pub(crate) fn of(event: &Event) -> Self {
        match &event.kind {
            EventKind::Started { .. } | EventKind::SupervisorStarted => Self::Start,
            EventKind::Exited { reason, .. } | EventKind::StartFailed { reason, .. } if reason.is_abnormal() => {
                Self::Crash
            }
            EventKind::Restarted { .. } => Self::Restart,
            EventKind::GaveUp { .. } | EventKind::LimitReached { .. } => Self::Loss,
            _ => Self::Other,
        }
    }
}

/// How many there were in the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) events: usize,
    pub(crate) starts: usize,
    pub(crate) crashes: usize,
    pub(crate) restarts: usize,
    pub(crate) losses: usize,
}

impl Recent {
    pub(crate) fn note(&mut self, event: Event) {
        if let EventKind::Missed { events } = event.kind {
            self.missed += events;
        }
        self.forget(event.at);
        self.lately.push_back((event.at, Kind::of(&event)));
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn forget(&mut self, now: Instant) {
        while self.lately.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > LATELY) {
            self.lately.pop_front();
        }
    }

    /// The last ones, newest first.
    pub(crate) fn last(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().rev()
    }

    pub(crate) fn rates(&self, now: Instant) -> Rates {
        let mut rates = Rates::default();
        let lately = self.lately.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= LATELY);
        for (_, kind) in lately {
            rates.events += 1;
            match kind {
                Kind::Start => rates.starts += 1,
                Kind::Crash => rates.crashes += 1,
                Kind::Restart => rates.restarts += 1,
                Kind::Loss => rates.losses += 1,
                Kind::Other => {}
            }
        }
        rates
    }
}
