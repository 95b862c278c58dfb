//! The stream of events: what it tells, to how many, and who is let go.

use std::time::Duration;

use actix_dynamic_supervisor::{dashboard, prelude::*};

use crate::support::{http::Web, tree::*};

#[actix_web::test]
async fn it_tells_the_tree_and_what_happens() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    let lobby = room(&rooms, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    let hello = events.next_of("hello").await;
    assert_eq!((&hello["version"], &hello["recent"]), (&env!("CARGO_PKG_VERSION").into(), &serde_json::json!([])));
    let tick = events.next_of("tick").await;
    assert_eq!(tick["tree"]["nested"][0]["snapshot"]["counts"]["workers"], 1);
    assert!(tick["silent"].is_null());

    crash(&rooms, &lobby, "boom").await;
    let exited = events.happened("exited").await;
    assert_eq!(exited["child"]["id"], lobby.id.to_string());
    assert_eq!(exited["reason"]["kind"], "panicked");
    assert_eq!(exited["comes_back"], true);
    events.happened("restarted").await;
    let tick = events.next_of("tick").await;
    assert_eq!((&tick["happened"]["exited"], &tick["happened"]["restarted"]), (&1.into(), &1.into()));
    assert_eq!(tick["tree"]["nested"][0]["snapshot"]["limit"]["used"], 1);
    assert_eq!(events.next_of("tick").await["happened"]["exited"], 0);
}

#[actix_web::test]
async fn all_who_look_get_the_same_bytes() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let (mut one, mut other) = (web.events("/s/api/events").await, web.events("/s/api/events").await);
    for events in [&mut one, &mut other] {
        assert!(events.chunk().await.unwrap().contains("event: hello"));
    }
    crash(&shown, &lobby, "boom").await;
    for _ in 0..3 {
        // With times in them that differ from one moment to the next.
        assert_eq!(one.chunk().await.unwrap(), other.chunk().await.unwrap());
    }
}

#[actix_web::test]
async fn who_comes_later_is_told_what_has_happened_and_how_it_stands() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut first = web.events("/s/api/events").await;
    first.next_of("tick").await;
    crash(&shown, &lobby, "boom").await;
    first.happened("restarted").await;

    let mut second = web.events("/s/api/events").await;
    let hello = second.next_of("hello").await;
    let recent: Vec<_> = hello["recent"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(recent, ["exited", "restarted"]);
    assert_eq!(second.next().await.unwrap().0, "tick");
}

#[actix_web::test]
async fn when_nobody_looks_any_more_it_forgets_and_begins_anew_for_the_next() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    crash(&shown, &lobby, "boom").await;
    events.happened("restarted").await;
    drop(events);

    // It notices with its next beat.
    events_pause().await;
    let mut events = web.events("/s/api/events").await;
    assert_eq!(events.next_of("hello").await["recent"], serde_json::json!([]));
    crash(&shown, &lobby, "again").await;
    events.happened("exited").await;
}

/// Longer than a beat of the feed.
async fn events_pause() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(150)).await;
    tokio::task::yield_now().await;
    tokio::time::resume();
}

#[actix_web::test]
async fn who_reads_too_slowly_is_let_go_and_the_others_are_not() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let (mut slow, mut quick) = (web.events("/s/api/events").await, web.events("/s/api/events").await);
    tokio::time::pause();
    for _ in 0..100 {
        quick.next_of("tick").await;
    }
    // Nothing of what waited for it is kept.
    assert_eq!(slow.chunk().await, None);
    quick.next_of("tick").await;
}

#[actix_web::test]
async fn a_storm_is_counted_and_its_events_are_sent_in_part() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    for _ in 0..500 {
        shown.start_child(Child::new(|| Room)).await.unwrap();
    }
    let (mut sent, mut counted, mut left_out) = (0, 0, 0);
    while counted < 500 {
        match events.next().await.unwrap() {
            (kind, tick) if kind == "tick" => {
                counted += tick["happened"]["started"].as_u64().unwrap();
                left_out += tick["left_out"].as_u64().unwrap();
            }
            _ => sent += 1,
        }
    }
    assert_eq!(sent + left_out, 500);
    assert!(left_out > 0, "all were sent");
}

#[actix_web::test]
async fn who_has_heard_of_an_event_sees_what_came_of_it() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    for restarts in 0..3 {
        // Answered a moment ago, and so known.
        assert_eq!(web.json("/s/api/children").await["children"][0]["restarts"], restarts);
        crash(&shown, &lobby, "boom").await;
        events.happened("restarted").await;
    }
    assert_eq!(web.json("/s/api/children").await["children"][0]["restarts"], 3);
}

#[actix_web::test]
async fn each_worker_of_a_server_has_a_feed_of_its_own() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let one = Web::of(dashboard::scope("/s", &shown)).await;
    let other = Web::of(dashboard::scope("/s", &shown)).await;
    let (mut at_one, mut at_other) = (one.events("/s/api/events").await, other.events("/s/api/events").await);
    at_one.next_of("tick").await;
    at_other.next_of("tick").await;
    crash(&shown, &lobby, "boom").await;
    let (told_one, told_other) = (at_one.happened("exited").await, at_other.happened("exited").await);
    assert_eq!(told_one["text"], told_other["text"]);
    // One of them going is nothing to the other.
    drop((at_one, one));
    crash(&shown, &lobby, "again").await;
    assert!(at_other.happened("exited").await["text"].as_str().unwrap().contains("again"));
}

#[actix_web::test]
async fn when_the_supervisor_has_stopped_it_says_so_and_ends() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    shown.stop().await.unwrap();
    events.next_of("gone").await;
    assert!(events.next().await.is_none());

    // And to who comes then.
    let mut events = web.events("/s/api/events").await;
    events.next_of("hello").await;
    events.next_of("gone").await;
    assert!(events.next().await.is_none());
    assert_eq!(web.get("/s/api/tree").await.refuses(503), "the supervisor is gone");
}
