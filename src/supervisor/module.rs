//! Module-based supervisors: options decided by code of the user's own, at the start and again at run time.

use std::sync::Arc;

use super::{initial::Initial, StartError};
use crate::{exit::BoxError, spec::Flags, unwind};

/// A supervisor whose options are made by code.
///
/// # Examples
///
/// ```
/// use actix_dynamic_supervisor::prelude::*;
///
/// struct Rooms;
///
/// impl SupervisorModule for Rooms {
///     type Arg = usize;
///
///     fn init(max_rooms: &usize) -> Result<Init, BoxError> {
///         if *max_rooms == 0 {
///             return Ok(Init::Ignore);
///         }
///         Ok(Init::Flags(Flags::new().max_children(*max_rooms)))
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let rooms = DynamicSupervisor::start_module::<Rooms>(100).expect("init is fine");
/// # rooms.stop().await.expect("it runs");
/// assert!(matches!(DynamicSupervisor::start_module::<Rooms>(0), Err(StartError::Ignored)));
/// # });
/// ```
pub trait SupervisorModule: 'static {
    /// What `init` is given, now and at each [`Reinit`](crate::Reinit).
    type Arg: Send + Sync + 'static;

    /// Decides the options.
    ///
    /// # Errors
    ///
    /// Whatever it answers, or a panic, is [`StartError::Init`] for who starts the supervisor.
    fn init(arg: &Self::Arg) -> Result<Init, BoxError>;
}

/// What [`SupervisorModule::init`] may answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "made once for a supervisor, and taken apart at once")]
pub enum Init {
    /// Run with these options.
    Flags(Flags),
    /// Do not run, and that is no fault. At run time: keep everything as it is.
    Ignore,
}

/// Where a supervisor's flags come from, its kind forgotten.
#[derive(Clone)]
pub(super) struct FlagSource {
    init: Arc<dyn Fn() -> Result<Init, BoxError> + Send + Sync>,
    /// What the supervisor is called in reports if it has no name.
    pub(super) label: &'static str,
    /// What is started whenever the supervisor is.
    pub(super) initial: Option<Initial>,
}

impl FlagSource {
    pub(super) fn module<M: SupervisorModule>(arg: M::Arg) -> Self {
        Self { init: Arc::new(move || M::init(&arg)), label: std::any::type_name::<M>(), initial: None }
    }

    pub(super) fn fixed(flags: Flags) -> Self {
        Self { init: Arc::new(move || Ok(Init::Flags(flags.clone()))), label: "DynamicSupervisor", initial: None }
    }

    /// Asks for the flags and checks them. `None`: ignore.
    pub(super) fn flags(&self) -> Result<Option<Flags>, StartError> {
        match unwind::guard(|| (self.init)()) {
            Ok(Ok(Init::Ignore)) => Ok(None),
            Ok(Ok(Init::Flags(flags))) => match flags.fault() {
                None => Ok(Some(flags)),
                Some((option, problem)) => {
                    let _ = unwind::dispose(flags);
                    Err(StartError::InvalidOption { option, problem })
                }
            },
            Ok(Err(error)) => Err(StartError::Init(error)),
            Err(report) => Err(StartError::Init(report.into())),
        }
    }
}
