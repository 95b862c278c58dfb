//! The example `tcp`, over real sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
};

use super::support::{example, Process, Told};

#[test]
fn each_client_has_a_sum_of_its_own() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (server.connect(), server.connect());

    assert_eq!([one.ask("1"), one.ask("2"), one.ask("3")], ["sum: 1", "sum: 3", "sum: 6"]);
    assert_eq!([two.ask("-10"), two.ask("ten")], ["sum: -10", "not a number"]);
    assert_eq!([two.ask(&i64::MIN.to_string()), two.ask("0")], ["too much", "sum: -10"]);
    one.send("4\n5");
    assert_eq!(one.leave(), "sum: 10\nsum: 15\nbye\n", "a last line without newline counts");
}

#[test]
fn poison_crashes_only_the_session_of_who_sent_it() {
    let server = Server::start(&[]);
    let (mut poisoner, mut other) = (server.connect(), server.connect());
    assert_eq!([poisoner.ask("1"), other.ask("2")], ["sum: 1", "sum: 2"]);

    poisoner.send("poison\n");

    assert_eq!(poisoner.rest(), "", "closed without a word");
    assert_eq!(other.ask("2"), "sum: 4");
    assert_eq!(server.connect().ask("1"), "sum: 1");
    let told = server.terminate();
    assert_eq!(told.stderr.matches(r#"report="child_terminated""#).count(), 1, "{}", told.stderr);
    assert!(told.stderr.contains("panicked: a client sent poison"), "{}", told.stderr);
}

#[test]
fn one_client_more_than_allowed_is_told_busy_until_another_leaves() {
    let server = Server::start(&["--max", "1"]);
    let mut first = server.connect();
    assert_eq!(first.ask("1"), "sum: 1");

    assert_eq!(server.connect().rest(), "busy\n");
    assert_eq!(first.leave(), "bye\n");
    assert_eq!(server.connect().ask("2"), "sum: 2");
}

#[test]
fn a_line_that_is_too_long_ends_its_session_politely() {
    let server = Server::start(&[]);
    let (mut longest, mut too_long) = (server.connect(), server.connect());

    assert_eq!(longest.ask(&format!("{:>8192}", 7)), "sum: 7");
    too_long.send(&"7".repeat(9_000));
    assert_eq!(too_long.rest(), "a line has at most 8192 bytes\nbye\n");
}

#[test]
fn sigterm_ends_all_sessions_in_order() {
    let server = Server::start(&["--max", "3"]);
    let mut clients = [server.connect(), server.connect(), server.connect()];
    for client in &mut clients {
        assert_eq!(client.ask("1"), "sum: 1");
    }
    assert_eq!(server.connect().rest(), "busy\n");

    let told = server.terminate();

    for client in clients {
        assert_eq!(client.rest(), "bye\n");
    }
    let summary = "sessions: 3, ended with bye: 3, lines: 3, refused: 1\n";
    assert_eq!(told.stdout, format!("{summary}shutdown: stopped: 3, killed: 0, failed: 0, unresponsive: 0\n"));
    assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_not_a_crash() {
    let told = Process::start(example("tcp").arg("nowhere")).finish();
    assert!(told.stderr.starts_with("tcp: nowhere: "), "{}", told.stderr);
    assert_eq!(told.code, Some(1));
}

struct Server {
    process: Process,
    address: String,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut process = Process::start(example("tcp").args(options));
        let address = process.line().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address }
    }

    fn connect(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(&self.address).unwrap()))
    }

    fn terminate(self) -> Told {
        self.process.signal("-TERM");
        self.process.finish()
    }
}

/// Reads without limit: if the server hangs it is ended by the watchdog, and reading with it.
struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(&format!("{line}\n"));
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// What comes until the server closes the connection.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    fn leave(self) -> String {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
        self.rest()
    }
}
