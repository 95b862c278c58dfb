//! What a scenario says: the supervisor's options and the operations. Children are described in [`script`](super::script).
//!
//! Anything that is not in the format is refused, so that no scenario is replayed in part.

use serde::Deserialize;

use super::{script::Script, words::Reason};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    #[serde(rename = "profile")]
    _profile: Option<String>,
    #[serde(default)]
    pub(crate) sup: Options,
    pub(crate) ops: Vec<Operation>,
}

/// What is absent is left to the crate, so that its defaults are compared too.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) max_restarts: Option<u32>,
    pub(crate) max_seconds: Option<u64>,
    pub(crate) max_children: Option<usize>,
    pub(crate) extra: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Operation {
    Start(Script),
    Terminate {
        child: String,
        #[serde(default)]
        handle: Handle,
    },
    // With braces: those without would take any field.
    Count {},
    Which {},
    Exit {
        child: String,
        reason: ExitBy,
    },
    Stop {
        reason: Reason,
    },
    ParentExit {
        reason: Reason,
    },
    Sleep {
        ms: u64,
    },
    Freeze {},
    Thaw {},
    /// A message of an unknown type.
    Stray {},
    /// A description that types rule out.
    StartInvalid {
        #[serde(rename = "kind")]
        _kind: String,
    },
}

impl Operation {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Terminate { .. } => "terminate",
            Self::Count {} => "count",
            Self::Which {} => "which",
            Self::Exit { .. } => "exit",
            Self::Stop { .. } => "stop",
            Self::ParentExit { .. } => "parent_exit",
            Self::Sleep { .. } => "sleep",
            Self::Freeze {} => "freeze",
            Self::Thaw {} => "thaw",
            Self::Stray {} => "stray",
            Self::StartInvalid { .. } => "start_invalid",
        }
    }
}

/// Which instance of the label is meant.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handle {
    /// The one that started last.
    #[default]
    Current,
    First,
    /// None: somebody who is nobody's child.
    Stranger,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExitBy {
    /// From outside, by force.
    Kill,
    #[serde(untagged)]
    Itself(Reason),
}
