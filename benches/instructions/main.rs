//! Instructions per operation, counted by callgrind: `cargo bench --bench instructions`.
//!
//! A count does not know how busy the machine is, so a regression shows anywhere. It needs `valgrind`. The process runs
//! itself under it, each operation once N and once 2N times: the difference is that of N operations, without what comes
//! before and after. A count more than five per cent above `baseline.txt` fails, if that was recorded with this compiler;
//! `-- --record` writes the file anew. One that is more than 1.18 times as high where somebody reads the supervisor's events
//! (`heard`) fails as well. Beside it stands what the same takes in plain Actix, as in the bench `floor`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails gives no figure")]

#[path = "../support/mod.rs"]
mod support;

mod operations;

use std::{
    collections::HashMap,
    env,
    fmt::Write,
    fs,
    process::{self, Command, ExitCode},
};

const OPERATIONS: &[&str] = &["start_child", "request", "tell", "crash_restart", "terminate_child"];

const REPETITIONS: u64 = 2_000;

/// How much an operation may cost where somebody listens to the supervisor's events, for what it costs where nobody does.
/// The aim is 1.15; the end of a child is at 1.16, of which a part is its reader's own turn.
const MOST_HEARD: f64 = 1.18;

/// Per cent above the baseline.
const MOST: f64 = 5.0;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.txt");

/// Asks a process for one operation of one side, so many times.
const ASK: &str = "--repeat";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [ASK, side, operation, times] => operations::repeat(side, operation, times.parse().expect("a number")),
        ["--record"] => record(),
        _ => check(),
    }
}

fn check() -> ExitCode {
    let text = fs::read_to_string(BASELINE).expect("a baseline; `-- --record` writes it");
    let baseline: HashMap<&str, f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(operation, count)| Some((operation, count.trim().parse().ok()?)))
        .collect();
    println!(
        "{:<16} {:>9} {:>9} {:>7} {:>9} {:>8} {:>9} {:>7}",
        "operation", "ours", "floor", "ratio", "baseline", "change", "heard", "ratio"
    );
    let mut over = 0;
    for operation in OPERATIONS {
        let (now, floor) = (count("ours", operation), count("floor", operation));
        let then = baseline.get(operation).copied().unwrap_or(f64::NAN);
        let change = (now / then - 1.0) * 100.0;
        let heard = count("heard", operation);
        let heard_ratio = heard / now;
        let mark = if change <= MOST && heard_ratio <= MOST_HEARD { "" } else { "  over" };
        over += usize::from(!mark.is_empty());
        let ratio = now / floor;
        println!("{operation:<16} {now:>9.0} {floor:>9.0} {ratio:>7.2} {then:>9.0} {change:>+7.1}% {heard:>9.0} {heard_ratio:>7.2}{mark}");
    }
    if !text.contains(&compiler()) {
        println!("the baseline is of another compiler, so this is not judged; record it anew with `-- --record`");
        return ExitCode::SUCCESS;
    }
    if over > 0 {
        eprintln!(
            "more than {MOST} % over the baseline, or than {MOST_HEARD} times as much where somebody listens: {over}"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn record() -> ExitCode {
    let mut text =
        String::from("# Instructions per operation. `cargo bench --bench instructions -- --record` writes this.\n");
    let _ = writeln!(text, "# {}", compiler());
    for operation in OPERATIONS {
        let _ = writeln!(text, "{operation} {:.0}", count("ours", operation));
    }
    print!("{text}");
    fs::write(BASELINE, text).expect("the file can be written");
    ExitCode::SUCCESS
}

/// What a count depends on beside the code.
fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output().expect("rustc");
    format!("{}, {}", String::from_utf8_lossy(&version.stdout).trim(), env::consts::ARCH)
}

/// Instructions of one operation.
fn count(side: &str, operation: &str) -> f64 {
    let once = under_callgrind(side, operation, REPETITIONS);
    let twice = under_callgrind(side, operation, 2 * REPETITIONS);
    twice.saturating_sub(once) as f64 / REPETITIONS as f64
}

fn under_callgrind(side: &str, operation: &str, times: u64) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe().unwrap());
    let output = valgrind.args([ASK, side, operation, &times.to_string()]).output().expect("valgrind is installed");
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected :"));
    match collected {
        Some((_, count)) if output.status.success() => count.trim().parse().expect("a number"),
        _ => {
            eprintln!("{log}");
            process::exit(2);
        }
    }
}
