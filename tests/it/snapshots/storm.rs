//! Everything at once: messages, counts, crashes, terminations, on one thread and on two. Each message is accounted for.
//!
//! `SNAPSHOT_STORM` says how many seeds are tried.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use super::{all, PATIENCE};
use crate::support::real_world;

const CHILDREN: usize = 6;
const SENDERS: usize = 4;

/// What was handled, by child: which message of which sender.
type Ledger = Arc<Mutex<HashMap<ChildId, Vec<(usize, u64)>>>>;

struct Clerk {
    id: ChildId,
    ledger: Ledger,
}

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Half of the children keep few messages, and their senders wait for room.
        if self.id.to_string().ends_with(['1', '3', '5', '7', '9']) {
            ctx.set_mailbox_capacity(0);
        }
    }
}

impl Supervised for Clerk {}

#[derive(Clone, Copy)]
enum Deed {
    Nothing,
    Crash,
    Stop,
    Wait,
    EndArbiter,
}

struct Job {
    sender: usize,
    number: u64,
    deed: Deed,
}

impl Message for Job {
    type Result = u64;
}

impl Handler<Job> for Clerk {
    type Result = u64;

    fn handle(&mut self, Job { sender, number, deed }: Job, ctx: &mut Context<Self>) -> u64 {
        self.ledger.lock().unwrap().entry(self.id).or_default().push((sender, number));
        match deed {
            Deed::Nothing => {}
            Deed::Crash => panic!("as told"),
            Deed::Stop => ctx.stop(),
            Deed::Wait => {
                ctx.wait(actix::fut::wrap_future(async {
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                    }
                }));
            }
            Deed::EndArbiter => {
                Arbiter::current().stop();
            }
        }
        number
    }
}

