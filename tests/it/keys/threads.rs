//! Children by key, from many threads.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc, Arc, Barrier,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};
use futures::FutureExt;

use super::Seat;
use crate::support::{real_world, Ask, Do, Journal, Panic, Probe};

/// A supervisor on a thread of its own, until it is stopped.
struct Home {
    supervisor: Addr<DynamicSupervisor>,
    thread: thread::JoinHandle<ExitReason>,
}

impl Home {
    fn new() -> Self {
        Self::of(DynamicSupervisor::builder)
    }

    fn of(builder: impl FnOnce() -> Builder + Send + 'static) -> Self {
        let (addr_tx, addr_rx) = mpsc::channel();
        let thread = thread::spawn(move || {
            real_world(async {
                let supervisor = builder().max_restarts(u32::MAX).max_reports_per_second(0).start().unwrap();
                addr_tx.send(supervisor.clone()).unwrap();
                supervisor.exited().await
            })
        });
        Self { supervisor: addr_rx.recv().unwrap(), thread }
    }

    fn end(self) {
        block_on(self.supervisor.stop()).unwrap();
        self.thread.join().unwrap();
    }
}

/// On a runtime of this thread's own.
fn block_on<T>(future: impl std::future::Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_child_is_found_from_a_plain_thread_while_the_supervisors_thread_is_blocked() {
    let home = Home::new();
    let journal = Journal::new();
    let child = block_on(home.supervisor.start_child(Probe::child(&journal).key("a"))).unwrap();
    block_on(home.supervisor.start_child(Probe::child(&journal).key(Seat('A', 1)))).unwrap();
    let (blocked_tx, blocked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    child.addr.do_send(Do::this(move |_, _| {
        blocked_tx.send(()).unwrap();
        let _ = released.recv_timeout(Duration::from_secs(60));
    }));
    blocked.recv().unwrap();

    assert!(home.supervisor.count_children().now_or_never().is_none(), "it answers nobody");
    assert_eq!(home.supervisor.whereis("a"), Some(child.addr));
    assert!(home.supervisor.whereis::<Probe>(&Seat('A', 1)).is_some());
    assert!(home.supervisor.whereis::<Probe>("b").is_none());

    release.send(()).unwrap();
    home.end();
}

#[test]
fn another_thread_that_looks_all_the_time_never_sees_a_gap_while_a_child_crashes_a_thousand_times() {
    let home = Home::new();
    let journal = Journal::new();
    let child = block_on(home.supervisor.start_child(Probe::child(&journal).key(Seat('A', 1)))).unwrap();
    let (is_over, ready) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let looking = {
        let (supervisor, is_over, ready) = (home.supervisor.clone(), Arc::clone(&is_over), Arc::clone(&ready));
        thread::spawn(move || {
            let (mut looks, mut gaps) = (0, 0);
            ready.wait();
            while !is_over.load(SeqCst) {
                looks += 1;
                gaps += usize::from(supervisor.whereis::<Probe>(&Seat('A', 1)).is_none());
            }
            (looks, gaps)
        })
    };

    ready.wait();
    let incarnation = block_on(async {
        for _ in 0..1000 {
            assert!(child.addr.send(Panic("again")).await.is_err());
        }
        child.addr.send(Ask).await
    });
    is_over.store(true, SeqCst);

    assert_eq!(incarnation, Ok(1001));
    let (looks, gaps) = looking.join().unwrap();
    assert!(looks > 0 && gaps == 0, "{gaps} of {looks}");
    home.end();
}

#[test]
fn the_same_key_in_two_supervisors_on_two_threads_does_not_lock_them_up() {
    let (home, abroad) = (Home::new(), Home::new());
    let keys: [ChildKey; 2] = [ChildKey::new(Seat('A', 1)), ChildKey::new(Seat('A', 1))];
    let ready = Arc::new(Barrier::new(4));
    let users: Vec<_> = (0..4_usize)
        .map(|nth| {
            let supervisor = if nth % 2 == 0 { &home } else { &abroad }.supervisor.clone();
            let (keys, ready) = (keys.clone(), Arc::clone(&ready));
            thread::spawn(move || {
                let journal = Journal::new();
                ready.wait();
                block_on(async {
                    for round in 0..500 {
                        // Each compares one of the two with the other, and from either side.
                        let own = keys[(round + nth) % 2].clone();
                        let other = keys[(round + nth + 1) % 2].clone();
                        let got = supervisor.get_or_start(own.clone(), Probe::child(&journal)).await;
                        assert!(got.is_ok(), "{got:?}");
                        let again = supervisor.start_child(Probe::child(&journal).key(other)).await;
                        assert!(matches!(again, Ok(_) | Err(StartChildError::AlreadyStarted(_))), "{again:?}");
                        supervisor.whereis::<Probe>(&Seat('A', 1));
                        let _ = supervisor.terminate_child(ChildHandle::key::<Probe>(own)).await;
                    }
                });
            })
        })
        .collect();

    for user in users {
        user.join().unwrap();
    }
    home.end();
    abroad.end();
}

#[test]
fn when_its_system_is_gone_a_supervisor_has_no_keys_any_more() {
    let left = thread::spawn(|| {
        real_world(async {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            supervisor.start_child(Probe::child(&Journal::new()).key("a")).await.unwrap();
            supervisor.start_child(Probe::child(&Journal::new()).key(Seat('A', 1))).await.unwrap();
            supervisor
        })
    });
    let supervisor = left.join().unwrap();

    assert!(supervisor.whereis::<Probe>("a").is_none());
    assert!(supervisor.whereis::<Probe>(&Seat('A', 1)).is_none());
    let got = block_on(supervisor.get_or_start("a", Probe::child(&Journal::new())));
    assert!(matches!(got, Err(StartChildError::SupervisorGone)));
}

/// How many probes live under one key, and the most that ever did.
#[derive(Clone, Default)]
struct Census(Arc<[AtomicUsize; 2]>);

impl Census {
    fn count(&self, probe: Probe) -> Probe {
        let [living, most] = &*self.0;
        most.fetch_max(living.fetch_add(1, SeqCst) + 1, SeqCst);
        let own = self.clone();
        probe.on_drop(move || {
            own.0[0].fetch_sub(1, SeqCst);
        })
    }

    fn living(&self) -> usize {
        self.0[0].load(SeqCst)
    }

    fn most(&self) -> usize {
        self.0[1].load(SeqCst)
    }
}

const KEYS: usize = 3;
const THREADS: usize = 8;
const ROUNDS: usize = 1000;

/// One user: asks for children, at once or in time, and ends them in every way.
async fn storm(supervisor: &Addr<DynamicSupervisor>, censuses: &[Census], mut dice: usize) -> usize {
    let journal = Journal::new();
    let mut got = 0;
    for _ in 0..ROUNDS {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, what) = ((dice >> 33) % KEYS, (dice >> 40) % 8);
        let handle = || ChildHandle::key::<Probe>(key);
        let (census, journal) = (censuses[key].clone(), journal.clone());
        match what {
            0..3 => {
                let spec = Probe::scripted(&journal, move |probe| census.count(probe));
                let answer = supervisor.get_or_start(key, spec).await;
                // Whose own start takes no time is not to be hindered by anybody.
                assert!(answer.is_ok(), "{answer:?}");
                got += 1;
            }
            3 | 4 => {
                let spec = Child::from_async(move |cx: StartContext<Probe>| {
                    let (census, journal) = (census.clone(), journal.clone());
                    async move {
                        for _ in 0..3 {
                            tokio::task::yield_now().await;
                        }
                        Ok::<_, BoxError>(Start::Run(census.count(Probe::new(&journal, cx.incarnation()))))
                    }
                });
                match supervisor.get_or_start(key, spec).await {
                    Ok(_) => got += 1,
                    // Others end it while it starts.
                    Err(StartChildError::Terminated | StartChildError::Exited(ExitReason::Killed)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            5 => {
                let ended = supervisor.terminate_child(handle()).await;
                assert!(matches!(ended, Ok(()) | Err(TerminateChildError::NotFound)), "{ended:?}");
            }
            6 => {
                let killed = supervisor.kill_child(handle()).await;
                assert!(matches!(killed, Ok(()) | Err(TerminateChildError::NotFound)), "{killed:?}");
            }
            _ => {
                if let Some(child) = supervisor.whereis::<Probe>(&key) {
                    let _ = child.send(Panic("storm")).await;
                }
            }
        }
    }
    got
}

#[test]
fn in_a_storm_of_starts_ends_and_crashes_there_is_never_more_than_one_child_with_a_key() {
    let home = Home::new();
    let censuses: Vec<Census> = (0..KEYS).map(|_| Census::default()).collect();
    let ready = Arc::new(Barrier::new(THREADS));
    let users: Vec<_> = (0..THREADS)
        .map(|nth| {
            let (supervisor, censuses, ready) = (home.supervisor.clone(), censuses.clone(), Arc::clone(&ready));
            thread::spawn(move || {
                ready.wait();
                block_on(storm(&supervisor, &censuses, nth + 1))
            })
        })
        .collect();
    let got: usize = users.into_iter().map(|user| user.join().unwrap()).sum();

    assert!(got > ROUNDS, "{got} were answered");
    assert!(censuses.iter().all(|census| census.most() == 1), "the most of each at a time");
    let found: Vec<_> = (0..KEYS).filter_map(|key| home.supervisor.whereis::<Probe>(&key)).collect();
    // The last may have crashed just now; when it answers it is back.
    assert!(found.iter().all(|child| block_on(child.send(Ask)).is_ok()));
    let counts = block_on(home.supervisor.count_children()).unwrap();
    assert_eq!((counts.specs, censuses.iter().map(Census::living).sum()), (found.len(), found.len()));
    for (key, census) in censuses.iter().enumerate() {
        let mine = census.clone();
        let spec = Probe::scripted(&Journal::new(), move |probe| mine.count(probe));
        block_on(home.supervisor.get_or_start(key, spec)).unwrap();
        assert_eq!(census.living(), 1);
    }
    assert_eq!(block_on(home.supervisor.count_children()).unwrap().active, KEYS);
    home.end();
    assert!(censuses.iter().all(|census| census.living() == 0 && census.most() == 1));
}
