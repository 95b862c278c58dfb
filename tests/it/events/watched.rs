//! Spans and measured polls, which a supervisor has where it is asked for them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use tracing::{
    field::{Field, Visit},
    info,
    span::{Attributes, Id},
    subscriber::{set_default, DefaultGuard},
    Event as Line, Subscriber,
};
use tracing_subscriber::{
    layer::{Context as LayerContext, SubscriberExt},
    registry::LookupSpan,
    Layer, Registry,
};

use crate::support::{real_world, settle, world};

/// What was logged by actors, each with the fields of the span it was logged in.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, Fields)>>>);

type Fields = BTreeMap<String, String>;

impl Lines {
    fn capture() -> (Self, DefaultGuard) {
        let lines = Self::default();
        (lines.clone(), set_default(Registry::default().with(lines)))
    }

    fn take(&self) -> Vec<(String, Fields)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Record<'a>(&'a mut Fields);

impl Visit for Record<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: LayerContext<'_, S>) {
        let mut fields = Fields::new();
        fields.insert("span".to_owned(), attributes.metadata().name().to_owned());
        attributes.record(&mut Record(&mut fields));
        cx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Line<'_>, cx: LayerContext<'_, S>) {
        if event.metadata().target() == "talker" {
            let mut own = Fields::new();
            event.record(&mut Record(&mut own));
            let span = cx.event_span(event).and_then(|span| span.extensions().get::<Fields>().cloned());
            self.0.lock().unwrap().push((own["message"].clone(), span.unwrap_or_default()));
        }
    }
}

/// Logs whatever it does.
struct Talker;

impl Actor for Talker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        info!(target: "talker", "started");
        ctx.run_later(Duration::from_secs(1), |_, _| info!(target: "talker", "timer"));
    }

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        info!(target: "talker", "stopping");
        Running::Stop
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        info!(target: "talker", "stopped");
    }
}

impl Supervised for Talker {}

