//! The ends of one child, none of which is lost.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

use crate::{exit::ExitReason, id::ChildId, text, unwind};

/// The end of one incarnation of a child, as a [`Monitor`] tells it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildEnd {
    /// The child.
    pub id: ChildId,
    /// Which of its incarnations, counted from 1.
    pub incarnation: usize,
    /// How it ended.
    pub reason: ExitReason,
    /// For how long it ran; `None` if it was asked to end while it did not run.
    pub uptime: Option<Duration>,
    /// Is the child restarted? If not, nothing follows; but what declines or is given up on its way back is told again, as
    /// an end without an uptime.
    pub comes_back: bool,
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} incarnation {} exited", self.id, self.incarnation)?;
        if let Some(uptime) = self.uptime {
            write!(f, " after {}", text::brief(uptime))?;
        }
        write!(f, "{}: {}", if self.comes_back { ", comes back" } else { "" }, unwind::text_of(&self.reason))
    }
}

/// Tells every end of a child from the moment it was asked for, until the child is gone.
///
/// None is lost: ends wait here until they are read, as many as there are. Whoever does not read drops it.
///
/// # In Elixir
///
/// `Process.monitor/1`, whose pid is one incarnation: it tells one end.
#[must_use = "nothing is told unless it is read"]
pub struct Monitor(UnboundedReceiver<ChildEnd>);

impl Monitor {
    /// The next end; `None` when the child is gone and that has been told.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<ChildEnd> {
        self.0.recv().await
    }
}

impl Stream for Monitor {
    type Item = ChildEnd;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChildEnd>> {
        self.0.poll_recv(cx)
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("waiting", &self.0.len()).finish_non_exhaustive()
    }
}

/// The supervisor's part of a [`Monitor`].
pub(crate) struct Watcher(UnboundedSender<ChildEnd>);

impl Watcher {
    /// `false` if nobody reads it any more.
    pub(crate) fn tell(&self, end: &ChildEnd) -> bool {
        // It wakes the reader, whose waker is user code. Should that panic, the end has been told all the same.
        let _ = unwind::guard(|| self.0.send(end.clone()).is_ok());
        self.is_read()
    }

    pub(crate) fn is_read(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let (other, _) = unbounded_channel();
        // The last sender wakes the reader.
        let own = std::mem::replace(&mut self.0, other);
        let _ = unwind::dispose(own);
    }
}

pub(crate) fn watch_child() -> (Watcher, Monitor) {
    let (sender, receiver) = unbounded_channel();
    (Watcher(sender), Monitor(receiver))
}
