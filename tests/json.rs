//! Snapshots and events as JSON: field by field, and with texts that a client may have typed.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, future::Future, panic::panic_any, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Life, ShutdownReport, Told};
use futures::{FutureExt, StreamExt};
use serde_json::{json, Value};
use tokio::time::sleep;

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

#[test]
fn a_supervisor_is_told_field_by_field() {
    world(async {
        let builder = DynamicSupervisor::builder().name("root").max_children(100).max_restarts(3).max_seconds(5);
        let root = builder.start().unwrap();
        let room = root.start_child(Child::new(|| Room)).await.unwrap();
        sleep(12_345 * Duration::from_millis(1)).await;
        room.addr.do_send(panics("boom"));
        settle().await;
        sleep(1_800 * Duration::from_millis(1)).await;
        let mut told = snapshot(&root, TakeSnapshot::new()).await;
        assert!(told["children"].as_array_mut().unwrap().drain(..).count() == 1);
        let (id, _) = room.id.to_string().split_once('.').map(|(id, rest)| (id.to_owned(), rest.to_owned())).unwrap();
        let expected = json!({
            "id": id, "name": "root", "path": "root", "state": "running", "age_ms": 14_145,
            "counts": {"specs": 1, "active": 1, "supervisors": 0, "workers": 1},
            "max_children": 100,
            "limit": {"used": 1, "max_restarts": 3, "period_ms": 5_000, "next_free_ms": 3_200},
            "sums": [{"module": module(), "state": "running", "children": 1, "restarts": 1}],
            "children": [], "matched": 1, "nested": [], "nested_left_out": 0,
        });
        assert_eq!(told, expected);

        let plain = snapshot(&DynamicSupervisor::builder().start().unwrap(), TakeSnapshot::new()).await;
        assert_eq!((&plain["max_children"], &plain["limit"]["next_free_ms"]), (&Value::Null, &Value::Null));
    });
}

#[test]
fn a_child_is_told_field_by_field() {
    world(async {
        let root = DynamicSupervisor::builder().measure(true).start().unwrap();
        let spec = Child::new(|| Room).id("label").key("lobby").restart(Restart::Transient);
        let spec = spec.max_restarts(7, 60 * SECOND).backoff(Backoff::fixed(2 * SECOND));
        let room = root.start_child(spec).await.unwrap();
        sleep(5 * SECOND).await;
        room.addr.do_send(panics("boom"));
        settle().await;
        sleep(1_200 * Duration::from_millis(1)).await;
        let told = snapshot(&root, TakeSnapshot::new().queues(true)).await;
        let reason = json!({
            "kind": "panicked", "text": "panicked: boom", "abnormal": true, "location": null, "handling": null,
        });
        let mut child = told["children"][0].clone();
        assert!(child["longest_poll_ms"].take().is_f64());
        let expected = json!({
            "id": room.id.to_string(), "label": "label", "key": "lobby",
            "state": "restarting", "parked": false, "child_type": "worker", "module": module(), "restart": "transient",
            "restarts": 0, "incarnation": 2, "state_ms": 1_200, "next_try_ms": 800, "last_exit": reason,
            "lives": [{
                "incarnation": 1, "began_ms_ago": 6_200, "ended_ms_ago": 1_200, "uptime_ms": 5_000, "reason": reason,
                "has_started": true,
            }],
            "limit": {"used": 1, "max_restarts": 7, "period_ms": 60_000, "next_free_ms": 58_800},
            "arbiter": null, "handled": 1, "queued": 0, "longest_poll_ms": null,
        });
        assert_eq!(child, expected);
    });
}

#[test]
fn what_is_absent_is_null() {
    world(async {
        let root = DynamicSupervisor::builder().start().unwrap();
        root.start_child(Child::new(|| Room).restart(Restart::Temporary)).await.unwrap();
        let told = snapshot(&root, TakeSnapshot::new()).await;
        let child = &told["children"][0];
        for field in ["label", "key", "next_try_ms", "last_exit", "limit", "arbiter", "queued", "longest_poll_ms"] {
            assert!(fields(child).contains(field), "{field} is missing");
            assert_eq!(child[field], Value::Null, "{field}");
        }
        assert_eq!(
            (&child["handled"], &child["lives"], &child["restart"]),
            (&json!(0), &json!([]), &json!("temporary"))
        );
    });
}

