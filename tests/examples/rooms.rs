//! The example `rooms`, over real HTTP.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::Barrier,
    thread::{self, ScopedJoinHandle},
};

use super::support::{example, Process, Told};

#[test]
fn does_what_the_readme_shows() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut blocks = readme.split("<!-- rooms -->\n").nth(1).unwrap().split("```").skip(1).step_by(2);
    let (exchanges, told) = (blocks.next().unwrap(), blocks.next().unwrap());
    let server = Server::start(&["--max", "2"]);

    // After the line with the alias.
    for exchange in exchanges.split("\n  $ curl ").skip(1) {
        let (command, expected) = exchange.split_once('\n').unwrap();
        let (options, url) = command.rsplit_once(' ').unwrap_or(("", command));
        let path = url.strip_prefix("127.0.0.1:8080").unwrap();
        let answer = match options.split_once(' ') {
            None => server.get(path),
            Some(("-d", text)) => server.ask("POST", path, text),
            Some(("-X", method)) => server.ask(method, path, ""),
            Some(other) => panic!("{other:?} is not understood"),
        };
        assert_eq!(format!("  {} {}", answer.body, answer.status), expected.trim_end(), "{command}");
    }

    let shown: Vec<&str> = told.lines().skip(2).map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(server.end("-INT").stdout.lines().collect::<Vec<_>>(), shown);
}

