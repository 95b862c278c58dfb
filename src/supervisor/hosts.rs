//! The arbiters that children live on, where that is not the supervisor's own.

use std::{
    collections::HashMap,
    fmt, mem,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread::ThreadId,
    time::{Duration, Instant},
};

use actix::{Arbiter, ArbiterHandle};

use crate::{
    runner::{Home, Sign},
    spec::Placement,
    unwind,
};

/// A supervisor's own arbiters, and others that its children live on.
pub(super) struct Hosts {
    placement: Placement,
    /// Each is started when it is first needed, and again if it has ended.
    pool: Vec<Option<Host>>,
    /// Those whose place was given to another, as their thread was blocked or they have gone: until they have no children
    /// any more.
    retired: Vec<Host>,
    /// Threads of arbiters that specs have named.
    guests: HashMap<ThreadId, Guest>,
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
    sign: Arc<Sign>,
    pulse: Pulse,
}

struct Guest {
    arbiter: ArbiterHandle,
    children: usize,
    pulse: Pulse,
}

/// An arbiter that ends with this.
struct Owned(Option<Arbiter>);

/// Where a child lives.
#[derive(Clone, Copy)]
pub(super) enum Site {
    /// Where its spec said; on which thread, once it has started.
    Fixed(Option<ThreadId>),
    Pool(Berth),
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(Some(thread)) => write!(f, "{thread:?}"),
            Self::Fixed(None) => f.write_str("on its way"),
            Self::Pool(Berth { at, .. }) => write!(f, "pool {at}"),
        }
    }
}

/// A place on an arbiter of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Berth {
    at: usize,
    generation: u64,
}

/// A thread that has been found blocked.
pub(super) enum Blocked {
    Pool {
        berth: Berth,
        /// The number of the child it is busy with, 0 if of none.
        busy_with: u64,
    },
    Guest(ThreadId),
}

impl Hosts {
    pub(super) fn new(placement: Placement, unresponsive_after: Duration) -> Self {
        Self {
            placement,
            pool: (0..placement.arbiters()).map(|_| None).collect(),
            retired: Vec::new(),
            guests: HashMap::new(),
            next: 0,
            generation: 0,
            unresponsive_after,
        }
    }

    /// Do children live on arbiters of the supervisor's own, unless told otherwise?
    pub(super) fn is_pool(&self) -> bool {
        !self.pool.is_empty()
    }

    /// Where the next child is to live. `None` if no thread can be had.
    pub(super) fn choose(&mut self) -> Option<(Berth, Home)> {
        let arbiters = self.pool.len();
        // A thread that is blocked is the last choice.
        let is_blocked = |at: usize| self.pool[at].as_ref().is_some_and(|host| host.pulse.is_told);
        let at = match self.placement {
            Placement::LeastLoaded(_) => {
                let load = |host: &Option<Host>| host.as_ref().filter(|host| host.is_alive()).map_or(0, |h| h.children);
                (0..arbiters).min_by_key(|&at| (is_blocked(at), load(&self.pool[at])))?
            }
            Placement::Same | Placement::Pool(_) => {
                let in_turn = (1..=arbiters).map(|after| (self.next + after) % arbiters);
                in_turn.min_by_key(|&at| is_blocked(at))?
            }
        };
        self.next = at;
        if !self.pool[at].as_ref().is_some_and(Host::is_alive) {
            self.generation += 1;
            let before = self.pool[at].replace(Host::new(self.generation)?);
            // Its end has not been reported by its children yet, and is to be counted then.
            self.retired.extend(before.filter(|host| host.children > 0));
        }
        let host = self.pool[at].as_mut()?;
        host.children += 1;
        let home = Home { arbiter: host.arbiter.handle()?, sign: Arc::clone(&host.sign) };
        Some((Berth { at, generation: host.generation }, home))
    }

    /// A child lives on the thread of an arbiter that its spec has named.
    pub(super) fn welcome(&mut self, thread: ThreadId, arbiter: ArbiterHandle) {
        let guest = self.guests.entry(thread);
        guest.or_insert_with(|| Guest { arbiter, children: 0, pulse: Pulse::default() }).children += 1;
    }

    /// A child lives there no more.
    pub(super) fn leave(&mut self, site: Site) {
        match site {
            Site::Fixed(None) => {}
            Site::Fixed(Some(thread)) => {
                if let Some(guest) = self.guests.get_mut(&thread) {
                    guest.children -= 1;
                    if guest.children == 0 {
                        self.guests.remove(&thread);
                    }
                }
            }
            Site::Pool(berth) => self.leave_pool(berth),
        }
    }

    fn leave_pool(&mut self, berth: Berth) {
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
        let own = hosts.filter_map(|(at, host)| {
            let arbiter = host.arbiter.handle()?;
            if !arbiter.alive() && host.children == 0 {
                // It has ended with a question open.
                return None;
            }
            host.pulse.is_lost(&arbiter, limit, now).then(|| Blocked::Pool {
                berth: Berth { at, generation: host.generation },
                busy_with: host.sign.busy_with(),
            })
        });
        let guests = self.guests.iter_mut().filter_map(|(thread, guest)| {
            guest.pulse.is_lost(&guest.arbiter, limit, now).then_some(Blocked::Guest(*thread))
        });
        own.chain(guests).collect()
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
            sign: Arc::default(),
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
