//! The rules. Pure: the standard library only, no clock, no Actix.
//!
//! [`restart`] says whether a child comes back, [`intensity`] how often the supervisor bears it, [`backoff`] after how
//! long, [`budget`] what a child may have of its own, [`shutdown`] how a child is asked to end and which answers to that
//! are in order.

mod backoff;
mod budget;
mod intensity;
mod restart;
mod shutdown;

pub use self::{
    backoff::Backoff,
    budget::{Budget, GiveUp},
    restart::Restart,
    shutdown::{ChildType, Shutdown},
};
pub(crate) use self::{
    intensity::{RestartWindow, Usage},
    shutdown::{is_expected_end, Asked},
};
