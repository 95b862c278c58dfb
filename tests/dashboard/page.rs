//! The page, its files, its headers; and where it can be put.

use actix_dynamic_supervisor::{dashboard, prelude::*};
use actix_web::{
    http::Method,
    test::TestRequest,
    web::{self, ServiceConfig},
};

use crate::support::{http::Web, tree::*};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[actix_web::test]
async fn the_page_and_its_files_are_served() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    for (path, kind, holds) in [
        ("/s/", "text/html; charset=utf-8", "<title>Supervisors</title>"),
        ("/s/app.js", "text/javascript; charset=utf-8", "EventSource"),
        ("/s/style.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/s/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let answer = web.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind), "{path}");
        assert!(answer.body.contains(holds), "{path}");

        let head = web.send(Method::HEAD, path).await;
        assert_eq!(head.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let first = web.get("/s/app.js").await;
    assert_eq!(first.header("cache-control"), "no-cache");

    let asked_with = |tag: &str| TestRequest::get().uri("/s/app.js").insert_header(("if-none-match", tag));
    let again = web.ask(asked_with(first.header("etag"))).await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    let other = web.ask(asked_with("\"another\"")).await;
    assert_eq!((other.status.as_u16(), other.body), (200, first.body));
}

#[actix_web::test]
async fn the_page_is_small_and_asks_nobody_else() {
    let shown = supervisor();
    let web = Web::of(dashboard::scope("/s", &shown)).await;
    let mut bytes = 0;
    for path in ["/s/", "/s/app.js", "/s/style.css", "/s/icon.svg"] {
        let body = web.get(path).await.body;
        bytes += body.len();
        for line in body.lines().filter(|line| line.contains("//")) {
            let names_a_host = line.contains("http") && !line.contains("http://www.w3.org/2000/svg");
            assert!(!names_a_host, "{path}: {line}");
        }
        for (what, why) in [
            ("innerHTML", "markup of text"),
            ("outerHTML", "markup of text"),
            ("insertAdjacentHTML", "markup of text"),
            ("document.write", "markup of text"),
            ("eval(", "text run as code"),
            (" style=", "an inline style"),
            ("<style", "an inline style"),
            (" onclick=", "an inline script"),
        ] {
            assert!(!body.contains(what), "{path} has {what}: {why}");
        }
    }
    assert!(bytes < 68_000, "{bytes} bytes");
}

#[actix_web::test]
async fn every_answer_is_protected() {
    let shown = supervisor();
    let room = room(&shown, "lobby").await;
    let web = Web::of(dashboard::scope("/s", &shown).actions(true)).await;
    let child = format!("/s/api/children/{}", room.id);
    for (method, path, status) in [
        (Method::GET, "/s/", 200),
        (Method::GET, "/s/app.js", 200),
        (Method::GET, "/s/api/tree", 200),
        (Method::GET, "/s/api/tree.txt", 200),
        (Method::GET, "/s/api/tree.dot", 200),
        (Method::GET, "/s/api/children", 200),
        (Method::GET, &child, 200),
        (Method::GET, "/s/api/events", 200),
        (Method::GET, "/s", 307),
        (Method::GET, "/s/nothing", 404),
        (Method::GET, "/s/api/children/9.9", 404),
        (Method::GET, "/s/api/children?limit=x", 400),
        (Method::DELETE, "/s/api/tree", 405),
        (Method::POST, &format!("{child}/kill"), 403),
    ] {
        let answer = web.send(method.clone(), path).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-security-policy"), POLICY, "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{method} {path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{method} {path}");
        if path.contains("/api/") {
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn the_folder_without_its_slash_leads_to_the_page() {
    let shown = supervisor();
    let inside = |config: &mut ServiceConfig| {
        config.service(web::scope("/admin").service(dashboard::scope("/s", &shown)));
    };
    let web = Web::serving(inside).await;
    let answer = web.get("/admin/s").await;
    // Relative to `/admin/`, so that it holds whatever a proxy puts before it.
    assert_eq!((answer.status.as_u16(), answer.header("location")), (307, "./s/"));
    assert_eq!(web.get("/admin/s/").await.status, 200);
}

#[actix_web::test]
async fn it_can_be_all_there_is() {
    let shown = supervisor();
    for path in ["", "/"] {
        let web = Web::of(dashboard::scope(path, &shown)).await;
        assert_eq!(web.get("/").await.status, 200, "{path:?}");
        assert_eq!(web.get("/app.js").await.status, 200, "{path:?}");
        assert_eq!(web.json("/api/tree").await["name"], "shown", "{path:?}");
    }
}

#[actix_web::test]
async fn two_of_them_in_one_application_show_each_its_own() {
    let (one, other) = (supervisor(), DynamicSupervisor::builder().name("other").start().unwrap());
    let both = |config: &mut ServiceConfig| {
        config.service(dashboard::scope("/one", &one)).service(dashboard::scope("/other", other.clone()));
    };
    let web = Web::serving(both).await;
    assert_eq!(web.json("/one/api/tree").await["name"], "shown");
    assert_eq!(web.json("/other/api/tree").await["name"], "other");
    assert_eq!(web.get("/else").await.status, 404);
}

#[actix_web::test]
async fn it_keeps_no_supervisor_alive() {
    // Without a name it ends when its last address is dropped.
    let shown = DynamicSupervisor::builder().start().unwrap();
    let weak = shown.downgrade();
    let web = Web::of(dashboard::scope("/s", shown)).await;
    while weak.upgrade().is_some_and(|addr| addr.connected()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(web.get("/s/api/tree").await.refuses(503), "the supervisor is gone");
    assert_eq!(web.get("/s/").await.status, 200);
}
