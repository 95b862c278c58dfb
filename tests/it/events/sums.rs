//! All that can happen to children and their supervisor, in no order, read to the end: each life that begins ends once, and
//! nothing comes after the last.
//!
//! `STORM` says how many seeds are tried and `STORM_FROM` which is the first, as for the storm in `placement`.

use std::{
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Backoff};
use futures::future::join_all;

use super::PATIENCE;
use crate::support::{
    real_world,
    script::{slow_to_stop, stubborn},
    world, Dice, Do, Exit, Journal, Ledger, Panic, Probe,
};

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let from = number("STORM_FROM", 1);
    from..from + number("STORM", default)
}

#[test]
fn on_one_arbiter_as_many_lives_end_as_began_whatever_happens() {
    for seed in seeds(150) {
        world(Storm::new(seed, Duration::from_millis(100), Vec::new()).rage(Placement::Same));
    }
}

#[test]
fn on_several_arbiters_as_many_lives_end_as_began_whatever_happens() {
    for seed in seeds(30) {
        real_world(async {
            let arbiters: Vec<_> = (0..2).map(|_| Arbiter::new()).collect();
            let guests = arbiters.iter().map(Arbiter::handle).collect();
            let placement = if seed % 2 == 0 { Placement::Pool(2) } else { Placement::LeastLoaded(2) };
            Storm::new(seed, Duration::from_millis(1), guests).rage(placement).await;
            for arbiter in arbiters {
                arbiter.stop();
                arbiter.join().unwrap();
            }
        });
    }
}

struct Storm {
    seed: u64,
    dice: Dice,
    /// All times are multiples of this.
    unit: Duration,
    /// Arbiters that specs name.
    guests: Vec<ArbiterHandle>,
    /// How many children have lived, by themselves.
    lived: Arc<AtomicUsize>,
}

impl Storm {
    fn new(seed: u64, unit: Duration, guests: Vec<ArbiterHandle>) -> Self {
        Self { seed, dice: Dice::of(seed), unit, guests, lived: Arc::default() }
    }

    fn time(&mut self) -> Duration {
        self.unit * self.dice.below(4) as u32
    }

    /// A supervisor and its parent, who is stopped in the end.
    async fn rage(mut self, placement: Placement) {
        let parent = DynamicSupervisor::builder().max_restarts(u32::MAX).max_reports_per_second(0).start().unwrap();
        let ledgers = [(); 2].map(|()| Ledger::of(parent.events(Events::new().nested(true).capacity(usize::MAX))));
        let builder = DynamicSupervisor::builder().placement(placement).max_reports_per_second(0);
        let builder = builder.max_restarts(self.dice.pick(&[u32::MAX, u32::MAX, 2])).max_seconds(1000);
        let builder = builder.last_lives(self.dice.below(3) as usize).max_concurrent_starts(NonZero::new(3).unwrap());
        let nested = parent.start_child(builder.into_child()).await.unwrap();
        for _ in 0..100 {
            self.act(&parent, &nested).await;
        }
        let stopped = match self.dice.below(3) {
            0 => Some(parent.stop_with(ExitReason::Normal, None)),
            1 => Some(parent.stop_with(ExitReason::Normal, self.time())),
            // It ends, as nobody knows it any more.
            _ => None,
        };
        drop(parent);
        if let Some(stopped) = stopped {
            stopped.await.unwrap();
        }
        self.add_up(tokio::time::timeout(PATIENCE, join_all(ledgers)).await);
    }

    fn add_up(&self, ledgers: Result<Vec<Ledger>, tokio::time::error::Elapsed>) {
        let seed = self.seed;
        let [first, second]: [Ledger; 2] =
            ledgers.unwrap_or_else(|_| panic!("seed {seed}: the events have no end")).try_into().ok().unwrap();
        assert!(
            first.lines() == second.lines(),
            "seed {seed}: one hears {:#?}\nanother {:#?}",
            first.lines(),
            second.lines()
        );
        let (lived, told) = (self.lived.load(Ordering::SeqCst), first.begun);
        let is_right = if first.is_cut_off { told <= lived } else { told == lived };
        assert!(is_right, "seed {seed}: {lived} lived and {told} were told of:\n{}", first.lines().join("\n"));
        assert_eq!(first.faults(), "", "seed {seed}: it does not add up");
    }

