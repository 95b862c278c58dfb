//! Supervisors and children to be shown.

use std::{
    sync::mpsc::{channel, Sender},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

/// A child that does what it is told.
pub(crate) struct Room;

impl Actor for Room {
    type Context = Context<Self>;
}

impl Supervised for Room {}

/// A child of another type.
pub(crate) struct Session;

impl Actor for Session {
    type Context = Context<Self>;
}

impl Supervised for Session {}

/// Panic with this text.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash(pub(crate) String);

impl Handler<Crash> for Room {
    type Result = ();

    fn handle(&mut self, Crash(text): Crash, _: &mut Context<Self>) {
        panic!("{text}");
    }
}

/// Keep the thread until the other end is dropped.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Block(std::sync::mpsc::Receiver<()>, Sender<()>);

impl Block {
    /// The message, what ends it when it is dropped, and what tells that it has begun.
    pub(crate) fn new() -> (Self, Sender<()>, std::sync::mpsc::Receiver<()>) {
        let ((end, wait), (begun, has_begun)) = (channel(), channel());
        (Self(wait, begun), end, has_begun)
    }
}

impl Handler<Block> for Room {
    type Result = ();

    fn handle(&mut self, Block(wait, begun): Block, _: &mut Context<Self>) {
        begun.send(()).unwrap();
        let _ = wait.recv();
    }
}

/// Does not end when it is asked to.
pub(crate) struct Stubborn;

impl Actor for Stubborn {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        Running::Continue
    }
}

impl Supervised for Stubborn {}

pub(crate) fn supervisor() -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().name("shown").max_restarts(1_000).start().unwrap()
}

/// A room that comes back after each crash.
pub(crate) async fn room(supervisor: &Addr<DynamicSupervisor>, name: &str) -> Started<Room> {
    supervisor.start_child(Child::new(|| Room).id(name)).await.unwrap()
}

/// A room that waits for a minute before it comes back.
pub(crate) async fn patient_room(supervisor: &Addr<DynamicSupervisor>, name: &str) -> Started<Room> {
    let room = Child::new(|| Room).id(name).backoff(Backoff::fixed(Duration::from_secs(60)));
    supervisor.start_child(room).await.unwrap()
}

pub(crate) async fn nested(supervisor: &Addr<DynamicSupervisor>, name: &str) -> Addr<DynamicSupervisor> {
    supervisor.start_child(DynamicSupervisor::builder().into_child().id(name)).await.unwrap().addr
}

/// Crashes it, and waits until its supervisor knows.
pub(crate) async fn crash(supervisor: &Addr<DynamicSupervisor>, room: &Started<Room>, text: &str) {
    assert!(room.addr.send(Crash(text.to_owned())).await.is_err());
    // Its report lies in the mailbox before this question.
    supervisor.count_children().await.unwrap();
}
