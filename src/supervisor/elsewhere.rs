//! Children on other arbiters: what they report, and what becomes of them when their arbiter goes.

use std::{mem, sync::Arc, thread, time::Duration};

use actix::{ArbiterHandle, AsyncContext, Context, Handler, Message};
use tokio::time::Instant;

use super::{
    ending::End,
    hosts::{Berth, Blocked, Hosts, Site},
    leave,
    listening::Follows,
    now,
    seat::{offender, Seat},
    DynamicSupervisor,
};
use crate::{
    children::{AfterExit, Entry, Phase},
    error::StartChildError,
    event::{Exit, Fact, Offender, Subject},
    exit::ExitReason,
    id::{ChildId, Incarnation, SupervisorId},
    policy::Asked,
    runner::{Birth, Ended, Home, Leavings, Stranded},
    spec::Placement,
    unwind,
};

/// How long a supervisor waits for the threads of its own to end.
const JOIN_LIMIT: Duration = Duration::from_secs(5);

/// How much longer than its limit a child may keep its thread before it is left behind.
const GRACE: Duration = Duration::from_secs(1);

impl DynamicSupervisor {
    /// Where a child is to live that is not to live here. `None` if there is nowhere.
    pub(super) fn site(&mut self, arbiter: Option<ArbiterHandle>, ctx: &mut Context<Self>) -> Option<(Site, Home)> {
        match arbiter {
            Some(arbiter) => {
                if self.hosts.is_none() {
                    self.hosts = Some(Box::new(Hosts::new(Placement::Same, self.unresponsive_after)));
                    self.watch_threads(ctx);
                }
                Some((Site::Fixed(None), Home { arbiter, sign: Arc::default() }))
            }
            None => self.hosts.as_mut()?.choose().map(|(berth, home)| (Site::Pool(berth), home)),
        }
    }

