//! Snapshots: what a supervisor sees of its own children in one turn, and how the answers of those below are gathered.
//!
//! The walk is done in the supervisor's turn; whatever takes time (children on other threads, nested supervisors) is asked
//! at once and waited for in a task of its own, no longer than the deadline.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::{poll_fn, Future},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use actix::{Addr, Context, Handler, WeakAddr};
use futures::future::{join, join_all};
use tokio::{sync::oneshot, time::timeout};

use super::{
    now,
    reply::Reply,
    seat::{info, key_of, Seat},
    watch::timer,
    DynamicSupervisor,
};
use crate::{
    children::{Entry, Phase},
    error::SnapshotError,
    id::ChildId,
    key::ChildKey,
    policy::ChildType,
    runner::{Examined, Vitals},
    snapshot::{Branch, ErasedAddr, Order, Snapshot, Sum, SupervisorState, TakeSnapshot, Told, Wanted},
};

/// How much longer than its deadline a snapshot may take before the supervisor asked is taken to be blocked.
const GRACE: Duration = Duration::from_secs(1);

/// How many nested supervisors are asked at most.
const MAX_BRANCHES: usize = 1_000;

/// An end counts as one of late if it is not longer ago than this.
const LATELY: Duration = Duration::from_secs(60);

/// Asks a supervisor that may be blocked.
pub(super) fn ask(
    supervisor: &Addr<DynamicSupervisor>,
    request: TakeSnapshot,
) -> impl Future<Output = Result<Snapshot, SnapshotError>> + Send + use<> {
    let limit = request.deadline.saturating_add(GRACE);
    let answer = supervisor.send(request);
    async move {
        let (mut answer, mut timer) = (pin!(answer), timer(limit));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|_| SnapshotError::SupervisorGone));
            }
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx).map(|()| Err(SnapshotError::Unresponsive)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Handler<TakeSnapshot> for DynamicSupervisor {
    type Result = Reply<Snapshot>;

    fn handle(&mut self, request: TakeSnapshot, _: &mut Context<Self>) -> Self::Result {
        let (mut snapshot, asked) = self.look(&request);
        // Without a runtime its arbiter is being torn down, and nobody answers any more.
        if asked.is_nobody() || tokio::runtime::Handle::try_current().is_err() {
            return Reply::now(snapshot);
        }
        let (promise, reply) = Reply::later();
        actix_rt::spawn(async move {
            asked.gather(&mut snapshot, request.deadline).await;
            promise.keep(snapshot);
        });
        reply
    }
}

/// Who has been asked and has not answered yet, each with its place in the snapshot.
#[derive(Default)]
struct AskedOthers {
    children: Vec<(usize, oneshot::Receiver<Vitals>)>,
    supervisors: Vec<(usize, Addr<DynamicSupervisor>, TakeSnapshot)>,
}

impl AskedOthers {
    fn is_nobody(&self) -> bool {
        self.children.is_empty() && self.supervisors.is_empty()
    }

    async fn gather(self, snapshot: &mut Snapshot, deadline: Duration) {
        let vitals = self.children.into_iter().map(|(at, vitals)| async move { (at, timeout(deadline, vitals).await) });
        let told = self
            .supervisors
            .into_iter()
            .map(|(at, supervisor, request)| async move { (at, timeout(deadline, supervisor.send(request)).await) });
        let (vitals, told) = join(join_all(vitals), join_all(told)).await;
        for (at, vitals) in vitals {
            if let (Ok(Ok(Vitals { handled, queued, longest_poll })), Some(child)) =
                (vitals, snapshot.children.get_mut(at))
            {
                child.handled = Some(handled);
                child.queued = queued;
                child.longest_poll = longest_poll;
            }
        }
        for (at, told) in told {
            if let Some(branch) = snapshot.nested.get_mut(at) {
                branch.told = match told {
                    Ok(Ok(snapshot)) => Told::Snapshot(Box::new(snapshot)),
                    Ok(Err(_)) => Told::Gone,
                    Err(_) => Told::Silent { within: deadline },
                };
            }
        }
    }
}

/// How bad it is with a child: more is worse.
type Badness = (bool, usize, u64);

fn badness(entry: &Entry<Seat>, now: Instant) -> Badness {
    let is_down = entry.phase() == Phase::Restarting;
    let lately = entry.lives().rev().take_while(|life| now.saturating_duration_since(life.ended) <= LATELY).count();
    (is_down, lately, entry.restarts)
}

impl DynamicSupervisor {
    fn look(&self, request: &TakeSnapshot) -> (Snapshot, AskedOthers) {
        let now = now();
        let mut tally = Tally::default();
        let mut listed = Listed::new(request);
        let (mut branches, mut are_more) = (Vec::new(), 0);
        for (id, entry) in self.children.iter() {
            tally.count(entry);
            if entry.rules.child_type == ChildType::Supervisor {
                match branches.len() {
                    MAX_BRANCHES => are_more += 1,
                    _ => branches.push((id, entry)),
                }
            }
            let key = || key_of(entry).map(ChildKey::text);
            if request.wants(&Wanted { id, entry, key: &key }) {
                listed.add(id, entry, now);
            }
        }
        let mut asked = AskedOthers::default();
        let matched = listed.matched;
        let children = listed.into_children().into_iter().enumerate().map(|(at, (id, entry))| {
            let vitals = match entry.seat.runner.examine(request.queues) {
                Examined::Now(vitals) => Some(vitals),
                Examined::Later(vitals) => {
                    asked.children.push((at, vitals));
                    None
                }
            };
            info(id, entry, vitals.as_ref(), now)
        });
        let children = children.collect();
        let origin = self.teller.origin();
        let path = match request.above.as_str() {
            "" => origin.name.to_string(),
            above => format!("{above}/{}", origin.name),
        };
        let nested = branches.into_iter().enumerate().map(|(at, (id, entry))| {
            let addr = entry.seat.runner.weak_addr();
            let supervisor = addr.downcast_ref::<Option<WeakAddr<Self>>>().and_then(|addr| addr.as_ref()?.upgrade());
            // A supervisor of somebody else's making is a child like others.
            if let (Some(supervisor), true) = (supervisor, request.depth > 0) {
                asked.supervisors.push((at, supervisor, request.below(&path)));
            }
            let name = key_of(entry).map(ChildKey::text).or_else(|| entry.rules.label.as_deref().map(str::to_owned));
            let name = name.unwrap_or_else(|| entry.rules.module.to_owned());
            Branch { child: id, name, told: Told::NotAsked, addr: ErasedAddr(addr) }
        });
        let nested = nested.collect();
        let snapshot = Snapshot {
            id: origin.id,
            name: origin.name.to_string(),
            path,
            state: if self.is_open() { SupervisorState::Running } else { SupervisorState::Closing },
            started: self.since,
            counts: self.children.counts(),
            max_children: self.children.max_children(),
            limit: self.children.usage(now).into(),
            sums: tally.sums,
            children,
            matched,
            nested,
            nested_left_out: are_more,
        };
        (snapshot, asked)
    }
}

/// Children by type and state.
#[derive(Default)]
struct Tally {
    sums: Vec<Sum>,
    /// Where the last one was counted: the next is mostly of the same kind.
    last: usize,
}

impl Tally {
    fn count(&mut self, entry: &Entry<Seat>) {
        let (module, state) = (entry.rules.module, entry.phase().into());
        let is_its = |sum: &Sum| sum.state == state && std::ptr::eq(sum.module, module);
        if !self.sums.get(self.last).is_some_and(is_its) {
            // The same type may have its name at two places.
            let found = self.sums.iter().position(|sum| sum.state == state && sum.module == module);
            self.last = found.unwrap_or(self.sums.len());
            if found.is_none() {
                self.sums.push(Sum { module, state, children: 0, restarts: 0 });
            }
        }
        if let Some(sum) = self.sums.get_mut(self.last) {
            sum.children += 1;
            sum.restarts = sum.restarts.saturating_add(entry.restarts);
        }
    }
}

/// The children that are listed, at most as many as asked for.
struct Listed<'a> {
    order: Order,
    limit: usize,
    matched: usize,
    page: Vec<(ChildId, &'a Entry<Seat>)>,
    /// The least bad of those kept is the first to go. Of two that are equally bad the older one stays.
    worst: BinaryHeap<Reverse<Candidate<'a>>>,
}

struct Candidate<'a> {
    rank: (Badness, Reverse<u64>),
    id: ChildId,
    entry: &'a Entry<Seat>,
}

