//! One who looks: a queue of bounded length between the feed, which never waits, and a connection.
//!
//! Both are on the same thread. When the queue is full, its reader is too slow: what waits is dropped at once, and the
//! connection is closed as soon as it takes anything; the page then comes back by itself.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::web::Bytes;
use futures::Stream;

/// How many chunks may wait for one reader.
pub(super) const MAX_CHUNKS: usize = 64;

/// The feed's end.
pub(super) struct Line {
    chunks: RefCell<VecDeque<Bytes>>,
    waker: Cell<Option<Waker>>,
    /// Nothing comes any more, or nobody reads.
    is_closed: Cell<bool>,
}

impl Line {
    pub(super) fn open() -> (Rc<Self>, Viewer) {
        let line = Rc::new(Self { chunks: RefCell::default(), waker: Cell::new(None), is_closed: Cell::new(false) });
        let viewer = Viewer(Rc::clone(&line));
        (line, viewer)
    }

    /// `false` if nobody reads it any more, or too slowly.
    pub(super) fn send(&self, chunk: &Bytes) -> bool {
        if self.is_closed.get() {
            return false;
        }
        let mut chunks = self.chunks.borrow_mut();
        if chunks.len() < MAX_CHUNKS {
            chunks.push_back(chunk.clone());
        } else {
            chunks.clear();
            self.is_closed.set(true);
        }
        drop(chunks);
        self.wake();
        !self.is_closed.get()
    }

    /// Nothing comes any more; what waits is still read.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The connection's end: the body of a response.
pub(super) struct Viewer(Rc<Line>);

impl Stream for Viewer {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let line = &self.0;
        let next = line.chunks.borrow_mut().pop_front();
        match next {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None if line.is_closed.get() => Poll::Ready(None),
            None => {
                line.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.is_closed.set(true);
        self.0.chunks.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn read(viewer: &mut Viewer) -> Option<Option<Bytes>> {
        viewer.next().now_or_never().map(|chunk| chunk.map(|Ok(chunk)| chunk))
    }

    #[test]
    fn what_is_sent_is_read_in_order() {
        let (line, mut viewer) = Line::open();
        assert!(line.send(&Bytes::from("a")) && line.send(&Bytes::from("b")));
        assert_eq!(read(&mut viewer), Some(Some("a".into())));
        line.close();
        assert_eq!(read(&mut viewer), Some(Some("b".into())));
        assert_eq!(read(&mut viewer), Some(None));
    }

    #[test]
    fn who_reads_too_slowly_is_let_go_and_nothing_is_kept_for_him() {
        let (line, mut viewer) = Line::open();
        let chunk = Bytes::from("x");
        for _ in 0..MAX_CHUNKS {
            assert!(line.send(&chunk));
        }
        assert!(!line.send(&chunk));
        assert!(line.is_closed() && line.chunks.borrow().is_empty());
        assert_eq!(read(&mut viewer), Some(None));
    }

    #[test]
    fn a_connection_that_goes_closes_its_line() {
        let (line, viewer) = Line::open();
        assert!(line.send(&Bytes::from("x")));
        drop(viewer);
        assert!(line.is_closed() && !line.send(&Bytes::from("x")));
        assert!(line.chunks.borrow().is_empty());
    }
}
