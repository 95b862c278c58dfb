//! Resident bytes per child, each time in a process of its own.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::{
    env,
    process::{Command, Stdio},
};

use actix::prelude::*;

use crate::support::{
    actors::{start_worker, supervisor, Get, Manager, StartOne, Worker},
    memory::resident,
    on_a_system,
    rounds::{alternate, Samples},
};

/// Asks a process for the bytes of one side.
const ASK: &str = "--bytes-of";

const CHILDREN: u64 = 100_000;

/// `bytes_per_child`: idle, after a request each so that all have run; the addresses are the keeper's alone.
pub(crate) fn per_child() -> Samples {
    on_a_system(async move || {
        alternate(7, async || in_its_own_process("ours"), async || in_its_own_process("floor")).await
    })
}

fn in_its_own_process(side: &str) -> f64 {
    let mut again = Command::new(env::current_exe().unwrap());
    let output = again.args([ASK, side]).stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

/// In the process asked: answers on standard output.
pub(crate) fn is_asked_by_parent() -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != ASK).skip(1);
    let Some(side) = arguments.next() else { return false };
    let bytes = on_a_system(async move || if side == "ours" { ours().await } else { floor().await });
    println!("{}", bytes.map_or(f64::NAN, |bytes| bytes as f64 / CHILDREN as f64));
    true
}

async fn ours() -> Option<u64> {
    let supervisor = supervisor();
    start_worker(&supervisor, 0).await.1.send(Get).await.unwrap();
    let before = resident()?;
    for value in 0..CHILDREN {
        start_worker(&supervisor, value).await.1.send(Get).await.unwrap();
    }
    Some(resident()?.saturating_sub(before))
}

async fn floor() -> Option<u64> {
    let manager = Manager::<Worker>::default().start();
    manager.send(StartOne(Worker::new(0))).await.unwrap().send(Get).await.unwrap();
    let before = resident()?;
    for value in 0..CHILDREN {
        manager.send(StartOne(Worker::new(value))).await.unwrap().send(Get).await.unwrap();
    }
    Some(resident()?.saturating_sub(before))
}