#[test]
fn each_state_of_a_child_and_of_a_supervisor_has_its_word() {
    world(async {
        let root = DynamicSupervisor::builder().start().unwrap();
        let spec = Child::from_async(|_: StartContext<Room>| async {
            std::future::pending::<()>().await;
            Ok::<_, BoxError>(Start::Run(Room))
        });
        let starting = actix::spawn(root.start_child(spec));
        root.start_child(Child::new(|| Room)).await.unwrap();
        let down = root.start_child(Child::new(|| Room).backoff(Backoff::fixed(SECOND))).await.unwrap();
        down.addr.do_send(panics("boom"));
        settle().await;
        let told = snapshot(&root, TakeSnapshot::new().in_start_order(None)).await;
        let states: Vec<&str> =
            told["children"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap()).collect();
        assert_eq!(states[..3], ["starting", "running", "restarting"]);
        drop(starting);

        let closing = DynamicSupervisor::builder().start().unwrap();
        closing.start_child(Child::new(|| Stubborn)).await.unwrap();
        let ended = actix::spawn(closing.stop());
        settle().await;
        let told = snapshot(&closing, TakeSnapshot::new()).await;
        assert_eq!((&told["state"], &told["children"][0]["state"]), (&json!("closing"), &json!("stopping")));
        ended.await.unwrap().unwrap();
    });
}

struct Stubborn;

impl Actor for Stubborn {
    type Context = Context<Self>;

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        Running::Continue
    }
}

impl Supervised for Stubborn {}

#[test]
fn what_nested_supervisors_told_is_a_snapshot_or_why_there_is_none() {
    world(async {
        let root = DynamicSupervisor::builder().name("root").max_restarts(10).start().unwrap();
        let make = |name: &str| DynamicSupervisor::builder().name(name).max_restarts(0).into_child();
        let good = root.start_child(make("good")).await.unwrap();
        let bad = root.start_child(make("bad").backoff(Backoff::fixed(9 * SECOND))).await.unwrap();
        let room = bad.addr.start_child(Child::new(|| Room)).await.unwrap();
        room.addr.do_send(panics("one too many"));
        settle().await;
        let told = snapshot(&root, TakeSnapshot::new()).await;
        let [first, second] = told["nested"].as_array().unwrap().as_slice() else { panic!("{told:#}") };
        assert_eq!((&first["child"], &first["silent"]), (&json!(good.id.to_string()), &Value::Null));
        assert_eq!(fields(&first["snapshot"]), fields(&told));
        assert_eq!(first["snapshot"]["path"], "root/good");
        let expected = json!({
            "child": bad.id.to_string(), "name": "bad", "state": "restarting", "snapshot": null, "silent": "not running",
        });
        assert_eq!(*second, expected);
        let not_asked = snapshot(&root, TakeSnapshot::new().depth(0)).await;
        let expected =
            json!({"child": good.id.to_string(), "name": "good", "state": "running", "snapshot": null, "silent": null});
        assert_eq!(not_asked["nested"][0], expected);

        let mut gone = root.snapshot(TakeSnapshot::new().depth(0)).await.unwrap();
        gone.nested[0].told = Told::Gone;
        assert_eq!(as_json(&gone)["nested"][0]["silent"], "gone");
        gone.nested[0].told = Told::Silent { within: 5 * SECOND / 2 };
        assert_eq!(as_json(&gone)["nested"][0]["silent"], "no answer within 2500 ms");
    });
}