fn spec(ledger: &Ledger, backoff: bool) -> impl ChildSpec<Actor = Clerk, Info = ()> {
    let ledger = Arc::clone(ledger);
    let child = Child::with(move |cx: &mut StartContext<Clerk>| Clerk { id: cx.id(), ledger: Arc::clone(&ledger) });
    if backoff {
        child.backoff(Backoff::fixed(Duration::from_millis(1)))
    } else {
        child
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// One sender's messages to one child are numbered as they are sent; `None`: what was sent without waiting.
async fn converse(sender: usize, seed: u64, children: &[(ChildId, Addr<Clerk>)], ends_arbiters: bool) -> Sent {
    let mut dice = Dice(seed * 31 + sender as u64);
    let (mut sent, mut numbers): (Sent, _) = (Vec::new(), HashMap::<ChildId, u64>::new());
    for _ in 0..60 {
        let (id, addr) = &children[dice.below(children.len() as u64) as usize];
        let mut answers = Vec::new();
        for _ in 0..=dice.below(40) {
            let number = numbers.entry(*id).or_default();
            *number += 1;
            let deed = match dice.below(60) {
                0 => Deed::Crash,
                1 => Deed::Stop,
                2 | 3 => Deed::Wait,
                4 if ends_arbiters && dice.below(20) == 0 => Deed::EndArbiter,
                _ => Deed::Nothing,
            };
            let (number, job) = (*number, Job { sender, number: *number, deed });
            if dice.below(3) == 0 {
                addr.do_send(job);
                sent.push((*id, number, None));
            } else {
                // A clone has a place of its own: order is kept among those that do not have to wait for room.
                answers.push((*id, number, deed, addr.clone().send(job)));
            }
        }
        if dice.below(2) == 0 {
            tokio::task::yield_now().await;
        }
        for (id, number, deed, answer) in answers {
            let answer = tokio::time::timeout(PATIENCE, answer).await.expect("it is answered");
            match (answer, deed) {
                (Ok(answer), _) => assert_eq!(answer, number),
                // The answer of one that crashes is lost with it.
                (Err(_), Deed::Crash) => {}
                (Err(error), _) => panic!("{seed}: {number} of {sender}: {error}"),
            }
            sent.push((id, number, Some(())));
        }
    }
    sent
}

type Sent = Vec<(ChildId, u64, Option<()>)>;

async fn storm(seed: u64, supervisor: &Addr<DynamicSupervisor>, ends_arbiters: bool) {
    let ledger = Ledger::default();
    let mut children = Vec::new();
    for number in 0..CHILDREN {
        let started = supervisor.start_child(spec(&ledger, number % 3 == 0)).await.unwrap();
        children.push((started.id, started.addr));
    }
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let counts = {
        let (supervisor, is_over) = (supervisor.clone(), Arc::clone(&is_over));
        actix::spawn(async move {
            let mut waiting = 0;
            while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                let several = (0..3).map(|_| supervisor.snapshot(all()));
                for snapshot in join_all(several).await {
                    let snapshot = snapshot.unwrap();
                    assert_eq!(snapshot.children.len(), CHILDREN);
                    waiting += snapshot.children.iter().filter_map(|child| child.queued).sum::<usize>();
                }
                tokio::task::yield_now().await;
            }
            waiting
        })
    };
    // On a thread of their own, half of them.
    let there = {
        let children = children.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let senders = (SENDERS / 2..SENDERS).map(|sender| converse(sender, seed, &children, ends_arbiters));
            runtime.block_on(join_all(senders))
        })
    };
    let here = join_all((0..SENDERS / 2).map(|sender| converse(sender, seed, &children, ends_arbiters))).await;
    super::eventually("the others are through", async || there.is_finished()).await;
    let sent: Vec<Sent> = here.into_iter().chain(there.join().unwrap()).collect();

    // All that was sent without waiting for an answer has been handled when what is sent last has.
    let total: usize = sent.iter().map(Vec::len).sum();
    let so_far = || ledger.lock().unwrap().values().map(Vec::len).sum::<usize>();
    super::eventually(&format!("{seed}: all {total} are handled"), async || so_far() >= total).await;
    is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(counts.await.unwrap() > 0, "{seed}: nothing was ever counted");

    let handled = ledger.lock().unwrap().clone();
    for (sender, sent) in sent.iter().enumerate() {
        for (id, _) in &children {
            let mut expected: Vec<u64> =
                sent.iter().filter(|(to, ..)| to == id).map(|(_, number, _)| *number).collect();
            expected.sort();
            let its = |entry: &&(usize, u64)| entry.0 == sender;
            let told: Vec<u64> =
                handled.get(id).iter().flat_map(|told| told.iter()).filter(its).map(|one| one.1).collect();
            assert_eq!(told, expected, "{seed}: each once, and in order");
        }
    }
    let handled: HashMap<ChildId, u64> = handled.into_iter().map(|(id, told)| (id, told.len() as u64)).collect();
    super::eventually(&format!("{seed}: as many as that are told"), async || {
        let snapshot = supervisor.snapshot(all()).await.unwrap();
        snapshot.children.iter().all(|child| child.handled == Some(handled.get(&child.id).copied().unwrap_or(0)))
    })
    .await;
    assert_eq!(supervisor.stop().await.unwrap().stopped, CHILDREN, "{seed}");
}

fn seeds() -> std::ops::RangeInclusive<u64> {
    1..=std::env::var("SNAPSHOT_STORM").map_or(4, |seeds| seeds.parse().unwrap())
}

fn builder() -> actix_dynamic_supervisor::Builder {
    DynamicSupervisor::builder().max_restarts(u32::MAX).max_reports_per_second(0)
}

#[test]
fn on_one_thread_each_message_is_handled_once_and_in_order_while_queues_are_counted() {
    for seed in seeds() {
        real_world(async { storm(seed, &builder().start().unwrap(), false).await });
    }
}

#[test]
fn on_two_threads_each_message_is_handled_once_and_in_order_while_queues_are_counted() {
    for seed in seeds() {
        let builder = builder().placement(Placement::Pool(2));
        real_world(async { storm(100 + seed, &builder.start().unwrap(), seed % 2 == 0).await });
    }
}
