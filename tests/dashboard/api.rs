//! What programs are answered, the page among them.

use std::collections::BTreeSet;

use actix_dynamic_supervisor::{dashboard, prelude::*};
use actix_web::http::Method;
use serde_json::Value;

use crate::support::{http::Web, tree::*};

fn labels(list: &Value) -> Vec<&str> {
    list["children"].as_array().unwrap().iter().map(|child| child["label"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn the_tree_has_all_supervisors_with_sums_and_no_lists() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    let lobby = room(&rooms, "lobby").await;
    crash(&rooms, &lobby, "boom").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;

    let tree = web.json("/s/api/tree").await;
    assert_eq!((&tree["name"], &tree["path"]), (&"shown".into(), &"shown".into()));
    let below = &tree["nested"][0];
    assert_eq!(below["name"], "rooms");
    assert_eq!(below["snapshot"]["counts"]["workers"], 1);
    assert_eq!(below["snapshot"]["limit"]["used"], 1);
    assert_eq!(below["snapshot"]["sums"][0]["restarts"], 1);
    for supervisor in [&tree, &below["snapshot"]] {
        assert_eq!(supervisor["children"], Value::Array(Vec::new()));
    }
}

#[actix_web::test]
async fn the_tree_is_told_as_text_and_for_graphviz() {
    let shown = supervisor();
    nested(&shown, "rooms").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let text = web.get("/s/api/tree.txt").await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.body.starts_with("shown ["), "{}", text.body);
    let dot = web.get("/s/api/tree.dot").await;
    assert_eq!(dot.header("content-type"), "text/vnd.graphviz; charset=utf-8");
    assert!(dot.body.starts_with("digraph"), "{}", dot.body);
}

#[actix_web::test]
async fn those_that_are_down_come_first_whatever_supervisor_they_are_of() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    for name in ["one", "two"] {
        room(&shown, name).await;
    }
    let flapping = room(&rooms, "flapping").await;
    crash(&rooms, &flapping, "once").await;
    let down = patient_room(&rooms, "down").await;
    crash(&rooms, &down, "boom").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;

    let list = web.json("/s/api/children").await;
    assert_eq!(list["matched"], 5);
    assert_eq!(labels(&list), ["down", "flapping", "rooms", "one", "two"]);
    assert_eq!(labels(&web.json("/s/api/children?limit=1").await), ["down"]);
}

#[actix_web::test]
async fn children_are_found_by_supervisor_state_text_and_type() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    let lobby = patient_room(&rooms, "Lobby").await;
    crash(&rooms, &lobby, "boom").await;
    room(&rooms, "hall").await;
    shown.start_child(Child::new(|| Session).id("visitor")).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let of_rooms = lobby.id.to_string().split_once('.').unwrap().0.to_owned();
    let session = std::any::type_name::<Session>();

    for (query, expected) in [
        (format!("supervisor={of_rooms}"), vec!["Lobby", "hall"]),
        (format!("supervisor={of_rooms}&state=restarting"), vec!["Lobby"]),
        ("state=restarting".into(), vec!["Lobby"]),
        ("q=LOB".into(), vec!["Lobby"]),
        (format!("q={}", lobby.id), vec!["Lobby"]),
        ("q=nobody".into(), vec![]),
        (format!("module={session}"), vec!["visitor"]),
        (format!("module={session}&state=restarting"), vec![]),
        ("order=start".into(), vec!["rooms", "visitor", "Lobby", "hall"]),
    ] {
        let list = web.json(&format!("/s/api/children?{query}")).await;
        assert_eq!(labels(&list), expected, "{query}");
        assert_eq!(list["matched"], expected.len(), "{query}");
    }
}

#[actix_web::test]
async fn pages_in_start_order_have_every_child_once() {
    let shown = supervisor();
    let mut started = BTreeSet::new();
    for number in 0..25 {
        started.insert(room(&shown, &number.to_string()).await.id.to_string());
    }
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let root = web.json("/s/api/tree").await["id"].as_str().unwrap().to_owned();

    let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let list = web.json(&format!("/s/api/children?supervisor={root}&order=start&limit=10{after}")).await;
        assert_eq!(list["matched"], 25);
        seen.extend(list["children"].as_array().unwrap().iter().map(|child| child["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match list["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (3, 25));
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), started);
}

