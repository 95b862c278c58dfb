//! Who listens: to all that happens, or to the ends of one child.

use std::sync::Arc;

use actix::{Addr, Context, Handler, Message};

use super::{
    messages::{MonitorChild, Subscribe},
    now,
    reply::Reply,
    seat::{offender, Seat},
    DynamicSupervisor,
};
use crate::{
    children::Entry,
    event::{
        forward, watch_child, ChildEnd, EventStream, Events, Exit, Fact, Monitor, Offender, Ring, Subject,
        Subscription, Watcher,
    },
    exit::ExitReason,
    id::{ChildId, Incarnation},
    runner::Leavings,
};

/// A stream that wants events. If this is never handled, as the supervisor is gone, the stream is at its end.
struct Listen {
    ring: Option<Arc<Ring>>,
    events: Events,
}

impl Message for Listen {
    type Result = ();
}

impl Drop for Listen {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            ring.close();
        }
    }
}

/// Has a supervisor tell what happens.
pub(super) fn listen(supervisor: &Addr<DynamicSupervisor>, events: Events) -> EventStream {
    let stream = EventStream::new(events);
    supervisor.do_send(Listen { ring: Some(stream.ring()), events });
    stream
}

impl Handler<Listen> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, mut listen: Listen, _: &mut Context<Self>) {
        if let Some(ring) = listen.ring.take() {
            self.teller.hub().add(ring, listen.events);
        }
    }
}

impl Handler<Subscribe> for DynamicSupervisor {
    type Result = Reply<Subscription>;

    fn handle(&mut self, Subscribe { recipient, events }: Subscribe, _: &mut Context<Self>) -> Self::Result {
        let stream = EventStream::new(events);
        let subscription = Subscription::new(&stream);
        self.teller.hub().add(stream.ring(), events);
        actix_rt::spawn(forward(stream, recipient));
        Reply::now(subscription)
    }
}

impl Handler<MonitorChild> for DynamicSupervisor {
    type Result = Reply<Option<Monitor>>;

    fn handle(&mut self, MonitorChild(child): MonitorChild, _: &mut Context<Self>) -> Self::Result {
        let seat = self.find(&child).and_then(|id| self.children.seat_mut(id));
        Reply::now(seat.map(|seat| {
            let (watcher, monitor) = watch_child();
            let watchers = &mut seat.rare().watchers;
            if watchers.len() == watchers.capacity() {
                // Who asks again and again and does not read costs no memory.
                watchers.retain(Watcher::is_read);
            }
            watchers.push(watcher);
            monitor
        }))
    }
}

/// What follows an end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Restart,
    /// The child is gone.
    Nothing,
}

/// Tells who monitors a child.
pub(super) fn tell(
    watchers: &mut Vec<Watcher>,
    id: ChildId,
    incarnation: Incarnation,
    exit: Exit<'_>,
    follows: Follows,
) {
    if watchers.is_empty() {
        return;
    }
    let end = ChildEnd {
        id,
        incarnation: incarnation.number(),
        reason: exit.reason.clone(),
        uptime: exit.began.map(|began| now().saturating_duration_since(began)),
        comes_back: follows == Follows::Restart,
    };
    watchers.retain(|watcher| watcher.tell(&end));
    if follows == Follows::Nothing {
        watchers.clear();
    }
}

impl DynamicSupervisor {
    /// Tells who monitors a child that is out of the table.
    pub(super) fn tell_watchers_of(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        entry: &mut Entry<Seat>,
        exit: Exit<'_>,
        follows: Follows,
    ) {
        if let Some(rare) = &mut entry.seat.rare {
            tell(&mut rare.watchers, id, incarnation, exit, follows);
        }
    }

    /// The same, of its present incarnation.
    pub(super) fn tell_watchers(&mut self, id: ChildId, entry: &mut Entry<Seat>, reason: ExitReason, follows: Follows) {
        let (incarnation, began) = (entry.incarnation, entry.began());
        let exit = Exit { reason: &reason, began, asked: false, comes_back: follows == Follows::Restart };
        self.tell_watchers_of(id, incarnation, entry, exit, follows);
    }

    /// Tells how a child ended that goes with its supervisor: dropped, unless the notice of its end was on its way.
    pub(super) fn tell_dropped(&mut self, id: ChildId, entry: &mut Entry<Seat>, leavings: Option<&Leavings>) {
        let before = leavings
            .and_then(|leavings| leavings.last_exit.as_deref())
            .filter(|(incarnation, _)| *incarnation == entry.incarnation);
        let reason = before.map_or(&ExitReason::Shutdown, |(_, reason)| reason);
        let exit = Exit { reason, began: entry.began(), asked: before.is_none(), comes_back: false };
        if exit.began.is_some() || entry.last_exit().is_some() {
            self.teller.tell(&Fact::EndedOddly { child: offender(id, entry), exit }, now);
        }
        self.tell_watchers_of(id, entry.incarnation, entry, exit, Follows::Nothing);
    }

    /// Tells what a child that is gone has left.
    #[cold]
    pub(super) fn tell_leavings(&mut self, child: Offender<'_>, leavings: Leavings) {
        let Leavings { residue, undelivered, .. } = leavings;
        if let Some(panic) = &residue {
            self.teller.tell(&Fact::Residue { of: Subject::Child(child), panic }, now);
        }
        if undelivered > 0 {
            self.teller.tell(&Fact::QueueClosed { of: Subject::Child(child), undelivered }, now);
        }
    }

    /// A child elsewhere has closed its queue.
    pub(super) fn tell_undelivered(&mut self, id: ChildId, undelivered: usize) {
        let of = self.children.get(id).map_or(Subject::Former(id), |entry| Subject::Child(offender(id, entry)));
        self.teller.tell(&Fact::QueueClosed { of, undelivered }, now);
    }
}
