//! A tree as text, and as a drawing.

use std::fmt;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Told};

use super::{broken, look, pass, probe, supervisor, tree, HARMLESS, SECOND, SPITE};
use crate::support::{
    script::{gated, slow_to_stop, Gate},
    settle, world, Ask, Do, Exit, Journal, Panic, Probe,
};

#[test]
fn a_supervisor_without_children_is_one_line() {
    world(async {
        let rooms = DynamicSupervisor::builder().name("rooms").max_children(9).max_seconds(90).start().unwrap();
        settle().await;
        pass(2 * SECOND).await;

        let told = tree(&rooms, TakeSnapshot::new()).await;

        assert_eq!(told, "\nrooms [A] running for 2.0 s, children: 0 of 9, 0/3 restarts in 1 min 30 s\n");
    });
}

#[test]
fn children_stand_below_each_other_with_what_they_do_and_how_they_fell() {
    world(async {
        let rooms = supervisor("rooms");
        rooms.start_child(probe().key("lobby")).await.unwrap();
        let crashed = rooms.start_child(probe().id("kitchen")).await.unwrap().addr;
        let quiet = rooms.start_child(probe()).await.unwrap().addr;
        pass(SECOND).await;

        let _ = crashed.send(Panic("boom")).await;
        quiet.send(Exit(ExitReason::shutdown_with("done"))).await.unwrap();
        crashed.send(Ask).await.unwrap();
        settle().await;

        assert_eq!(
            tree(&rooms, TakeSnapshot::new()).await,
            "
rooms [A] running for 1.0 s, children: 3, 2/3 restarts in 5 s
├─ A.2 kitchen (Probe) running for 0 µs, handled: 2, restarts: 1, last: exited after 1.0 s: panicked: boom
├─ A.3 (Probe)         running for 0 µs, handled: 1, restarts: 1, last: exited after 1.0 s: shutdown: done
└─ A.1 lobby (Probe)   running for 1.0 s
"
        );
    });
}

#[test]
fn one_that_waits_is_told_with_its_next_try_and_one_that_is_parked_as_that() {
    world(async {
        let devices = supervisor("devices");
        let sensor = broken().key("sensor").backoff(Backoff::fixed(20 * SECOND));
        let printer = broken().key("printer").max_restarts(0, 2 * SECOND).give_up(GiveUp::Park { every: 600 * SECOND });
        let sensor = devices.start_child(sensor).await.unwrap().addr;
        let printer = devices.start_child(printer).await.unwrap().addr;
        for device in [&sensor, &printer] {
            device.do_send(Exit(ExitReason::failed("no paper")));
        }
        // Its own limit has forgotten by then why it is parked.
        pass(3 * SECOND).await;

        assert_eq!(
            tree(&devices, TakeSnapshot::new()).await,
            "
devices [A] running for 3.0 s, children: 2, down: 2, 1/3 restarts in 5 s
├─ A.1 sensor (Probe)  restarting, next try in 17.0 s, handled: 1, last: exited after 0 µs: failed: no paper
└─ A.2 printer (Probe) parked, next try in 9 min 57 s, handled: 1, own limit: 0/0 restarts in 2 s, last: exited after 0 µs: failed: no paper
"
        );
        pass(18 * SECOND).await;
        let told = tree(&devices, TakeSnapshot::new().limit(1)).await;
        assert!(told.contains("next try in 19.0 s, handled: 1, last: failed to start: no route to host\n"), "{told}");
    });
}

#[test]
fn one_that_starts_or_stops_is_told_so() {
    world(async {
        let rooms = supervisor("rooms");
        let (gate, journal) = (Gate::shut(), Journal::new());
        let _start = rooms.start_child(gated(&journal, &gate, 1).key("cellar"));
        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, 2 * SECOND));
        let slow = rooms.start_child(slow.key("attic")).await.unwrap();
        let _end = rooms.terminate_child(slow.id);
        pass(SECOND).await;

        assert_eq!(
            tree(&rooms, TakeSnapshot::new().in_start_order(None)).await,
            "
rooms [A] running for 1.0 s, children: 2, down: 1, 0/3 restarts in 5 s
├─ A.1 cellar (Probe) starting for 1.0 s
└─ A.2 attic (Probe)  stopping for 1.0 s
"
        );
    });
}

#[test]
fn those_that_are_not_listed_are_summed_up() {
    world(async {
        let rooms = supervisor("rooms");
        for name in ["a", "b", "c"] {
            rooms.start_child(probe().key(name)).await.unwrap();
        }
        rooms.start_child(broken().key("d").backoff(Backoff::fixed(SECOND))).await.unwrap().addr.do_send(Panic("boom"));
        rooms.whereis::<Probe>("b").unwrap().do_send(Panic("boom"));
        settle().await;

        assert_eq!(
            tree(&rooms, TakeSnapshot::new().limit(2)).await,
            "
rooms [A] running for 0 µs, children: 4, down: 1, 2/3 restarts in 5 s
├─ A.4 d (Probe) restarting, next try in 1.0 s, handled: 1, last: exited after 0 µs: panicked: boom
├─ A.2 b (Probe) running for 0 µs, handled: 1, restarts: 1, last: exited after 0 µs: panicked: boom
└─ and 2 more; all: 3 × Probe running, restarts: 1; 1 × Probe restarting
"
        );
        assert_eq!(
            tree(&rooms, TakeSnapshot::new().limit(0)).await,
            "
rooms [A] running for 0 µs, children: 4, down: 1, 2/3 restarts in 5 s
└─ all: 3 × Probe running, restarts: 1; 1 × Probe restarting
"
        );
    });
}

