//! A supervisor whose thread is blocked holds up nobody. Only here a thread is blocked.

use actix::prelude::*;
use actix_dynamic_supervisor::{dashboard, prelude::*};

use crate::support::{http::Web, tree::*};

/// A supervisor on a thread of its own, with a room in it that can block it.
async fn elsewhere(shown: &Addr<DynamicSupervisor>) -> (Started<DynamicSupervisor>, Started<Room>) {
    let arbiter = Arbiter::new();
    let spec = DynamicSupervisor::builder().into_child().id("elsewhere").on(arbiter.handle());
    let elsewhere = shown.start_child(spec).await.unwrap();
    let room = room(&elsewhere.addr, "blocker").await;
    (elsewhere, room)
}

#[actix_web::test]
async fn a_branch_that_does_not_answer_is_marked_and_the_rest_is_told() {
    let shown = supervisor();
    room(&shown, "lobby").await;
    let (_, blocker) = elsewhere(&shown).await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let id = web.json("/s/api/tree").await["nested"][0]["snapshot"]["id"].as_str().unwrap().to_owned();
    let (block, end, begun) = Block::new();
    blocker.addr.do_send(block);
    begun.recv().unwrap();

    let tree = web.json("/s/api/children?q=lobby").await;
    assert_eq!((&tree["matched"], tree["silent"].as_array().unwrap().len()), (&1.into(), 1));
    let mut events = web.events("/s/api/events").await;
    let tick = events.next_of("tick").await;
    assert!(tick["tree"]["nested"][0]["silent"].as_str().unwrap().starts_with("no answer within"), "{tick}");
    // Asked itself, it is answered for.
    for path in [format!("/s/api/children?supervisor={id}"), format!("/s/api/children/{}", blocker.id)] {
        assert_eq!(web.get(&path).await.refuses(503), "the supervisor does not answer");
    }
    drop(end);
}

#[actix_web::test]
async fn when_the_one_that_is_shown_does_not_answer_that_is_told() {
    let parent = supervisor();
    let (shown, blocker) = elsewhere(&parent).await;
    let web = Web::of(dashboard::scope("/s", &shown.addr).actions(true)).await;
    let (block, end, begun) = Block::new();
    blocker.addr.do_send(block);
    begun.recv().unwrap();

    let mut events = web.events("/s/api/events").await;
    events.next_of("hello").await;
    let tick = events.next_of("tick").await;
    assert_eq!((&tick["silent"], tick["tree"].is_null()), (&"the supervisor does not answer".into(), true));
    for path in ["/s/api/tree", "/s/api/tree.txt", "/s/api/children"] {
        web.get(path).await.refuses(503);
    }
    web.press(&format!("/s/api/children/{}/kill", blocker.id)).await.refuses(503);
    // The page itself does not ask it.
    assert_eq!(web.get("/s/").await.status, 200);

    drop(end);
    while events.next_of("tick").await["tree"].is_null() {}
}

#[actix_web::test]
async fn whoever_asks_a_blocked_one_again_and_again_fills_nothing() {
    let parent = supervisor();
    let (shown, blocker) = elsewhere(&parent).await;
    let web = Web::of(dashboard::scope("/s", &shown.addr)).await;
    let (block, end, begun) = Block::new();
    blocker.addr.do_send(block);
    begun.recv().unwrap();

    let paths: Vec<_> = (0..200).map(|number| format!("/s/api/children?q={number}")).collect();
    let answers = futures::future::join_all(paths.iter().map(|path| web.get(path))).await;
    let busy = answers.iter().filter(|answer| answer.refuses(503) == "too many ask at the same time").count();
    assert!(busy >= 100, "{busy}");
    drop(end);
}

#[actix_web::test]
async fn who_asks_after_an_event_is_not_given_what_was_looked_at_before_it() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let (_, blocker) = elsewhere(&shown).await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    let (block, end, begun) = Block::new();
    blocker.addr.do_send(block);
    begun.recv().unwrap();

    // It waits for the branch that is silent, and has seen the lobby already.
    let before = web.json("/s/api/children?q=lobby");
    let after = async {
        shown.count_children().await.unwrap();
        crash(&shown, &lobby, "boom").await;
        events.happened("exited").await;
        web.json("/s/api/children?q=lobby").await
    };
    let (before, after) = futures::future::join(before, after).await;
    assert_eq!((&before["children"][0]["restarts"], &after["children"][0]["restarts"]), (&0.into(), &1.into()));
    drop(end);
}
