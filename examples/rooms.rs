//! Chat rooms over HTTP with actix-web: a room is an actor, started when somebody first says something in it.
//!
//! `cargo run --example rooms -- [ADDRESS] [--max N] [--idle SECONDS]`, then for instance
//! `curl -d hello 127.0.0.1:8080/rooms/lobby/messages` from another terminal.
//!
//! | request | answer |
//! |---|---|
//! | `POST /rooms/{name}/messages` | 201; the body is said in the room, which is started if need be |
//! | `GET /rooms/{name}` | 200 and what was said, or 404 |
//! | `DELETE /rooms/{name}` | 204 when the room is gone, or 404 |
//! | `GET /health` | 200 and how many rooms there are |
//!
//! * One room more than `--max` is answered 429; those that are there are served.
//! * A message that says `poison` crashes its room: who sent it is answered 503, and nobody else. The next message is
//!   handled at the same address by a fresh room: what was said before the crash is lost.
//! * A room that crashes again and again is tried later each time, and is removed after the fourth crash in a minute. The
//!   others do not notice, and who comes next gets a new one.
//! * A room in which nothing is said for `--idle` seconds ends.
//! * Ctrl-C or SIGTERM: requests under way are answered, then all rooms end.

use std::{
    collections::VecDeque,
    env,
    fmt::Display,
    io::{self, Write},
    net::TcpListener,
    process::ExitCode,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use actix_web::{
    http::{header, StatusCode},
    web, App, HttpResponse, HttpServer, ResponseError,
};
use serde::Serialize;
use serde_json::json;

const USAGE: &str = "usage: rooms [ADDRESS] [--max N] [--idle SECONDS]    (default: 127.0.0.1:0 --max 100 --idle 300)";

const MAX_NAME_BYTES: usize = 32;
const MAX_BODY_BYTES: usize = 4 * 1024;
const MAX_MESSAGES: usize = 100;

/// How long a client waits for a room that has much to do, or waits for its next try.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What all handlers share: an address can be used from any thread, so from every worker of the server.
type Rooms = web::Data<Addr<DynamicSupervisor>>;

fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
        .service(web::resource("/rooms/{name}/messages").post(say))
        .service(web::resource("/rooms/{name}").get(listen).delete(close))
        .service(web::resource("/health").get(health));
}

async fn say(rooms: Rooms, name: web::Path<String>, text: String) -> Result<HttpResponse, Refusal> {
    let name = checked(name)?;
    // However many ask at the same time: one room is started, and all get its address.
    let room = rooms.get_or_start(name.clone(), room(name)).await?;
    // Not tried again if there is no answer: this may be the message that crashes the room.
    let messages = room.addr.send(Say(text)).timeout(ANSWER_WITHIN).await?;
    Ok(HttpResponse::Created().json(json!({ "room": room.id.to_string(), "messages": messages })))
}

async fn listen(rooms: Rooms, name: web::Path<String>) -> Result<web::Json<Heard>, Refusal> {
    let room = rooms.whereis::<Room>(&checked(name)?).ok_or(Refusal::NoRoom)?;
    Ok(web::Json(room.send(Listen).timeout(ANSWER_WITHIN).await?))
}

