//! How much of the restart limit is used, as a figure. It rises with each restart, and falls as they get old.

use std::time::{Duration, Instant};

use actix::{AsyncContext, Context, Handler, Message};
use tokio::task::JoinHandle;

use super::{now, DynamicSupervisor};

/// A restart that is exactly one period old still counts.
const MOMENT: Duration = Duration::from_millis(1);

/// The oldest restart that counted may count no more.
struct Look;

impl Message for Look {
    type Result = ();
}

/// Sends [`Look`] in a while. Dropped, it does not.
///
/// A task, and not a timer in the context: that would keep a supervisor alive whose last address is gone.
pub(super) struct Glance(JoinHandle<()>);

impl Drop for Glance {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Handler<Look> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        self.glance = None;
        self.measure_limit(ctx);
    }
}

impl DynamicSupervisor {
    /// Measures now, and again when less of it is used, until nothing is.
    pub(super) fn measure_limit(&mut self, ctx: &Context<Self>) {
        let usage = self.children.usage(now());
        self.teller.meter().limit(usage);
        if let (None, Some(at)) = (&self.glance, usage.next_free) {
            self.glance = Some(look_again(at, ctx));
        }
    }
}

fn look_again(at: Instant, ctx: &Context<DynamicSupervisor>) -> Glance {
    let supervisor = ctx.address().downgrade();
    let at = tokio::time::Instant::from_std(at);
    Glance(actix_rt::spawn(async move {
        tokio::time::sleep_until(at).await;
        tokio::time::sleep(MOMENT).await;
        if let Some(supervisor) = supervisor.upgrade() {
            supervisor.do_send(Look);
        }
    }))
}
