//! How many children do what, for who counts them by their modules.

use super::ChildState;

/// Is told of each child that comes, does something else, or goes.
///
/// At once, and not what has changed by the end of a turn: turns end in many places (handlers, timers, hooks, a destructor),
/// and one forgotten would be a figure that stays wrong.
pub(crate) trait Census {
    /// A child of this module does `to` from now on, `from` until now. `None`: it is not in the table.
    fn moved(&self, module: &'static str, from: Option<ChildState>, to: Option<ChildState>);
}
