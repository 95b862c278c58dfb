//! What is served for programs, the page among them.

use std::rc::Rc;

use actix_web::{
    http::header::{self, HeaderName, HeaderValue},
    rt,
    web::{Bytes, Payload},
    HttpRequest, HttpResponse,
};
use futures::StreamExt;
use tokio::time::timeout;
use tracing::info;

use super::{
    answer::Refusal,
    asker::{Asker, Question, Shape, DEADLINE},
    feed::Feed,
    guard::same_origin,
    query::{check_empty, check_supervisor, child_id, ListQuery},
};
use crate::{
    error::TerminateChildError,
    id::ChildId,
    supervisor::{SupervisorAddr, Termination},
    unwind,
};

const MAX_BODY_BYTES: usize = 1_024;

/// What the handlers of one worker share.
pub(super) struct Shared {
    pub(super) asker: Rc<Asker>,
    pub(super) feed: Rc<Feed>,
    pub(super) has_actions: bool,
}

impl Shared {
    fn of(request: &HttpRequest) -> Result<Rc<Self>, Refusal> {
        request.app_data::<Rc<Self>>().cloned().ok_or(Refusal::Broken)
    }
}

pub(super) async fn tree(request: HttpRequest) -> HttpResponse {
    tree_as(request, Shape::Json, "application/json").await
}

pub(super) async fn text(request: HttpRequest) -> HttpResponse {
    tree_as(request, Shape::Text, "text/plain; charset=utf-8").await
}

pub(super) async fn dot(request: HttpRequest) -> HttpResponse {
    tree_as(request, Shape::Dot, "text/vnd.graphviz; charset=utf-8").await
}

async fn tree_as(request: HttpRequest, shape: Shape, kind: &'static str) -> HttpResponse {
    ask(&request, kind, |request| {
        check_empty(request.query_string())?;
        Ok(Question::Tree(shape))
    })
    .await
}

pub(super) async fn children(request: HttpRequest) -> HttpResponse {
    ask(&request, "application/json", |request| Ok(Question::List(ListQuery::parse(request.query_string())?))).await
}

pub(super) async fn child(request: HttpRequest) -> HttpResponse {
    ask(&request, "application/json", |request| Ok(Question::Child(named(request)?))).await
}

async fn ask(
    request: &HttpRequest,
    kind: &'static str,
    question: impl FnOnce(&HttpRequest) -> Result<Question, Refusal>,
) -> HttpResponse {
    let told = async {
        let question = question(request)?;
        Shared::of(request)?.asker.ask(question).await
    };
    match told.await {
        Ok(body) => HttpResponse::Ok().content_type(kind).body(body),
        Err(refusal) => refusal.response(),
    }
}

/// The child in the path.
fn named(request: &HttpRequest) -> Result<ChildId, Refusal> {
    let id = request.match_info().get("id").and_then(child_id).ok_or(Refusal::NotFound("child"))?;
    check_supervisor(request.query_string(), id)?;
    Ok(id)
}

pub(super) async fn events(request: HttpRequest) -> HttpResponse {
    let viewer = check_empty(request.query_string()).and_then(|()| Shared::of(&request)?.feed.join());
    match viewer {
        Ok(viewer) => HttpResponse::Ok()
            .content_type("text/event-stream")
            // What stands between must neither collect nor compress: each event is for now.
            .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
            .insert_header((header::CONTENT_ENCODING, "identity"))
            .streaming(viewer),
        Err(refusal) => refusal.response(),
    }
}

pub(super) async fn terminate(request: HttpRequest, body: Payload) -> HttpResponse {
    act(request, body, Action::Terminate).await
}

pub(super) async fn kill(request: HttpRequest, body: Payload) -> HttpResponse {
    act(request, body, Action::Kill).await
}

#[derive(Clone, Copy)]
enum Action {
    Terminate,
    Kill,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Kill => "kill",
        }
    }
}

async fn act(request: HttpRequest, body: Payload, action: Action) -> HttpResponse {
    let done = async {
        let shared = Shared::of(&request)?;
        if !shared.has_actions {
            return Err(Refusal::Forbidden("this dashboard only looks"));
        }
        same_origin(&request)?;
        read_small(body).await?;
        let id = named(&request)?;
        let (supervisor, told) =
            timeout(DEADLINE, shared.asker.find(id, false)).await.unwrap_or(Err(Refusal::Silent))?;
        // With the place that the supervisor knows it by.
        let id = told.children.first().map(|child| child.id).ok_or(Refusal::NotFound("child"))?;
        let peer = request.peer_addr().map(|peer| peer.to_string());
        let _ = unwind::guard(|| {
            info!(
                target: "actix_dynamic_supervisor",
                peer = peer.as_deref(),
                child.id = %id,
                action = action.name(),
                "asked for by the dashboard"
            );
        });
        let ending = match action {
            Action::Terminate => supervisor.terminate_child(id),
            Action::Kill => supervisor.kill_child(id),
        };
        let is_done = in_time(ending).await;
        shared.asker.forget_answers();
        is_done
    };
    match done.await {
        Ok(true) => HttpResponse::Ok().content_type("application/json").body("{\"done\":true}"),
        Ok(false) => HttpResponse::Accepted().content_type("application/json").body("{\"done\":false}"),
        Err(refusal) => refusal.response(),
    }
}

/// Is the child gone? An end that takes longer goes on by itself.
async fn in_time(ending: Termination) -> Result<bool, Refusal> {
    let ending = rt::spawn(ending);
    match timeout(DEADLINE, ending).await {
        Err(_) => Ok(false),
        Ok(Ok(Ok(()))) => Ok(true),
        Ok(Ok(Err(TerminateChildError::NotFound))) => Err(Refusal::NotFound("child")),
        Ok(Ok(Err(TerminateChildError::Unresponsive))) => Err(Refusal::Silent),
        Ok(Ok(Err(TerminateChildError::SupervisorGone))) => Err(Refusal::Gone),
        Ok(Err(_)) => Err(Refusal::Broken),
    }
}

/// Bodies say nothing here; one that is large is refused before it is read.
async fn read_small(mut body: Payload) -> Result<(), Refusal> {
    let mut read = 0;
    while let Some(chunk) = body.next().await {
        let chunk: Bytes = chunk.map_err(|_| Refusal::Malformed("the body cannot be read"))?;
        read += chunk.len();
        if read > MAX_BODY_BYTES {
            return Err(Refusal::Malformed("the body is too large"));
        }
    }
    Ok(())
}
