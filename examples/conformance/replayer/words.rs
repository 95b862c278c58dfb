//! The words of traces: reasons of ends, and what can be wrong with a start or a request.

use std::fmt;

use actix_dynamic_supervisor::{ExitReason, StartChildError};
use serde::{Deserialize, Serialize};

/// Why something ends. In the order of the tokens, which is that of sorted reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Boom,
    Killed,
    Normal,
    Shutdown,
    ShutdownX,
}

impl Reason {
    /// The reason that the crate displays as `text`.
    pub(crate) fn told(text: &str) -> Option<Self> {
        const ALL: [Reason; 5] = [Reason::Boom, Reason::Killed, Reason::Normal, Reason::Shutdown, Reason::ShutdownX];
        ALL.into_iter().find(|reason| ExitReason::from(*reason).to_string() == text)
    }
}

impl From<Reason> for ExitReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Boom => Self::failed("boom"),
            Reason::Killed => Self::Killed,
            Reason::Normal => Self::Normal,
            Reason::Shutdown => Self::Shutdown,
            Reason::ShutdownX => Self::shutdown_with("x"),
        }
    }
}

/// What a start came to that made no instance, other than by declining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It answered an error.
    Found,
    /// It answered what is no legal answer: here, an error too.
    Bad,
    /// It panicked with a text.
    Raised,
    /// It panicked with something else.
    Thrown,
    /// It ended before it had started.
    Exited,
}

impl Fault {
    /// The error a start answers for it, if it answers.
    pub(super) const fn error(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Raised | Self::Thrown | Self::Exited => OOPS,
            Self::Found => "found",
        }
    }

    pub(crate) fn of(error: &StartChildError) -> Option<Self> {
        match error {
            StartChildError::Failed(error) => Self::answered(&error.to_string()),
            StartChildError::Panicked(panic) => Self::panicked(panic.message()),
            StartChildError::Exited(ExitReason::Failed(oops)) if oops.to_string() == OOPS => Some(Self::Exited),
            _ => None,
        }
    }

    /// The fault that a report tells as `text`.
    pub(crate) fn told(text: &str) -> Option<Self> {
        if let Some(reason) = text.strip_prefix("ended while it started: ") {
            return (reason == ExitReason::failed(OOPS).to_string()).then_some(Self::Exited);
        }
        match text.strip_prefix("panicked: ") {
            Some(message) => Self::panicked(message),
            None => Self::answered(text),
        }
    }

    fn answered(error: &str) -> Option<Self> {
        [Self::Found, Self::Bad].into_iter().find(|fault| fault.error() == error)
    }

    fn panicked(message: &str) -> Option<Self> {
        match message {
            OOPS => Some(Self::Raised),
            "(a payload that is not text)" => Some(Self::Thrown),
            _ => None,
        }
    }
}

/// What scripted faults say.
pub(super) const OOPS: &str = "oops";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found => "found",
            Self::Bad => "bad",
            Self::Raised => "raise:oops",
            Self::Thrown => "throw:oops",
            Self::Exited => "oops",
        })
    }
}
