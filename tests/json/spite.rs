//! Texts that a client may have typed.

use std::panic::panic_any;

use actix_dynamic_supervisor::prelude::*;

use super::{events_of, fails, fields, panics, settle, snapshot, world, End, Room};

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
