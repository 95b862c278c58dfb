//! An application with a dashboard, asked without a socket.

use std::{future::poll_fn, pin::Pin, rc::Rc};

use actix_dynamic_supervisor::dashboard::Dashboard;
use actix_web::{
    body::{to_bytes, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::{header::HeaderMap, Method, StatusCode},
    test::{call_service, init_service, TestRequest},
    App,
};
use futures::{future::LocalBoxFuture, FutureExt};
use serde_json::Value;

type Serve = dyn Fn(TestRequest) -> LocalBoxFuture<'static, ServiceResponse>;

/// An application as one worker of a server has it.
pub(crate) struct Web(Box<Serve>);

impl Web {
    pub(crate) async fn of(dashboard: Dashboard) -> Self {
        Self::serving(move |config| {
            config.service(dashboard);
        })
        .await
    }

    pub(crate) async fn serving(configure: impl FnOnce(&mut actix_web::web::ServiceConfig)) -> Self {
        let app = Rc::new(init_service(App::new().configure(configure)).await);
        Self(Box::new(move |request| {
            let app = Rc::clone(&app);
            async move { call_service(&*app, request.to_request()).await }.boxed_local()
        }))
    }

    pub(crate) async fn ask(&self, request: TestRequest) -> Answer {
        Answer::of(self.0(request).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(TestRequest::get().uri(path)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        self.ask(TestRequest::default().method(method).uri(path)).await
    }

    /// What a button of the page sends.
    pub(crate) async fn press(&self, path: &str) -> Answer {
        self.ask(TestRequest::post().uri(path).insert_header(("sec-fetch-site", "same-origin"))).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) async fn events(&self, path: &str) -> Events {
        let response = self.0(TestRequest::get().uri(path)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
        Events { body: Some(Box::pin(response.into_body())), waiting: Vec::new() }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    async fn of(response: ServiceResponse) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        // A stream of events has no end.
        let is_endless = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_endless { Default::default() } else { to_bytes(response.into_body()).await.unwrap() };
        Self { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// It is refused with this status, as JSON, and says why.
    pub(crate) fn refuses(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let why = self.json()["error"].as_str().expect("it says why").to_owned();
        assert!(!why.is_empty());
        why
    }
}

/// What a browser's `EventSource` reads.
pub(crate) struct Events {
    body: Option<Pin<Box<BoxBody>>>,
    waiting: Vec<(String, Value)>,
}

impl Events {
    /// The next chunk as it is sent; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let body = self.body.as_mut()?;
        let chunk = poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        let Some(chunk) = chunk else {
            self.body = None;
            return None;
        };
        Some(String::from_utf8(chunk.expect("no error").to_vec()).unwrap())
    }

    /// The next event of the stream, with its kind; what has no kind is a `message`. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        while self.waiting.is_empty() {
            let chunk = self.chunk().await?;
            for message in chunk.split("\n\n").filter(|message| !message.is_empty()) {
                let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let data = field("data: ").unwrap_or_else(|| panic!("no data: {message}"));
                self.waiting.insert(
                    0,
                    (field("event: ").unwrap_or("message".into()), serde_json::from_str(&data).expect("it is JSON")),
                );
            }
        }
        self.waiting.pop()
    }

    /// The data of the next of this kind: `hello`, `tick`, `gone`, `message`.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let (this, data) = self.next().await.expect("the stream goes on");
            if this == kind {
                return data;
            }
        }
    }

    /// The next event of this kind in a supervisor: `exited`, `restarted`.
    pub(crate) async fn happened(&mut self, what: &str) -> Value {
        loop {
            let event = self.next_of("message").await;
            if event["event"] == what {
                return event;
            }
        }
    }
}
