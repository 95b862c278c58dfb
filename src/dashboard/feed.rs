//! What happens, for all who look at this worker: made once, sent to each.
//!
//! It runs while somebody looks, and has one subscription to the supervisor then. Ten times a second it passes on what has
//! happened, once a second a summary. Its own reading never wakes anybody in the supervisor's turn.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use actix_web::{rt, web::Bytes};
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::time::{interval, Instant, MissedTickBehavior};

use super::{
    answer::{json, Refusal},
    asker::{Asker, Question, Shape, Told},
    viewer::{Line, Viewer},
};
use crate::{
    event::{Event, EventKind, EventStream, Events},
    supervisor::SupervisorAddr,
};

const BEAT: Duration = Duration::from_millis(100);
/// Where more than this look, what happens is passed on every fifth beat only: each of them costs a write to its connection.
const MANY_VIEWERS: usize = 64;
const SUMMARY_EVERY: Duration = Duration::from_secs(1);
/// The longest time between two summaries, where a supervisor takes long for them or they are large.
const SUMMARY_EVERY_AT_MOST: Duration = Duration::from_secs(10);
/// Summaries are made less often where more would be sent to each viewer.
const SUMMARY_BYTES_PER_SECOND: usize = 256 * 1024;
/// A summary may take this part of a supervisor's time.
const SUMMARY_SHARE: u32 = 20;
/// Of what happens in a second so many events are sent, the others counted: nobody reads more.
const EVENTS_PER_SECOND: u64 = 200;
/// What those who come later are told.
const RECENT_EVENTS: usize = 100;
const MAX_VIEWERS: usize = 2_048;

pub(super) struct Feed {
    asker: Rc<Asker>,
    has_actions: bool,
    viewers: RefCell<Vec<Rc<Line>>>,
    is_running: Cell<bool>,
    is_asking: Cell<bool>,
    recent: RefCell<VecDeque<Event>>,
    /// The greeting of the last moment: many may come at once.
    greeting: RefCell<Option<(Instant, Bytes)>>,
    summary: RefCell<Option<Bytes>>,
    next_summary: Cell<Option<Instant>>,
    second: RefCell<Second>,
    last_summary: Cell<Option<Instant>>,
}

/// What has happened since the last summary.
#[derive(Default)]
struct Second {
    happened: Happened,
    told: u64,
    left_out: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Happened {
    started: u64,
    exited: u64,
    restarted: u64,
}

#[derive(Serialize)]
struct Greeting<'a> {
    version: &'static str,
    actions: bool,
    recent: &'a VecDeque<Event>,
}

impl Feed {
    pub(super) fn new(asker: Rc<Asker>, has_actions: bool) -> Rc<Self> {
        Rc::new(Self {
            asker,
            has_actions,
            viewers: RefCell::default(),
            is_running: Cell::new(false),
            is_asking: Cell::new(false),
            recent: RefCell::default(),
            greeting: RefCell::default(),
            summary: RefCell::default(),
            next_summary: Cell::new(None),
            second: RefCell::default(),
            last_summary: Cell::new(None),
        })
    }

    /// One more looks.
    pub(super) fn join(self: &Rc<Self>) -> Result<Viewer, Refusal> {
        let greeting = self.greeting()?;
        let mut viewers = self.viewers.borrow_mut();
        viewers.retain(|line| !line.is_closed());
        if viewers.len() >= MAX_VIEWERS {
            return Err(Refusal::Busy);
        }
        let (line, viewer) = Line::open();
        line.send(&greeting);
        if let Some(summary) = &*self.summary.borrow() {
            line.send(summary);
        }
        viewers.push(line);
        if !self.is_running.replace(true) {
            rt::spawn(Rc::clone(self).run());
        }
        Ok(viewer)
    }

