//! Why a supervisor was not started.

use actix::Addr;
use thiserror::Error;

use super::DynamicSupervisor;
use crate::{
    error::{AlreadyStarted, ReinitError},
    exit::BoxError,
};

/// Why a supervisor was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An option is out of order.
    #[error("option {option} is invalid: {problem}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name is taken; this is who has it.
    #[error("a supervisor with this name is already started")]
    AlreadyStarted(Addr<DynamicSupervisor>),
    /// `init` answered [`Init::Ignore`](crate::Init::Ignore): no supervisor, and no fault.
    #[error("init declined")]
    Ignored,
    /// `init`, or the registry given to `via`, failed or panicked.
    #[error("init failed: {0}")]
    Init(BoxError),
    /// This thread runs no Actix arbiter, so no actor can be started on it.
    #[error("not on a thread that runs an actix arbiter")]
    NoArbiter,
}

impl StartError {
    /// As the error of a child's start: a name that is taken is told apart there.
    pub(super) fn into_child_error(self) -> BoxError {
        match self {
            Self::AlreadyStarted(existing) => AlreadyStarted::new(existing).into(),
            other => other.into(),
        }
    }
}

impl From<StartError> for ReinitError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::InvalidOption { option, problem } => Self::InvalidOption { option, problem },
            StartError::Init(error) => Self::Init(error),
            other => Self::Init(other.into()),
        }
    }
}
