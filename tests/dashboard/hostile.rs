//! Names, keys and messages are whatever somebody typed.

use std::{error::Error, fmt};

use actix::prelude::*;
use actix_dynamic_supervisor::{dashboard, prelude::*};

use crate::support::{http::Web, tree::*};

pub(crate) const NASTY: &str = "</script><script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1>\u{202e}\u{1b}[31m\u{7}\r\n\ndata: {}\u{2028}&amp;";

#[actix_web::test]
async fn json_holds_them_and_is_served_as_nothing_else() {
    let shown = supervisor();
    let nasty = shown.start_child(Child::new(|| Room).id(NASTY).key(NASTY)).await.unwrap();
    crash(&shown, &nasty, NASTY).await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let answer = web.get("/s/api/children").await;
    let child = &answer.json()["children"][0];
    for text in [&child["label"], &child["key"], &child["last_exit"]["text"]] {
        let text = text.as_str().unwrap();
        assert!(text.contains("</script><script>window.hacked=1</script>\"'><img"), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
    // As bytes, too, there is neither a line break nor a terminal's escape in it.
    assert!(!answer.body.chars().any(char::is_control));
}

#[actix_web::test]
async fn in_the_stream_they_end_no_line() {
    let shown = supervisor();
    let nasty = shown.start_child(Child::new(|| Room).id(NASTY).key(NASTY)).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    crash(&shown, &nasty, NASTY).await;
    // Reading it fails on a line that is no field.
    let exited = events.happened("exited").await;
    assert_eq!(exited["child"]["key"], web.json("/s/api/children").await["children"][0]["key"]);
    events.happened("restarted").await;
}

#[actix_web::test]
async fn as_text_they_neither_end_a_line_nor_reach_a_terminal() {
    let shown = DynamicSupervisor::builder().name(NASTY).max_restarts(10).start().unwrap();
    let below = shown.start_child(DynamicSupervisor::builder().into_child().id(NASTY)).await.unwrap().addr;
    room(&below, NASTY).await;
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    for path in ["/s/api/tree.txt", "/s/api/tree.dot"] {
        let text = web.get(path).await.body;
        let odd = text.chars().find(|letter| letter.is_control() && *letter != '\n' || *letter == '\u{202e}');
        assert_eq!(odd, None, "{path}: {text}");
        assert!(!text.lines().any(|line| line.starts_with("data: ")), "{path}: {text}");
    }
}

#[actix_web::test]
async fn what_is_asked_for_is_not_said_back() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    for path in ["/s/%3Cscript%3E", "/s/api/children?%3Cscript%3E=1", "/s/api/children?state=%3Cscript%3E"] {
        let answer = web.get(path).await;
        assert!(!answer.body.contains("script"), "{}", answer.body);
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

/// An error that cannot be told.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words");
    }
}

impl Error for Unspeakable {}

struct Quitter;

impl Actor for Quitter {
    type Context = Context<Self>;
}

impl Supervised for Quitter {}

impl Handler<Crash> for Quitter {
    type Result = ();

    fn handle(&mut self, _: Crash, ctx: &mut Context<Self>) {
        ctx.exit(ExitReason::failed(Unspeakable));
    }
}

#[actix_web::test]
async fn an_error_whose_text_panics_takes_nothing_down() {
    let shown = supervisor();
    let quitter = shown.start_child(Child::new(|| Quitter)).await.unwrap();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut events = web.events("/s/api/events").await;
    events.next_of("tick").await;
    let _ = quitter.addr.send(Crash(String::new())).await;

    assert_eq!(events.happened("exited").await["reason"]["kind"], "failed");
    events.next_of("tick").await;
    let child = &web.json("/s/api/children").await["children"][0];
    assert!(child["last_exit"]["text"].as_str().unwrap().contains("could not be made"), "{child}");
    for path in ["/s/api/tree.txt", "/s/api/tree.dot"] {
        assert_eq!(web.get(path).await.status, 200, "{path}");
    }
}
