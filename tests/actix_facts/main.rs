//! What supervision assumes of Actix 0.13 and actix-rt 2: an upgrade that breaks it fails here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod arbiters;
mod caught_panics;
mod endings;
mod fairness;
mod outer_mailbox;
mod plain_panics;

use actix::dev::channel::{channel, AddressReceiver};
use actix::dev::{AsyncContextParts, ContextFut, ContextParts, EnvelopeProxy, Mailbox};
use actix::{fut::wrap_future, prelude::*};
use futures::future::{join, pending, poll_fn, Future, FutureExt};
use futures::{stream::StreamExt, task::noop_waker_ref};
use std::{
    any::Any,
    cell::RefCell,
    panic::{catch_unwind, panic_any, AssertUnwindSafe},
    pin::Pin,
    rc::Rc,
    sync::{atomic::AtomicUsize, atomic::Ordering::SeqCst, mpsc, Arc, Mutex},
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, task::yield_now, time::sleep};

const CLOSED: Option<Result<(), MailboxError>> = Some(Err(MailboxError::Closed));
const ANSWERED: Option<Result<(), MailboxError>> = Some(Ok(()));
const BUDGET: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

type Ctx = Context<Probe>;
type Hook<T> = Box<dyn FnMut(&mut Ctx, &Log) -> T>;
type Act = Box<dyn FnOnce(&mut Probe, &mut Ctx) + Send>;
type Trap = fn(Probe) -> Life;
type Inbox = Rc<RefCell<AddressReceiver<Probe>>>;

/// What was called, in order; a call made while the thread unwinds says so.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

/// An actor that logs its hooks; what a hook does besides is written by the test.
struct Probe {
    log: Log,
    on_started: Hook<()>,
    on_stopping: Hook<Running>,
    on_stopped: Hook<()>,
    _cargo: Option<Bomb>,
}

/// A message that says what its handler does.
#[derive(Message)]
#[rtype(result = "()")]
struct Do(Act);

/// A message whose answer is a `ResponseFuture` that panics.
#[derive(Message)]
#[rtype(result = "()")]
struct Detached;

/// A value whose destructor panics.
struct Bomb;

/// A context that the test polls by hand, as a supervisor does.
struct Life {
    log: Log,
    addr: Addr<Probe>,
    future: ContextFut<Probe, Ctx>,
}

/// Feeds an actor from a mailbox outside of its context.
struct Pump(Inbox);

impl ActorFuture<Probe> for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, probe: &mut Probe, ctx: &mut Ctx, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut handled = 0;
        while !ctx.waiting() {
            if handled == BUDGET {
                cx.waker().wake_by_ref();
                break;
            }
            let next = self.0.borrow_mut().poll_next_unpin(cx);
            let Poll::Ready(Some(mut envelope)) = next else {
                break;
            };
            handled += 1;
            envelope.handle(probe, ctx);
        }
        Poll::Pending
    }
}

