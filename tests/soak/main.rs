//! Everything at once, under real threads, for a while: 2,000 keyed children on two arbiters are asked, crashed, terminated
//! and started again, while arbiters die, threads are blocked, and snapshots count what waits in their queues. What happened
//! is recorded and checked.
//!
//! `SOAK_SECONDS` says for how long (20), `SOAK_SEED` with which dice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod clerk;
mod history;

use std::{
    collections::HashSet,
    env,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Snapshot};

use self::{
    clerk::{may_be_taken_over, spec, Clerk, Deed, Job},
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
    std::panic::set_hook(Box::new(|info| {
        // Those of the children are meant, and are many.
        if !info.to_string().ends_with("as told") {
            eprintln!("{info}");
        }
    }));
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
        let looks = actix::spawn(watch(supervisor.clone(), Arc::clone(&told), until));
        trouble(&supervisor, &told, seed, until).await;
        looks.await.unwrap();
        for asker in askers {
            while !asker.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            asker.join().unwrap();
        }

        let told = all_told(&supervisor).await;
        for child in &told.children {
            let is_counted = !may_be_taken_over(child.key.as_ref().unwrap().parse().unwrap());
            assert_eq!(child.queued, is_counted.then_some(0), "{child}");
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

/// All the queues in most snapshots, those of a page of the children in some.
fn looks_at(turn: u64) -> TakeSnapshot {
    let request = TakeSnapshot::new().queues(true).limit(if turn.is_multiple_of(4) { 100 } else { usize::MAX });
    request.deadline(Duration::from_millis(200))
}

/// Takes snapshots all the while: each lists every child at most once, and as many as its sums tell.
async fn watch(supervisor: Addr<DynamicSupervisor>, history: Arc<History>, until: Instant) {
    let mut turn = 0;
    while Instant::now() < until {
        let snapshot = supervisor.snapshot(looks_at(turn)).await.expect("it runs, and its own thread is not blocked");
        turn += 1;
        let ids: HashSet<ChildId> = snapshot.children.iter().map(|child| child.id).collect();
        let summed: usize = snapshot.sums.iter().map(|sum| sum.children).sum();
        let is_whole = ids.len() == snapshot.children.len() && summed == snapshot.counts.specs;
        if !is_whole || snapshot.matched != summed {
            history.looked_wrong(format!("{} listed, {} are there, {summed} summed up", ids.len(), snapshot.matched));
        }
        history.looked(snapshot.children.iter().filter_map(|child| child.queued).sum::<usize>() as u64);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A snapshot in which every child has told. One whose arbiter has just died cannot before it has settled elsewhere.
async fn all_told(supervisor: &Addr<DynamicSupervisor>) -> Snapshot {
    let begun = Instant::now();
    loop {
        let snapshot = supervisor.snapshot(looks_at(1).deadline(PATIENCE)).await.unwrap();
        assert_eq!(snapshot.matched, snapshot.children.len());
        match snapshot.children.iter().find(|child| child.handled.is_none()) {
            None => return snapshot,
            Some(child) => assert!(begun.elapsed() < PATIENCE, "it never tells: {child}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
