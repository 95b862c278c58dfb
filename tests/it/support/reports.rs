//! What supervisors on this thread tell through `tracing`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    field::{Field, Visit},
    subscriber::DefaultGuard,
    Event, Level, Subscriber,
};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    Layer, Registry,
};

/// One log line: its level, its message and all its fields as text.
#[derive(Clone, Debug)]
pub struct Report {
    pub level: Level,
    pub message: String,
    pub fields: BTreeMap<String, String>,
}

impl Report {
    /// A field's text; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Captures while it lives.
pub struct Reports {
    lines: Arc<Mutex<Vec<Report>>>,
    _guard: DefaultGuard,
}

impl Reports {
    pub fn capture() -> Self {
        let lines = Arc::default();
        let subscriber = Registry::default().with(Capture { lines: Arc::clone(&lines) });
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Everything told, `debug` lines included.
    pub fn lines(&self) -> Vec<Report> {
        self.lines.lock().unwrap().clone()
    }

    /// Only the four supervisor reports.
    pub fn all(&self) -> Vec<Report> {
        self.lines().into_iter().filter(|line| line.fields.contains_key("report")).collect()
    }

    /// The kinds of the four supervisor reports, in order.
    pub fn kinds(&self) -> Vec<String> {
        self.all().iter().map(|line| line.field("report").to_owned()).collect()
    }
}

struct Capture {
    lines: Arc<Mutex<Vec<Report>>>,
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let level = *event.metadata().level();
        self.lines.lock().unwrap().push(Report { level, message, fields: fields.0 });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