async fn close(rooms: Rooms, name: web::Path<String>) -> Result<HttpResponse, Refusal> {
    rooms.terminate_child(ChildHandle::key::<Room>(checked(name)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn health(rooms: Rooms) -> Result<HttpResponse, Refusal> {
    let counts = rooms.count_children().await?;
    Ok(HttpResponse::Ok().json(json!({ "rooms": counts.workers, "running": counts.active })))
}

fn checked(name: web::Path<String>) -> Result<String, Refusal> {
    let name = name.into_inner();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain && (1..=MAX_NAME_BYTES).contains(&name.len()) {
        Ok(name)
    } else {
        Err(Refusal::OddName)
    }
}

/// Why a request was not done. The crate's errors are typed, so each finds its status code.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the name of a room is 1 to {MAX_NAME_BYTES} letters, digits and dashes")]
    OddName,
    #[error("there is no such room")]
    NoRoom,
    #[error("not started: {0}")]
    NotStarted(#[from] StartChildError),
    #[error("not closed: {0}")]
    NotClosed(#[from] TerminateChildError),
    /// The handler panicked, the room ended with the message in its queue, or it took too long.
    #[error("the room crashed, closed or took too long before it answered")]
    NoAnswer(#[from] MailboxError),
    #[error("not counted: {0}")]
    NotCounted(#[from] SupervisorGone),
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::OddName => StatusCode::BAD_REQUEST,
            Self::NoRoom | Self::NotClosed(TerminateChildError::NotFound) => StatusCode::NOT_FOUND,
            Self::NotStarted(StartChildError::MaxChildren { .. }) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if matches!(self.status_code(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        response.json(json!({ "error": self.to_string() }))
    }
}

/// How a room is made, for the first time and after each crash.
fn room(name: String) -> impl ChildSpec<Actor = Room, Info = ()> {
    Child::try_with(|cx| {
        let Idle(idle) = cx.extra()?;
        let crashes = cx.incarnation() - 1;
        Ok::<_, MissingExtra>(Start::Run(Room { messages: VecDeque::new(), said: 0, crashes, idle, timer: None }))
    })
    // It comes back after a crash, not when it has ended by itself.
    .restart(Restart::Transient)
    // Its crashes are its own: they do not count in the supervisor's limit, which would be the end of all rooms.
    .max_restarts(3, Duration::from_secs(60))
    .backoff(Backoff::exponential(Duration::from_millis(20), Duration::from_secs(1)))
    .id(name) // for the reports
}

/// Given to the supervisor for all its children. In an application: a pool of connections, the configuration.
#[derive(Clone, Copy)]
struct Idle(Duration);

/// All rooms live on the thread of their supervisor, unless `Builder::placement` says otherwise: what takes long or blocks
/// belongs elsewhere.
struct Room {
    messages: VecDeque<String>,
    said: u64,
    crashes: usize,
    idle: Duration,
    timer: Option<SpawnHandle>,
}

impl Room {
    fn wait_for_more(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        // A quiet end: no restart, no report, and the name is free.
        self.timer = Some(ctx.run_later(self.idle, |_, ctx| ctx.exit(ExitReason::shutdown_with("idle"))));
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.wait_for_more(ctx);
    }
}

impl Supervised for Room {}

/// Answered with how many messages were said.
#[derive(Message)]
#[rtype(result = "u64")]
struct Say(String);

impl Handler<Say> for Room {
    type Result = u64;

    #[allow(clippy::panic, reason = "stands for the mistake that every application has somewhere")]
    fn handle(&mut self, Say(text): Say, ctx: &mut Context<Self>) -> u64 {
        if text == "poison" {
            panic!("somebody said poison");
        }
        self.wait_for_more(ctx);
        self.messages.push_back(text);
        if self.messages.len() > MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.said += 1;
        self.said
    }
}

#[derive(Message)]
#[rtype(result = "Heard")]
struct Listen;

/// What was said since the last crash.
#[derive(MessageResponse, Serialize)]
struct Heard {
    crashes: usize,
    messages: VecDeque<String>,
}

impl Handler<Listen> for Room {
    type Result = Heard;

    fn handle(&mut self, _: Listen, _: &mut Context<Self>) -> Heard {
        Heard { crashes: self.crashes, messages: self.messages.clone() }
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error")).init();
    let Some(options) = Options::parse(env::args().skip(1)) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    if let Err(error) = serve(options).await {
        complain(format_args!("rooms: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve(Options { address, max_rooms, idle }: Options) -> Result<(), BoxError> {
    // Before anybody is told where to find us: a signal that comes early must not find the default handler.
    let end = end_requested()?;
    let listener = TcpListener::bind(&address).map_err(|error| format!("{address}: {error}"))?;
    let local_address = listener.local_addr()?;
    // On the main thread, and kept alive by this address until it is stopped below.
    let rooms = DynamicSupervisor::builder().max_children(max_rooms).extra_argument(Idle(idle)).start()?;
    let (shared, supervisor_ended) = (Rooms::new(rooms.clone()), rooms.exited());
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(routes))
        .shutdown_signal(async {
            tokio::select! {
                () = end => print("shutting down"),
                // Nothing works without it: better to be started anew from outside.
                reason = supervisor_ended => complain(format_args!("rooms: the supervisor ended: {reason}")),
            }
        })
        .shutdown_timeout(10)
        .listen(listener)?;
    print(format_args!("listening on {local_address}"));
    server.run().await?;
    // No request is under way any more. Ten rooms or ten thousand: they have five seconds, all at the same time.
    let report = rooms.stop_with(ExitReason::Shutdown, Duration::from_secs(5)).await?;
    print(format_args!("shutdown: {report}"));
    Ok(())
}

struct Options {
    address: String,
    max_rooms: usize,
    idle: Duration,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { address: "127.0.0.1:0".to_owned(), max_rooms: 100, idle: Duration::from_secs(300) };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--max" => options.max_rooms = arguments.next()?.parse().ok()?,
                "--idle" => options.idle = Duration::from_secs(arguments.next()?.parse().ok()?),
                _ if argument.starts_with('-') => return None,
                _ => options.address = argument,
            }
        }
        Some(options)
    }
}

/// Ends when somebody wants the server to end; listens for that from now on.
#[cfg(unix)]
fn end_requested() -> io::Result<impl std::future::Future<Output = ()>> {
    use tokio::signal::unix::{signal, SignalKind};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn end_requested() -> io::Result<impl std::future::Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// To stdout, where perhaps nobody reads any more: that is no reason to end.
fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(problem: impl Display) {
    let _ = writeln!(io::stderr(), "{problem}");
}
