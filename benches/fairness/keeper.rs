//! The two sides by one name: a supervisor, and a manager written by hand.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::{
    busy::{Busy, Load},
    support::actors::{start_worker, supervisor, CountAll, Manager, StartOne, StopOne, Worker},
};

pub(crate) enum Keeper {
    Ours(Addr<DynamicSupervisor>),
    Plain { manager: Addr<Manager<Busy>>, started: u64 },
}

/// A child of either.
pub(crate) enum Kept {
    Ours(ChildId),
    Plain(u64),
}

impl Keeper {
    pub(crate) fn ours() -> Self {
        Self::Ours(supervisor())
    }

    pub(crate) fn plain() -> Self {
        Self::Plain { manager: Manager::default().start(), started: 0 }
    }

    /// A child that has nothing to do.
    pub(crate) async fn start_sibling(&self) -> Addr<Worker> {
        match self {
            Self::Ours(supervisor) => start_worker(supervisor, 0).await.1,
            Self::Plain { .. } => Worker::new(0).start(),
        }
    }

    pub(crate) async fn start_busy(&mut self, load: Load) -> (Kept, Addr<Busy>) {
        match self {
            Self::Ours(supervisor) => {
                let child = supervisor.start_child(Child::new(move || Busy::new(load))).await.unwrap();
                (Kept::Ours(child.id), child.addr)
            }
            Self::Plain { manager, started } => {
                let addr = manager.send(StartOne(Busy::new(load))).await.unwrap();
                *started += 1;
                (Kept::Plain(*started - 1), addr)
            }
        }
    }

    /// Many at once: one by one, each start would wait behind the crashes of all that were started before.
    pub(crate) async fn start_crowd(&mut self, count: usize, load: Load) -> Vec<Kept> {
        match self {
            Self::Ours(supervisor) => {
                let starts = (0..count).map(|_| supervisor.start_child(Child::new(move || Busy::new(load))));
                join_all(starts).await.into_iter().map(|started| Kept::Ours(started.unwrap().id)).collect()
            }
            Self::Plain { .. } => Vec::new(),
        }
    }

    /// Ends a child and waits until it is gone.
    pub(crate) async fn end(&self, child: Kept) {
        match (self, child) {
            (Self::Ours(supervisor), Kept::Ours(id)) => supervisor.terminate_child(id).await.unwrap(),
            (Self::Plain { manager, .. }, Kept::Plain(id)) => {
                let (gone, wait) = oneshot::channel();
                manager.do_send(StopOne(id, gone));
                wait.await.unwrap_err();
            }
            _ => {}
        }
    }

    pub(crate) async fn count(&self) -> usize {
        match self {
            Self::Ours(supervisor) => supervisor.count_children().await.unwrap().active,
            Self::Plain { manager, .. } => manager.send(CountAll).await.unwrap(),
        }
    }
}
