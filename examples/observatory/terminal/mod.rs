//! The same as the page shows, in a terminal: redrawn each second.

pub(crate) mod recent;
mod screen;
pub(crate) mod text;
pub(crate) mod view;

use std::{future::Future, io, pin::pin, time::Duration};

use actix::Addr;
use actix_dynamic_supervisor::prelude::*;
use futures::StreamExt;
use tokio::time::Instant;

use self::{
    recent::Recent,
    screen::{Resizes, Screen},
    view::Scene,
};

/// Draws until `end`, or until nobody reads any more.
pub(crate) async fn watch(
    supervisor: &Addr<DynamicSupervisor>,
    address: &str,
    columns: Option<usize>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    let (mut screen, mut resizes) = (Screen::open(columns)?, Resizes::new()?);
    let mut recent = Recent::default();
    let mut events = supervisor.events(Events::new().nested(true));
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut end = pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            Some(event) = events.next() => {
                recent.note(event);
                continue;
            }
            () = resizes.next() => screen.measure(),
            _ = seconds.tick() => {}
        }
        let Ok(snapshot) = supervisor.snapshot(TakeSnapshot::new().limit(30)).await else { continue };
        let scene = Scene { snapshot: &snapshot, recent: &recent, address, now: Instant::now() };
        match screen.show(&view::draw(&scene, screen.size(), screen.paint())) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            shown => shown?,
        }
    }
}