#[actix_web::test]
async fn one_child_is_told_with_its_lives_and_its_queue() {
    let shown = supervisor();
    let (one, lobby) = (room(&shown, "one").await, room(&shown, "lobby").await);
    crash(&shown, &lobby, "the roof fell in").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;

    let child = &web.json(&format!("/s/api/children/{}", lobby.id)).await["child"];
    assert_eq!((&child["label"], &child["restarts"], &child["queued"]), (&"lobby".into(), &1.into(), &0.into()));
    let life = &child["lives"][0];
    assert_eq!(life["reason"]["kind"], "panicked");
    assert!(life["reason"]["text"].as_str().unwrap().contains("the roof fell in"));
    assert_eq!(web.json(&format!("/s/api/children/{}", one.id)).await["child"]["label"], "one");
}

#[actix_web::test]
async fn a_nested_supervisor_that_was_restarted_is_found_by_its_new_id_alone() {
    let shown = supervisor();
    let rooms = shown.start_child(DynamicSupervisor::builder().into_child().id("rooms")).await.unwrap();
    let before = room(&rooms.addr, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    assert_eq!(web.get(&format!("/s/api/children/{}", before.id)).await.status, 200);

    shown.kill_child(rooms.id).await.unwrap();
    let after = room(&rooms.addr, "lobby").await;
    assert_ne!(before.id, after.id);
    // What was answered a moment ago may be answered again.
    let list =
        |id: ChildId| format!("/s/api/children?supervisor={}&q=x{id}", id.to_string().split_once('.').unwrap().0);
    web.get(&list(before.id)).await.refuses(404);
    web.get(&format!("/s/api/children/{}?supervisor=1", before.id)).await.refuses(404);
    assert_eq!(web.get(&format!("/s/api/children/{}", after.id)).await.status, 200);
    assert_eq!(web.get(&list(after.id)).await.status, 200);
}

#[actix_web::test]
async fn partitions_are_one_tree() {
    let rooms = PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(2).start().await.unwrap();
    rooms.start_child(Child::new(|| Room).key("lobby")).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &rooms)).await;

    assert_eq!(web.json("/s/api/tree").await["nested"].as_array().unwrap().len(), 2);
    let list = web.json("/s/api/children?q=lobby").await;
    assert_eq!((&list["matched"], &list["children"][0]["key"]), (&1.into(), &"lobby".into()));
    rooms.stop().await.unwrap();
}

#[actix_web::test]
async fn what_is_not_there_is_404_as_json() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    let other_supervisor = format!("/s/api/children/{}?supervisor=999999", lobby.id);
    for path in [
        "/s/nothing",
        "/s/api",
        "/s/api/",
        "/s/api/nothing",
        "/s/index.html",
        "/s/assets/app.js",
        "/s/..%2fCargo.toml",
        "/s/api/children/999999.1",
        "/s/api/children/1",
        "/s/api/children/x.y",
        "/s/api/children/%3Cscript%3E",
        "/s/api/children?supervisor=999999",
        &other_supervisor,
        "/s/api/children/1.1/explode",
    ] {
        web.get(path).await.refuses(404);
    }
    let gone = shown.terminate_child(lobby.id).await;
    assert!(gone.is_ok());
    web.get(&format!("/s/api/children/{}", lobby.id)).await.refuses(404);
}

#[actix_web::test]
async fn what_is_malformed_is_400_as_json() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    for path in [
        "/s/api/children?limit=0".to_owned(),
        "/s/api/children?limit=1001".to_owned(),
        "/s/api/children?limit=many".to_owned(),
        "/s/api/children?state=odd".to_owned(),
        "/s/api/children?supervisor=shown".to_owned(),
        "/s/api/children?nothing=1".to_owned(),
        "/s/api/children?q=a&q=b".to_owned(),
        format!("/s/api/children?q={}", "x".repeat(401)),
        format!("/s/api/children?q={}", "x".repeat(10_000)),
        format!("/s/api/children/{}?what=1", lobby.id),
        format!("/s/api/children/{}?supervisor=x", lobby.id),
        "/s/api/tree?depth=1".to_owned(),
        "/s/api/events?from=1".to_owned(),
    ] {
        web.get(&path).await.refuses(400);
    }
}

#[actix_web::test]
async fn another_method_is_405_as_json_and_says_which_would_do() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    for (method, path, allowed) in [
        (Method::POST, "/s/", "GET, HEAD"),
        (Method::DELETE, "/s/app.js", "GET, HEAD"),
        (Method::POST, "/s/api/tree", "GET, HEAD"),
        (Method::PUT, "/s/api/children", "GET, HEAD"),
        (Method::DELETE, "/s/api/children/1.1", "GET, HEAD"),
        (Method::POST, "/s/api/events", "GET"),
        (Method::HEAD, "/s/api/events", "GET"),
        (Method::GET, "/s/api/children/1.1/terminate", "POST"),
        (Method::GET, "/s/api/children/1.1/kill", "POST"),
    ] {
        let answer = web.send(method.clone(), path).await;
        answer.refuses(405);
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
}
