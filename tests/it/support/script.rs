//! What probes do in races: stop slowly or never, start when they are let, fail to come back.

use std::{
    future::Future,
    sync::{mpsc, Arc, Mutex},
    task::Context as Cx,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{
    future::{BoxFuture, FutureExt},
    task::noop_waker_ref,
};
use tokio::sync::{oneshot, Semaphore};

use crate::support::{Do, Journal, Probe};

/// Stops this long after it was asked.
pub(crate) fn slow_to_stop(probe: Probe, time: Duration) -> Probe {
    let mut is_asked = false;
    probe.on_stopping(move |_, ctx| {
        if std::mem::replace(&mut is_asked, true) {
            return Running::Stop;
        }
        ctx.run_later(time, |_, ctx| ctx.stop());
        Running::Continue
    })
}

/// Never stops when asked.
pub(crate) fn stubborn(probe: Probe) -> Probe {
    probe.on_stopping(|_, _| Running::Continue)
}

/// Blocks a child's thread until the returned sender is used or dropped.
pub(crate) async fn block(probe: &Addr<Probe>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (tell, blocked) = oneshot::channel();
    probe.do_send(Do::this(move |_, _| {
        let _ = tell.send(());
        let _ = released.recv();
    }));
    blocked.await.expect("it blocks");
    release
}

/// Where asynchronous starts wait until they are let through.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets as many starts through.
    pub(crate) fn admit(&self, starts: usize) {
        self.0.add_permits(starts);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// A permanent probe with an asynchronous start: it writes `starting N`, and from incarnation `from` on waits at the
/// gate.
pub(crate) fn gated(
    journal: &Journal,
    gate: &Gate,
    from: usize,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let (journal, gate) = (journal.clone(), gate.clone());
    Child::from_async(move |cx: StartContext<Probe>| {
        let (journal, gate) = (journal.clone(), gate.clone());
        async move {
            journal.note(format_args!("starting {}", cx.incarnation()));
            if cx.incarnation() >= from {
                gate.pass().await;
            }
            Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
        }
    })
}

/// A permanent probe that starts once. Each try of a restart writes `try N`, runs `on_try` and fails.
pub(crate) fn starts_once(
    journal: &Journal,
    mut on_try: impl FnMut(&StartContext<Probe>) + Send + 'static,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let journal = journal.clone();
    Child::try_with(move |cx: &mut StartContext<Probe>| {
        if cx.incarnation() == 1 {
            return Ok(Start::Run(Probe::new(&journal, 1)));
        }
        journal.note(format_args!("try {}", cx.incarnation()));
        on_try(cx);
        Err(BoxError::from("it does not come back"))
    })
}

/// Answers on their way, for those who must have done their work before they come.
#[derive(Clone, Default)]
pub(crate) struct OnTheWay(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl OnTheWay {
    pub(crate) fn add<T: 'static>(&self, answer: impl Future<Output = T> + Send + 'static) {
        self.0.lock().unwrap().push(answer.map(drop).boxed());
    }

    /// `Some(false)` if one has come, `None` if none is awaited.
    pub(crate) fn still(&self) -> Option<bool> {
        let mut answers = self.0.lock().unwrap();
        let awaited = answers.len();
        answers.retain_mut(|answer| answer.as_mut().poll(&mut Cx::from_waker(noop_waker_ref())).is_pending());
        (awaited > 0).then_some(answers.len() == awaited)
    }
}
