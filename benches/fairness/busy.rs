//! Children that leave nobody else a turn, if they can.

use std::{
    hint,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, PoisonError,
    },
    thread,
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::support::actors::{crash, Leave};

/// What keeps the arbiter busy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A child messages itself without end.
    SelfMessages,
    /// A child is flooded by two threads.
    Flood,
    /// Many children crash as soon as they run, again and again.
    Crashes,
}

/// A child under load.
pub(crate) struct Busy {
    load: Load,
    gone: Option<oneshot::Sender<()>>,
}

impl Busy {
    pub(crate) fn new(load: Load) -> Self {
        Self { load, gone: None }
    }
}

impl Actor for Busy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match self.load {
            Load::SelfMessages | Load::Crashes => ctx.address().do_send(Again),
            Load::Flood => {}
        }
    }
}

impl Supervised for Busy {}

#[derive(Message)]
#[rtype(result = "()")]
struct Again;

impl Handler<Again> for Busy {
    type Result = ();

    fn handle(&mut self, _: Again, ctx: &mut Context<Self>) {
        match self.load {
            Load::SelfMessages => ctx.address().do_send(Again),
            Load::Crashes => crash(),
            Load::Flood => {}
        }
    }
}

impl Handler<Leave> for Busy {
    type Result = ();

    fn handle(&mut self, Leave(gone): Leave, ctx: &mut Context<Self>) {
        self.gone = Some(gone);
        ctx.stop();
    }
}

/// One message of a flood; it counts as under way until it is handled or dropped.
#[derive(Message)]
#[rtype(result = "()")]
struct Splash;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

impl Drop for Splash {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handler<Splash> for Busy {
    type Result = ();

    fn handle(&mut self, splash: Splash, _: &mut Context<Self>) {
        // Some work, about a microsecond: a flood is what comes faster than it is handled.
        for step in 0..1_000 {
            hint::black_box(step);
        }
        drop(splash);
    }
}

/// Two threads that send as fast as they can, and pause only while the queue is long.
pub(crate) struct Flood(Arc<Mutex<Option<Addr<Busy>>>>);

impl Flood {
    /// More are not under way at a time, or memory would be what is measured.
    const MOST: usize = 20_000;

    pub(crate) fn start() -> Self {
        let target = Arc::new(Mutex::new(None::<Addr<Busy>>));
        for _ in 0..2 {
            let target = target.clone();
            // For as long as the process lives.
            thread::spawn(move || loop {
                let addr = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match addr {
                    // Not one that has ended: three threads that never pause would measure how two cores are shared.
                    Some(addr) if addr.connected() && UNDER_WAY.load(Ordering::Relaxed) < Self::MOST => {
                        for _ in 0..100 {
                            UNDER_WAY.fetch_add(1, Ordering::Relaxed);
                            addr.do_send(Splash);
                        }
                    }
                    _ => thread::sleep(Duration::from_micros(100)),
                }
            });
        }
        Self(target)
    }

    /// Whom they flood from now on.
    pub(crate) fn turn_to(&self, child: Addr<Busy>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }
}
