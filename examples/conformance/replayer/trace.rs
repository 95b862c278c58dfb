//! What a replayed scenario comes to: one record for each operation.

use std::fmt;

use actix_dynamic_supervisor::ChildCounts;
use serde::{Serialize, Serializer};

use super::{
    script::Outcome,
    words::{Fault, Reason},
};

#[derive(Serialize)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) trace: Vec<Record>,
}

#[derive(Serialize)]
pub(crate) struct Record {
    pub(crate) i: usize,
    pub(crate) op: &'static str,
    pub(crate) reply: Reply,
    pub(crate) events: Vec<Event>,
    pub(crate) exits: Vec<(Instance, Reason)>,
    pub(crate) sup: Condition,
    pub(crate) children: Option<Vec<Listed>>,
    pub(crate) counts: Option<Counts>,
}

/// One life of a child, named after the call of the start function that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) label: String,
    pub(crate) call: usize,
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.label, self.call)
    }
}

impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A child in a list: which instance, or "restarting", and its type.
pub(crate) type Listed = (String, String);

#[derive(Clone, Copy, Serialize)]
pub(crate) struct Counts {
    specs: usize,
    active: usize,
    supervisors: usize,
    workers: usize,
}

impl From<ChildCounts> for Counts {
    fn from(ChildCounts { specs, active, supervisors, workers, .. }: ChildCounts) -> Self {
        Self { specs, active, supervisors, workers }
    }
}

/// How the supervisor is when an operation is over.
pub(crate) enum Condition {
    Up,
    Frozen,
    /// With what `ExitReason` displays, if that is no [`Reason`] of the format.
    Down(Result<Reason, String>),
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Up => serializer.serialize_str("up"),
            Self::Frozen => serializer.serialize_str("frozen"),
            Self::Down(Ok(reason)) => serializer.collect_str(&format_args!("down:{}", Token(reason))),
            Self::Down(Err(reason)) => serializer.collect_str(&format_args!("down:{reason}")),
        }
    }
}

/// What an operation is answered.
pub(crate) enum Reply {
    Ok,
    OkInfo,
    Ignored,
    Failed(Fault),
    MaxChildren,
    NotFound,
    NotRunning,
    Queued,
    /// There is no supervisor to ask.
    NoSupervisor,
    /// The supervisor ended, with this reason, before it came to the request.
    Overtaken(Reason),
    /// The operation has no meaning now, or none in this crate.
    Skipped,
    Children(Vec<Listed>),
    Counts(Counts),
    Thawed(Vec<Late>),
    /// What no scenario should come to.
    Unexpected(String),
}

/// The reply of a request that was queued.
#[derive(Serialize)]
pub(crate) struct Late {
    pub(crate) i: usize,
    pub(crate) reply: Reply,
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = match self {
            Self::Ok => "ok",
            Self::OkInfo => "ok_info",
            Self::Ignored => "ignore",
            Self::Failed(fault) => return serializer.collect_str(&format_args!("error:{fault}")),
            Self::MaxChildren => "error:max_children",
            Self::NotFound => "error:not_found",
            Self::NotRunning => "not_running",
            Self::Queued => "queued",
            Self::NoSupervisor => "exit:noproc",
            Self::Overtaken(reason) => return serializer.collect_str(&format_args!("exit:{}", Token(reason))),
            Self::Skipped => "skipped",
            Self::Children(children) => return children.serialize(serializer),
            Self::Counts(counts) => return counts.serialize(serializer),
            Self::Thawed(replies) => return replies.serialize(serializer),
            Self::Unexpected(what) => return serializer.collect_str(&format_args!("unexpected:{what}")),
        };
        serializer.serialize_str(word)
    }
}

/// What the supervisor did, and what the replayer found wrong.
pub(crate) enum Event {
    Start {
        instance: Instance,
        outcome: Outcome,
        extra: Vec<String>,
    },
    ChildTerminated {
        reason: Reason,
        instance: Instance,
        restart: String,
    },
    StartError {
        fault: Fault,
        last: Instance,
        restart: String,
    },
    LimitReached {
        last: Instance,
        restart: String,
    },
    ShutdownError {
        reason: Reason,
        instance: Instance,
        restart: String,
    },
    Crashed {
        reason: Reason,
    },
    /// What the crate told differs from what the scripted child knows: no trace of Elixir has this.
    Slip(String),
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start { instance, outcome, extra } if extra.is_empty() => {
                ("start", instance, outcome).serialize(serializer)
            }
            Self::Start { instance, outcome, extra } => ("start", instance, outcome, extra).serialize(serializer),
            Self::ChildTerminated { reason, instance, restart } => {
                ("report", "child_terminated", reason, instance, restart).serialize(serializer)
            }
            Self::StartError { fault, last, restart } => {
                ("report", "start_error", fault.to_string(), format!("restarting:{last}"), restart)
                    .serialize(serializer)
            }
            Self::LimitReached { last, restart } => {
                ("report", "shutdown", "reached_max_restart_intensity", last, restart).serialize(serializer)
            }
            Self::ShutdownError { reason, instance, restart } => {
                ("report", "shutdown_error", reason, instance, restart).serialize(serializer)
            }
            Self::Crashed { reason } => ("report", "sup_crash", reason).serialize(serializer),
            Self::Slip(what) => ("slip", what).serialize(serializer),
        }
    }
}

/// Neighbouring reports about ends on shutdown come in no meaningful order, so they are sorted.
pub(crate) fn sort_runs(events: &mut [Event]) {
    let key = |event: &Event| match event {
        Event::ShutdownError { reason, instance, restart } => Some((*reason, instance.to_string(), restart.clone())),
        _ => None,
    };
    for run in events.chunk_by_mut(|one, other| key(one).is_some() && key(other).is_some()) {
        run.sort_by_cached_key(key);
    }
}

/// Displays a reason as the format writes it.
struct Token<'a>(&'a Reason);

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}
