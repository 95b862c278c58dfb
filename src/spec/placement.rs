//! Where children live.

/// On which arbiter, that is on which thread, a supervisor's children live, unless their spec names one
/// ([`Child::on`](crate::Child::on)).
///
/// All guarantees hold on other threads, too: a start is answered when the child runs there, its queue keeps its order over
/// restarts, its end is reported, its deadlines count. What differs: its start is asynchronous for the supervisor, and runs
/// on the child's thread; and a child that blocks its thread holds up only those that share it.
///
/// The arbiters of a pool are the supervisor's own. They are started when they are first needed, replaced when they end
/// before their time, and ended with the supervisor: it waits for their threads, at most 5 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Placement {
    /// On the supervisor's own arbiter. The default.
    #[default]
    Same,
    /// On as many arbiters, in turn: 1 to [`MAX_ARBITERS`](Self::MAX_ARBITERS).
    Pool(usize),
    /// On as many arbiters, each child on the one with the fewest: 1 to [`MAX_ARBITERS`](Self::MAX_ARBITERS).
    LeastLoaded(usize),
}

/// What becomes of a child on an arbiter of a pool whose thread is found to be blocked; see
/// [`Child::on_unresponsive`](crate::Child::on_unresponsive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnUnresponsive {
    /// It is waited for. The default: Rust cannot end a thread.
    #[default]
    Wait,
    /// Its queue moves to a fresh incarnation on another arbiter, if its restart type and the limit allow a restart.
    ///
    /// **For a while there are two incarnations.** The old one goes on with the message that blocks it, and may do
    /// anything with what it shares with others; it ends, with its hooks, when it gives its thread back. So this is for
    /// actors whose state is their own.
    TakeOver,
}

impl Placement {
    /// How many arbiters a pool may have at most; each is a thread.
    pub const MAX_ARBITERS: usize = 1024;

    pub(crate) fn arbiters(self) -> usize {
        match self {
            Self::Same => 0,
            Self::Pool(arbiters) | Self::LeastLoaded(arbiters) => arbiters,
        }
    }
}