    /// A child has started elsewhere: from now on it is known on which thread.
    pub(super) fn note_thread(&mut self, id: ChildId) {
        let Some(rare) = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut()) else { return };
        let (Some(Site::Fixed(site)), Some(home)) = (&mut rare.site, &rare.home) else { return };
        if let (None, Some(thread), Some(hosts)) = (*site, home.sign.thread(), &mut self.hosts) {
            *site = Some(thread);
            hosts.welcome(thread, home.arbiter.clone());
        }
    }

    pub(super) fn note_beginning(&mut self, id: ChildId) {
        if let Some(rare) = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut()) {
            rare.is_beginning = rare.site.is_some();
        }
    }

    fn site_of(&self, id: ChildId) -> Option<Site> {
        self.children.get(id)?.seat.rare.as_ref()?.site
    }

    /// Had it ended before it could be told to? Then what follows is not decided now: that it is gone will be reported.
    pub(super) fn has_crossed(&mut self, id: ChildId, incarnation: Incarnation, ended: &Ended) -> bool {
        let Some(entry) = self.children.get(id) else { return false };
        let has_crossed = entry.phase().is_ending() && entry.incarnation == incarnation && !entry.seat.runner.is_here();
        if let (true, Some(seat)) = (has_crossed, self.children.seat_mut(id)) {
            seat.rare().crossed = Some(ended.clone());
        }
        has_crossed
    }

    /// What follows the end of an incarnation, wherever it lived.
    pub(super) fn after_exit(&mut self, id: ChildId, incarnation: Incarnation, ended: &Ended) -> AfterExit<Seat> {
        // One that was left behind on a blocked thread says nothing about the arbiter of the present one.
        let is_present = self.children.get(id).is_some_and(|entry| entry.incarnation == incarnation);
        if let (true, true, Some(site)) = (ended.lost_arbiter, is_present, self.site_of(id)) {
            return match site {
                // There is nowhere to restart it.
                Site::Fixed(_) => self.children.remove(id).map_or(AfterExit::Stale, AfterExit::Forget),
                Site::Pool(berth) => {
                    let is_counted = self.hosts.as_mut().is_some_and(|hosts| hosts.mourn(berth));
                    self.children.lost_arbiter(id, incarnation, is_counted, now())
                }
            };
        }
        self.children.exited(id, incarnation, &ended.reason, now())
    }

    /// A child elsewhere that was told to end is gone.
    pub(super) fn gone(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        ended: Option<Ended>,
        ctx: &mut Context<Self>,
    ) {
        let is_meant = self.children.get(id).is_some_and(|entry| entry.phase().is_ending());
        let entry = if is_meant { self.children.remove(id) } else { None };
        let Some(mut entry) = entry else { return drop(unwind::dispose(ended)) };
        if let Some(panic) = ended.as_ref().and_then(|ended| ended.residue.as_ref()) {
            let child = Offender { incarnation, ..offender(id, &entry) };
            self.teller.tell(&Fact::Residue { of: Subject::Child(child), panic }, now);
        }
        let crossed = entry.seat.rare.as_mut().and_then(|rare| rare.crossed.take());
        let end = match (ended, crossed) {
            (Some(ended), _) => Some(End { asked: entry.rules.shutdown.into(), ended }),
            (None, Some(ended)) => Some(End { asked: Asked::TooLate, ended }),
            (None, None) if entry.began().is_some() => {
                Some(End { asked: Asked::TooLate, ended: Ended::with(ExitReason::Unknown) })
            }
            (None, None) => None,
        };
        self.ended_as_told(id, entry, end, ctx);
    }

    /// A child's arbiter has gone. It goes on elsewhere, with its queue, if it may.
    pub(super) fn stranded(&mut self, id: ChildId, estate: Box<dyn Stranded>, ctx: &mut Context<Self>) {
        let Some(entry) = self.children.get(id) else { return self.drop_estate(id, estate) };
        let (phase, incarnation, due) = (entry.phase(), entry.incarnation, entry.next_try());
        if phase.is_ending() {
            // It was told to end, and the order did not reach it.
            self.drop_estate(id, estate);
            return self.gone(id, incarnation, None, ctx);
        }
        let berth = match self.site_of(id) {
            Some(Site::Pool(berth)) => Some(berth),
            Some(Site::Fixed(_)) | None => None,
        };
        let is_beginning = due.is_none() && self.children.seat_mut(id).is_some_and(|seat| seat.rare().is_beginning);
        // A start that ends every arbiter it gets is to be too much in the end.
        let is_counted =
            is_beginning && berth.is_some_and(|berth| self.hosts.as_mut().is_some_and(|hosts| hosts.mourn(berth)));
        let is_settled = match berth {
            Some(berth) => self.settle(id, berth, estate),
            None => {
                self.drop_estate(id, estate);
                false
            }
        };
        if !is_settled {
            return self.lose(id, ctx);
        }
        if is_counted {
            if let Some(again) = self.children.retry(id, incarnation, now()) {
                self.again(id, again, ctx);
            }
            return;
        }
        let Some(entry) = self.children.get(id) else { return };
        if let Some(due) = due {
            entry.seat.runner.wait(incarnation, due.saturating_duration_since(now()));
        } else if is_beginning {
            let _ = entry.seat.runner.begin(incarnation);
        }
    }

    /// Settles a child at another place of the pool, where it waits for orders. `false` if there is none.
    fn settle(&mut self, id: ChildId, from: Berth, estate: Box<dyn Stranded>) -> bool {
        let Some((berth, home)) = self.hosts.as_mut().and_then(|hosts| hosts.choose()) else {
            self.drop_estate(id, estate);
            return false;
        };
        let (Some(runner), Some(seat)) = (estate.settle(home), self.children.seat_mut(id)) else { return false };
        seat.runner = runner;
        seat.rare().site = Some(Site::Pool(berth));
        if let Some(hosts) = &mut self.hosts {
            hosts.leave(Site::Pool(from));
        }
        true
    }

    /// Nobody takes what is left of a child: its queue is closed.
    fn drop_estate(&mut self, id: ChildId, mut estate: Box<dyn Stranded>) {
        let Leavings { residue, undelivered, .. } = estate.close();
        let _ = unwind::dispose(estate);
        if let Some(panic) = &residue {
            let of = self.children.get(id).map_or(Subject::Former(id), |entry| Subject::Child(offender(id, entry)));
            self.teller.tell(&Fact::Residue { of, panic }, now);
        }
        if undelivered > 0 {
            self.tell_undelivered(id, undelivered);
        }
    }

    /// Has the threads of its own watched, if it has any.
    pub(super) fn watch_threads(&mut self, ctx: &mut Context<Self>) {
        if let Some(hosts) = &self.hosts {
            ctx.run_interval(hosts.beat(), |supervisor, ctx| supervisor.take_pulse(ctx));
        }
    }

    fn take_pulse(&mut self, ctx: &mut Context<Self>) {
        let blocked = self.hosts.as_mut().map(|hosts| hosts.take_pulse(now())).unwrap_or_default();
        for blocked in blocked {
            let ids = self.children_on(&blocked);
            let culprit = ids.iter().copied().find(|&id| match &blocked {
                Blocked::Pool { busy_with, .. } => id.number() == *busy_with,
                Blocked::Guest(_) => self.home_of(id).is_some_and(|home| home.sign.busy_with() == id.number()),
            });
            let culprit = culprit.and_then(|id| Some((id, self.children.get(id)?)));
            let culprit = culprit.map(|(id, entry)| offender(id, entry));
            self.teller.tell(&Fact::ThreadBlocked { by: culprit, children: ids.len() }, now);
            if let (Blocked::Pool { berth, .. }, true) = (blocked, self.is_open()) {
                self.take_over(berth, ids, ctx);
            }
        }
    }

    fn home_of(&self, id: ChildId) -> Option<&Home> {
        self.children.get(id)?.seat.rare.as_ref()?.home.as_ref()
    }

    fn children_on(&self, blocked: &Blocked) -> Vec<ChildId> {
        let sites = self.children.iter().filter_map(|(id, entry)| Some((id, entry.seat.rare.as_ref()?.site?)));
        let there = sites.filter(|(_, site)| match (site, blocked) {
            (Site::Pool(at), Blocked::Pool { berth, .. }) => at == berth,
            (Site::Fixed(Some(on)), Blocked::Guest(thread)) => on == thread,
            _ => false,
        });
        there.map(|(id, _)| id).collect()
    }

    /// Lets those children of a blocked thread go on elsewhere that are meant to.
    fn take_over(&mut self, berth: Berth, ids: Vec<ChildId>, ctx: &mut Context<Self>) {
        let mut is_retired = false;
        for id in ids {
            let Some(entry) = self.children.get(id) else { continue };
            if !entry.rules.takes_over() || entry.phase() != Phase::Running {
                continue;
            }
            let incarnation = entry.incarnation;
            let birth = Birth::new(id, self.link(ctx));
            let Some(estate) = self.children.get(id).and_then(|entry| entry.seat.runner.take_over(birth, incarnation))
            else {
                continue;
            };
            if !mem::replace(&mut is_retired, true) {
                // First, so that nobody is settled where nobody moves.
                if let Some(hosts) = &mut self.hosts {
                    hosts.retire(berth);
                }
            }
            if self.settle(id, berth, estate) {
                self.exited(id, incarnation, Ended::with(ExitReason::Unresponsive), ctx);
            } else {
                self.lose(id, ctx);
            }
        }
    }

    /// There is nowhere for a child to go on.
    fn lose(&mut self, id: ChildId, ctx: &mut Context<Self>) {
        let Some(mut entry) = self.children.remove(id) else { return };
        let exit = Exit { reason: &ExitReason::ArbiterGone, began: entry.began(), asked: false, comes_back: false };
        self.teller.tell(&Fact::ChildTerminated { child: offender(id, &entry), exit }, now);
        self.tell_watchers(id, &mut entry, ExitReason::ArbiterGone, Follows::Nothing);
        self.forget(id, entry, Err(StartChildError::ArbiterGone), ctx);
        self.finish_if_done(ctx);
    }
}

