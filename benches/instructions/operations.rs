//! The operations, of both sides, as in the bench `floor`.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::{
    panic::catch_unwind,
    process::{self, ExitCode},
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::StreamExt;
use tokio::sync::oneshot;

use crate::support::{
    actors::{crash, start_worker, supervisor, Add, Crash, Get, Leaver, Manager, StartOne, StopOne, Worker},
    on_a_system,
};

/// Does it so many times, and leaves before anything is cleared away.
pub(crate) fn repeat(side: &str, operation: &str, times: u64) -> ExitCode {
    let (side, operation) = (side.to_owned(), operation.to_owned());
    on_a_system(async move || {
        if side == "floor" {
            floor(&operation, times).await;
        } else {
            let supervisor = supervisor();
            if side == "heard" {
                let mut events = supervisor.events(Events::new());
                actix_rt::spawn(async move { while events.next().await.is_some() {} });
            }
            // In one place for both: else it is another future, and counted.
            ours(&supervisor, &operation, times).await;
        }
        process::exit(0)
    })
}

async fn ours(supervisor: &Addr<DynamicSupervisor>, operation: &str, times: u64) {
    let (_, child) = start_worker(supervisor, 0).await;
    match operation {
        "start_child" => {
            for value in 0..times {
                start_worker(supervisor, value).await;
            }
        }
        "request" => request(&child, times).await,
        "tell" => tell(&child, times).await,
        "crash_restart" => {
            for _ in 0..times {
                child.do_send(Crash);
                child.send(Get).await.unwrap();
            }
        }
        "terminate_child" => {
            let mut ids = Vec::new();
            // As many for any number of times, so that their start is not in the difference.
            for value in 0..2 * crate::REPETITIONS {
                ids.push(supervisor.start_child(Child::new(move || Leaver::new(value))).await.unwrap().id);
            }
            for id in ids.into_iter().take(times as usize) {
                supervisor.terminate_child(id).await.unwrap();
            }
        }
        _ => process::exit(2),
    }
}

async fn floor(operation: &str, times: u64) {
    let mut child = Worker::new(0).start();
    child.send(Get).await.unwrap();
    match operation {
        "start_child" => {
            let manager = Manager::<Worker>::default().start();
            for value in 0..times {
                manager.send(StartOne(Worker::new(value))).await.unwrap();
            }
        }
        "request" => request(&child, times).await,
        "tell" => tell(&child, times).await,
        "crash_restart" => {
            for _ in 0..times {
                catch_unwind(crash).unwrap_err();
                child = Worker::new(0).start();
                child.send(Get).await.unwrap();
            }
        }
        "terminate_child" => {
            let manager = Manager::<Leaver>::default().start();
            for value in 0..2 * crate::REPETITIONS {
                manager.send(StartOne(Leaver::new(value))).await.unwrap();
            }
            for id in 0..times {
                let (gone, wait) = oneshot::channel();
                manager.do_send(StopOne(id, gone));
                wait.await.unwrap_err();
            }
        }
        _ => process::exit(2),
    }
}

async fn request(child: &Addr<Worker>, times: u64) {
    for _ in 0..times {
        child.send(Get).await.unwrap();
    }
}

async fn tell(child: &Addr<Worker>, times: u64) {
    for _ in 0..times {
        child.do_send(Add(1));
    }
    child.send(Get).await.unwrap();
}
