//! What a supervisor tells about itself and its children when it is asked.
//!
//! [`ChildInfo`] is one child, [`Snapshot`] a supervisor with all that is below it, [`TakeSnapshot`] the question.
//! [`ShutdownReport`] is what remains when all is over.

mod child;
mod dot;
mod report;
mod request;
mod show;
mod tree;

pub(crate) use self::{
    child::{why_not, ErasedAddr},
    request::{Order, Search},
};
pub use self::{
    child::{ChildInfo, Life, RestartLimit},
    report::ShutdownReport,
    request::{ChildFilter, TakeSnapshot},
    tree::{Branch, Snapshot, Sum, SupervisorState, Told},
};