#[test]
fn each_reason_has_its_kind() {
    world(async {
        let root = DynamicSupervisor::builder().max_restarts(100).start().unwrap();
        let cases = [
            (ExitReason::Normal, "normal", "normal", false),
            (ExitReason::Shutdown, "shutdown", "shutdown", false),
            (ExitReason::shutdown_with("a note"), "shutdown", "shutdown: a note", false),
            (ExitReason::Killed, "killed", "killed", true),
            (ExitReason::failed("an error"), "failed", "failed: an error", true),
            (ExitReason::ArbiterGone, "arbiter_gone", "arbiter gone", true),
            (ExitReason::Unresponsive, "unresponsive", "unresponsive", true),
            (ExitReason::Unknown, "unknown", "unknown", true),
        ];
        for (reason, kind, text, is_abnormal) in cases {
            let expected =
                json!({"kind": kind, "text": text, "abnormal": is_abnormal, "location": null, "handling": null});
            assert_eq!(as_json(&reason), expected);
            // And as a child gives it.
            let room = root.start_child(Child::new(|| Room)).await.unwrap();
            room.addr.do_send(End(Some(reason), ""));
            settle().await;
            let told = snapshot(&root, TakeSnapshot::new().only(room.id)).await;
            assert_eq!(told["children"][0]["last_exit"], expected);
        }
    });
}

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

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn events_are_told_field_by_field() {
    world(async {
        let builder = DynamicSupervisor::builder().name("root").max_restarts(2).backoff(Backoff::fixed(SECOND));
        let root = builder.start().unwrap();
        let mut id = None;
        let events = events_of(&root, async || {
            let spec = Child::new(|| Room).id("label").key("lobby");
            let room = root.start_child(spec).await.unwrap();
            id = Some(room.id);
            sleep(2 * SECOND).await;
            room.addr.do_send(panics("boom"));
            sleep(SECOND + Duration::from_millis(1)).await;
            let bad = Child::try_with(|_: &mut StartContext<Room>| Err(BoxError::from("no room")));
            assert!(root.start_child(bad).await.is_err());
            root.terminate_child(room.id).await.unwrap();
        })
        .await;
        assert_eq!(
            kinds(&events),
            ["started", "exited", "limit_near", "restart_scheduled", "restarted", "start_failed", "exited"]
        );
        let child = |incarnation: u32| {
            json!({
                "id": id.unwrap().to_string(), "incarnation": incarnation, "label": "label", "key": "lobby",
                "module": module(), "child_type": "worker",
            })
        };
        let reason = |kind: &str, text: &str, is_abnormal: bool| json!({"kind": kind, "text": text, "abnormal": is_abnormal, "location": null, "handling": null});
        for event in &events {
            assert_eq!((&event["path"], event["age_ms"].is_u64()), (&json!("root"), true));
            assert!(id.unwrap().to_string().starts_with(&format!("{}.", event["supervisor"].as_str().unwrap())));
            assert!(event["text"].as_str().unwrap().starts_with("root: "));
        }
        let own = |event: &Value| {
            let mut event = event.clone();
            for shared in ["event", "supervisor", "path", "age_ms", "text"] {
                assert!(event.as_object_mut().unwrap().remove(shared).is_some(), "{shared}: {event}");
            }
            event
        };
        let [started, exited, near, scheduled, restarted, failed, ended] = &events[..] else { unreachable!() };
        assert_eq!(own(started), json!({"child": child(1)}));
        let expected = json!({
            "child": child(1), "reason": reason("panicked", "panicked: boom", true), "uptime_ms": 2_000, "asked": false,
            "comes_back": true,
        });
        assert_eq!(own(exited), expected);
        assert_eq!(own(scheduled), json!({"child": child(2), "try": 1, "delay_ms": 1_000}));
        let limit =
            json!({"used": 1, "max_restarts": 2, "period_ms": 5_000, "next_free_ms": near["limit"]["next_free_ms"]});
        assert_eq!(own(near), json!({"limit": limit, "used": 1, "max_restarts": 2}));
        assert!(near["limit"]["next_free_ms"].is_u64());
        assert_eq!(own(restarted), json!({"child": child(2), "downtime_ms": 1_000}));
        assert_eq!(own(failed)["reason"], reason("failed", "failed: no room", true));
        assert_eq!((&own(failed)["comes_back"], &own(failed)["child"]["key"]), (&json!(false), &Value::Null));
        let expected = json!({
            "child": child(2), "reason": reason("shutdown", "shutdown", false), "uptime_ms": 1, "asked": true,
            "comes_back": false,
        });
        assert_eq!(own(ended), expected);
    });
}

#[test]
fn events_of_an_end_are_told_field_by_field() {
    world(async {
        let root = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let events = events_of(&root, async || {
            let room = root.start_child(Child::new(|| Room)).await.unwrap();
            let spec = Child::new(|| Stubborn).shutdown(Shutdown::Timeout(SECOND));
            root.start_child(spec).await.unwrap();
            room.addr.do_send(panics("one too many"));
            room.addr.do_send(panics("never handled"));
            root.exited().await;
        })
        .await;
        let find = |kind: &str| {
            let found = events.iter().find(|event| event["event"] == kind);
            found.unwrap_or_else(|| panic!("{kind} is not among {:?}", kinds(&events)))
        };
        let reached = find("limit_reached");
        assert_eq!(reached["lives"][0]["reason"]["text"], "panicked: one too many");
        assert_eq!(reached["child"]["incarnation"], 1);
        assert_eq!(find("shutdown_begun")["children"], 1);
        assert_eq!(find("killed_at_deadline")["child"]["module"], std::any::type_name::<Stubborn>());
        let closed = find("queue_closed");
        assert_eq!((&closed["undelivered"], &closed["id"]), (&json!(1), &reached["child"]["id"]));
        let ended = find("shutdown_ended");
        assert_eq!(ended["reason"]["kind"], "shutdown");
        assert_eq!(fields(&ended["report"]), fields(&as_json(&ShutdownReport::default())));
        assert_eq!(ended["report"]["killed"].as_array().unwrap().len(), 1);
        assert_eq!(fields(&ended["report"]), ["failed", "killed", "stopped", "unresponsive"].into());
    });
}

