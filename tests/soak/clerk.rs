//! The children: they do jobs, and write down each before they do it.

use std::{sync::Arc, thread, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::history::History;

pub(crate) struct Clerk {
    key: u64,
    history: Arc<History>,
}

/// Half of them may be taken over when their thread is blocked.
pub(crate) fn may_be_taken_over(key: u64) -> bool {
    key.is_multiple_of(2)
}

pub(crate) fn spec(key: u64, history: &Arc<History>) -> impl ChildSpec<Actor = Clerk, Info = ()> {
    let history = Arc::clone(history);
    let on_unresponsive = if may_be_taken_over(key) { OnUnresponsive::TakeOver } else { OnUnresponsive::Wait };
    Child::new(move || {
        history.born(key);
        Clerk { key, history: Arc::clone(&history) }
    })
    .on_unresponsive(on_unresponsive)
}

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Without limit: what does not fit into a mailbox is sent later, and Actix lets others in before it.
        ctx.set_mailbox_capacity(0);
    }
}

impl Supervised for Clerk {}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.history.died(self.key);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    Crash,
    EndArbiter,
    Block,
}

/// `batch` 0: not recorded.
pub(crate) struct Job {
    pub(crate) batch: u64,
    pub(crate) at: u64,
    pub(crate) deed: Deed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) key: u64,
    pub(crate) batch: u64,
    pub(crate) at: u64,
}

impl Message for Job {
    type Result = Done;
}

impl Handler<Job> for Clerk {
    type Result = MessageResult<Job>;

    fn handle(&mut self, Job { batch, at, deed }: Job, _: &mut Context<Self>) -> Self::Result {
        self.history.handled(batch, at);
        match deed {
            Deed::Nothing => {}
            Deed::Crash => panic!("as told"),
            Deed::EndArbiter => {
                Arbiter::current().stop();
            }
            Deed::Block => thread::sleep(Duration::from_millis(1500)),
        }
        MessageResult(Done { key: self.key, batch, at })
    }
}
