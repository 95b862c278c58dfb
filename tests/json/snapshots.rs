//! Supervisors, children and how they ended.

use std::time::Duration;

use actix_dynamic_supervisor::{prelude::*, Life, Told};
use serde_json::{json, Value};
use tokio::time::sleep;

use super::{as_json, fields, module, panics, settle, snapshot, world, End, Room, Stubborn, SECOND};

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
        assert_eq!(
            (fields(&plain), fields(&plain["limit"])),
            (fields(&told), fields(&told["limit"])),
            "none is missing"
        );
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
fn what_is_short_is_told_in_milliseconds_with_a_fraction() {
    world(async {
        let root = DynamicSupervisor::builder().start().unwrap();
        root.start_child(Child::new(|| Room)).await.unwrap();
        let mut child = root.snapshot(TakeSnapshot::new()).await.unwrap().children.remove(0);
        for (nanos, told) in [(0, 0.0), (1_234_567_891, 1_234.568), (7_000, 0.007)] {
            child.longest_poll = Some(Duration::from_nanos(nanos));
            assert_eq!(as_json(&child)["longest_poll_ms"], told);
        }
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
