//! A supervisor's figures for Prometheus, served by actix-web beside the application's own routes.
//!
//! `cargo run --features metrics --example prometheus -- [ADDRESS] [--crash-every MILLISECONDS]`, then open the URL it
//! prints, or have Prometheus scrape it:
//!
//! ```yaml
//! scrape_configs:
//!   - job_name: sensors
//!     static_configs: [{ targets: ["127.0.0.1:9184"] }]
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /metrics` | 200 and all figures, as Prometheus reads them |
//! | `GET /children` | 200 and how many children do what, as the supervisor says |
//! | `POST /crash` | 202; the first of the sensors crashes |
//!
//! Four sensors, of which one crashes every now and then (`--crash-every 0`: only when asked to) and is back a moment later.
//! The supervisor bears 30 crashes in a minute: crash it more often and see `actix_supervisor_restart_limit_used_ratio` rise
//! to 1, and the application end. `docs/observing.md` has rules that would have called somebody before.

use std::{
    collections::BTreeMap,
    env,
    fmt::Display,
    io::{self, Write},
    net::TcpListener,
    process::ExitCode,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{describe_metrics, prelude::*};
use actix_web::{http::header::ContentType, web, App, HttpResponse, HttpServer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const USAGE: &str =
    "usage: prometheus [ADDRESS] [--crash-every MILLISECONDS]    (default: 127.0.0.1:0 --crash-every 5000)";

const SENSORS: usize = 4;

/// Restarts take microseconds without a delay, shutdowns seconds at worst, and incarnations run for days.
const BUCKETS: [f64; 9] = [0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0];

/// How often what was recorded is condensed, which else only a scrape does.
const UPKEEP: Duration = Duration::from_secs(5);

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/metrics").get(scrape))
        .service(web::resource("/children").get(children))
        .service(web::resource("/crash").post(crash));
}

async fn scrape(figures: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(figures.render())
}

async fn children(sensors: web::Data<Addr<DynamicSupervisor>>) -> HttpResponse {
    let Ok(children) = sensors.which_children().await else { return HttpResponse::ServiceUnavailable().finish() };
    let mut states = BTreeMap::<String, usize>::new();
    for child in children {
        *states.entry(child.state.to_string()).or_default() += 1;
    }
    HttpResponse::Ok().content_type(ContentType::json()).body(serde_json::json!(states).to_string())
}

async fn crash(sensors: web::Data<Addr<DynamicSupervisor>>) -> HttpResponse {
    match sensors.whereis::<Sensor>(&0) {
        Some(sensor) => {
            sensor.do_send(Crash);
            HttpResponse::Accepted().finish()
        }
        None => HttpResponse::NotFound().finish(),
    }
}

/// Measures something; in this example, only how often it crashes.
struct Sensor {
    crash_every: Option<Duration>,
}

impl Actor for Sensor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(interval) = self.crash_every {
            ctx.notify_later(Crash, interval);
        }
    }
}

impl Supervised for Sensor {}

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Sensor {
    type Result = ();

    #[allow(clippy::panic, reason = "stands for the mistake that every application has somewhere")]
    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("the wire is loose");
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
        complain(format_args!("prometheus: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn serve(Options { address, crash_every }: Options) -> Result<(), BoxError> {
    // From now on: a signal that comes early must not find the default handler.
    let mut end = Box::pin(tokio::signal::ctrl_c());
    let _ = futures::poll!(&mut end);
    let listener = TcpListener::bind(&address).map_err(|error| format!("{address}: {error}"))?;
    let local_address = listener.local_addr()?;
    let figures = record()?;
    let sensors = DynamicSupervisor::builder().name("sensors").max_restarts(30).max_seconds(60).start()?;
    for n in 0..SENSORS {
        // Only the last one has a loose wire.
        let crash_every = crash_every.filter(|_| n == SENSORS - 1);
        let sensor =
            Child::new(move || Sensor { crash_every }).key(n).backoff(Backoff::fixed(Duration::from_millis(20)));
        sensors.start_child(sensor).await?;
    }
    let (app, supervisor_ended) = (web::Data::new(sensors.clone()), sensors.exited());
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(figures.clone())).app_data(app.clone()).configure(routes)
    })
    .workers(2)
    .shutdown_signal(async {
        tokio::select! {
            _ = end => print("shutting down"),
            reason = supervisor_ended => complain(format_args!("prometheus: the supervisor ended: {reason}")),
        }
    })
    .listen(listener)?
    .run();
    print(format_args!("listening on http://{local_address}/metrics"));
    server.await?;
    if let Ok(report) = sensors.stop().await {
        print(format_args!("shutdown: {report}"));
    }
    Ok(())
}

/// Installs the recorder. Before the first supervisor starts: children that nobody has counted would be missing for ever.
fn record() -> Result<PrometheusHandle, BoxError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let figures = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
    describe_metrics();
    let upkeep = figures.clone();
    actix_web::rt::spawn(async move {
        let mut interval = tokio::time::interval(UPKEEP);
        loop {
            interval.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(figures)
}

struct Options {
    address: String,
    crash_every: Option<Duration>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { address: "127.0.0.1:0".to_owned(), crash_every: Some(Duration::from_secs(5)) };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--crash-every" => {
                    let interval = Duration::from_millis(arguments.next()?.parse().ok()?);
                    options.crash_every = Some(interval).filter(|interval| !interval.is_zero());
                }
                _ if argument.starts_with('-') => return None,
                _ => options.address = argument,
            }
        }
        Some(options)
    }
}

/// To stdout, where perhaps nobody reads any more: that is no reason to end.
fn print(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(problem: impl Display) {
    let _ = writeln!(io::stderr(), "{problem}");
}