impl Drop for Talker {
    fn drop(&mut self) {
        info!(target: "talker", "dropped");
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Say(&'static str);

impl Handler<Say> for Talker {
    type Result = ();

    fn handle(&mut self, Say(what): Say, _: &mut Context<Self>) {
        info!(target: "talker", "{what}");
        match what {
            "boom" => std::panic::panic_any(what),
            // There is no other way to keep a thread.
            "long" => thread::sleep(LONG),
            _ => {}
        }
    }
}

fn talker() -> impl ChildSpec<Actor = Talker, Info = ()> {
    Child::new(|| Talker).key("lobby").id("a talker")
}

#[test]
fn whatever_an_actor_logs_is_inside_the_span_of_its_incarnation() {
    world(async {
        let (lines, _guard) = Lines::capture();
        let supervisor = DynamicSupervisor::builder().name("rooms").spans(true).start().unwrap();
        let child = supervisor.start_child(talker()).await.unwrap();
        child.addr.send(Say("hello")).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        settle().await;
        child.addr.send(Say("boom")).await.unwrap_err();
        child.addr.send(Say("again")).await.unwrap();
        supervisor.terminate_child(child.id).await.unwrap();
        info!(target: "talker", "outside");

        let lines = lines.take();
        let said: Vec<_> =
            lines.iter().map(|(said, fields)| (said.as_str(), fields.get("incarnation").map_or("-", |i| i))).collect();
        assert_eq!(
            said,
            [
                ("started", "1"),
                ("hello", "1"),
                ("timer", "1"),
                ("boom", "1"),
                ("stopping", "1"),
                ("stopped", "1"),
                ("dropped", "1"),
                ("started", "2"),
                ("again", "2"),
                ("stopping", "2"),
                ("stopped", "2"),
                ("dropped", "2"),
                ("outside", "-"),
            ]
        );
        let expected = [
            ("id", child.id.to_string()),
            ("incarnation", "1".to_owned()),
            ("key", "lobby".to_owned()),
            ("label", "a talker".to_owned()),
            ("module", std::any::type_name::<Talker>().to_owned()),
            ("span", "child".to_owned()),
            ("supervisor", "rooms".to_owned()),
        ];
        assert_eq!(lines[0].1, expected.map(|(name, value)| (name.to_owned(), value)).into());
    });
}

#[test]
fn unless_it_is_asked_for_there_is_no_span() {
    world(async {
        let (lines, _guard) = Lines::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(talker()).await.unwrap();
        child.addr.send(Say("hello")).await.unwrap();
        assert!(lines.take().iter().all(|(_, fields)| fields.is_empty()));
    });
}

#[test]
fn the_supervisor_is_outside_of_the_span_of_a_child_that_it_starts() {
    world(async {
        let (lines, _guard) = Lines::capture();
        let supervisor = DynamicSupervisor::builder().spans(true).start().unwrap();
        let child = Child::with(|_| {
            info!(target: "talker", "factory");
            Talker
        });
        supervisor.start_child(child).await.unwrap();
        let lines = lines.take();
        assert_eq!((lines[0].0.as_str(), lines[0].1.len()), ("factory", 0), "there is no incarnation yet");
        assert_eq!((lines[1].0.as_str(), lines[1].1["incarnation"].as_str()), ("started", "1"));
    });
}

/// Panics whenever a span is entered or left.
struct Spiteful;

impl<S: Subscriber> Layer<S> for Spiteful {
    fn on_enter(&self, _: &Id, _: LayerContext<'_, S>) {
        std::panic::panic_any("on_enter");
    }

    fn on_exit(&self, _: &Id, _: LayerContext<'_, S>) {
        std::panic::panic_any("on_exit");
    }
}

/// Panics when a span is over.
struct SpitefulInTheEnd;

impl<S: Subscriber> Layer<S> for SpitefulInTheEnd {
    fn on_close(&self, _: Id, _: LayerContext<'_, S>) {
        std::panic::panic_any("on_close");
    }
}

/// One that panics in `on_exit` and in `on_close` aborts, inside `tracing-subscriber`: a span that was not left is the parent
/// of the next one, and the end of that one ends it, too, while the first panic unwinds.
#[test]
fn a_subscriber_that_panics_at_each_span_harms_nobody() {
    world(async {
        let _guard = set_default(Registry::default().with(Spiteful));
        live_and_die().await;
    });
    world(async {
        let _guard = set_default(Registry::default().with(SpitefulInTheEnd));
        live_and_die().await;
    });
}

async fn live_and_die() {
    let supervisor = DynamicSupervisor::builder().spans(true).start().unwrap();
    let child = supervisor.start_child(talker()).await.unwrap();
    child.addr.send(Say("hello")).await.unwrap();
    child.addr.send(Say("boom")).await.unwrap_err();
    child.addr.send(Say("again")).await.unwrap();
    supervisor.terminate_child(child.id).await.unwrap();
    supervisor.stop().await.unwrap();
}

const LONG: Duration = Duration::from_millis(20);

async fn longest_poll(supervisor: &Addr<DynamicSupervisor>) -> Option<Duration> {
    supervisor.which_children().await.unwrap()[0].longest_poll
}

#[test]
fn the_longest_poll_is_measured_where_it_is_asked_for() {
    real_world(async {
        let supervisor = DynamicSupervisor::builder().measure(true).start().unwrap();
        let child = supervisor.start_child(Child::new(|| Talker)).await.unwrap();
        child.addr.send(Say("hello")).await.unwrap();
        let before = longest_poll(&supervisor).await.unwrap();
        child.addr.send(Say("long")).await.unwrap();
        // The answer is sent before the poll is over.
        settle().await;
        let after = longest_poll(&supervisor).await.unwrap();
        assert!(after >= LONG && after > before, "{before:?}, {after:?}");
    });
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for() {
    real_world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Child::new(|| Talker)).await.unwrap();
        child.addr.send(Say("hello")).await.unwrap();
        assert_eq!(longest_poll(&supervisor).await, None);
    });
}