#[test]
fn a_restart_limit_that_is_used_up_says_that_one_more_ends_it() {
    world(async {
        let rooms = supervisor("rooms");
        let room = rooms.start_child(probe()).await.unwrap().addr;
        for _ in 0..2 {
            let _ = room.send(Panic("boom")).await;
        }
        settle().await;
        assert!(tree(&rooms, TakeSnapshot::new()).await.contains(", 2/3 restarts in 5 s\n"));

        let _ = room.send(Panic("boom")).await;
        settle().await;

        assert!(tree(&rooms, TakeSnapshot::new()).await.contains(", 3/3 restarts in 5 s, one more ends it\n"));
    });
}

#[test]
fn supervisors_stand_below_their_parent_after_its_other_children() {
    world(async {
        let root = supervisor("root");
        let below = |name: &str| {
            DynamicSupervisor::builder().name(name).max_restarts(0).max_reports_per_second(0).with_children(
                |children| {
                    children.start_child(probe().key("a"));
                    children.start_child(probe().key("b"));
                },
            )
        };
        let tenant = root.start_child(below("tenant").into_child()).await.unwrap().addr;
        root.start_child(below("other").into_child()).await.unwrap();
        root.start_child(probe().key("clock")).await.unwrap();
        pass(SECOND).await;
        settle().await;
        tenant.whereis::<Probe>("a").unwrap().do_send(Panic("boom"));
        settle().await;

        let all = "
root [A] running for 1.0 s, children: 3, 1/3 restarts in 5 s
├─ A.3 clock (Probe) running for 1.0 s
├─ A.1 tenant [B] running for 0 µs, children: 2, 0/0 restarts in 5 s, one more ends it, restarts: 1, last: exited after 1.0 s: shutdown
│  ├─ B.1 a (Probe) running for 0 µs
│  └─ B.2 b (Probe) running for 0 µs
└─ A.2 other [C] running for 1.0 s, children: 2, 0/0 restarts in 5 s, one more ends it
   ├─ C.1 a (Probe) running for 1.0 s
   └─ C.2 b (Probe) running for 1.0 s
";
        assert_eq!(tree(&root, TakeSnapshot::new()).await, all);
        assert_eq!(
            tree(&root, TakeSnapshot::new().depth(0)).await,
            "
root [A] running for 1.0 s, children: 3, 1/3 restarts in 5 s
├─ A.3 clock (Probe) running for 1.0 s
├─ A.1 tenant (DynamicSupervisor) running for 0 µs, restarts: 1, last: exited after 1.0 s: shutdown, not asked
└─ A.2 other (DynamicSupervisor) running for 1.0 s, not asked
"
        );
        // Not listed, as the limit is for children, and yet shown: there are not two more.
        assert_eq!(
            tree(&root, TakeSnapshot::new().depth(0).limit(1)).await,
            "
root [A] running for 1.0 s, children: 3, 1/3 restarts in 5 s
├─ and 1 more; all: 2 × DynamicSupervisor running, restarts: 1; 1 × Probe running
├─ A.1 tenant (DynamicSupervisor) running for 0 µs, restarts: 1, last: exited after 1.0 s: shutdown, not asked
└─ A.2 other running, not asked
"
        );
    });
}

#[test]
fn a_supervisor_that_waits_for_its_restart_is_told_so_and_one_that_is_silent_as_that() {
    world(async {
        let root = supervisor("root");
        let tenant = DynamicSupervisor::builder().name("tenant").max_restarts(0).max_reports_per_second(0);
        let spec = tenant.into_child().backoff(Backoff::fixed(9 * SECOND));
        let tenant = root.start_child(spec).await.unwrap().addr;
        let child = tenant.start_child(probe()).await.unwrap().addr;
        let _ = child.send(Panic("boom")).await;
        settle().await;

        let told = tree(&root, TakeSnapshot::new().deadline(SECOND)).await;

        assert_eq!(
            told,
            "
root [A] running for 0 µs, children: 1, down: 1, 1/3 restarts in 5 s
└─ A.1 tenant (DynamicSupervisor) restarting, next try in 9.0 s, last: exited after 0 µs: shutdown
"
        );
        let told = tree(&root, TakeSnapshot::new().limit(0)).await;
        assert!(told.ends_with("\n└─ A.1 tenant restarting\n"), "{told}");

        let mut snapshot = look(&root, TakeSnapshot::new()).await;
        snapshot.nested[0].told = Told::Silent { within: SECOND / 2 };
        let told = snapshot.to_string();
        assert!(told.ends_with(" last: exited after 0 µs: shutdown, DOES NOT ANSWER within 500 ms"), "{told}");
    });
}

