//! The example `observatory`: what it prints, what it serves, how it ends.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

use super::support::{example, Process};

fn run(arguments: &[&str]) -> Process {
    Process::start(example("observatory").args(arguments).env_remove("RUST_BACKTRACE"))
}

#[test]
fn once_it_prints_a_tree_with_all_that_is_to_be_seen() {
    let told = run(&["--once"]).finish();

    let tree = &told.stdout;
    assert!(tree.starts_with("observatory ["), "{tree}");
    let parts = ["rooms", "workers", "tenants", "acme", "globex", "initech", "devices", "staff"];
    let of_supervisor = |name: &str| tree.lines().find(|line| line.contains(&format!(" {name} [")));
    for part in parts {
        assert!(of_supervisor(part).is_some(), "{part}: {tree}");
    }
    for (what, is_told) in [
        ("attic-sensor (Device)", " restarting, next try in "),
        ("printer (Device)", " parked, next try in "),
        ("tape-archive (Archive)", " running for "),
        ("pdf-renderer (Worker)", " on pool "),
        ("report-writer (Reporter)", ", longest poll: "),
        ("<img src=x onerror=alert(1)> (Room)", ", restarts: 1, last: exited after "),
        (r"\u{1b}[2J\u{1b}[31mred\nalert (Room)", ", handling observatory::rooms::Quarrel"),
        (r"txt\u{202e}gnp.exe (Room)", "panicked: "),
        ("and ", " more; all: "),
    ] {
        assert!(tree.lines().any(|line| line.contains(what) && line.contains(is_told)), "{what}{is_told}: {tree}");
    }
    let globex = of_supervisor("globex").unwrap();
    assert!([5, 6].iter().any(|used| globex.contains(&format!("{used}/8 restarts"))), "near its limit: {globex}");
    assert!(!tree.contains(|letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}')), "{tree}");
    assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
}

#[test]
fn once_it_prints_the_same_as_json_and_as_a_drawing() {
    let (json, dot) = (run(&["--once", "--json"]), run(&["--once", "--dot"]));

    let (json, dot) = (json.finish(), dot.finish());
    let tree: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let names: Vec<_> = tree["nested"].as_array().unwrap().iter().map(|branch| &branch["name"]).collect();
    assert_eq!(names, ["rooms", "workers", "tenants", "devices", "staff"]);
    assert!(dot.stdout.starts_with("digraph supervisors {\n") && dot.stdout.ends_with("}\n"), "{}", dot.stdout);
    for told in [json, dot] {
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }
}

#[test]
fn it_serves_the_page_where_it_says_and_ends_in_order() {
    for signal in ["-INT", "-TERM"] {
        let mut process = run(&["0"]);
        let url = process.line();
        let address =
            url.strip_prefix("http://").and_then(|url| url.strip_suffix("/supervisors/")).expect(&url).to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");

        let page = get(&address, "/supervisors/");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<!doctype html>"), "{page}");
        assert!(get(&address, "/supervisors/api/tree.txt").contains("observatory ["));

        process.signal(signal);
        let told = process.finish();
        assert_eq!(told.stdout, "stopping\nshutdown: stopped: 5, killed: 0, failed: 0, unresponsive: 0\n");
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }
}

#[test]
fn without_a_terminal_pages_follow_each_other_as_plain_text() {
    let mut process = run(&["0", "--terminal", "--width", "60"]);
    let mut lines = Vec::new();
    while lines.iter().filter(|line: &&String| line.starts_with("observatory  running for ")).count() < 2 {
        lines.push(process.line());
    }

    process.signal("-INT");
    let told = process.finish();

    for title in ["SUPERVISORS", "CHILDREN, THE WORST FIRST", "EVENTS, THE LAST FIRST"] {
        assert!(lines.iter().any(|line| line.starts_with(title)), "{title}: {lines:#?}");
    }
    assert!(lines.iter().all(|line| line.chars().count() <= 60 && !line.contains('\u{1b}')), "{lines:#?}");
    assert!(
        told.stdout.ends_with("\nshutdown: stopped: 5, killed: 0, failed: 0, unresponsive: 0\n"),
        "{}",
        told.stdout
    );
    assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
}

/// `script` gives it a terminal of its own, in which Ctrl-C is a letter.
#[cfg(target_os = "linux")]
#[test]
fn in_a_terminal_it_leaves_the_screen_as_it_was() {
    let path = example("observatory").get_program().to_str().unwrap().to_owned();
    for (no_color, is_colourful) in [("", true), ("1", false)] {
        let mut script = Command::new("script");
        script.args(["-qefc", &format!("stty cols 90 rows 30; exec '{path}' 0 --terminal"), "/dev/null"]);
        script.env("NO_COLOR", no_color).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut script);
        let mut keys = process.child.lock().unwrap().stdin.take().unwrap();
        let mut shown = String::new();
        while !shown.contains("EVENTS, THE LAST FIRST") {
            shown += &process.line();
        }

        keys.write_all(b"\x03").unwrap();
        let told = process.finish();

        let shown = shown + &told.stdout;
        let (before, after) = shown.split_once("\u{1b}[?1049l").expect(&shown);
        assert!(before.starts_with("\u{1b}[?1049h\u{1b}[?25l\u{1b}[H"), "{shown:?}");
        assert!(before.ends_with("\u{1b}[?25h"), "{shown:?}");
        assert!(after.contains("shutdown: stopped: 5, ") && !after.contains('\u{1b}'), "{after:?}");
        assert_eq!(before.contains("\u{1b}[31m"), is_colourful, "{before:?}");
        assert_eq!(told.code, Some(0));
    }
}

#[test]
fn it_serves_nobody_else() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let told = run(&[address]).finish();
        assert_eq!(told.stderr, format!("observatory: {address}: only this machine's own addresses are served\n"));
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(2)));
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_not_a_crash() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let told = run(&[&address]).finish();

    assert!(told.stderr.starts_with(&format!("observatory: {address}: ")), "{}", told.stderr);
    assert_eq!((told.stdout.as_str(), told.stderr.lines().count(), told.code), ("", 1, Some(1)));
}

#[test]
fn wrong_arguments_get_a_usage_line() {
    for arguments in [&["--quick"][..], &["--once", "--terminal"], &["--width", "80"], &["port"]] {
        let told = run(arguments).finish();
        assert!(told.stderr.starts_with("usage: observatory"), "{}", told.stderr);
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(2)));
    }
}

/// The whole answer, until the server closes the connection.
fn get(address: &str, path: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}
