//! What can be done, by whom.

use std::time::Duration;

use actix_dynamic_supervisor::{dashboard, prelude::*};
use actix_web::test::TestRequest;

use crate::support::{http::Web, tree::*};

#[actix_web::test]
async fn it_only_looks_unless_told_otherwise() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    for action in ["terminate", "kill"] {
        let why = web.press(&format!("/s/api/children/{}/{action}", lobby.id)).await.refuses(403);
        assert_eq!(why, "this dashboard only looks");
    }
    assert_eq!(web.events("/s/api/events").await.next_of("hello").await["actions"], false);
    assert_eq!(shown.count_children().await.unwrap().active, 1);
}

#[actix_web::test]
async fn a_child_is_terminated_and_does_not_come_back() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    assert_eq!(web.events("/s/api/events").await.next_of("hello").await["actions"], true);

    let answer = web.press(&format!("/s/api/children/{}/terminate", lobby.id)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["done"].as_bool()), (200, Some(true)));
    assert!(!lobby.addr.connected());
    assert_eq!(web.json("/s/api/children").await["matched"], 0);
    web.press(&format!("/s/api/children/{}/terminate", lobby.id)).await.refuses(404);
}

#[actix_web::test]
async fn a_child_that_is_killed_comes_back_if_its_restart_type_says_so() {
    let shown = supervisor();
    let permanent = room(&shown, "permanent").await;
    let temporary = shown.start_child(Child::new(|| Room).restart(Restart::Temporary)).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    for id in [permanent.id, temporary.id] {
        assert_eq!(web.press(&format!("/s/api/children/{id}/kill")).await.status, 200);
    }
    let list = web.json("/s/api/children").await;
    assert_eq!((&list["matched"], &list["children"][0]["restarts"]), (&1.into(), &1.into()));
    assert_eq!(list["children"][0]["last_exit"]["kind"], "killed");
}

#[actix_web::test]
async fn a_child_of_a_nested_supervisor_is_ended_by_that_one() {
    let shown = supervisor();
    let rooms = nested(&shown, "rooms").await;
    let lobby = room(&rooms, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    assert_eq!(web.press(&format!("/s/api/children/{}/terminate", lobby.id)).await.status, 200);
    assert_eq!(rooms.count_children().await.unwrap().specs, 0);
    assert_eq!(shown.count_children().await.unwrap().specs, 1);
}

#[actix_web::test]
async fn an_end_that_takes_long_is_answered_202_and_goes_on() {
    let shown = supervisor();
    let slow = Child::new(|| Stubborn).shutdown(Shutdown::Timeout(Duration::from_secs(30)));
    let slow = shown.start_child(slow).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    // The clock is moved to the next thing that waits for it: first the dashboard's own deadline.
    tokio::time::pause();
    let answer = web.press(&format!("/s/api/children/{}/terminate", slow.id)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["done"].as_bool()), (202, Some(false)));
    assert!(slow.addr.connected());
    // A second call joins the first.
    shown.terminate_child(slow.id).await.unwrap();
    assert!(!slow.addr.connected());
}

#[actix_web::test]
async fn what_another_site_sends_is_refused() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    let path = format!("/s/api/children/{}/kill", lobby.id);
    let asked = |headers: &[(&'static str, &'static str)]| {
        headers.iter().fold(TestRequest::post().uri(&path), |request, header| request.insert_header(*header))
    };
    for headers in [
        &[][..],
        &[("host", "localhost:8080")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080"), ("host", "localhost:8080")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://evil.example"), ("host", "localhost:8080")],
        &[("origin", "null"), ("host", "localhost:8080")],
    ] {
        web.ask(asked(headers)).await.refuses(403);
    }
    let told = shown.which_children().await.unwrap();
    assert_eq!(told[0].restarts, 0);

    let own = asked(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]);
    assert_eq!(web.ask(own).await.status, 200);
}

#[actix_web::test]
async fn a_large_body_is_400_and_does_nothing() {
    let shown = supervisor();
    let lobby = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    let asked = |bytes: usize| {
        let path = format!("/s/api/children/{}/terminate", lobby.id);
        TestRequest::post().uri(&path).insert_header(("sec-fetch-site", "same-origin")).set_payload(vec![b' '; bytes])
    };
    web.ask(asked(1_025)).await.refuses(400);
    assert!(lobby.addr.connected());
    assert_eq!(web.ask(asked(1_024)).await.status, 200);
}

#[actix_web::test]
async fn what_does_not_exist_cannot_be_ended() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    for id in ["999999.1", "1.999999", "1.0", "x", "1"] {
        web.press(&format!("/s/api/children/{id}/terminate")).await.refuses(404);
    }
}

#[actix_web::test]
async fn the_one_after_a_child_that_is_gone_is_not_taken_for_it() {
    let shown = supervisor();
    let (gone, next) = (room(&shown, "gone").await, room(&shown, "next").await);
    shown.terminate_child(gone.id).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    web.get(&format!("/s/api/children/{}", gone.id)).await.refuses(404);
    for action in ["terminate", "kill"] {
        web.press(&format!("/s/api/children/{}/{action}", gone.id)).await.refuses(404);
    }
    assert_eq!(shown.which_children().await.unwrap()[0].restarts, 0);
    assert!(next.addr.connected());
}
