//! The arbiters that children live on, where that is not the supervisor's own.

use actix::{Arbiter, ArbiterHandle};

use crate::{spec::Placement, unwind};

/// A supervisor's own arbiters.
pub(super) struct Hosts {
    placement: Placement,
    /// Each is started when it is first needed, and again if it has ended.
    pool: Vec<Option<Host>>,
    next: usize,
    /// Tells the arbiters of one place of the pool apart.
    generation: u64,
}

struct Host {
    arbiter: Owned,
    generation: u64,
    children: usize,
    /// A child of it has been restarted because it has gone, and that has been counted.
    is_mourned: bool,
}

/// An arbiter that ends with this.
struct Owned(Option<Arbiter>);

/// Where a child lives.
#[derive(Clone, Copy)]
pub(super) enum Site {
    /// Where its spec said.
    Fixed,
    Pool(Berth),
}

/// A place on an arbiter of the pool.
#[derive(Clone, Copy)]
pub(super) struct Berth {
    at: usize,
    generation: u64,
}

impl Hosts {
    /// `None` if children live on the supervisor's own arbiter.
    pub(super) fn new(placement: Placement) -> Option<Self> {
        let arbiters = placement.arbiters();
        (arbiters > 0).then(|| Self { placement, pool: (0..arbiters).map(|_| None).collect(), next: 0, generation: 0 })
    }

    /// Where the next child is to live. `None` if no thread can be had.
    pub(super) fn choose(&mut self) -> Option<(Berth, ArbiterHandle)> {
        let at = match self.placement {
            Placement::LeastLoaded(_) => {
                let load = |host: &Option<Host>| host.as_ref().filter(|host| host.is_alive()).map_or(0, |h| h.children);
                (0..self.pool.len()).min_by_key(|&at| load(&self.pool[at]))?
            }
            Placement::Same | Placement::Pool(_) => {
                self.next = (self.next + 1) % self.pool.len();
                self.next
            }
        };
        if !self.pool[at].as_ref().is_some_and(Host::is_alive) {
            self.generation += 1;
            // It panics where there is no System.
            let arbiter = unwind::guard(Arbiter::try_new).ok()?.ok()?;
            let generation = self.generation;
            self.pool[at] = Some(Host { arbiter: Owned(Some(arbiter)), generation, children: 0, is_mourned: false });
        }
        let host = self.pool[at].as_mut()?;
        host.children += 1;
        Some((Berth { at, generation: host.generation }, host.arbiter.handle()?))
    }

    /// A child lives there no more.
    pub(super) fn leave(&mut self, berth: Berth) {
        if let Some(host) = self.host(berth) {
            host.children = host.children.saturating_sub(1);
        }
    }

    /// An arbiter has gone; is this the first to say so?
    pub(super) fn mourn(&mut self, berth: Berth) -> bool {
        // One that has been replaced has been mourned.
        self.host(berth).is_some_and(|host| !std::mem::replace(&mut host.is_mourned, true))
    }

    fn host(&mut self, Berth { at, generation }: Berth) -> Option<&mut Host> {
        self.pool.get_mut(at)?.as_mut().filter(|host| host.generation == generation)
    }

    /// Ends all arbiters; their threads are to be joined.
    pub(super) fn end(self) -> Vec<Arbiter> {
        self.pool.into_iter().flatten().filter_map(|mut host| host.arbiter.stop()).collect()
    }
}

impl Host {
    fn is_alive(&self) -> bool {
        self.arbiter.handle().is_some_and(|handle| handle.alive())
    }
}

impl Owned {
    fn handle(&self) -> Option<ArbiterHandle> {
        self.0.as_ref().map(Arbiter::handle)
    }

    fn stop(&mut self) -> Option<Arbiter> {
        let arbiter = self.0.take()?;
        arbiter.stop();
        Some(arbiter)
    }
}

impl Drop for Owned {
    /// The supervisor has ended otherwise than in order: nobody waits for the thread.
    fn drop(&mut self) {
        self.stop();
    }
}
