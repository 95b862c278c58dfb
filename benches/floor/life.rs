//! Starting and ending children.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::support::{
    actors::{all_gone, start_worker, supervisor, Leaver, Manager, StartOne, StopOne, Worker},
    rounds::{alternate, per, Samples},
};

const ROUNDS: usize = 15;

/// Children that are started, or ended, in one round.
const CHILDREN: u64 = 20_000;

const IN_FLIGHT: u64 = 1_000;

/// `start_child`: each request waits for the answer of the one before.
pub(crate) async fn start_one_by_one() -> Samples {
    alternate(
        ROUNDS,
        async || {
            let supervisor = supervisor();
            let took = per(CHILDREN, async || {
                for value in 0..CHILDREN {
                    start_worker(&supervisor, value).await;
                }
            });
            let took = took.await;
            supervisor.stop().await.unwrap();
            took
        },
        async || {
            let manager = Manager::<Worker>::default().start();
            let took = per(CHILDREN, async || {
                for value in 0..CHILDREN {
                    manager.send(StartOne(Worker::new(value))).await.unwrap();
                }
            });
            let took = took.await;
            drop(manager);
            all_gone().await;
            took
        },
    )
    .await
}

/// `start_child_1000_in_flight`: a thousand requests are sent, then all are answered.
pub(crate) async fn start_in_flight() -> Samples {
    alternate(
        ROUNDS,
        async || {
            let supervisor = supervisor();
            // The supervisor itself has started.
            supervisor.count_children().await.unwrap();
            let took = per(CHILDREN, async || {
                for first in (0..CHILDREN).step_by(IN_FLIGHT as usize) {
                    let values = first..first + IN_FLIGHT;
                    let requests = values.map(|value| supervisor.start_child(Child::new(move || Worker::new(value))));
                    for started in join_all(requests).await {
                        started.unwrap();
                    }
                }
            });
            let took = took.await;
            supervisor.stop().await.unwrap();
            took
        },
        async || {
            let manager = Manager::<Worker>::default().start();
            manager.send(StartOne(Worker::new(0))).await.unwrap();
            let took = per(CHILDREN, async || {
                for first in (0..CHILDREN).step_by(IN_FLIGHT as usize) {
                    let values = first..first + IN_FLIGHT;
                    let requests = values.map(|value| manager.send(StartOne(Worker::new(value))));
                    for started in join_all(requests).await {
                        started.unwrap();
                    }
                }
            });
            let took = took.await;
            drop(manager);
            all_gone().await;
            took
        },
    )
    .await
}

/// `terminate_child`: each waits until the child before is gone.
///
/// By hand it is a message with a sender that the child keeps and that is dropped with it: the cheapest there is.
pub(crate) async fn terminate_one_by_one() -> Samples {
    alternate(
        ROUNDS,
        async || {
            let supervisor = supervisor();
            let mut ids = Vec::new();
            for value in 0..CHILDREN {
                let child = Child::new(move || Leaver::new(value));
                ids.push(supervisor.start_child(child).await.unwrap().id);
            }
            let took = per(CHILDREN, async || {
                for id in ids {
                    supervisor.terminate_child(id).await.unwrap();
                }
            });
            let took = took.await;
            supervisor.stop().await.unwrap();
            took
        },
        async || {
            let manager = Manager::<Leaver>::default().start();
            for value in 0..CHILDREN {
                manager.send(StartOne(Leaver::new(value))).await.unwrap();
            }
            let took = per(CHILDREN, async || {
                for id in 0..CHILDREN {
                    let (gone, wait) = oneshot::channel();
                    manager.do_send(StopOne(id, gone));
                    wait.await.unwrap_err();
                }
            });
            took.await
        },
    )
    .await
}

/// `stop_100k`: all children of a supervisor, and as many plain actors whose addresses are dropped.
pub(crate) async fn stop_all() -> Samples {
    const ALL: u64 = 100_000;
    alternate(
        ROUNDS,
        async || {
            let supervisor = supervisor();
            for value in 0..ALL {
                start_worker(&supervisor, value).await;
            }
            per(ALL, async || drop(supervisor.stop().await.unwrap())).await
        },
        async || {
            let mut plain = Vec::new();
            for value in 0..ALL {
                plain.push(Worker::new(value).start());
            }
            // Each has run, as ours have.
            for addr in &plain {
                addr.send(crate::support::actors::Get).await.unwrap();
            }
            per(ALL, async || {
                drop(plain);
                all_gone().await;
            })
            .await
        },
    )
    .await
}