    async fn act(&mut self, parent: &Addr<DynamicSupervisor>, nested: &Started<DynamicSupervisor>) {
        let supervisor = &nested.addr;
        if self.dice.one_in(4) {
            let started = supervisor.start_child(self.spec());
            if self.dice.one_in(2) {
                let _ = started.await;
            } else {
                drop(started);
            }
            return;
        }
        match self.dice.below(40) {
            0 if self.dice.one_in(4) => parent.do_send(KillChild(nested.id.into())),
            1 => drop(supervisor.stop_with(ExitReason::failed("it was told so"), self.time())),
            2..10 => tokio::time::sleep(self.time()).await,
            _ => {}
        }
        let Ok(children) = supervisor.which_children().await else { return };
        // Without a turn between, so that they meet.
        for _ in 0..self.dice.below(5) {
            if !children.is_empty() {
                let child = &children[self.dice.below(children.len() as u64) as usize];
                self.strike(parent, nested, child);
            }
        }
    }

    fn strike(&mut self, parent: &Addr<DynamicSupervisor>, nested: &Started<DynamicSupervisor>, child: &ChildInfo) {
        let (supervisor, id, is_elsewhere) = (nested.addr.clone(), child.id, child.arbiter.is_some());
        let Some(addr) = child.addr::<Probe>() else { return };
        match self.dice.below(12) {
            0 | 1 => supervisor.do_send(TerminateChild(id.into())),
            2 | 3 => supervisor.do_send(KillChild(id.into())),
            4 | 5 => addr.do_send(Panic("boom")),
            6 | 7 => {
                let reasons =
                    [ExitReason::Normal, ExitReason::failed("no"), ExitReason::Killed, ExitReason::ArbiterGone];
                addr.do_send(Exit(self.dice.pick(&reasons)));
            }
            8 => addr.do_send(Do::this(move |_, _| {
                supervisor.do_send(TerminateChild(id.into()));
                std::panic::panic_any("boom");
            })),
            9 => {
                // More than is handled in one turn.
                (0..self.dice.below(500)).for_each(|_| addr.do_send(Do::this(|_, _| {})));
                supervisor.do_send(TerminateChild(id.into()));
            }
            10 if self.dice.one_in(16) => {
                let (parent, nested) = (parent.downgrade(), nested.id);
                addr.do_send(Do::this(move |_, ctx| {
                    if let Some(parent) = parent.upgrade() {
                        parent.do_send(KillChild(nested.into()));
                    }
                    ctx.stop();
                }));
            }
            11 if is_elsewhere => addr.do_send(Do::this(|_, _| {
                Arbiter::current().stop();
            })),
            _ => {}
        }
    }

    /// A child that starts in any way, ends in any way, and comes back or does not.
    fn spec(&mut self) -> impl ChildSpec<Actor = Probe> {
        let restart = self.dice.pick(&[Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary]);
        let limit = Shutdown::Timeout(self.time());
        let shutdown = self.dice.pick(&[Shutdown::BrutalKill, limit, limit, Shutdown::Infinity]);
        let is_stubborn = matches!(shutdown, Shutdown::Timeout(_)) && self.dice.one_in(3);
        let give_up = self.dice.pick(&[GiveUp::Remove, GiveUp::Escalate, GiveUp::Park { every: self.unit * 2 }]);
        let (delay, patience) = (self.time(), self.dice.below(6) as u32);
        let (unit, lived) = (self.unit, Arc::clone(&self.lived));
        let guest =
            if self.guests.is_empty() || !self.dice.one_in(4) { None } else { Some(self.dice.pick(&self.guests)) };
        let mut dice = Dice::of(self.dice.below(u64::from(u32::MAX)));
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let lived = Arc::clone(&lived);
            let (way, time, end) = (dice.below(12), unit * dice.below(4) as u32, dice.below(4));
            assert!(way != 0, "a factory panics");
            async move {
                match way {
                    1 => return Err(BoxError::from("no")),
                    2 if cx.incarnation() > 2 => return Ok(Start::Ignore),
                    3 => panic!("a start panics"),
                    4 | 5 => tokio::time::sleep(time).await,
                    6 => tokio::task::yield_now().await,
                    _ => {}
                }
                let probe = Probe::new(&Journal::new(), cx.incarnation());
                let probe = probe.on_started(move |_, _| {
                    lived.fetch_add(1, Ordering::SeqCst);
                });
                Ok(Start::Run(match end {
                    _ if is_stubborn => stubborn(probe),
                    0 => slow_to_stop(probe, time),
                    1 => probe.on_stopping(|_, _| panic!("stopping")),
                    2 => probe.on_drop(|| panic!("dropped")),
                    _ => probe,
                }))
            }
        });
        let spec = spec.restart(restart).shutdown(shutdown).start_timeout(unit * 2).backoff(Backoff::fixed(delay));
        let spec = if patience < 4 { spec.max_restarts(patience, unit * 100).give_up(give_up) } else { spec };
        match guest {
            Some(guest) => spec.on(guest),
            None => spec,
        }
    }
}
