//! What the supervisor tells through `tracing`, as events of a trace.

use std::{collections::BTreeMap, fmt};

use tracing::{
    field::{Field, Visit},
    subscriber::{self, DefaultGuard},
    Level, Subscriber,
};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    Layer, Registry,
};

use super::{
    journal::{Journal, Notes},
    trace::{Event, Instance},
    words::{Fault, Reason},
};

/// Has everything told on this thread noted, while the guard lives.
pub(super) fn note_all(journal: &Journal) -> DefaultGuard {
    subscriber::set_default(Registry::default().with(Reports(journal.clone())))
}

struct Reports(Journal);

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "actix_dynamic_supervisor" {
            return;
        }
        let mut line = Line { level: *event.metadata().level(), fields: BTreeMap::new() };
        event.record(&mut line);
        let notes = &mut *self.0.notes();
        match line.event(notes) {
            Ok(Some(event)) => notes.events.push(event),
            Ok(None) => {}
            Err(Unexpected) => notes.slip(format!("{} {:?}", line.level, line.fields)),
        }
    }
}

/// One line of the log.
struct Line {
    level: Level,
    fields: BTreeMap<&'static str, String>,
}

/// A line that no scenario should bring about.
struct Unexpected;

impl Line {
    /// The event of a trace that this is, if it is one. It is checked against the notes in any case.
    fn event(&self, notes: &mut Notes) -> Result<Option<Event>, Unexpected> {
        match (self.get("report"), self.get("message")) {
            ("", "supervisor ended") if self.level == Level::ERROR => {
                Ok(Some(Event::Crashed { reason: Reason::told(self.get("reason")).ok_or(Unexpected)? }))
            }
            ("", "supervisor started" | "supervisor ended") if self.level == Level::DEBUG => Ok(None),
            ("", "child started" | "child restarted") if self.level == Level::DEBUG => {
                self.is_right(notes.last(self.label()) == Some(self.instance(notes)?)).map(|()| None)
            }
            ("", "child declined to restart") if self.level == Level::DEBUG => Ok(None),
            // Elixir does not tell these: that the limit comes near, and what is left in a mailbox.
            ("", "restart limit near") if self.level == Level::WARN => Ok(None),
            ("", "child is gone with messages undelivered") if self.level == Level::DEBUG => Ok(None),
            ("", "child ended") if self.level == Level::DEBUG => self.end(notes).map(|_| None),
            ("child_terminated", _) => {
                let (instance, reason) = self.end(notes)?;
                let is_quiet = matches!(reason, Reason::Normal | Reason::Shutdown | Reason::ShutdownX);
                self.is_right(self.level == if is_quiet { Level::WARN } else { Level::ERROR })?;
                Ok(Some(Event::ChildTerminated { reason, instance, restart: self.restart() }))
            }
            ("start_error", _) if self.level == Level::ERROR => Ok(Some(Event::StartError {
                fault: Fault::told(self.get("reason")).ok_or(Unexpected)?,
                last: self.last(notes)?,
                restart: self.restart(),
            })),
            ("shutdown", _) if self.level == Level::ERROR => {
                Ok(Some(Event::LimitReached { last: self.last(notes)?, restart: self.restart() }))
            }
            ("shutdown_error", _) if self.level == Level::ERROR => {
                let (instance, reason) = self.end(notes)?;
                Ok(Some(Event::ShutdownError { reason, instance, restart: self.restart() }))
            }
            _ => Err(Unexpected),
        }
    }

    fn end(&self, notes: &mut Notes) -> Result<(Instance, Reason), Unexpected> {
        let instance = self.instance(notes)?;
        let reason = notes.told_end(&instance, self.get("reason")).ok_or(Unexpected)?;
        Ok((instance, reason))
    }

    /// The instance that the line names.
    fn instance(&self, notes: &Notes) -> Result<Instance, Unexpected> {
        let label = self.label();
        self.is_right(notes.id(label).is_some_and(|id| id.to_string() == self.get("child.id")))?;
        let call = self.get("child.incarnation").parse().map_err(|_| Unexpected)?;
        Ok(Instance { label: label.to_owned(), call })
    }

    /// The last instance that did start of the child that the line names.
    fn last(&self, notes: &Notes) -> Result<Instance, Unexpected> {
        self.instance(notes)?;
        notes.last(self.label()).ok_or(Unexpected)
    }

    fn is_right(&self, is_right: bool) -> Result<(), Unexpected> {
        is_right.then_some(()).ok_or(Unexpected)
    }

    fn label(&self) -> &str {
        self.get("child.label")
    }

    fn restart(&self) -> String {
        self.get("child.restart").to_owned()
    }

    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}
