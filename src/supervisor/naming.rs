//! The names a supervisor can have.

use std::sync::Arc;

use actix::{Addr, System};

use super::{DynamicSupervisor, StartError};
use crate::{
    registry::{self, Lease, MAX_NAME_BYTES},
    unwind,
};

/// A registry of the user's own, for [`Builder::via`](crate::Builder::via).
///
/// # In Elixir
///
/// The callbacks of `{:via, module, term}`.
pub trait SupervisorRegistry<K>: Send + Sync + 'static {
    /// Takes the key for `supervisor`, or tells who has it. Of two that race one must get it.
    ///
    /// A strong address kept here keeps the supervisor alive until it is stopped.
    ///
    /// # Errors
    ///
    /// The address of the supervisor that has the key.
    fn register(&self, key: &K, supervisor: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>>;

    /// Frees the key: the supervisor has ended. It may be called on any thread.
    fn unregister(&self, key: &K);
}

impl<K, R: SupervisorRegistry<K> + ?Sized> SupervisorRegistry<K> for Arc<R> {
    fn register(&self, key: &K, supervisor: Addr<DynamicSupervisor>) -> Result<(), Addr<DynamicSupervisor>> {
        (**self).register(key, supervisor)
    }

    fn unregister(&self, key: &K) {
        (**self).unregister(key);
    }
}

/// How a supervisor is called.
#[derive(Clone, Default)]
pub(super) enum Name {
    #[default]
    None,
    /// For people only: nobody finds it by that.
    Shown(Arc<str>),
    /// Within this System.
    Local(Arc<str>),
    Via {
        via: Arc<dyn Via>,
        shown: Option<Arc<str>>,
    },
}

/// A registry and a key, their types forgotten.
pub(super) trait Via: Send + Sync {
    fn register(self: Arc<Self>, supervisor: Addr<DynamicSupervisor>) -> Result<Lease, Addr<DynamicSupervisor>>;
}

struct Entry<R, K> {
    registry: R,
    key: K,
}

impl<K: Send + Sync + 'static, R: SupervisorRegistry<K>> Via for Entry<R, K> {
    fn register(self: Arc<Self>, supervisor: Addr<DynamicSupervisor>) -> Result<Lease, Addr<DynamicSupervisor>> {
        self.registry.register(&self.key, supervisor)?;
        Ok(Lease::new(move || self.registry.unregister(&self.key)))
    }
}

impl Name {
    /// The same with another way to be found.
    pub(super) fn via<K: Send + Sync + 'static>(self, registry: impl SupervisorRegistry<K>, key: K) -> Self {
        let shown = match self {
            Self::Shown(name) => Some(name),
            Self::Via { shown, .. } => shown,
            Self::None | Self::Local(_) => None,
        };
        Self::Via { via: Arc::new(Entry { registry, key }), shown }
    }

    /// The same, called so if nothing else tells how.
    pub(super) fn called(self, name: Arc<str>) -> Self {
        match self {
            Self::None | Self::Shown(_) => Self::Shown(name),
            Self::Local(found) => Self::Local(found),
            Self::Via { via, .. } => Self::Via { via, shown: Some(name) },
        }
    }

    /// Takes the name. `None`: there is none to take.
    pub(super) fn register(&self, supervisor: Addr<DynamicSupervisor>) -> Result<Option<Lease>, StartError> {
        match self {
            Self::None | Self::Shown(_) => Ok(None),
            Self::Local(name) => {
                if name.len() > MAX_NAME_BYTES {
                    return Err(StartError::InvalidOption { option: "name", problem: "longer than 255 bytes" });
                }
                let system = System::try_current().ok_or(StartError::NoArbiter)?.id();
                registry::register(system, name, supervisor)
                    .map(Some)
                    // Only supervisors are registered, so the holder always is one.
                    .map_err(|existing| existing.map_or(StartError::NoArbiter, StartError::AlreadyStarted))
            }
            Self::Via { via, .. } => match unwind::guard(|| Arc::clone(via).register(supervisor)) {
                Ok(Ok(lease)) => Ok(Some(lease)),
                Ok(Err(existing)) => Err(StartError::AlreadyStarted(existing)),
                Err(report) => Err(StartError::Init(report.into())),
            },
        }
    }

    /// As it is told to people.
    pub(super) fn shown(&self) -> Option<&str> {
        match self {
            Self::Local(name) | Self::Shown(name) => Some(name),
            Self::Via { shown, .. } => shown.as_deref(),
            Self::None => None,
        }
    }
}