impl<'a> Listed<'a> {
    fn new(request: &TakeSnapshot) -> Self {
        let TakeSnapshot { order, limit, .. } = *request;
        Self { order, limit, matched: 0, page: Vec::new(), worst: BinaryHeap::new() }
    }

    fn add(&mut self, id: ChildId, entry: &'a Entry<Seat>, now: Instant) {
        self.matched += 1;
        match self.order {
            Order::Started { after } => {
                if self.page.len() < self.limit && after.is_none_or(|after| id.number() > after.number()) {
                    self.page.push((id, entry));
                }
            }
            Order::Worst => {
                let rank = (badness(entry, now), Reverse(id.number()));
                if self.worst.len() >= self.limit {
                    if self.worst.peek().is_none_or(|Reverse(least)| least.rank >= rank) {
                        return;
                    }
                    self.worst.pop();
                }
                self.worst.push(Reverse(Candidate { rank, id, entry }));
            }
        }
    }

    fn into_children(self) -> Vec<(ChildId, &'a Entry<Seat>)> {
        match self.order {
            Order::Started { .. } => self.page,
            Order::Worst => self
                .worst
                .into_sorted_vec()
                .into_iter()
                .map(|Reverse(Candidate { id, entry, .. })| (id, entry))
                .collect(),
        }
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Candidate<'_> {}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
