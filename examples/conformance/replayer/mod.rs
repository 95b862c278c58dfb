//! Carries out a scenario on a real supervisor and records what comes of it.
//!
//! Two things make that a function of the scenario. The clock is paused, so time passes only when nothing is left to do;
//! and after each operation the replayer waits until everything it caused has come to rest.

mod child;
mod extras;
mod journal;
mod reports;
mod request;
mod run;
mod scenario;
mod script;
mod trace;
mod words;

use std::{io, str::FromStr};

use actix::System;
use tracing::subscriber::DefaultGuard;

use self::{journal::Journal, run::Run};
pub(crate) use self::{scenario::Scenario, trace::Trace};

/// What a `terminate` names a child by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Handles {
    /// By one instance of it, stale after a restart, as Elixir's pids are.
    #[default]
    Instance,
    /// By the crate's own `ChildId`, the same over restarts (decision D5).
    Child,
}

impl FromStr for Handles {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "instance" => Ok(Self::Instance),
            "child" => Ok(Self::Child),
            _ => Err(()),
        }
    }
}

/// Replays one scenario after another, each in a System of its own.
pub(crate) struct Replayer {
    handles: Handles,
    journal: Journal,
    _reports: DefaultGuard,
}

impl Replayer {
    pub(crate) fn new(handles: Handles) -> Self {
        let journal = Journal::default();
        let reports = reports::note_all(&journal);
        Self { handles, journal, _reports: reports }
    }

    /// # Errors
    ///
    /// The operating system refuses a runtime, or the supervisor its options.
    pub(crate) fn replay(&mut self, scenario: &Scenario) -> io::Result<Trace> {
        self.journal.clear();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let system = System::with_tokio_rt(move || runtime);
        system.block_on(async {
            let run = Run::start(&scenario.sup, self.handles, &self.journal).map_err(io::Error::other)?;
            Ok(Trace { id: scenario.id.clone(), trace: run.carry_out(&scenario.ops).await })
        })
    }
}
