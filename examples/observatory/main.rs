//! All there is to see of supervisors: a tree in which something happens all the time, shown as a page and in the terminal.
//!
//! `cargo run --example observatory --features dashboard`, then open the address that it prints; or
//!
//! | with these arguments | |
//! |---|---|
//! | `-- 9000`, `-- 127.0.0.1:9000` | another port; no address but this machine's own is served |
//! | `-- --terminal` | also draws it in the terminal, each second; `--width COLUMNS` |
//! | `-- --once` | runs for two seconds, prints the tree and ends; `--json` and `--dot` print other forms |
//!
//! Ctrl-C ends it in order.
//!
//! | part | shows |
//! |---|---|
//! | `rooms` | 124 children with keys and messages that flow; `town-hall` falls again and again; names meant to do harm |
//! | `workers` | children on two threads, measured; one blocks its thread now and then, one takes longer with each message |
//! | `tenants` | supervisors below: `acme` is calm, `globex` near its restart limit, `initech` reaches it and is restarted |
//! | `devices` | one cannot be reached and waits for its next try, one is parked, one is slow to stop |
//! | `staff` | the tasks that send the messages, and those who make the trouble |
//!
//! Nothing of it is by accident: what falls is told to, by dice that fall the same way at each run.

mod devices;
mod dice;
mod options;
mod rooms;
mod tenants;
mod terminal;
mod tree;
mod workers;

use std::{
    env,
    fmt::Display,
    future::Future,
    io::{self, Write},
    net::TcpListener,
    panic,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use actix::Addr;
use actix_dynamic_supervisor::{dashboard, prelude::*, PanicHook};
use actix_web::{dev::Server, App, HttpServer};

use self::options::{Fault, Form, Options, USAGE};

/// How long it runs before it is printed once: until everything has gone wrong that is to.
const WARM_UP: Duration = Duration::from_secs(2);

#[actix::main]
async fn main() -> ExitCode {
    let _last_words = LastWords::keep();
    // File, line and message of each panic in what the page shows.
    PanicHook::new().message_types().install();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(Fault::Usage) => return refuse(USAGE),
        Err(Fault::NotThisMachine(address)) => {
            return refuse(format_args!("observatory: {address}: only this machine's own addresses are served"));
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("observatory: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), BoxError> {
    // Before anybody is told where to find us: a signal that comes early must not find the default handler.
    let end = end_requested()?;
    match options {
        Options::Once(form) => {
            let supervisor = tree::start()?;
            actix_rt::time::sleep(WARM_UP).await;
            let snapshot = supervisor.snapshot(TakeSnapshot::new().limit(8)).await?;
            print(match form {
                Form::Tree => snapshot.to_string(),
                Form::Json => serde_json::to_string_pretty(&snapshot)?,
                Form::Dot => snapshot.to_dot().trim_end().to_owned(),
            });
            supervisor.stop().await?;
        }
        Options::Serve { address, terminal } => {
            let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
            let url = format!("http://{}/supervisors/", listener.local_addr()?);
            let supervisor = tree::start()?;
            let server = serve(listener, &supervisor)?;
            let (pages, served) = (server.handle(), actix_rt::spawn(server));
            let shown = match terminal {
                Some(terminal) => terminal::watch(&supervisor, &url, terminal.columns, end).await,
                None => {
                    print(&url);
                    end.await;
                    Ok(())
                }
            };
            print("stopping");
            // Pages that are open see how all ends.
            let report = supervisor.stop_with(ExitReason::Shutdown, Duration::from_secs(5)).await?;
            pages.stop(true).await;
            served.await??;
            print(format_args!("shutdown: {report}"));
            shown?;
        }
    }
    Ok(())
}

/// Serves the page. Who can reach this machine's own addresses may end children.
fn serve(listener: TcpListener, supervisor: &Addr<DynamicSupervisor>) -> io::Result<Server> {
    let shown = supervisor.clone();
    let server = HttpServer::new(move || App::new().service(dashboard::scope("/supervisors", &shown).actions(true)))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?;
    Ok(server.run())
}

/// Children panic here all the time, and are told of in the page: the panic hook is silent. A panic that is not theirs is
/// told at the end, when the terminal can be read again.
struct LastWords;

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

impl LastWords {
    fn keep() -> Self {
        panic::set_hook(Box::new(|info| {
            *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.to_string());
        }));
        Self
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if let (true, Some(words)) = (thread::panicking(), &*LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner))
        {
            complain(format_args!("observatory: {words}"));
        }
    }
}

/// Ends when somebody wants the program to end; listens for that from now on.
#[cfg(unix)]
fn end_requested() -> io::Result<impl Future<Output = ()>> {
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
fn end_requested() -> io::Result<impl Future<Output = ()>> {
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

fn refuse(problem: impl Display) -> ExitCode {
    complain(problem);
    ExitCode::from(2)
}