#[test]
fn what_users_wrote_does_no_harm_to_who_reads_it() {
    world(async {
        let rooms = DynamicSupervisor::builder().name(SPITE).max_reports_per_second(0).start().unwrap();
        rooms.start_child(probe().key(SPITE)).await.unwrap().addr.do_send(Panic(SPITE));
        rooms.start_child(probe().id(SPITE)).await.unwrap().addr.do_send(Exit(ExitReason::failed(SPITE)));
        rooms.start_child(DynamicSupervisor::builder().into_child().id(SPITE)).await.unwrap();
        settle().await;

        let snapshot = look(&rooms, TakeSnapshot::new().depth(0)).await;
        let (text, dot) = (snapshot.to_string(), snapshot.to_dot());

        assert_eq!(text.matches(HARMLESS).count(), 6, "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        for text in [text, dot] {
            let harmful = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
            assert!(!text.contains(harmful), "{text:?}");
        }
    });
}

#[test]
fn an_error_that_cannot_be_told_is_told_as_that() {
    #[derive(Debug)]
    struct Mute;
    impl fmt::Display for Mute {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            std::panic::panic_any("no words")
        }
    }
    impl std::error::Error for Mute {}
    world(async {
        let rooms = supervisor("rooms");
        let room = rooms.start_child(probe().key("a").backoff(Backoff::fixed(SECOND))).await.unwrap().addr;
        room.send(Exit(ExitReason::failed(Mute))).await.unwrap();
        settle().await;

        let told = tree(&rooms, TakeSnapshot::new()).await;

        assert!(told.contains("last: exited after 0 µs: (its text could not be made: Display panicked)\n"), "{told}");
    });
}

#[test]
fn a_queue_is_told_where_it_was_counted() {
    world(async {
        let rooms = supervisor("rooms");
        let room = rooms.start_child(probe().key("a")).await.unwrap().addr;
        room.send(Do::this(|_, ctx| {
            ctx.wait(actix::fut::wrap_future::<_, Probe>(tokio::time::sleep(9 * SECOND)));
        }))
        .await
        .unwrap();
        for _ in 0..3 {
            room.do_send(Ask);
        }

        let told = tree(&rooms, TakeSnapshot::new().queues(true)).await;

        assert!(told.ends_with("└─ A.1 a (Probe) running for 0 µs, handled: 1, queued: 3\n"), "{told}");
    });
}

#[test]
fn a_drawing_has_a_node_for_each_and_what_is_bad_is_red() {
    world(async {
        let root = supervisor("root");
        let rooms = DynamicSupervisor::builder().name("rooms").max_reports_per_second(0);
        let rooms = root.start_child(rooms.into_child()).await.unwrap().addr;
        rooms.start_child(probe().key("calm")).await.unwrap();
        let fell = rooms.start_child(probe().key("f\"ell\\")).await.unwrap().addr;
        let waits = rooms.start_child(probe().key("waits").backoff(Backoff::fixed(9 * SECOND))).await.unwrap().addr;
        for _ in 0..2 {
            let _ = fell.send(Panic("boom")).await;
        }
        let _ = waits.send(Panic("b&m")).await;
        settle().await;

        let snapshot = look(&root, TakeSnapshot::new()).await;
        let ids: Vec<_> = snapshot.supervisors().map(|supervisor| supervisor.id).collect();
        let dot = super::lettered(&snapshot.to_dot(), &ids);

        let nodes: Vec<&str> = dot.lines().skip(4).collect();
        assert_eq!(
            nodes,
            [
                r#"  "sA" [style=filled, color=gray40, label="root\nchildren: 1\n0/3 restarts in 5 s", tooltip="root"];"#,
                r#"  "sB" [style=filled, color=red3, fillcolor=mistyrose, label="rooms\nchildren: 3, down: 1\n3/3 restarts in 5 s", tooltip="root/rooms"];"#,
                r#"  "B.3" [color=red3, fillcolor=mistyrose, label="waits (Probe)\nrestarting", tooltip="B.3 waits (Probe) restarting, next try in 9.0 s, handled: 1, last: exited after 0 µs: panicked: b&amp;m"];"#,
                r#"  "sB" -> "B.3";"#,
                r#"  "B.2" [color=orange3, fillcolor=oldlace, label="f\"ell\\ (Probe)\nrestarts: 2", tooltip="B.2 f\"ell\\ (Probe) running for 0 µs, handled: 2, restarts: 2, last: exited after 0 µs: panicked: boom"];"#,
                r#"  "sB" -> "B.2";"#,
                r#"  "B.1" [color=gray40, label="calm (Probe)", tooltip="B.1 calm (Probe) running for 0 µs"];"#,
                r#"  "sB" -> "B.1";"#,
                r#"  "sA" -> "sB";"#,
                "}",
            ]
        );
    });
}
