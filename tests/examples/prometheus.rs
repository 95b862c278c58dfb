//! The example `prometheus`: what it serves is what Prometheus reads, and adds up.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::support::{example, Process};

const RUNNING: &str = r#"actix_supervisor_children{supervisor="sensors",actor="prometheus::Sensor",state="running"}"#;
const RESTARTING: &str =
    r#"actix_supervisor_children{supervisor="sensors",actor="prometheus::Sensor",state="restarting"}"#;
const STARTS: &str = r#"actix_supervisor_starts_total{supervisor="sensors",actor="prometheus::Sensor"}"#;
const RESTARTS: &str = r#"actix_supervisor_restarts_total{supervisor="sensors",actor="prometheus::Sensor"}"#;
const PANICS: &str =
    r#"actix_supervisor_exits_total{supervisor="sensors",actor="prometheus::Sensor",reason="panicked"}"#;
const RATIO: &str = r#"actix_supervisor_restart_limit_used_ratio{supervisor="sensors"}"#;
const RESTART_TIMES: &str =
    r#"actix_supervisor_restart_seconds_count{supervisor="sensors",actor="prometheus::Sensor"}"#;

#[test]
fn the_figures_are_those_that_the_application_tells() {
    let server = Server::start(&["--crash-every", "0"]);
    assert_eq!(server.ask("GET /children"), r#"{"running":4}"#);
    let before = server.figures();
    assert_eq!([RUNNING, STARTS, RATIO].map(|name| before.value(name)), [Some(4.0), Some(4.0), Some(0.0)]);
    assert_eq!([PANICS, RESTARTS].map(|name| before.value(name)), [None, None]);

    for crashes in 1..=3 {
        server.ask("POST /crash");
        // What follows an answer soon, but not before it.
        let after = server.figures_when(|figures| figures.value(RESTARTS) == Some(f64::from(crashes)));
        assert_eq!(after.value(PANICS), Some(f64::from(crashes)));
        assert_eq!([RUNNING, RESTARTING].map(|name| after.value(name)), [Some(4.0), Some(0.0)]);
        assert_eq!(after.value(RATIO), Some(f64::from(crashes) / 30.0));
        assert_eq!(after.value(STARTS), Some(4.0), "a restart is no start");
    }

    server.figures_when(|figures| figures.value(RESTART_TIMES) == Some(3.0));
    assert_eq!(server.ask("GET /children"), r#"{"running":4}"#);
    server.process.signal("-INT");
    let told = server.process.finish();
    assert_eq!(told.stdout, "shutting down\nshutdown: stopped: 4, killed: 0, failed: 0, unresponsive: 0\n");
    assert_eq!(told.code, Some(0));
    assert_eq!(told.stderr.matches("report=\"child_terminated\"").count(), 3, "{}", told.stderr);
}

#[test]
fn each_figure_is_explained_and_has_its_kind() {
    let server = Server::start(&["--crash-every", "0"]);
    server.ask("POST /crash");
    let Figures(text) = server.figures_when(|figures| figures.value(RESTART_TIMES).is_some());
    for (name, kind) in [
        ("actix_supervisor_children", "gauge"),
        ("actix_supervisor_restart_limit_used_ratio", "gauge"),
        ("actix_supervisor_starts_total", "counter"),
        ("actix_supervisor_exits_total", "counter"),
        ("actix_supervisor_restarts_total", "counter"),
        ("actix_supervisor_restart_seconds", "histogram"),
        ("actix_supervisor_uptime_seconds", "histogram"),
    ] {
        assert!(text.contains(&format!("\n# TYPE {name} {kind}\n")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
    }
}

#[test]
fn a_sensor_crashes_now_and_then_and_too_often_ends_it_all() {
    let server = Server::start(&["--crash-every", "1"]);

    let told = server.process.finish();

    assert!(told.stderr.contains("prometheus: the supervisor ended: shutdown"), "{}", told.stderr);
    assert!(told.stderr.contains("the wire is loose"), "{}", told.stderr);
    assert_eq!(told.code, Some(0));
}

#[test]
fn wrong_arguments_get_a_usage_line_and_an_address_that_cannot_be_had_an_error() {
    for arguments in [&["--crash-every"][..], &["--crash-every", "often"], &["--quick"]] {
        let told = Process::start(example("prometheus").args(arguments)).finish();
        assert!(told.stderr.starts_with("usage: prometheus"), "{}", told.stderr);
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(2)));
    }
    let told = Process::start(example("prometheus").arg("nowhere")).finish();
    assert!(told.stderr.starts_with("prometheus: nowhere: "), "{}", told.stderr);
    assert_eq!((told.stdout.as_str(), told.code), ("", Some(1)));
}

struct Server {
    process: Process,
    address: String,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut process = Process::start(example("prometheus").args(options).env_remove("RUST_BACKTRACE"));
        let line = process.line();
        let url = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        let address = url.strip_suffix("/metrics").unwrap().to_owned();
        Self { process, address }
    }

    /// The body of an answer. Reads without limit: if the server hangs it is ended by the watchdog, and reading with it.
    fn ask(&self, request: &str) -> String {
        let mut client = TcpStream::connect(&self.address).unwrap();
        let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        client.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 20"), "{answer}");
        body.to_owned()
    }

    fn figures(&self) -> Figures {
        Figures(self.ask("GET /metrics"))
    }

    fn figures_when(&self, is_so: impl Fn(&Figures) -> bool) -> Figures {
        loop {
            let figures = self.figures();
            if is_so(&figures) {
                return figures;
            }
        }
    }
}

/// The text that Prometheus reads.
struct Figures(String);

impl Figures {
    fn value(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series))?;
        Some(line.trim().parse().unwrap())
    }
}
