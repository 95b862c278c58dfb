//! Events, monitors of one child, last lives: what is told of what happens, and that nothing of it is lost.

mod arbiters;
mod deadlines;
mod ends;
mod lives;
mod monitors;
mod nested;
mod starts;
mod streams;
mod subscribers;
mod sums;
mod threads;
mod usage;
mod watched;

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder, ChildEnd, EventChild, Monitor};
use futures::{FutureExt, StreamExt};

use crate::support::{settle, Journal, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A supervisor, who listens to it, and the journal of its probes.
struct Scene {
    supervisor: Addr<DynamicSupervisor>,
    journal: Journal,
    events: EventStream,
}

impl Scene {
    /// With a limit that does not come near.
    fn new() -> Self {
        Self::of(DynamicSupervisor::builder().max_restarts(1000))
    }

    fn of(builder: Builder) -> Self {
        let supervisor = builder.start().unwrap();
        let events = supervisor.events(Events::new().nested(true));
        Self { supervisor, journal: Journal::new(), events }
    }

    fn probe(&self) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        Probe::child(&self.journal)
    }

    /// Starts a child and has its ends told.
    async fn watch<S: ChildSpec<Actor = Probe>>(&self, spec: S) -> (Started<Probe, S::Info>, Monitor) {
        let child = self.supervisor.start_child(spec).await.unwrap();
        let monitor = self.supervisor.monitor(child.id).await.unwrap();
        (child, monitor)
    }

    /// What has been told since it was asked last, when all that is ready has run.
    async fn told(&mut self) -> Vec<String> {
        settle().await;
        read(&mut self.events)
    }

    /// The same for a clock that runs: up to this, which is waited for, and without times.
    async fn told_up_to(&mut self, last: &str) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        while told.last().is_none_or(|told| told != last) {
            match tokio::time::timeout(PATIENCE, self.events.next()).await {
                Ok(Some(event)) => told.push(untimed(&words(&event))),
                Ok(None) if last == "." => told.push(".".into()),
                Ok(None) | Err(_) => panic!("{last:?} is not told: {told:?}"),
            }
        }
        told
    }
}

/// What was told of one child. Of those on other threads only that has an order that is promised.
fn of<'a>(child: &str, told: &'a [String]) -> Vec<&'a str> {
    told.iter().filter_map(|told| told.strip_prefix(child)).collect()
}

/// Without how long something took.
fn untimed(told: &str) -> String {
    match told.split_once(" after ") {
        Some((before, after)) => format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => told.into(),
    }
}

/// What waits in a stream, each event as a few words; `.` stands for its end.
fn read(events: &mut EventStream) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match events.next().now_or_never() {
            Some(Some(event)) => told.push(words(&event)),
            Some(None) => {
                told.push(".".into());
                return told;
            }
            None => return told,
        }
    }
}

/// What waits in a monitor: which incarnation ended, how, after how many milliseconds, and whether it comes back; `.` stands
/// for its end.
fn ends(monitor: &mut Monitor) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match monitor.next().now_or_never() {
            Some(Some(end)) => told.push(end_in_words(&end)),
            Some(None) => {
                told.push(".".into());
                return told;
            }
            None => return told,
        }
    }
}

fn end_in_words(end: &ChildEnd) -> String {
    let uptime = end.uptime.map_or("away".into(), |uptime| format!("after {}", uptime.as_millis()));
    let back = if end.comes_back { ", back" } else { "" };
    format!("{} {} {uptime}{back}", end.incarnation, end.reason)
}

/// `1#2` is the second incarnation of the first child.
fn name(child: &EventChild) -> String {
    let id = child.id.to_string();
    format!("{}#{}", id.rsplit_once('.').unwrap().1, child.incarnation)
}

fn words(event: &Event) -> String {
    let who = event.child().map(name).unwrap_or_default();
    match &event.kind {
        EventKind::SupervisorStarted => "begins".into(),
        EventKind::Started { .. } => format!("{who} started"),
        EventKind::StartFailed { reason, comes_back, .. } => {
            format!("{who} start failed: {reason}{}", if *comes_back { ", back" } else { "" })
        }
        EventKind::Exited { reason, uptime, asked, comes_back, .. } => format!(
            "{who} exited after {}: {reason}{}{}",
            uptime.as_millis(),
            if *asked { ", asked" } else { "" },
            if *comes_back { ", back" } else { "" },
        ),
        EventKind::RestartScheduled { attempt, delay, .. } => format!("{who} try {attempt} in {}", delay.as_millis()),
        EventKind::Restarted { downtime, .. } => format!("{who} restarted after {}", downtime.as_millis()),
        EventKind::Removed { reason, .. } => format!("{who} removed: {reason}"),
        EventKind::Declined { .. } => format!("{who} declined"),
        EventKind::GaveUp { lives, .. } => format!("{who} given up with {} lives", lives.len()),
        EventKind::LimitNear { limit } => format!("near: {}/{}", limit.used, limit.max_restarts),
        EventKind::LimitReached { lives, .. } => format!("{who} limit reached with {} lives", lives.len()),
        EventKind::ShutdownBegun { children } => format!("closes {children}"),
        EventKind::ShutdownEnded { reason, .. } => format!("ends: {reason}"),
        EventKind::KilledAtDeadline { .. } => format!("{who} killed at deadline"),
        EventKind::Unresponsive { children, .. } => format!("{who} unresponsive with {children}"),
        EventKind::QueueClosed { undelivered, .. } => format!("{who} left {undelivered}"),
        EventKind::PanicContained { panic, .. } => format!("{who} contained {}", panic.message()),
        EventKind::Missed { events } => format!("missed {events}"),
        _ => "?".into(),
    }
}

/// The child panics in a handler, and its supervisor has been told when this returns.
async fn crash(child: &Addr<Probe>) {
    assert!(child.send(Panic("boom")).await.is_err());
}

async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
