//! Which supervisor is shown.

use actix::{Addr, WeakAddr};

use super::answer::Refusal;
use crate::{partition::Partitions, supervisor::DynamicSupervisor};

/// What a [`Dashboard`](super::Dashboard) shows: a supervisor with all that is below it, or all [`Partitions`].
///
/// It is held weakly: a supervisor that ends when its last address is dropped does so.
#[derive(Clone, Debug)]
pub struct Root(WeakAddr<DynamicSupervisor>);

impl Root {
    pub(super) fn addr(&self) -> Result<Addr<DynamicSupervisor>, Refusal> {
        self.0.upgrade().filter(Addr::connected).ok_or(Refusal::Gone)
    }
}

impl From<&Addr<DynamicSupervisor>> for Root {
    fn from(supervisor: &Addr<DynamicSupervisor>) -> Self {
        Self(supervisor.downgrade())
    }
}

impl From<Addr<DynamicSupervisor>> for Root {
    fn from(supervisor: Addr<DynamicSupervisor>) -> Self {
        Self::from(&supervisor)
    }
}

impl From<&Partitions> for Root {
    fn from(partitions: &Partitions) -> Self {
        Self::from(partitions.parent())
    }
}

impl From<Partitions> for Root {
    fn from(partitions: Partitions) -> Self {
        Self::from(&partitions)
    }
}
