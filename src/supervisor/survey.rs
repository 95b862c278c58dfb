//! Snapshots: what a supervisor sees of its own children in one turn, and how the answers of those below are gathered.
//!
//! The walk is done in the supervisor's turn; whatever takes time (children on other threads, nested supervisors) is asked
//! at once and waited for in a task of its own, no longer than the deadline.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    future::{poll_fn, Future},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use actix::{Addr, Context, Handler, WeakAddr};
use futures::future::{join, join_all};
use tokio::sync::oneshot;

use super::{
    now,
    reply::Reply,
    seat::{info, key_of, Seat},
    watch::{timer, Timer},
    DynamicSupervisor,
};
use crate::{
    children::{ChildState, Entry, Phase},
    error::SnapshotError,
    id::ChildId,
    key::ChildKey,
    policy::ChildType,
    runner::{Examined, Vitals},
    snapshot::{Branch, ErasedAddr, Order, Search, Snapshot, Sum, SupervisorState, TakeSnapshot, Told},
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
        match before(&mut timer(limit), answer).await {
            Some(answer) => answer.map_err(|_| SnapshotError::SupervisorGone),
            None => Err(SnapshotError::Unresponsive),
        }
    }
}

/// What comes before the time is over. Without a clock it is waited for.
async fn before<F: Future>(timer: &mut Timer, answer: F) -> Option<F::Output> {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        match timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
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
        let Self { children, supervisors } = self;
        // One after another, as all have been asked: who has told before the deadline is heard in any case.
        let vitals = async {
            let (mut timer, mut told) = (timer(deadline), Vec::new());
            for (at, answer) in children {
                told.push((at, before(&mut timer, answer).await));
            }
            told
        };
        let told = supervisors.into_iter().map(|(at, supervisor, request)| async move {
            let answer = supervisor.send(request);
            (at, before(&mut timer(deadline), answer).await)
        });
        let (vitals, told) = join(vitals, join_all(told)).await;
        for (at, vitals) in vitals {
            if let (Some(Ok(Vitals { handled, queued, longest_poll })), Some(child)) =
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
                    Some(Ok(snapshot)) => Told::Snapshot(Box::new(snapshot)),
                    Some(Err(_)) => Told::Gone,
                    None => Told::Silent { within: deadline },
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

/// First those with whom it is worst; of those with whom it is equally bad, or where nobody asks how bad it is, the oldest.
type Rank = (Badness, Reverse<u64>);

impl DynamicSupervisor {
    fn look(&self, request: &TakeSnapshot) -> (Snapshot, AskedOthers) {
        let now = now();
        let (mut tally, mut search, mut matched) = (Tally::default(), Search::new(request), 0);
        let (mut listed, mut branches) = (Top::new(request.limit), Top::new(MAX_BRANCHES));
        // In the order of places: with a million of them the order of starts would take longer than all else.
        for (id, entry) in self.children.in_places() {
            tally.count(id, entry);
            let rank = |badness: Badness| -> Rank { (badness, Reverse(id.number())) };
            if entry.rules.child_type == ChildType::Supervisor {
                branches.add(rank(Badness::default()), (id, entry));
            }
            if !search.wants(id, entry, || key_of(entry).map(ChildKey::text)) {
                continue;
            }
            matched += 1;
            match request.order {
                Order::Worst => listed.add(rank(badness(entry, now)), (id, entry)),
                Order::Started { after } if is_after(id, after) => listed.add(rank(Badness::default()), (id, entry)),
                Order::Started { .. } => {}
            }
        }
        let mut asked = AskedOthers::default();
        let children = listed.into_vec().into_iter().enumerate().map(|(at, (id, entry))| {
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
        let nested_left_out = branches.left_out;
        let nested = branches.into_vec().into_iter().enumerate().map(|(at, (id, entry))| {
            let addr = entry.seat.runner.weak_addr();
            let told = match addr.downcast_ref::<Option<WeakAddr<Self>>>() {
                Some(_) if request.depth > 0 && !entry.phase().is_active() => Told::Down,
                Some(supervisor) if request.depth > 0 => match supervisor.as_ref().and_then(WeakAddr::upgrade) {
                    Some(supervisor) => {
                        asked.supervisors.push((at, supervisor, request.below()));
                        Told::NotAsked
                    }
                    None => Told::Gone,
                },
                // A supervisor of somebody else's making is a child like others.
                Some(_) | None => Told::NotAsked,
            };
            let name = key_of(entry).map(ChildKey::text).or_else(|| entry.rules.label.as_deref().map(str::to_owned));
            let name = name.unwrap_or_else(|| entry.rules.module.to_owned());
            Branch { child: id, name, state: entry.phase().into(), told, addr: ErasedAddr(addr) }
        });
        let nested = nested.collect();
        let origin = self.teller.origin();
        let snapshot = Snapshot {
            id: origin.id,
            name: origin.name.to_string(),
            path: origin.path.to_string(),
            state: if self.is_open() { SupervisorState::Running } else { SupervisorState::Closing },
            started: self.since,
            counts: self.children.counts(),
            max_children: self.children.max_children(),
            limit: self.children.usage(now).into(),
            sums: tally.into_sums(),
            children,
            matched,
            nested,
            nested_left_out,
        };
        (snapshot, asked)
    }
}

/// Of another supervisor's children `after` says nothing.
fn is_after(id: ChildId, after: Option<ChildId>) -> bool {
    after.is_none_or(|after| after.supervisor() != id.supervisor() || id.number() > after.number())
}

/// How many kinds of children are looked through before one is looked up.
const NEAR: usize = 8;

/// Children by type and state.
#[derive(Default)]
struct Tally {
    /// Each with the number of the first child that was counted there: the oldest, in the end.
    sums: Vec<(u64, Sum)>,
    /// Where the last one was counted: the next is mostly of the same kind.
    last: usize,
    /// Where those of a kind are counted; a type by where its name lies, which may be at two places.
    kinds: HashMap<(usize, usize, ChildState), usize>,
}

impl Tally {
    fn count(&mut self, id: ChildId, entry: &Entry<Seat>) {
        let (module, state, number) = (entry.rules.module, entry.phase().into(), id.number());
        let is_its = |(_, sum): &(u64, Sum)| sum.state == state && std::ptr::eq(sum.module, module);
        if !self.sums.get(self.last).is_some_and(is_its) {
            let near = self.sums.iter().take(NEAR).position(is_its);
            self.last = near.unwrap_or_else(|| {
                *self.kinds.entry((module.as_ptr() as usize, module.len(), state)).or_insert_with(|| {
                    let known = self.sums.iter().position(|(_, sum)| sum.state == state && sum.module == module);
                    known.unwrap_or_else(|| {
                        self.sums.push((number, Sum { module, state, children: 0, restarts: 0 }));
                        self.sums.len() - 1
                    })
                })
            });
        }
        if let Some((oldest, sum)) = self.sums.get_mut(self.last) {
            *oldest = number.min(*oldest);
            sum.children += 1;
            sum.restarts = sum.restarts.saturating_add(entry.restarts);
        }
    }

    /// In the order in which the oldest child of each was started.
    fn into_sums(mut self) -> Vec<Sum> {
        self.sums.sort_by_key(|(oldest, _)| *oldest);
        self.sums.into_iter().map(|(_, sum)| sum).collect()
    }
}

/// Those of many that rank highest, at most so many.
struct Top<'a> {
    limit: usize,
    left_out: usize,
    /// The lowest of those kept is the first to go.
    kept: BinaryHeap<Reverse<Ranked<'a>>>,
}

struct Ranked<'a> {
    rank: Rank,
    child: (ChildId, &'a Entry<Seat>),
}

impl<'a> Top<'a> {
    fn new(limit: usize) -> Self {
        Self { limit, left_out: 0, kept: BinaryHeap::new() }
    }

    fn add(&mut self, rank: Rank, child: (ChildId, &'a Entry<Seat>)) {
        let ranked = Ranked { rank, child };
        if self.kept.len() < self.limit {
            return self.kept.push(Reverse(ranked));
        }
        self.left_out += 1;
        if let Some(mut lowest) = self.kept.peek_mut() {
            if lowest.0 < ranked {
                *lowest = Reverse(ranked);
            }
        }
    }

    /// The highest first.
    fn into_vec(self) -> Vec<(ChildId, &'a Entry<Seat>)> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.child).collect()
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
