//! Everything at once, under real threads, for a while: 2,000 keyed children on two arbiters are asked, crashed, terminated
//! and started again, while arbiters die and threads are blocked. What happened is recorded and checked.
//!
//! `SOAK_SECONDS` says for how long (20), `SOAK_SEED` with which dice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod clerk;
mod history;

use std::{
    env,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use self::{
    clerk::{spec, Clerk, Deed, Job},
    history::{Batch, History},
};

const KEYS: u64 = 2_000;

/// Threads that ask, and conversations on each.
const ASKERS: u64 = 2;
const CONVERSATIONS: u64 = 16;

/// How many jobs are sent to a child before their answers are awaited.
const BATCH: u64 = 8;

/// Longer than any job may take: a blocked thread is let go before.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_done_twice_answered_wrongly_or_left_open() {
    let seconds = env::var("SOAK_SECONDS").map_or(20, |seconds| seconds.parse().expect("a number of seconds"));
    let seed: u64 = env::var("SOAK_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    std::panic::set_hook(Box::new(|_| {}));
    let history = Arc::new(History::new(KEYS));

    let told = Arc::clone(&history);
    System::new().block_on(async move {
        let supervisor = DynamicSupervisor::builder()
            .placement(Placement::Pool(2))
            .max_restarts(u32::MAX)
            .unresponsive_after(Duration::from_millis(400))
            .max_reports_per_second(0)
            .start()
            .unwrap();
        for key in 0..KEYS {
            supervisor.get_or_start(key, spec(key, &told)).await.unwrap();
        }
        let until = Instant::now() + Duration::from_secs(seconds);
        let askers: Vec<_> = (0..ASKERS)
            .map(|asker| {
                let (supervisor, history) = (supervisor.clone(), Arc::clone(&told));
                thread::spawn(move || ask(&supervisor, &history, seed * 1000 + asker, until))
            })
            .collect();
        trouble(&supervisor, &told, seed, until).await;
        for asker in askers {
            while !asker.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            asker.join().unwrap();
        }

        // When all is quiet every child that is there can be found, and answers.
        let children = supervisor.which_children().await.unwrap();
        for child in &children {
            let key: u64 = child.key.as_ref().unwrap().parse().unwrap();
            let found = supervisor.whereis::<Clerk>(&key).expect("its key leads to it");
            assert_eq!(Some(&found), child.addr::<Clerk>().as_ref());
            let answer = found.send(Job { batch: 0, at: 0, deed: Deed::Nothing }).await.expect("it answers");
            assert_eq!(answer.key, key);
        }
        assert_eq!(supervisor.stop().await.unwrap().stopped, children.len());
    });

    let summary = history.summary();
    println!("{summary}");
    assert!(summary.is_clean(), "{summary}");
    assert!(summary.is_thorough(), "not much was tried: {summary}");
}

/// One thread that asks children, a batch of jobs in each of several conversations at a time.
fn ask(supervisor: &Addr<DynamicSupervisor>, history: &Arc<History>, seed: u64, until: Instant) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let conversations = (0..CONVERSATIONS).map(|number| {
        let mut dice = Dice(seed * CONVERSATIONS + number + 1);
        async move {
            while Instant::now() < until {
                converse(supervisor, history, &mut dice).await;
            }
        }
    });
    runtime.block_on(futures::future::join_all(conversations));
}

async fn converse(supervisor: &Addr<DynamicSupervisor>, history: &Arc<History>, dice: &mut Dice) {
    let key = dice.below(KEYS);
    if dice.below(200) == 0 {
        history.terminating(key);
        let ended = supervisor.terminate_child(ChildHandle::key::<Clerk>(key)).await;
        history.terminated(key);
        assert!(!matches!(ended, Err(TerminateChildError::SupervisorGone)));
        return;
    }
    let before = history.terminations(key);
    let started = tokio::time::timeout(PATIENCE, supervisor.get_or_start(key, spec(key, history))).await;
    let Ok(started) = started else { return history.unresolved() };
    let child = match started {
        Ok(started) => started,
        // Its arbiter died under its start, or another has ended it meanwhile.
        Err(StartChildError::ArbiterGone | StartChildError::Terminated) => return,
        Err(error) => panic!("{key}: {error}"),
    };
    let batch = history.open(BATCH);
    let jobs: Vec<_> = (0..BATCH)
        .map(|at| {
            let deed = if dice.below(100) == 0 { Deed::Crash } else { Deed::Nothing };
            (at, deed, child.addr.send(Job { batch, at, deed }))
        })
        .collect();
    let mut outcome = Batch { key, number: batch, before, answers: Vec::new() };
    for (at, deed, answer) in jobs {
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => outcome.answers.push((at, deed, answer.ok())),
            Err(_) => history.unresolved(),
        }
    }
    history.close(outcome);
}

/// Arbiters die, and threads are blocked for longer than they may.
async fn trouble(supervisor: &Addr<DynamicSupervisor>, history: &Arc<History>, seed: u64, until: Instant) {
    let mut dice = Dice(seed + 77);
    let mut turn = 0_u32;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let deed = if turn % 4 == 3 { Deed::Block } else { Deed::EndArbiter };
        turn += 1;
        let key = dice.below(KEYS);
        if let Some(addr) = supervisor.whereis::<Clerk>(&key) {
            history.troubled(deed);
            addr.do_send(Job { batch: 0, at: 0, deed });
        }
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