/// The end of a supervisor whose children live elsewhere.
impl DynamicSupervisor {
    pub(super) fn is_joining(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.is_joining)
    }

    /// All children have been told to end. Those that do not even hear it are not waited for longer than they may take.
    pub(super) fn watch_the_blocked(&mut self, ctx: &mut Context<Self>) {
        let limits = self.children.iter().filter(|(_, entry)| !entry.seat.runner.is_here());
        let longest = limits.filter_map(|(_, entry)| entry.rules.shutdown.limit()).max();
        if let Some(longest) = longest {
            later(longest.saturating_add(GRACE), ctx, |supervisor, ctx| {
                supervisor.abandon(
                    |entry| {
                        let since = Instant::from_std(entry.since());
                        entry.rules.shutdown.limit().is_some_and(|limit| since.elapsed() >= limit)
                    },
                    ctx,
                );
            });
        }
    }

    /// The deadline of all has passed: from a second later on nobody is waited for, whatever their own limit is.
    pub(super) fn abandon_all_later(&mut self, ctx: &mut Context<Self>) {
        if self.has_children_elsewhere() {
            later(GRACE, ctx, |supervisor, ctx| supervisor.abandon(|_| true, ctx));
        }
    }

    fn has_children_elsewhere(&self) -> bool {
        self.children.iter().any(|(_, entry)| !entry.seat.runner.is_here())
    }

    /// How much longer than its children the supervisor itself may take to end.
    pub(super) fn own_time_to_end(&self) -> Duration {
        let has_threads = self.hosts.as_ref().is_some_and(|hosts| hosts.is_pool()) || self.is_joining();
        let own = if has_threads { JOIN_LIMIT } else { Duration::ZERO };
        own + if self.has_children_elsewhere() { GRACE } else { Duration::ZERO }
    }

    /// Leaves children behind that do not hear that they are to end.
    fn abandon(&mut self, is_late: impl Fn(&Entry<Seat>) -> bool, ctx: &mut Context<Self>) {
        let late = self.children.iter().filter(|(_, entry)| !entry.seat.runner.is_here() && is_late(entry));
        let late: Vec<ChildId> = late.map(|(id, _)| id).collect();
        for id in late {
            let Some(mut entry) = self.children.remove(id) else { continue };
            self.teller.tell(&Fact::Abandoned { child: offender(id, &entry) }, now);
            if entry.began().is_some() || entry.last_exit().is_some() {
                let exit =
                    Exit { reason: &ExitReason::Unresponsive, began: entry.began(), asked: true, comes_back: false };
                self.teller.tell(&Fact::EndedOddly { child: offender(id, &entry), exit }, now);
            }
            self.tell_watchers(id, &mut entry, ExitReason::Unresponsive, Follows::Nothing);
            self.note_unresponsive(id);
            let error = self.cut_off();
            self.forget(id, entry, Err(error), ctx);
        }
        self.finish_if_done(ctx);
    }

    /// Ends, when the threads of its own have.
    pub(super) fn join_or_leave(&mut self, reason: Option<ExitReason>, ctx: &mut Context<Self>) {
        let arbiters = self.hosts.take().map(|hosts| hosts.end()).unwrap_or_default();
        if arbiters.is_empty() {
            return leave(reason, ctx);
        }
        let (own, id) = (ctx.address().downgrade(), self.children.supervisor());
        // On a thread of its own, as it blocks.
        let waits = thread::Builder::new().name("join arbiters".into()).spawn(move || {
            for arbiter in arbiters {
                let _ = arbiter.join();
            }
            if let Some(supervisor) = own.upgrade() {
                supervisor.do_send(Joined(id));
            }
        });
        if waits.is_err() {
            return leave(reason, ctx);
        }
        if let Some(closing) = &mut self.closing {
            closing.is_joining = true;
        }
        later(JOIN_LIMIT, ctx, |supervisor, ctx| {
            if supervisor.is_joining() {
                supervisor.tell(&Fact::ThreadsLeft);
                supervisor.joined(ctx);
            }
        });
    }

    fn joined(&mut self, ctx: &mut Context<Self>) {
        let Some(closing) = &mut self.closing else { return };
        if mem::take(&mut closing.is_joining) {
            let reason = closing.reason();
            leave(reason, ctx);
        }
    }
}

/// Does something after a while. Not while its arbiter is torn down: there is no clock then, and nothing to wait for.
fn later(
    delay: Duration,
    ctx: &mut Context<DynamicSupervisor>,
    act: impl FnOnce(&mut DynamicSupervisor, &mut Context<DynamicSupervisor>) + 'static,
) {
    if tokio::runtime::Handle::try_current().is_ok() {
        ctx.run_later(delay, act);
    }
}

/// The threads of this supervisor's own have ended. Its next life, at the same address, may have threads, too.
struct Joined(SupervisorId);

impl Message for Joined {
    type Result = ();
}

impl Handler<Joined> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Joined(supervisor): Joined, ctx: &mut Context<Self>) {
        if supervisor == self.children.supervisor() {
            self.joined(ctx);
        }
    }
}
