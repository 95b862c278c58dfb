//! A server that sums: every line with a number is answered with the sum of all numbers in that session.
//!
//! `cargo run --example tcp -- [ADDRESS] [--max N]`, then for instance `nc 127.0.0.1 PORT` from another terminal.
//!
//! Each connection is a child of its own, started when a client comes:
//!
//! * `max_children` is the limit of clients at a time; one more is told `busy`.
//! * A line that says `poison` crashes its session and no other. A connection cannot be made twice, so there is no
//!   restart: [`Child::once`].
//! * Ctrl-C or SIGTERM ends all sessions in order: each says `bye`.

use std::{
    env,
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::stream::{self, Stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        TcpListener, TcpStream,
    },
};

const USAGE: &str = "usage: tcp [ADDRESS] [--max N]    (default: 127.0.0.1:0 --max 100)";

const MAX_LINE_BYTES: usize = 8 * 1024;

#[actix::main]
async fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error")).init();
    // The crate reports every crash; the default hook would tell it a second time.
    std::panic::set_hook(Box::new(|_| {}));

    let Options { address, max_clients } =
        match Options::parse(env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned())) {
            Ok(options) => options,
            Err(problem) => {
                complain(format_args!("{problem}\n{USAGE}"));
                return ExitCode::from(2);
            }
        };
    match serve(&address, max_clients).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("{}: {error}", address.escape_debug()));
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str, max_clients: usize) -> Result<(), BoxError> {
    // Before anybody is told where to find us: a signal that comes early must not find the default handler.
    let end = end_requested()?;
    let listener = TcpListener::bind(address).await?;
    let sessions = DynamicSupervisor::builder().max_children(max_clients).start()?;
    say(format_args!("listening on {}", listener.local_addr()?));

    tokio::select! {
        refused = accept_clients(&listener, &sessions) => return Err(refused.into()),
        () = end => drop(listener),
    }
    let report = sessions.stop().await?;
    say(format_args!("{}", Counts::summary()));
    say(format_args!("shutdown: {report}"));
    Ok(())
}

/// Goes on until the supervisor is gone, which nothing here makes it.
async fn accept_clients(listener: &TcpListener, sessions: &Addr<DynamicSupervisor>) -> StartChildError {
    loop {
        let client = match listener.accept().await {
            Ok((stream, _)) => Client(Some(stream)),
            Err(error) => {
                // Most likely too many open files: that does not get better by asking at once again.
                complain(format_args!("cannot accept a client: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match sessions.start_child(Child::once(move || Session::new(client))).await {
            // Either way the client has been told, and counted, already.
            Ok(_) | Err(StartChildError::MaxChildren { .. }) => {}
            Err(gone) => return gone,
        }
    }
}

/// A connection that no session has taken yet.
///
/// A start that is refused drops the spec and all it holds; whoever is in there then is told so.
struct Client(Option<TcpStream>);

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            count(&COUNTS.refused);
            let _ = stream.try_write(b"busy\n");
        }
    }
}

/// One client, as long as it is connected.
struct Session {
    client: Client,
    /// Not there while something is being written, and so not when a line has crashed the session.
    output: Option<OwnedWriteHalf>,
    sum: i64,
}

impl Session {
    fn new(client: Client) -> Self {
        Self { client, output: None, sum: 0 }
    }

    /// What a line is answered with.
    #[allow(clippy::panic, reason = "the crash is what is shown here")]
    fn answer(&mut self, line: &str) -> String {
        if line == "poison" {
            panic!("a client sent poison");
        }
        match line.parse::<i64>().map(|number| self.sum.checked_add(number)) {
            Ok(Some(sum)) => {
                self.sum = sum;
                format!("sum: {sum}\n")
            }
            Ok(None) => "too much\n".to_owned(),
            Err(_) => "not a number\n".to_owned(),
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        count(&COUNTS.sessions);
        if let Some((input, output)) = self.client.0.take().map(TcpStream::into_split) {
            self.output = Some(output);
            // When the client has gone the stream ends, and with it the session.
            ctx.add_stream(lines(input));
        }
    }

    /// Comes before every end, also when the supervisor shuts down.
    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        if let Some(output) = &self.output {
            // A client that does not take it at once has its buffers full, and is not waited for.
            if output.try_write(b"bye\n").is_ok() {
                count(&COUNTS.farewells);
            }
        }
        Running::Stop
    }
}

impl Supervised for Session {}

impl StreamHandler<Line> for Session {
    fn handle(&mut self, line: Line, ctx: &mut Context<Self>) {
        let Some(mut output) = self.output.take() else { return };
        count(&COUNTS.lines);
        let (answer, is_last) = match line {
            Line::Whole(line) => (self.answer(line.trim()), false),
            Line::TooLong => (format!("a line has at most {MAX_LINE_BYTES} bytes\n"), true),
        };
        // No further line is read before this one is answered: who does not listen cannot make us keep answers.
        let written = async move { output.write_all(answer.as_bytes()).await.map(|()| output) };
        ctx.wait(written.into_actor(self).map(move |written, session, ctx| {
            session.output = written.ok();
            if is_last || session.output.is_none() {
                ctx.stop();
            }
        }));
    }
}

enum Line {
    Whole(String),
    TooLong,
}

/// What a client sends, line by line, until it goes.
fn lines(input: OwnedReadHalf) -> impl Stream<Item = Line> {
    stream::unfold(BufReader::new(input), |mut input| async move {
        let mut line = Vec::new();
        // One byte more than allowed, and the newline: enough to see that it is too long.
        let read = (&mut input).take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line).await;
        match read {
            Ok(0) | Err(_) => None,
            Ok(_) if line.len() > MAX_LINE_BYTES && !line.ends_with(b"\n") => Some((Line::TooLong, input)),
            Ok(_) => Some((Line::Whole(String::from_utf8_lossy(&line).into_owned()), input)),
        }
    })
}

struct Counts {
    sessions: AtomicU64,
    farewells: AtomicU64,
    lines: AtomicU64,
    refused: AtomicU64,
}

static COUNTS: Counts = Counts {
    sessions: AtomicU64::new(0),
    farewells: AtomicU64::new(0),
    lines: AtomicU64::new(0),
    refused: AtomicU64::new(0),
};

fn count(what: &AtomicU64) {
    what.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    fn summary() -> String {
        let [sessions, farewells, lines, refused] =
            [&COUNTS.sessions, &COUNTS.farewells, &COUNTS.lines, &COUNTS.refused].map(|n| n.load(Ordering::Relaxed));
        format!("sessions: {sessions}, ended with bye: {farewells}, lines: {lines}, refused: {refused}")
    }
}

struct Options {
    address: String,
    max_clients: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut address, mut max_clients) = (None, 100);
        while let Some(argument) = arguments.next() {
            if argument == "--max" {
                let number = arguments.next().ok_or("--max needs a number")?;
                max_clients = number.parse().map_err(|_| format!("{number:?} is not a number of clients"))?;
            } else if argument.starts_with('-') || address.is_some() {
                return Err(format!("{argument:?} is not understood"));
            } else {
                address = Some(argument);
            }
        }
        Ok(Self { address: address.unwrap_or_else(|| "127.0.0.1:0".to_owned()), max_clients })
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
fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(problem: impl Display) {
    let _ = writeln!(io::stderr(), "tcp: {problem}");
}
