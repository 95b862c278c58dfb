//! The work, written once for all peers, and how it is timed.

use std::{
    fs,
    future::Future,
    panic::panic_any,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task, time};

/// What is measured of every peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Figure {
    Start,
    Bytes,
    Request,
    Crash,
    Terminate,
    Stop,
}

impl Figure {
    pub(crate) const ALL: [Self; 6] =
        [Self::Start, Self::Bytes, Self::Request, Self::Crash, Self::Terminate, Self::Stop];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Bytes => "bytes",
            Self::Request => "request",
            Self::Crash => "crash",
            Self::Terminate => "terminate",
            Self::Stop => "stop",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.name() == name)
    }
}

/// A supervisor and its children, used as its documentation says.
///
/// The child holds a number and an [`Alive`], answers requests with the number, and can be made to panic.
pub(crate) trait Peer {
    /// It never gives up. It is not `Clone`: whoever drops it holds nothing of the supervisor any more.
    type Supervisor;
    /// What a user would keep of a child, to send to it and to terminate it.
    type Child;

    /// How many crashes a round has; `None`: there are no restarts.
    const CRASHES: Option<u64> = Some(200);

    /// One of so many children is terminated.
    const TERMINATED: u64 = 10;

    /// Of so many children one is there to be stopped: where each takes the longer the more there are, all would take minutes.
    const STOPPED: u64 = 1;

    async fn supervisor() -> Self::Supervisor;

    /// Starts a child; the answer is its handle.
    async fn start(supervisor: &Self::Supervisor, number: u64) -> Self::Child;

    /// The same, for a child that will crash: where a handle does not survive that, it has a name to be found by.
    async fn start_named(supervisor: &Self::Supervisor, number: u64) -> Self::Child {
        Self::start(supervisor, number).await
    }

    /// Runs until the child has started, where the handle is there before.
    async fn has_started(_child: &Self::Child) {}

    async fn request(child: &Self::Child) -> u64;

    /// Makes the child panic, and runs until its next incarnation has answered a request.
    async fn crash(_child: &mut Self::Child) {}

    /// Ends a child, and runs until it is gone.
    async fn terminate(supervisor: &Self::Supervisor, child: Self::Child);

    /// Ends the supervisor and its children; they may still be going.
    async fn stop(supervisor: Self::Supervisor);

    /// Not measured: a round is over. What is left ends with the runtime.
    async fn discard(supervisor: Self::Supervisor) {
        Self::stop(supervisor).await;
        none_alive().await;
    }
}

/// Nanoseconds or bytes for one of so many.
pub(crate) struct Sample {
    pub(crate) each: f64,
    pub(crate) of: u64,
}

/// Measures one figure with so many children; `run` runs something on a runtime of its own. `None`: the peer cannot do it.
pub(crate) fn measure<P: Peer, F: Future<Output = Took>>(
    figure: Figure,
    children: u64,
    work: fn(Figure, u64) -> F,
    run: impl Fn(F) -> Took,
) -> Option<Sample> {
    let of = match figure {
        Figure::Start | Figure::Bytes | Figure::Request => children,
        Figure::Crash => P::CRASHES?,
        Figure::Terminate => children / P::TERMINATED,
        Figure::Stop => children / P::STOPPED,
    };
    if figure == Figure::Bytes {
        // One of the rounds: each is in a process of its own.
        let bytes = run(work(figure, of)).pop()?;
        return Some(Sample { each: bytes / of as f64, of });
    }
    let mut took = Vec::new();
    while took.len() <= ROUNDS {
        took.extend(run(work(figure, children)));
    }
    // The first one was to warm up.
    Some(Sample { each: median(&took[1..]) / of as f64, of })
}

/// Nanoseconds of whole rounds, or bytes.
pub(crate) type Took = Vec<f64>;

const ROUNDS: usize = 5;

/// Rounds of what takes little time.
const MANY_ROUNDS: usize = 11;

/// One round, or all of them where they have the supervisor in common.
pub(crate) async fn round<P: Peer>(figure: Figure, children: u64) -> Took {
    match figure {
        Figure::Start => vec![start::<P>(children).await],
        Figure::Bytes => bytes::<P>(children).await.into_iter().collect(),
        Figure::Request => request::<P>(children).await,
        Figure::Crash => crash::<P>(children, P::CRASHES.unwrap_or_default()).await,
        Figure::Terminate => vec![terminate::<P>(children).await],
        Figure::Stop => vec![stop::<P>(children / P::STOPPED).await],
    }
}

/// Each start waits for the one before, and at the end all children have started.
async fn start<P: Peer>(children: u64) -> f64 {
    let supervisor = P::supervisor().await;
    let mut handles = Vec::with_capacity(children as usize);
    let begun = Instant::now();
    for number in 0..children {
        handles.push(P::start(&supervisor, number).await);
    }
    for child in &handles {
        P::has_started(child).await;
    }
    let took = since(begun);
    alive(children).await;
    drop(handles);
    P::discard(supervisor).await;
    took
}

