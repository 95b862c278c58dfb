//! Snapshots and events as JSON: field by field, and with texts that a client may have typed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod events;
mod snapshots;
mod spite;

use std::{collections::BTreeSet, future::Future, panic::panic_any, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{FutureExt, StreamExt};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

/// One thread, and a clock that moves on when all are idle.
fn world<T>(test: impl Future<Output = T>) -> T {
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    System::with_tokio_rt(runtime).block_on(test)
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

struct Room;

impl Actor for Room {
    type Context = Context<Self>;
}

impl Supervised for Room {}

/// Ends the room with this reason; without one it panics.
struct End(Option<ExitReason>, &'static str);

impl Message for End {
    type Result = ();
}

impl Handler<End> for Room {
    type Result = ();

    fn handle(&mut self, End(reason, text): End, ctx: &mut Context<Self>) {
        match reason {
            Some(reason) => ctx.exit(reason),
            None => panic_any(text),
        }
    }
}

fn panics(text: &'static str) -> End {
    End(None, text)
}

fn fails(error: impl Into<BoxError>) -> End {
    End(Some(ExitReason::failed(error)), "")
}

fn module() -> &'static str {
    std::any::type_name::<Room>()
}

fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).expect("it can be told")).expect("it is JSON")
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

async fn snapshot(supervisor: &Addr<DynamicSupervisor>, request: TakeSnapshot) -> Value {
    as_json(&supervisor.snapshot(request).await.unwrap())
}

struct Stubborn;

impl Actor for Stubborn {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        Running::Continue
    }
}

impl Supervised for Stubborn {}

/// What is told of a supervisor until it has ended.
async fn events_of(supervisor: &Addr<DynamicSupervisor>, scene: impl AsyncFnOnce()) -> Vec<Value> {
    let events = supervisor.events(Events::new());
    settle().await;
    scene().await;
    settle().await;
    let mut events = events;
    let mut told = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        told.push(as_json(&event));
    }
    told
}