#[test]
fn events_that_were_missed_are_counted() {
    world(async {
        let root = DynamicSupervisor::builder().start().unwrap();
        let mut events = root.events(Events::new().capacity(2));
        for _ in 0..5 {
            root.start_child(Child::new(|| Room)).await.unwrap();
        }
        let missed = as_json(&events.next().await.unwrap());
        assert_eq!((&missed["event"], missed.get("child")), (&json!("missed"), None));
        assert!(missed["missed"].as_u64().unwrap() >= 3);
    });
}

/// What a client may have typed.
const HOSTILE: &[&str] =
    &["\"},{\"id\":\"x", "</script>\u{2028}", "\u{0}\u{1b}[31m\n\r\t\\", "\u{202e}\u{feff}\u{10ffff}", ""];

struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic_any("no words")
    }
}

impl std::fmt::Debug for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic_any("no words")
    }
}

impl std::error::Error for Mute {}

#[test]
fn whatever_users_say_it_is_json_and_nothing_of_it_gets_out_of_its_field() {
    world(async {
        let root = DynamicSupervisor::builder().name(HOSTILE[0]).max_restarts(1_000).start().unwrap();
        let events = events_of(&root, async || {
            for text in HOSTILE {
                let spec = Child::new(|| Room).id(*text).key(format!("key {text}"));
                let room = root.start_child(spec).await.unwrap();
                room.addr.do_send(panics(text));
                room.addr.do_send(fails(*text));
                room.addr.do_send(End(Some(ExitReason::shutdown_with(*text)), ""));
                room.addr.do_send(fails(Mute));
            }
            settle().await;
        })
        .await;
        assert!(events.len() >= 9 * HOSTILE.len(), "{}", events.len());
        assert!(events.iter().any(|event| event["text"].as_str().unwrap().contains("Display panicked")));
        let told = snapshot(&root, TakeSnapshot::new().in_start_order(None)).await;
        assert_eq!(told["children"].as_array().unwrap().len(), HOSTILE.len());
        for (child, text) in told["children"].as_array().unwrap().iter().zip(HOSTILE) {
            assert_eq!(fields(child).len(), 19);
            let label = child["label"].as_str().unwrap_or_default();
            assert!(label == *text || label.contains("\\u"), "{label:?} for {text:?}");
            assert_eq!(child["lives"].as_array().unwrap().len(), 4);
            assert!(child["last_exit"]["text"].as_str().unwrap().contains("Display panicked"));
        }
        let texts = events.iter().map(|event| event["text"].as_str().unwrap());
        assert!(texts.into_iter().all(|text| text.chars().all(|letter| !letter.is_control())), "one line each");
    });
}

#[test]
fn lives_are_told_oldest_first() {
    world(async {
        let root = DynamicSupervisor::builder().max_restarts(100).last_lives(3).start().unwrap();
        let room = root.start_child(Child::new(|| Room)).await.unwrap();
        for text in ["a", "b", "c", "d"] {
            sleep(SECOND).await;
            room.addr.do_send(panics(text));
            settle().await;
        }
        let info = root.snapshot(TakeSnapshot::new()).await.unwrap().children.remove(0);
        let told: Vec<Value> = info.lives.iter().map(|life: &Life| as_json(life)).collect();
        assert_eq!(as_json(&info)["lives"], json!(told));
        let texts: Vec<_> =
            told.iter().map(|life| (&life["incarnation"], life["reason"]["text"].as_str().unwrap())).collect();
        assert_eq!(texts, [(&json!(2), "panicked: b"), (&json!(3), "panicked: c"), (&json!(4), "panicked: d")]);
    });
}