/// Idle children that have answered a request each. The handles are dropped: what remains is what it takes to run them.
async fn bytes<P: Peer>(children: u64) -> Option<f64> {
    let supervisor = P::supervisor().await;
    P::request(&P::start(&supervisor, 0).await).await;
    let before = resident()?;
    for number in 0..children {
        P::request(&P::start(&supervisor, number).await).await;
    }
    let grown = resident()?.saturating_sub(before);
    alive(children + 1).await;
    P::discard(supervisor).await;
    Some(grown as f64)
}

/// One child is asked; each request waits for the answer of the one before.
async fn request<P: Peer>(requests: u64) -> Took {
    const NUMBER: u64 = 42;
    let supervisor = P::supervisor().await;
    let child = P::start(&supervisor, NUMBER).await;
    let mut took = Vec::new();
    while took.len() <= MANY_ROUNDS {
        let mut sum = 0;
        let begun = Instant::now();
        for _ in 0..requests {
            sum += P::request(&child).await;
        }
        took.push(since(begun));
        assert_eq!(sum, requests * NUMBER, "all are answered");
    }
    drop(child);
    P::discard(supervisor).await;
    took
}

/// One child crashes again and again, among all the others.
///
/// Several peers walk a list of their recent restarts at each restart. Few crashes in a round, and a pause that is longer
/// than the period of the limit, keep that list as short as it is in earnest.
async fn crash<P: Peer>(children: u64, crashes: u64) -> Took {
    /// They warm up what cooled down in the pause.
    const BEFORE: u64 = 100;
    let supervisor = P::supervisor().await;
    let half = children / 2;
    for number in 0..half {
        P::start(&supervisor, number).await;
    }
    let mut child = P::start_named(&supervisor, half).await;
    for number in half + 1..children {
        P::start(&supervisor, number).await;
    }
    alive(children).await;
    let mut took = Vec::new();
    while took.len() <= MANY_ROUNDS {
        time::sleep(PERIOD + Duration::from_millis(100)).await;
        for _ in 0..BEFORE.min(crashes) {
            P::crash(&mut child).await;
        }
        let born = BORN.load(Ordering::SeqCst);
        let begun = Instant::now();
        for _ in 0..crashes {
            P::crash(&mut child).await;
        }
        took.push(since(begun));
        assert!(BORN.load(Ordering::SeqCst) - born >= crashes, "a crash, a restart");
    }
    drop(child);
    P::discard(supervisor).await;
    took
}

/// The period in which a supervisor counts restarts.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// Some of the children, one after the other, from all over their number.
async fn terminate<P: Peer>(children: u64) -> f64 {
    let supervisor = P::supervisor().await;
    let terminated = children / P::TERMINATED;
    let mut chosen = Vec::with_capacity(terminated as usize);
    for number in 0..children {
        let child = P::start(&supervisor, number).await;
        if number % P::TERMINATED == 0 && chosen.len() < chosen.capacity() {
            chosen.push(child);
        }
    }
    alive(children).await;
    let begun = Instant::now();
    for child in chosen {
        P::terminate(&supervisor, child).await;
    }
    let took = since(begun);
    alive(children - terminated).await;
    P::discard(supervisor).await;
    took
}

/// All children at once, until the last one's state is dropped.
async fn stop<P: Peer>(children: u64) -> f64 {
    let supervisor = P::supervisor().await;
    for number in 0..children {
        P::start(&supervisor, number).await;
    }
    alive(children).await;
    let begun = Instant::now();
    P::stop(supervisor).await;
    none_alive().await;
    since(begun)
}

fn since(begun: Instant) -> f64 {
    begun.elapsed().as_nanos() as f64
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Held by a child: it takes no room, and tells when the child's state is made and dropped.
pub(crate) struct Alive(());

static BORN: AtomicU64 = AtomicU64::new(0);
static ALIVE: AtomicU64 = AtomicU64::new(0);
static LAST_GONE: Notify = Notify::const_new();

impl Alive {
    pub(crate) fn new() -> Self {
        BORN.fetch_add(1, Ordering::SeqCst);
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if ALIVE.fetch_sub(1, Ordering::SeqCst) == 1 {
            LAST_GONE.notify_waiters();
        }
    }
}

/// Runs until the last child is gone.
async fn none_alive() {
    // It takes part from here on, so that what happens before the next line is not missed.
    let last_gone = LAST_GONE.notified();
    if ALIVE.load(Ordering::SeqCst) > 0 {
        last_gone.await;
    }
}

/// Holds a peer to what it did: not timed, a moment is granted, and then so many children are there.
async fn alive(expected: u64) {
    let begun = Instant::now();
    while ALIVE.load(Ordering::SeqCst) != expected && begun.elapsed() < Duration::from_secs(60) {
        task::yield_now().await;
    }
    assert_eq!(ALIVE.load(Ordering::SeqCst), expected, "children are there");
}

/// Resident bytes of this process; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

/// What children say when they crash.
pub(crate) const BOOM: &str = "boom";

/// The crash of all children.
#[allow(clippy::panic, reason = "it is what is measured")]
pub(crate) fn crash_now() -> ! {
    panic_any(BOOM)
}

/// A name that no child had before: some peers have one registry for the whole process.
pub(crate) fn fresh_name(kind: &str) -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    format!("{kind}{}", NAMES.fetch_add(1, Ordering::Relaxed))
}
