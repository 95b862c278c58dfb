//! All that can happen to children elsewhere, in no order, and then a stop.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{eventually, PATIENCE};
use crate::support::{real_world, script::slow_to_stop, Dice, Do, Exit, Journal, Ledger, Panic, Probe};

fn end_arbiter() {
    Arbiter::current().stop();
}

/// Counted while it lives.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn one(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A child that starts in any way, and comes back or does not.
fn spec(seed: u64, specs: &Arc<AtomicUsize>, actors: &Arc<AtomicUsize>) -> impl ChildSpec<Actor = Probe> {
    let (held, actors, mut dice) = (Held::one(specs), Arc::clone(actors), Dice::of(seed));
    let restart =
        [Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary][dice.below(4) as usize];
    let shutdown = [Shutdown::BrutalKill, Shutdown::Timeout(Duration::from_secs(5)), Shutdown::Infinity];
    let shutdown = shutdown[dice.below(3) as usize];
    let unresponsive = [OnUnresponsive::Wait, OnUnresponsive::TakeOver][dice.below(2) as usize];
    let backoff = Backoff::fixed(Duration::from_millis(dice.below(3)));
    Child::from_async(move |cx: StartContext<Probe>| {
        let _ = &held;
        let actors = Arc::clone(&actors);
        let (way, time, stop) = (dice.below(16), dice.below(4), dice.below(8));
        assert!(way != 0, "a factory panics");
        async move {
            match way {
                1 => return Err(BoxError::from("no")),
                2 => end_arbiter(),
                3 if cx.incarnation() > 4 => return Ok(Start::Ignore),
                4 => panic!("a start panics"),
                5 => tokio::time::sleep(Duration::from_millis(time)).await,
                6 | 7 => tokio::task::yield_now().await,
                8 => {
                    Arbiter::current().stop();
                    tokio::time::sleep(Duration::from_millis(time)).await;
                }
                _ => {}
            }
            let held = Held::one(&actors);
            let probe = Probe::new(&Journal::new(), cx.incarnation()).on_drop(move || {
                let _ = &held;
            });
            Ok(Start::Run(match stop {
                0 => slow_to_stop(probe, Duration::from_millis(time)),
                1 => probe.on_started(|_, _| panic!("started")),
                2 => probe.on_stopping(|_, _| panic!("stopping")),
                _ => probe,
            }))
        }
    })
    .restart(restart)
    .shutdown(shutdown)
    .on_unresponsive(unresponsive)
    .backoff(backoff)
    .start_timeout(Duration::from_secs(2))
}

async fn converse(
    supervisor: &Addr<DynamicSupervisor>,
    seed: u64,
    blocks: bool,
    specs: &Arc<AtomicUsize>,
    actors: &Arc<AtomicUsize>,
) {
    let mut dice = Dice::of(seed);
    let answered = async |what: &str, answer: &mut (dyn std::future::Future<Output = ()> + Unpin)| {
        if tokio::time::timeout(PATIENCE / 2, answer).await.is_err() {
            panic!("{seed}: {what} is not answered: {:#?}", supervisor.which_children().await);
        }
    };
    for _ in 0..30 {
        let key = dice.below(6);
        let started = supervisor.get_or_start(key, spec(seed * 1000 + dice.below(1000), specs, actors));
        let ops = 1 + dice.below(3);
        for _ in 0..ops {
            let addr = supervisor.whereis::<Probe>(&key);
            match (dice.below(16), addr) {
                (0, _) => {
                    let mut ended = Box::pin(async {
                        let _ = supervisor.terminate_child(ChildHandle::key::<Probe>(key)).await;
                    });
                    answered("terminate", &mut ended).await;
                }
                (1, _) => drop(supervisor.terminate_child(ChildHandle::key::<Probe>(key))),
                (2 | 3, _) => {
                    let mut killed = Box::pin(async {
                        let _ = supervisor.kill_child(ChildHandle::key::<Probe>(key)).await;
                    });
                    answered("kill", &mut killed).await;
                }
                (4 | 5, Some(addr)) => addr.do_send(Panic("boom")),
                (6, Some(addr)) => addr.do_send(Exit(ExitReason::Normal)),
                (7 | 8, Some(addr)) => addr.do_send(Do::this(|_, _| end_arbiter())),
                (9, Some(addr)) if blocks => addr.do_send(Do::this(|_, _| thread::sleep(Duration::from_millis(60)))),
                (10, Some(addr)) => {
                    addr.do_send(Panic("boom"));
                    addr.do_send(Do::this(|_, _| end_arbiter()));
                }
                _ => tokio::task::yield_now().await,
            }
        }
        if dice.below(2) == 0 {
            let mut started = Box::pin(async { drop(started.await) });
            answered("a start", &mut started).await;
        }
    }
}

#[test]
fn whatever_happens_every_call_is_answered_and_a_stop_leaves_nothing_behind() {
    let seeds: u64 = std::env::var("STORM").map_or(6, |seeds| seeds.parse().unwrap());
    let from: u64 = std::env::var("STORM_FROM").map_or(1, |from| from.parse().unwrap());
    for seed in from..from + seeds {
        real_world(async {
            let (specs, actors) = (Arc::default(), Arc::default());
            let supervisor = DynamicSupervisor::builder()
                .placement(if seed % 2 == 0 { Placement::Pool(2) } else { Placement::LeastLoaded(2) })
                .max_restarts(u32::MAX)
                .unresponsive_after(Duration::from_millis(20))
                .max_reports_per_second(0)
                .start()
                .unwrap();
            let events = supervisor.events(Events::new().capacity(usize::MAX));
            let talks = (0..8).map(|talk| converse(&supervisor, seed * 100 + talk, seed % 3 == 0, &specs, &actors));
            futures::future::join_all(talks).await;
            if seed % 4 < 2 {
                let quiet = async || {
                    let children = supervisor.which_children().await.unwrap();
                    !children.iter().any(|child| matches!(child.state, ChildState::Starting | ChildState::Stopping))
                };
                eventually(&format!("{seed}: all is settled"), quiet).await;
                let children = supervisor.which_children().await.unwrap().len();
                assert!(children <= 6, "{seed}");
            }
            let report = tokio::time::timeout(PATIENCE, supervisor.stop()).await;
            let report = report.unwrap_or_else(|_| panic!("{seed}: a stop is not answered"));
            let report = report.unwrap_or_else(|error| panic!("{seed}: {error}"));
            assert!(report.unresponsive.is_empty(), "{seed}: {report:?}");
            let ledger = tokio::time::timeout(PATIENCE, Ledger::of(events)).await.expect("its events end, too");
            assert_eq!(ledger.faults(), "", "{seed}: what was told does not add up");
            let left = || (specs.load(Ordering::SeqCst), actors.load(Ordering::SeqCst));
            eventually(&format!("{seed}: nothing is left"), async || left() == (0, 0)).await;
        });
    }
}
