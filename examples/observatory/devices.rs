//! `devices`: what cannot be relied on. One cannot be reached, one is out of order, one takes its time to end.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::dice::Dice;

const ARCHIVE: &str = "tape-archive";

/// How long the archive takes to end; less than the 5 seconds that it has.
const REWIND: Duration = Duration::from_millis(1_500);

pub(crate) fn supervisor() -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name("devices")
        .with_children(|devices| {
            devices.start_child(sensor());
            devices.start_child(printer());
            devices.start_child(archive().key(ARCHIVE));
        })
        .into_child()
}

/// Cannot be reached most of the time: tried again and again, later each time.
fn sensor() -> impl ChildSpec<Actor = Device> {
    Child::try_with(|cx| match cx.incarnation() % 10 {
        1 => Ok(Start::Run(Device { fails_after: Duration::from_millis(300), with: "connection reset by peer" })),
        _ => Err("sensor.attic:4840: no route to host"),
    })
    .key("attic-sensor")
    .backoff(Backoff::exponential(Duration::from_millis(250), Duration::from_secs(20)).jitter(0.2, 7))
    .max_restarts(1_000, Duration::from_secs(3_600))
}

/// Given up for the time being: tried again in ten minutes.
fn printer() -> impl ChildSpec<Actor = Device> {
    Child::try_with(|cx| match cx.incarnation() {
        1 => Ok(Start::Run(Device { fails_after: Duration::from_millis(200), with: "out of paper" })),
        _ => Err("lp0: printer on fire"),
    })
    .key("printer")
    .backoff(Backoff::fixed(Duration::from_millis(200)))
    .max_restarts(2, Duration::from_secs(60))
    .give_up(GiveUp::Park { every: Duration::from_secs(600) })
}

struct Device {
    fails_after: Duration,
    with: &'static str,
}

impl Actor for Device {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let with = self.with;
        ctx.run_later(self.fails_after, move |_, ctx| ctx.exit(ExitReason::failed(with)));
    }
}

impl Supervised for Device {}

fn archive() -> Child<Archive, (), impl FnMut(&mut StartContext<Archive>) -> Starting<Archive> + Send + 'static> {
    Child::new(Archive::default)
}

/// Rewinds its tape before it ends.
#[derive(Default)]
struct Archive {
    is_rewound: bool,
    is_rewinding: bool,
}

impl Actor for Archive {
    type Context = Context<Self>;

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        if self.is_rewound {
            return Running::Stop;
        }
        if !self.is_rewinding {
            self.is_rewinding = true;
            ctx.run_later(REWIND, |archive, ctx| {
                archive.is_rewound = true;
                ctx.stop();
            });
        }
        Running::Continue
    }
}

impl Supervised for Archive {}

/// Changes the tape now and then.
pub(crate) async fn change_tapes(seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        if let Some(devices) = DynamicSupervisor::whereis("devices") {
            let _ = devices.get_or_start(ARCHIVE, archive()).await;
            actix_rt::time::sleep(dice.millis(20_000, 30_000)).await;
            let _ = devices.terminate_child(ChildHandle::key::<Archive>(ARCHIVE)).await;
        }
        actix_rt::time::sleep(dice.millis(2_000, 4_000)).await;
    }
}
