//! Events of each kind.

use std::{sync::Arc, time::Duration};

use actix_dynamic_supervisor::{prelude::*, Life};
use futures::{FutureExt, StreamExt};
use serde_json::{json, Value};
use tokio::time::sleep;

use super::{as_json, events_of, fields, module, panics, settle, world, Room, Stubborn, SECOND};

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

/// Of most kinds there is an event in the scenes above; here one is made of each.
#[test]
fn each_kind_of_event_has_its_word_and_its_fields() {
    world(async {
        let root = DynamicSupervisor::builder().name("root").start().unwrap();
        let mut events = root.events(Events::new());
        let (room, other) = (Child::new(|| Room).id("label").key("lobby"), Child::new(|| Room));
        let (room, other) = (root.start_child(room).await.unwrap(), root.start_child(other).await.unwrap());
        room.addr.do_send(panics("boom"));
        settle().await;
        let lives = root.snapshot(TakeSnapshot::new().only(room.id)).await.unwrap().children.remove(0).lives;
        let (mut event, mut panic) = (events.next().await.unwrap(), None);
        while let Some(Some(next)) = events.next().now_or_never() {
            if let EventKind::Exited { reason: ExitReason::Panicked(report), .. } = next.kind {
                panic = Some(report);
            }
        }
        let (child, panic) = (event.child().unwrap().clone(), panic.unwrap());
        sleep(1_500 * Duration::from_millis(1)).await;

        let reason = || ExitReason::failed("no room");
        let (uptime, told) = (Duration::from_millis(1_234), as_json(&reason()));
        let mut report = ShutdownReport::default();
        (report.stopped, report.killed) = (2, vec![room.id]);
        (report.failed, report.unresponsive) = (vec![other.id], vec![other.id, room.id]);
        let ids = [room.id.to_string(), other.id.to_string()];
        let shutdown = json!({"stopped": 2, "killed": [ids[0]], "failed": [ids[1]], "unresponsive": [ids[1], ids[0]]});
        let told_lives: Vec<Value> = lives.iter().map(as_json).collect();
        assert_eq!(told_lives.len(), 1);
        let (lives, child_of) = (Arc::<[Life]>::from(lives), || child.clone());
        let cases = [
            (EventKind::SupervisorStarted, "supervisor_started", json!({})),
            (EventKind::Started { child: child_of() }, "started", json!({})),
            (
                EventKind::StartFailed { child: child_of(), reason: reason(), comes_back: true },
                "start_failed",
                json!({"reason": told, "comes_back": true}),
            ),
            (
                EventKind::Exited { child: child_of(), reason: reason(), uptime, asked: true, comes_back: false },
                "exited",
                json!({"reason": told, "uptime_ms": 1_234, "asked": true, "comes_back": false}),
            ),
            (
                EventKind::RestartScheduled { child: child_of(), attempt: 3, delay: uptime },
                "restart_scheduled",
                json!({"try": 3, "delay_ms": 1_234}),
            ),
            (EventKind::Restarted { child: child_of(), downtime: uptime }, "restarted", json!({"downtime_ms": 1_234})),
            (EventKind::Removed { child: child_of(), reason: reason() }, "removed", json!({"reason": told})),
            (EventKind::Declined { child: child_of() }, "declined", json!({})),
            (EventKind::GaveUp { child: child_of(), lives: lives.clone() }, "gave_up", json!({"lives": told_lives})),
            (EventKind::LimitReached { child: child_of(), lives }, "limit_reached", json!({"lives": told_lives})),
            (EventKind::ShutdownBegun { children: 7 }, "shutdown_begun", json!({"children": 7})),
            (
                EventKind::ShutdownEnded { reason: reason(), report: report.into() },
                "shutdown_ended",
                json!({"reason": told, "report": shutdown}),
            ),
            (EventKind::KilledAtDeadline { child: child_of() }, "killed_at_deadline", json!({})),
            (EventKind::Unresponsive { child: Some(child_of()), children: 7 }, "unresponsive", json!({"children": 7})),
            (EventKind::Unresponsive { child: None, children: 8 }, "unresponsive", json!({"children": 8})),
            (
                EventKind::QueueClosed { id: other.id, child: Some(child_of()), undelivered: 7 },
                "queue_closed",
                json!({"id": ids[1], "undelivered": 7}),
            ),
            (
                EventKind::QueueClosed { id: other.id, child: None, undelivered: 8 },
                "queue_closed",
                json!({"id": ids[1], "undelivered": 8}),
            ),
            (
                EventKind::PanicContained { child: Some(child_of()), panic: panic.clone() },
                "panic_contained",
                json!({"panic": "boom"}),
            ),
            (EventKind::PanicContained { child: None, panic }, "panic_contained", json!({"panic": "boom"})),
            (EventKind::Missed { events: 7 }, "missed", json!({"missed": 7})),
        ];
        let told_child = json!({
            "id": ids[0], "incarnation": 1, "label": "label", "key": "lobby", "module": module(), "child_type": "worker",
        });
        for (kind, word, mut expected) in cases {
            event.kind = kind;
            let shared = json!({
                "event": word, "supervisor": event.supervisor.id.to_string(), "path": "root", "age_ms": 1_500,
                "text": event.to_string(),
            });
            expected.as_object_mut().unwrap().extend(shared.as_object().unwrap().clone());
            if event.child().is_some() {
                expected["child"] = told_child.clone();
            }
            assert_eq!(as_json(&event), expected);
        }
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
