//! Requests that are about the supervisor itself: its own end, what it knows, its options.

use std::{mem, time::Duration};

use actix::{Context, Handler};

use super::{
    messages::{AwaitExit, CountChildren, Reinit, Stop, WhichChildren},
    now,
    reply::{owe, Reply},
    seat::{info, Seat},
    watch::{Parts, Watched},
    DynamicSupervisor,
};
use crate::{
    children::{ChildCounts, Entry},
    error::ReinitError,
    exit::ExitReason,
    runner::Examined,
    snapshot::{ChildInfo, ShutdownReport},
    unwind,
};

impl Handler<Stop> for DynamicSupervisor {
    type Result = Reply<ShutdownReport>;

    fn handle(&mut self, stop: Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        self.stop(stop, promise, ctx);
        reply
    }
}

impl Handler<Watched<Stop>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<Stop>, ctx: &mut Context<Self>) {
        let Some(Parts { request, progress }) = watched.take() else { return };
        let slowest = self.children.iter().try_fold(Duration::ZERO, |slowest, (_, entry)| {
            entry.rules.shutdown.limit().map(|limit| slowest.max(limit))
        });
        let limit = match (slowest, request.deadline) {
            (Some(slowest), Some(deadline)) => Some(slowest.min(deadline)),
            (slowest, deadline) => slowest.or(deadline),
        };
        progress.begun(limit.map(|limit| limit.saturating_add(self.own_time_to_end())));
        self.stop(request, progress.into(), ctx);
    }
}

impl Handler<AwaitExit> for DynamicSupervisor {
    type Result = Reply<ExitReason>;

    fn handle(&mut self, _: AwaitExit, _: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        owe(&mut self.exits, promise);
        reply
    }
}

impl Handler<Watched<AwaitExit>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<AwaitExit>, _: &mut Context<Self>) {
        let Some(Parts { progress, .. }) = watched.take() else { return };
        progress.begun(None);
        owe(&mut self.exits, progress.into());
    }
}

impl Handler<CountChildren> for DynamicSupervisor {
    type Result = Reply<ChildCounts>;

    fn handle(&mut self, _: CountChildren, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.children.counts())
    }
}

impl Handler<WhichChildren> for DynamicSupervisor {
    type Result = Reply<Vec<ChildInfo>>;

    fn handle(&mut self, _: WhichChildren, _: &mut Context<Self>) -> Self::Result {
        let now = now();
        let told = |(id, entry): (_, &Entry<Seat>)| {
            // Nobody would wait for the answers of those elsewhere.
            let vitals = match entry.seat.runner.is_here().then(|| entry.seat.runner.examine(false)) {
                Some(Examined::Now(vitals)) => Some(vitals),
                Some(Examined::Later(_)) | None => None,
            };
            info(id, entry, vitals.as_ref(), now)
        };
        Reply::now(self.children.iter().map(told).collect())
    }
}

impl Handler<Reinit> for DynamicSupervisor {
    type Result = Reply<Result<(), ReinitError>>;

    fn handle(&mut self, _: Reinit, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.reinit())
    }
}

impl Handler<Watched<Reinit>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<Reinit>, _: &mut Context<Self>) {
        let Some(Parts { progress, .. }) = watched.take() else { return };
        progress.begun(None);
        progress.done(self.reinit());
    }
}

impl DynamicSupervisor {
    fn reinit(&mut self) -> Result<(), ReinitError> {
        if let Some(flags) = self.flags.flags()? {
            self.children.set_flags(&flags);
            #[cfg(feature = "metrics")]
            self.teller.meter().limit(self.children.usage(now()));
            self.teller.set_max_reports_per_second(flags.max_reports_per_second);
            match &self.link {
                Some(link) => {
                    link.starts.set(flags.max_concurrent_starts);
                    link.inherited.set_extras(flags.extras);
                }
                None => {
                    self.max_concurrent_starts = flags.max_concurrent_starts;
                    let _ = unwind::dispose(mem::replace(&mut self.extras, flags.extras));
                }
            }
        }
        Ok(())
    }
}
