//! The arbiters that children live on, where that is not the supervisor's own.

use std::{
    mem,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

use actix::{Arbiter, ArbiterHandle};

use crate::{runner::Home, spec::Placement, unwind};

/// A supervisor's own arbiters.
pub(super) struct Hosts {
    placement: Placement,
    /// Each is started when it is first needed, and again if it has ended.
    pool: Vec<Option<Host>>,
    /// Those whose place was given to another, as their thread was blocked or they have gone: until they have no children
    /// any more.
    retired: Vec<Host>,
    next: usize,
    /// Tells the arbiters of one place of the pool apart.
    generation: u64,
    unresponsive_after: Duration,
}

struct Host {
    arbiter: Owned,
    generation: u64,
    children: usize,
    /// A child of it has been restarted because it has gone, and that has been counted.
    is_mourned: bool,
    busy_with: Arc<AtomicU64>,
    pulse: Pulse,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Berth {
    at: usize,
    generation: u64,
}

/// A thread that has been found blocked.
pub(super) struct Blocked {
    pub(super) berth: Berth,
    /// The number of the child it is busy with, 0 if of none.
    pub(super) busy_with: u64,
}

impl Hosts {
    /// `None` if children live on the supervisor's own arbiter.
    pub(super) fn new(placement: Placement, unresponsive_after: Duration) -> Option<Self> {
        let arbiters = placement.arbiters();
        (arbiters > 0).then(|| Self {
            placement,
            pool: (0..arbiters).map(|_| None).collect(),
            retired: Vec::new(),
            next: 0,
            generation: 0,
            unresponsive_after,
        })
    }

    /// Where the next child is to live. `None` if no thread can be had.
    pub(super) fn choose(&mut self) -> Option<(Berth, Home)> {
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
            let before = self.pool[at].replace(Host::new(self.generation)?);
            // Its end has not been reported by its children yet, and is to be counted then.
            self.retired.extend(before.filter(|host| host.children > 0));
        }
        let host = self.pool[at].as_mut()?;
        host.children += 1;
        let home = Home { arbiter: host.arbiter.handle()?, busy_with: Some(Arc::clone(&host.busy_with)) };
        Some((Berth { at, generation: host.generation }, home))
    }

    /// A child lives there no more.
    pub(super) fn leave(&mut self, berth: Berth) {
        if let Some(host) = self.host(berth) {
            host.children = host.children.saturating_sub(1);
        }
        self.retired.retain(|host| host.children > 0);
    }

    /// An arbiter has gone; is this the first to say so?
    pub(super) fn mourn(&mut self, berth: Berth) -> bool {
        // One that has been replaced has been mourned.
        self.host(berth).is_some_and(|host| !mem::replace(&mut host.is_mourned, true))
    }

    fn host(&mut self, Berth { at, generation }: Berth) -> Option<&mut Host> {
        let own = self.pool.get_mut(at)?.as_mut().into_iter();
        own.chain(&mut self.retired).find(|host| host.generation == generation)
    }

    /// How often their pulse is to be taken.
    pub(super) fn beat(&self) -> Duration {
        (self.unresponsive_after / 5).max(Duration::from_millis(1))
    }

    /// Takes the pulse of all; tells those found blocked, once.
    pub(super) fn take_pulse(&mut self, now: Instant) -> Vec<Blocked> {
        let limit = self.unresponsive_after;
        let hosts = self.pool.iter_mut().enumerate().filter_map(|(at, host)| Some((at, host.as_mut()?)));
        hosts
            .filter_map(|(at, host)| {
                let arbiter = host.arbiter.handle()?;
                if !arbiter.alive() && host.children == 0 {
                    // It has ended with a question open.
                    return None;
                }
                host.pulse.is_lost(&arbiter, limit, now).then(|| Blocked {
                    berth: Berth { at, generation: host.generation },
                    busy_with: host.busy_with.load(Ordering::Relaxed),
                })
            })
            .collect()
    }

    /// Gives the place of a blocked arbiter to another. Its own children stay with it.
    pub(super) fn retire(&mut self, berth: Berth) {
        let is_meant = |host: &mut Host| host.generation == berth.generation;
        let retired = self.pool.get_mut(berth.at).and_then(|host| host.take_if(is_meant));
        self.retired.extend(retired);
    }

    /// Ends all arbiters; their threads are to be joined.
    pub(super) fn end(self) -> Vec<Arbiter> {
        let hosts = self.pool.into_iter().flatten().chain(self.retired);
        hosts.filter_map(|mut host| host.arbiter.stop()).collect()
    }
}

impl Host {
    fn new(generation: u64) -> Option<Self> {
        // It panics where there is no System.
        let arbiter = unwind::guard(Arbiter::try_new).ok()?.ok()?;
        Some(Self {
            arbiter: Owned(Some(arbiter)),
            generation,
            children: 0,
            is_mourned: false,
            busy_with: Arc::default(),
            pulse: Pulse::default(),
        })
    }

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
    /// Nobody waits for the thread: it is blocked, or the supervisor has ended otherwise than in order.
    fn drop(&mut self) {
        self.stop();
    }
}

/// A question to a thread, and whether it has been answered.
#[derive(Default)]
struct Pulse {
    /// When the question was asked that is open.
    asked: Option<Instant>,
    answered: Arc<AtomicBool>,
    is_told: bool,
}

impl Pulse {
    /// Is the thread found blocked, for the first time since it last answered?
    fn is_lost(&mut self, arbiter: &ArbiterHandle, limit: Duration, now: Instant) -> bool {
        if self.answered.swap(false, Ordering::Relaxed) {
            self.asked = None;
            self.is_told = false;
        }
        match self.asked {
            None => {
                let answered = Arc::clone(&self.answered);
                if arbiter.spawn_fn(move || answered.store(true, Ordering::Relaxed)) {
                    self.asked = Some(now);
                }
                false
            }
            Some(asked) => now.saturating_duration_since(asked) >= limit && !mem::replace(&mut self.is_told, true),
        }
    }
}