/// Runs in a system of its own on one thread, whose clock moves only when nothing else can.
fn in_system<T>(future: impl Future<Output = T>) -> T {
    let paused = || {
        let mut tokio = tokio::runtime::Builder::new_current_thread();
        tokio.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(paused).block_on(future)
}

/// Under the paused clock a sleep ends when every other task waits for something.
async fn settle() {
    sleep(SECOND).await;
}

/// A first panic or stop, each with the second panic that plain Actix meets while it unwinds.
fn second_panics() -> [(&'static str, Trap); 7] {
    [
        ("in stopping", |child| plain(child.on_stopping(fail)).with(boom())),
        ("in stopped", |child| plain(child.on_stopped(fail)).with(boom())),
        ("in stopping, called again", |child| plain(child.on_stopping(fail)).with(stop())),
        ("as the actor drops", |child| plain(child.carrying(Bomb)).with(boom())),
        ("as a future drops", |child| plain(child.on_started(spawn_a_bomb)).with(boom())),
        ("as a queued message drops", |child| plain(child).with(boom()).with(armed())),
        ("in a queued message that stopping lets in", |child| {
            plain(child.on_stopping(go_on)).with(boom()).with(boom())
        }),
    ]
}

fn probe() -> Probe {
    Probe {
        log: Log::default(),
        on_started: Box::new(|_, _| ()),
        on_stopping: Box::new(|_, _| Running::Stop),
        on_stopped: Box::new(|_, _| ()),
        _cargo: None,
    }
}

fn logged() -> (Log, Probe) {
    let probe = probe();
    (probe.log.clone(), probe)
}

fn act(what: impl FnOnce(&mut Probe, &mut Ctx) + Send + 'static) -> Do {
    Do(Box::new(what))
}

fn note(text: &'static str) -> Do {
    act(move |probe, _| probe.log.add(text))
}

fn stop() -> Do {
    act(|_, ctx| ctx.stop())
}

fn boom() -> Do {
    act(|_, _| panic!("boom"))
}

/// A message whose destructor panics, handled or not.
fn armed() -> Do {
    let bomb = Bomb;
    act(move |_, _| drop(bomb))
}

/// A message that is sent to the actor's own address again, as often as it says.
fn echo(left: usize) -> Do {
    act(move |probe, ctx| {
        probe.log.add("echo");
        if left > 0 {
            ctx.address().do_send(echo(left - 1));
        }
    })
}

/// A message of which the context is notified again, as often as it says.
fn mutter(left: usize) -> Do {
    act(move |probe, ctx| {
        probe.log.add("mutter");
        if left > 0 {
            ctx.notify(mutter(left - 1));
        }
    })
}

fn fail<T>(_: &mut Ctx, _: &Log) -> T {
    panic!("in a hook")
}

fn go_on(_: &mut Ctx, _: &Log) -> Running {
    Running::Continue
}

fn spawn_a_bomb(ctx: &mut Ctx, _: &Log) {
    let bomb = Bomb;
    ctx.spawn(wrap_future(pending().map(move |()| drop(bomb))));
}

/// Spawns a future that logs its polls and never ends.
fn spawn_a_future(ctx: &mut Ctx, log: &Log) {
    let log = log.clone();
    ctx.spawn(wrap_future(poll_fn(move |_| {
        log.add("future polled");
        Poll::Pending
    })));
}

/// Something that blocks its thread, a word that it has begun, and what ends it.
fn blocking() -> (impl FnOnce() + Send + 'static, oneshot::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, word), (end, ended)) = (oneshot::channel(), mpsc::channel());
    let block = move || {
        begun.send(()).unwrap();
        ended.recv().unwrap();
    };
    (block, word, end)
}

fn inbox(capacity: usize) -> Inbox {
    Rc::new(RefCell::new(channel(capacity).1))
}

fn address(inbox: &Inbox) -> Addr<Probe> {
    Addr::new(inbox.borrow().sender())
}

fn drain(inbox: &Inbox) -> usize {
    std::iter::from_fn(|| inbox.borrow_mut().next().now_or_never().flatten()).count()
}

/// An actor with the mailbox that Actix gives it.
fn plain(child: Probe) -> Life {
    let (log, ctx) = (child.log.clone(), Ctx::new());
    Life { log, addr: ctx.address(), future: ctx.into_future(child) }
}

/// An actor that is fed from a mailbox outside of its context.
fn pumped(inbox: &Inbox, child: Probe) -> Life {
    let (log, mut ctx) = (child.log.clone(), Ctx::new());
    *ctx.parts() = ContextParts::new(inbox.borrow().sender_producer());
    ctx.spawn(Pump(inbox.clone()));
    Life { log, addr: address(inbox), future: ctx.into_future(child) }
}

impl Life {
    fn with(self, message: Do) -> Self {
        self.addr.do_send(message);
        self
    }

    /// Polled once, after which it goes on.
    fn begun(mut self) -> Self {
        assert!(self.turn().is_pending());
        self
    }

    fn turn(&mut self) -> Poll<()> {
        poll(&mut self.future)
    }

    /// Polled once, which panics; the payload.
    fn crash(&mut self) -> Box<dyn Any + Send> {
        caught(|| self.turn()).expect_err("this poll panics")
    }
}

fn poll(future: &mut ContextFut<Probe, Ctx>) -> Poll<()> {
    future.poll_unpin(&mut TaskContext::from_waker(noop_waker_ref()))
}

fn caught<T>(what: impl FnOnce() -> T) -> thread::Result<T> {
    catch_unwind(AssertUnwindSafe(what))
}

impl Log {
    fn add(&self, what: &str) {
        let manner = [" while unwinding", ""][usize::from(!thread::panicking())];
        self.0.lock().unwrap().push(format!("{what}{manner}"));
    }

    /// What was logged since it was last asked.
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(", ")
    }

    fn count(&self, what: &str) -> usize {
        let logged = self.0.lock().unwrap();
        logged.iter().filter(|one| *one == what).count()
    }
}

impl Probe {
    fn carrying(mut self, cargo: Bomb) -> Self {
        self._cargo = Some(cargo);
        self
    }

    fn on_started(mut self, hook: impl FnMut(&mut Ctx, &Log) + 'static) -> Self {
        self.on_started = Box::new(hook);
        self
    }

    fn on_stopping(mut self, hook: impl FnMut(&mut Ctx, &Log) -> Running + 'static) -> Self {
        self.on_stopping = Box::new(hook);
        self
    }

    fn on_stopped(mut self, hook: impl FnMut(&mut Ctx, &Log) + 'static) -> Self {
        self.on_stopped = Box::new(hook);
        self
    }
}

impl Actor for Probe {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        self.log.add("started");
        (self.on_started)(ctx, &self.log);
    }

    fn stopping(&mut self, ctx: &mut Ctx) -> Running {
        self.log.add("stopping");
        (self.on_stopping)(ctx, &self.log)
    }

    fn stopped(&mut self, ctx: &mut Ctx) {
        self.log.add("stopped");
        (self.on_stopped)(ctx, &self.log);
    }
}

impl Supervised for Probe {
    fn restarting(&mut self, _: &mut Ctx) {
        self.log.add("restarting");
    }
}

impl Handler<Do> for Probe {
    type Result = ();

    fn handle(&mut self, Do(what): Do, ctx: &mut Ctx) {
        what(self, ctx);
    }
}

impl Handler<Detached> for Probe {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Detached, _: &mut Ctx) -> ResponseFuture<()> {
        Box::pin(async { panic!("detached") })
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counting_waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), Waker::from(wakes))
}
