//! The rules. Pure: the standard library only, no clock, no Actix.
//!
//! [`restart`] says whether a child comes back, [`intensity`] how often the supervisor bears it, [`shutdown`] how a
//! child is asked to end and which answers to that are in order.

mod intensity;
mod restart;
mod shutdown;

pub(crate) use self::{
    intensity::RestartWindow,
    shutdown::{is_expected_end, Asked},
};
pub use self::{
    restart::Restart,
    shutdown::{ChildType, Shutdown},
};