    fn greeting(&self) -> Result<Bytes, Refusal> {
        let now = Instant::now();
        let mut kept = self.greeting.borrow_mut();
        if let Some((_, greeting)) = kept.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < BEAT) {
            return Ok(greeting.clone());
        }
        let (version, recent) = (env!("CARGO_PKG_VERSION"), &*self.recent.borrow());
        let text = json(&Greeting { version, actions: self.has_actions, recent })?;
        let greeting = Bytes::from(format!("retry: 2000\nevent: hello\ndata: {text}\n\n"));
        *kept = Some((now, greeting.clone()));
        Ok(greeting)
    }

    async fn run(self: Rc<Self>) {
        let _running = Running(&self);
        let Ok(supervisor) = self.asker.root().addr() else { return self.end() };
        let mut events = supervisor.events(Events::new().nested(true).capacity(8_192));
        drop(supervisor);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for beats in 0_u64.. {
            beat.tick().await;
            self.viewers.borrow_mut().retain(|line| !line.is_closed());
            let viewers = self.viewers.borrow().len();
            if viewers == 0 {
                return;
            }
            if viewers > MANY_VIEWERS && beats % 5 != 0 {
                continue;
            }
            if self.pass_on(&mut events).is_end() {
                return self.end();
            }
            let is_due = self.next_summary.get().is_none_or(|at| at <= Instant::now() + BEAT / 2);
            if is_due && !self.is_asking.replace(true) {
                rt::spawn(Rc::clone(&self).summarise());
            }
        }
    }

    /// Sends what has happened since the last time, as one chunk.
    fn pass_on(&self, events: &mut EventStream) -> Passed {
        let mut chunk = String::new();
        let mut passed = Passed::Quiet;
        // No more than the stream holds: a supervisor that never pauses must not keep us here.
        for _ in 0..8_192 {
            let event = match events.next().now_or_never() {
                Some(Some(event)) => event,
                Some(None) => {
                    passed = Passed::End;
                    break;
                }
                None => break,
            };
            passed = Passed::Some;
            if self.second.borrow_mut().admits(&event) {
                if let Ok(text) = json(&event) {
                    chunk.extend(["data: ", text.as_str(), "\n\n"]);
                }
            }
            let mut recent = self.recent.borrow_mut();
            if recent.len() >= RECENT_EVENTS {
                recent.pop_front();
            }
            recent.push_back(event);
        }
        if !matches!(passed, Passed::Quiet) {
            self.asker.forget_answers();
        }
        if !chunk.is_empty() {
            self.send(&chunk.into());
        }
        passed
    }

    /// Sends the tree, or that there is none, and how much has happened.
    async fn summarise(self: Rc<Self>) {
        struct Asked<'a>(&'a Feed);
        impl Drop for Asked<'_> {
            fn drop(&mut self) {
                self.0.is_asking.set(false);
            }
        }
        let _asked = Asked(&self);
        let began = Instant::now();
        let told = self.asker.ask(Question::Tree(Shape::Json)).await;
        let every = pause(began.elapsed(), &told);
        self.next_summary.set(Some(began + every));
        let (tree, silent) = match &told {
            // Made by `serde_json`, so it is text.
            Ok(tree) => (std::str::from_utf8(tree).unwrap_or("null"), None),
            // That it is gone is told when its events are at their end.
            Err(refusal) => ("null", Some(refusal.to_string())),
        };
        let Second { happened, left_out, .. } = self.second.take();
        let over = self
            .last_summary
            .replace(Some(began))
            .map_or(SUMMARY_EVERY, |last| began.saturating_duration_since(last))
            .as_millis();
        let (Ok(silent), Ok(happened)) = (json(&silent), json(&happened)) else { return };
        let every = every.as_millis();
        let summary = Bytes::from(format!(
            "event: tick\ndata: {{\"tree\":{tree},\"silent\":{silent},\"happened\":{happened},\"over_ms\":{over},\
             \"left_out\":{left_out},\"every_ms\":{every}}}\n\n"
        ));
        self.summary.replace(told.is_ok().then(|| summary.clone()));
        self.send(&summary);
    }

    fn send(&self, chunk: &Bytes) {
        self.viewers.borrow_mut().retain(|line| line.send(chunk));
    }

    /// There is nothing to look at any more.
    fn end(&self) {
        self.send(&Bytes::from_static(b"event: gone\ndata: {}\n\n"));
        for line in self.viewers.take() {
            line.close();
        }
    }
}

/// How long until the next summary, if the last took this long and is this large.
fn pause(took: Duration, told: &Told) -> Duration {
    let Ok(tree) = told else { return SUMMARY_EVERY };
    // A branch that is waited for says nothing about those that answer.
    let took = if took < Duration::from_millis(500) { took } else { Duration::ZERO };
    let by_size = SUMMARY_EVERY * u32::try_from(tree.len() / SUMMARY_BYTES_PER_SECOND).unwrap_or(u32::MAX).min(3_600);
    (took * SUMMARY_SHARE).max(by_size).clamp(SUMMARY_EVERY, SUMMARY_EVERY_AT_MOST)
}

#[derive(Clone, Copy)]
enum Passed {
    Quiet,
    Some,
    End,
}

impl Passed {
    fn is_end(self) -> bool {
        matches!(self, Self::End)
    }
}

impl Second {
    /// Counts an event. Is it sent, too?
    fn admits(&mut self, event: &Event) -> bool {
        match &event.kind {
            EventKind::Started { .. } => self.happened.started += 1,
            EventKind::Exited { .. } => self.happened.exited += 1,
            EventKind::Restarted { .. } => self.happened.restarted += 1,
            _ => {}
        }
        if self.told < EVENTS_PER_SECOND {
            self.told += 1;
            true
        } else {
            self.left_out += 1;
            false
        }
    }
}

/// However a run ends, the next who looks begins another.
struct Running<'a>(&'a Feed);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.is_running.set(false);
        self.0.recent.take();
        self.0.summary.take();
        self.0.greeting.take();
        self.0.second.take();
        self.0.last_summary.take();
    }
}
