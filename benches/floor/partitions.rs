//! Two partitions and one: what a second thread is worth to who starts children, and to who asks them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a request that fails is no figure")]

use std::time::Instant;

use actix::{prelude::*, WeakAddr};
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use crate::support::{
    actors::{start_worker, Get, Worker},
    rounds::{alternate, Samples},
};

const ROUNDS: usize = 9;

/// Children in a partition that are asked in turn.
const CHILDREN: u64 = 1_000;

/// Starts, each with the end of the child, that one asker wants one after another.
const STARTS: u64 = 20_000;

/// Requests that one asker makes one after another.
const REQUESTS: u64 = 200_000;

/// `partitions_start`: two askers, each on its own partition, or both on one.
pub(crate) async fn starts() -> Samples {
    compare(Work::Start).await
}

/// `partitions_request`: the same, with requests to children.
pub(crate) async fn requests() -> Samples {
    compare(Work::Request).await
}

async fn compare(work: Work) -> Samples {
    let (two, one) = (partitions(2).await, partitions(1).await);
    let (on_two, on_one) = (askers(&two).await, askers(&one).await);
    let samples = alternate(ROUNDS, async || both(&on_two, work).await, async || both(&on_one, work).await).await;
    two.stop().await.unwrap();
    one.stop().await.unwrap();
    samples
}

async fn partitions(number: usize) -> Partitions {
    PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(number).start().await.unwrap()
}

/// Two of them: one in each partition, or both in the only one.
async fn askers(partitions: &Partitions) -> Vec<Addr<Asker>> {
    let mut askers = Vec::new();
    for key in 0..2 {
        let supervisor = partitions.for_key(&key);
        let spec = Child::new(move || Asker { supervisor: supervisor.downgrade(), children: Vec::new() }).key(key);
        let asker = partitions.start_child(spec).await.unwrap().addr;
        asker.send(Hire).await.unwrap();
        askers.push(asker);
    }
    askers
}

/// Nanoseconds for one piece of work, as the two get along.
async fn both(askers: &[Addr<Asker>], work: Work) -> f64 {
    let begun = Instant::now();
    join_all(askers.iter().map(|asker| asker.send(work))).await;
    begun.elapsed().as_nanos() as f64 / (2 * work.times()) as f64
}

/// Asks on the thread of its partition.
struct Asker {
    supervisor: WeakAddr<DynamicSupervisor>,
    children: Vec<Addr<Worker>>,
}

impl Actor for Asker {
    type Context = Context<Self>;
}

impl Supervised for Asker {}

/// Starts the children that are to be asked.
#[derive(Message)]
#[rtype(result = "()")]
struct Hire;

impl Handler<Hire> for Asker {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Hire, _: &mut Context<Self>) -> Self::Result {
        let supervisor = self.supervisor.upgrade().expect("it runs");
        let hired = async move { join_all((0..CHILDREN).map(|value| start_worker(&supervisor, value))).await };
        Box::pin(hired.into_actor(self).map(|hired, asker, _| {
            asker.children = hired.into_iter().map(|(_, addr)| addr).collect();
        }))
    }
}

#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
enum Work {
    Start,
    Request,
}

impl Work {
    fn times(self) -> u64 {
        match self {
            Self::Start => STARTS,
            Self::Request => REQUESTS,
        }
    }
}

impl Handler<Work> for Asker {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, work: Work, _: &mut Context<Self>) -> Self::Result {
        let (supervisor, children) = (self.supervisor.upgrade().expect("it runs"), self.children.clone());
        Box::pin(async move {
            match work {
                Work::Start => {
                    for value in 0..STARTS {
                        let (id, _) = start_worker(&supervisor, value).await;
                        supervisor.terminate_child(id).await.expect("it is there");
                    }
                }
                Work::Request => {
                    for child in children.iter().cycle().take(REQUESTS as usize) {
                        child.send(Get).await.expect("it lives");
                    }
                }
            }
        })
    }
}
