//! What the supervisor keeps beside an entry of the table: the runner, and who waits.

use actix::Context;
use tokio::time::Instant;

use super::{hosts::Site, keyed::Waiter, listening::Follows, reply::Promise, DynamicSupervisor};
use crate::{
    children::Entry,
    directory::Held,
    error::{StartChildError, TerminateChildError},
    event::{Offender, Watcher},
    exit::ExitReason,
    id::ChildId,
    key::ChildKey,
    runner::{Ended, Home, Leavings, RunnerHandle, Vitals},
    snapshot::{ChildInfo, ErasedAddr, Life, RestartLimit},
    unwind,
};

/// What the supervisor keeps beside an entry of the table.
pub(super) struct Seat {
    pub(super) runner: RunnerHandle,
    /// What most children have not.
    pub(super) rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(super) struct Rare {
    pub(super) key: Option<Held>,
    /// Where it lives, if not here.
    pub(super) site: Option<Site>,
    /// The arbiter that its spec has named.
    pub(super) home: Option<Home>,
    /// Told to begin this incarnation elsewhere, and has not answered.
    pub(super) is_beginning: bool,
    /// How it had ended before it could be told to: the notice of that and the order have crossed.
    pub(super) crossed: Option<Ended>,
    /// Who asked for its first start, while that goes on.
    pub(super) starter: Option<Starter>,
    pub(super) terminators: Vec<Promise<Result<(), TerminateChildError>>>,
    /// Who asked for a child with this key, before this one can be had or is gone.
    pub(super) waiters: Vec<Waiter>,
    /// Who is to hear of its ends.
    pub(super) watchers: Vec<Watcher>,
}

impl Rare {
    /// Drops it unanswered. One by one: a starter holds what its start hands over and a waiter a spec, and two destructors
    /// that panic in one drop abort.
    pub(super) fn dispose(self) {
        let Self { key, starter, terminators, waiters, .. } = self;
        let _ = unwind::dispose(starter);
        for waiter in waiters {
            let _ = unwind::dispose(waiter);
        }
        drop((key, terminators));
    }
}

pub(super) type Starter = Box<dyn FnOnce(Result<(), StartChildError>)>;

impl Seat {
    pub(super) fn new(runner: RunnerHandle) -> Self {
        Self { runner, rare: None }
    }

    pub(super) fn kill(&self) {
        self.runner.kill();
    }

    /// Ends it for good, whatever it is doing, and tells what is left.
    pub(super) fn end(&self) -> Option<Box<Leavings>> {
        self.runner.end()
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// The child that something is told of.
pub(super) fn offender(id: ChildId, entry: &Entry<Seat>) -> Offender<'_> {
    Offender { id, incarnation: entry.incarnation, rules: &entry.rules, key: key_of(entry) }
}

pub(super) fn key_of(entry: &Entry<Seat>) -> Option<&ChildKey> {
    entry.seat.rare.as_ref()?.key.as_ref().map(Held::key)
}

pub(super) fn info(id: ChildId, entry: &Entry<Seat>, vitals: Option<&Vitals>, now: std::time::Instant) -> ChildInfo {
    let rare = entry.seat.rare.as_ref();
    ChildInfo {
        id,
        label: entry.rules.label.as_deref().map(str::to_owned),
        key: key_of(entry).map(ChildKey::text),
        state: entry.phase().into(),
        child_type: entry.rules.child_type,
        module: entry.rules.module,
        restart: entry.rules.restart,
        restarts: entry.restarts,
        incarnation: entry.incarnation.number(),
        last_exit: entry.last_exit().cloned(),
        since: Instant::from_std(entry.since()),
        next_try: entry.next_try().map(Instant::from_std),
        is_parked: entry.is_parked(),
        lives: entry.lives().map(Life::from).collect(),
        limit: entry.usage(now).map(RestartLimit::from),
        arbiter: rare.and_then(|rare| rare.site).map(|site| site.to_string()),
        handled: vitals.map(|vitals| vitals.handled),
        queued: vitals.and_then(|vitals| vitals.queued),
        longest_poll: vitals.and_then(|vitals| vitals.longest_poll),
        addr: ErasedAddr(entry.seat.runner.weak_addr()),
    }
}

/// How a child ended whose first start was cut off.
fn as_exit(error: &StartChildError) -> ExitReason {
    match error {
        StartChildError::Terminated | StartChildError::ShuttingDown => ExitReason::Shutdown,
        StartChildError::ArbiterGone => ExitReason::ArbiterGone,
        _ => ExitReason::Unknown,
    }
}

impl DynamicSupervisor {
    /// Drops what is left of a child that is out of the table, then answers who waited for it.
    ///
    /// In this order: its mailbox is closed, its key and names that its spec held are free when the answer arrives.
    pub(super) fn forget(
        &mut self,
        id: ChildId,
        mut entry: Entry<Seat>,
        started: Result<(), StartChildError>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(by_addr) = &mut self.by_addr {
            by_addr.remove(&entry.seat.runner.addr_key());
        }
        if entry.seat.rare.as_ref().is_some_and(|rare| !rare.watchers.is_empty()) {
            let started = || started.as_ref().err().map_or(ExitReason::Unknown, as_exit);
            let last_exit = entry.last_exit().cloned().unwrap_or_else(started);
            self.tell_watchers(id, &mut entry, last_exit, Follows::Nothing);
        }
        if let Some(leavings) = entry.seat.end() {
            self.tell_leavings(offender(id, &entry), *leavings);
        }
        let rare = entry.seat.rare.take();
        let _ = unwind::dispose(entry);
        let Some(rare) = rare else { return drop(unwind::dispose(started)) };
        let Rare { key, site, starter, terminators, waiters, .. } = *rare;
        if let (Some(site), Some(hosts)) = (site, &mut self.hosts) {
            hosts.leave(site);
        }
        if let (Some(held), Some(keys)) = (&key, self.keys()) {
            keys.remove(held);
        }
        match starter {
            Some(answer) => drop(unwind::guard(|| answer(started))),
            None => drop(unwind::dispose(started)),
        }
        for terminator in terminators {
            terminator.keep(Ok(()));
        }
        self.serve(waiters, ctx);
    }
}