#[test]
fn the_first_message_starts_a_room_and_the_next_find_it() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/rooms/lobby").status, 404);

    assert_eq!(server.say("lobby", "hello").told(), (201, r#"{"messages":1,"room":"1.1"}"#));
    assert_eq!(server.say("lobby", "a \"line\"\nmore").told(), (201, r#"{"messages":2,"room":"1.1"}"#));
    assert_eq!(server.say("bar", "hi").told(), (201, r#"{"messages":1,"room":"1.2"}"#));

    assert_eq!(server.get("/rooms/lobby").told(), (200, r#"{"crashes":0,"messages":["hello","a \"line\"\nmore"]}"#));
    assert_eq!(server.get("/health").told(), (200, r#"{"rooms":2,"running":2}"#));
}

#[test]
fn one_room_too_many_is_refused_until_another_is_gone() {
    let server = Server::start(&["--max", "2"]);
    assert_eq!([server.say("a", "1").status, server.say("b", "1").status], [201, 201]);

    let refused = server.say("c", "1");

    assert_eq!(refused.told(), (429, r#"{"error":"not started: the supervisor already has its 2 children"}"#));
    assert!(refused.head.contains("retry-after: 1\r\n"), "{}", refused.head);
    assert_eq!(server.say("a", "2").told(), (201, r#"{"messages":2,"room":"1.1"}"#));
    assert_eq!(server.ask("DELETE", "/rooms/b", "").status, 204);
    assert_eq!(server.say("c", "1").status, 201);
}

#[test]
fn poison_fails_its_sender_and_the_room_is_there_again_at_the_same_address() {
    let server = Server::start(&[]);
    assert_eq!(server.say("lobby", "lost").told(), (201, r#"{"messages":1,"room":"1.1"}"#));

    thread::scope(|scope| {
        let other = scope.spawn(|| (1..=50).all(|_| server.say("other", "hi").status == 201));
        for crashes in 1..=3 {
            let failed = server.say("lobby", "poison");
            assert_eq!(failed.status, 503);
            assert!(failed.head.contains("retry-after: 1\r\n"), "{}", failed.head);
            assert_eq!(server.say("lobby", "kept").told(), (201, r#"{"messages":1,"room":"1.1"}"#));
            let heard = server.get("/rooms/lobby");
            assert_eq!(heard.told(), (200, format!(r#"{{"crashes":{crashes},"messages":["kept"]}}"#).as_str()));
        }
        assert!(other.join().unwrap(), "a neighbour noticed");
    });

    assert!(server.get("/rooms/other").body.starts_with(r#"{"crashes":0,"messages":["hi","hi","#));
    let told = server.end("-TERM");
    assert_eq!(told.stderr.matches(r#"report="child_terminated""#).count(), 3, "{}", told.stderr);
    assert!(told.stderr.contains(r#"child.label="lobby""#), "{}", told.stderr);
}

#[test]
fn a_room_that_is_poisoned_again_and_again_is_removed_and_no_other_is() {
    let server = Server::start(&[]);
    assert_eq!(server.say("quiet", "still here").status, 201);

    for _ in 0..4 {
        assert_eq!(server.say("lobby", "poison").status, 503);
    }
    server.ask_until("/health", r#"{"rooms":1,"running":1}"#);

    assert_eq!(server.get("/rooms/lobby").status, 404);
    assert_eq!(server.get("/rooms/quiet").told(), (200, r#"{"crashes":0,"messages":["still here"]}"#));
    assert_eq!(server.say("lobby", "new").told(), (201, r#"{"messages":1,"room":"1.3"}"#));
    assert_eq!(server.get("/rooms/lobby").told(), (200, r#"{"crashes":0,"messages":["new"]}"#));
    let told = server.end("-TERM");
    assert_eq!(told.stderr.matches(r#"report="gave_up""#).count(), 1, "{}", told.stderr);
    assert_eq!(told.code, Some(0));
}

#[test]
fn twenty_clients_who_come_at_once_find_one_room() {
    let server = Server::start_with(example("rooms").env("RUST_LOG", "actix_dynamic_supervisor=debug"));
    let at_once = Barrier::new(20);

    let mut answers: Vec<String> = thread::scope(|scope| {
        let client = |_| {
            scope.spawn(|| {
                at_once.wait();
                server.say("lobby", "me").body
            })
        };
        let clients: Vec<ScopedJoinHandle<'_, String>> = (0..20).map(client).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });

    answers.sort_by_key(|answer| (answer.len(), answer.clone()));
    let expected: Vec<String> = (1..=20).map(|n| format!(r#"{{"messages":{n},"room":"1.1"}}"#)).collect();
    assert_eq!(answers, expected);
    let told = server.end("-TERM");
    assert_eq!(told.stderr.matches("child started").count(), 1, "{}", told.stderr);
}

#[test]
fn a_room_that_was_deleted_is_fresh_when_it_is_asked_for_again() {
    let server = Server::start(&[]);
    assert_eq!(server.say("lobby", "old").told(), (201, r#"{"messages":1,"room":"1.1"}"#));

    assert_eq!(server.ask("DELETE", "/rooms/lobby", "").told(), (204, ""));

    assert_eq!(server.ask("DELETE", "/rooms/lobby", "").status, 404);
    assert_eq!(server.get("/rooms/lobby").status, 404);
    assert_eq!(server.say("lobby", "new").told(), (201, r#"{"messages":1,"room":"1.2"}"#));
    assert_eq!(server.get("/rooms/lobby").told(), (200, r#"{"crashes":0,"messages":["new"]}"#));
}

#[test]
fn a_room_in_which_nothing_is_said_ends_quietly() {
    let server =
        Server::start_with(example("rooms").args(["--idle", "1"]).env("RUST_LOG", "actix_dynamic_supervisor=debug"));
    assert_eq!(server.say("lobby", "old").status, 201);

    let (mut server, mut ended) = (server, String::new());
    let mut stderr = BufReader::new(server.process.stderr.take().unwrap());
    while !ended.contains("child ended") {
        ended.clear();
        assert_ne!(stderr.read_line(&mut ended).unwrap(), 0, "it never ended");
    }

    assert!(ended.contains(r#"reason="shutdown: idle""#), "{ended}");
    server.ask_until("/health", r#"{"rooms":0,"running":0}"#);
    assert_eq!(server.get("/rooms/lobby").status, 404);
    assert_eq!(server.say("lobby", "new").told(), (201, r#"{"messages":1,"room":"1.2"}"#));
}

#[test]
fn what_is_odd_or_too_large_is_refused_and_nothing_crashes() {
    let server = Server::start(&[]);
    let (longest, too_long) = ("x".repeat(32), "x".repeat(33));
    assert_eq!(server.say(&longest, &"y".repeat(4096)).status, 201);

    for name in [&too_long, "%20", "a%2Fb", "%FF", "%", "%00", "%F0%9F%A6%80", "a.b", "..", "a;b", "<b>"] {
        assert_eq!(server.say(name, "hi").status, 400, "{name}");
        assert_eq!(server.get(&format!("/rooms/{name}")).status, 400, "{name}");
        assert_eq!(server.ask("DELETE", &format!("/rooms/{name}"), "").status, 400, "{name}");
    }
    for path in ["/", "/rooms", "/rooms/", "/rooms//messages", "/rooms/a/b/messages", "/health/x", "/rooms/lobby/"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for (method, path) in [("PUT", "/rooms/lobby"), ("GET", "/rooms/lobby/messages"), ("DELETE", "/health")] {
        assert_eq!(server.ask(method, path, "").status, 405, "{method} {path}");
    }
    assert_eq!(server.say("lobby", &"y".repeat(4097)).status, 413);
    let post = "POST /rooms/lobby/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    assert_eq!(server.send(format!("{post}content-length: 1000000000000\r\n\r\n").as_bytes()).status, 413);
    let chunk = format!("1001\r\n{}\r\n0\r\n\r\n", "y".repeat(4097));
    assert_eq!(server.send(format!("{post}transfer-encoding: chunked\r\n\r\n{chunk}").as_bytes()).status, 413);
    assert_eq!(server.send(&[post.as_bytes(), b"content-length: 2\r\n\r\n\xff\xfe"].concat()).status, 400);
    assert_eq!(server.send(format!("{post}content-length: ten\r\n\r\n").as_bytes()).status, 400);
    assert_eq!(server.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").status, 400);

    assert_eq!(server.get("/health").told(), (200, r#"{"rooms":1,"running":1}"#));
    let told = server.end("-TERM");
    assert!(!told.stderr.contains("panicked"), "{}", told.stderr);
    assert_eq!(told.code, Some(0));
}

#[test]
fn a_signal_lets_requests_under_way_be_answered_before_all_rooms_end() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&[]);
        assert_eq!([server.say("a", "1").status, server.say("b", "1").status], [201, 201]);
        let mut client = server.connect();
        let head = "POST /rooms/c/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        client.read_exact(&mut go_on).unwrap();
        assert_eq!(go_on.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");

        server.process.signal(signal);
        assert_eq!(server.process.line(), "shutting down");
        client.write_all(b"hi").unwrap();

        let answer = Answer::read(client);
        assert_eq!(answer.told(), (201, r#"{"messages":1,"room":"1.3"}"#));
        let told = server.process.finish();
        assert_eq!(told.stdout, "shutdown: stopped: 3, killed: 0, failed: 0, unresponsive: 0\n");
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_not_a_crash() {
    let taken = Server::start(&[]);
    for address in ["nowhere", &taken.address] {
        let told = Process::start(example("rooms").arg(address)).finish();
        assert!(told.stderr.starts_with(&format!("rooms: {address}: ")), "{}", told.stderr);
        assert_eq!((told.stderr.lines().count(), told.code), (1, Some(1)), "{}", told.stderr);
    }
}

#[test]
fn wrong_arguments_get_a_usage_line() {
    for arguments in [&["--max"][..], &["--max", "many"], &["--idle", "-1"], &["--quick"]] {
        let told = Process::start(example("rooms").args(arguments)).finish();
        assert!(told.stderr.starts_with("usage: rooms"), "{}", told.stderr);
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(2)));
    }
}

struct Server {
    process: Process,
    address: String,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        Self::start_with(example("rooms").args(options))
    }

    fn start_with(command: &mut Command) -> Self {
        let mut process = Process::start(command.env_remove("RUST_BACKTRACE"));
        let address = process.line().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, address }
    }

    /// Reads without limit: if the server hangs it is ended by the watchdog, and reading with it.
    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    fn send(&self, request: &[u8]) -> Answer {
        let mut client = self.connect();
        client.write_all(request).unwrap();
        Answer::read(client)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        self.send(
            format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    fn say(&self, room: &str, text: &str) -> Answer {
        self.ask("POST", &format!("/rooms/{room}/messages"), text)
    }

    /// For what follows an answer soon, but not before it.
    fn ask_until(&self, path: &str, body: &str) {
        while self.get(path).body != body {}
    }

    fn end(self, signal: &str) -> Told {
        self.process.signal(signal);
        self.process.finish()
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Until the server closes the connection.
    fn read(mut client: TcpStream) -> Self {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        Self { status, head: format!("{head}\r\n"), body: body.to_owned() }
    }

    fn told(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}
