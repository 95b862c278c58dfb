//! Replays scenarios for a dynamic supervisor, so that what this crate does can be compared with what Elixir does.
//!
//! `cargo run --release --example conformance -- SCENARIOS.jsonl > TRACES.jsonl`; `conformance/README.md` tells the format
//! of both, and `conformance/live` does the whole comparison. `--handles child` has `terminate` use the crate's own
//! handles, which stay valid over a restart, in place of ones that do not, as Elixir's.
//!
//! It uses nothing but the public API: children that follow a script, a `tracing` subscriber, and two messages of its
//! own that the supervisor is taught to handle (`replayer/extras.rs`).
//!
//! Exit code: 0 if all were replayed, 1 if one could not be read, 2 for wrong usage.

mod replayer;

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use self::replayer::{Handles, Replayer, Scenario};

const USAGE: &str = "usage: conformance [--handles instance|child] SCENARIOS.jsonl";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        // With standard output closed nobody wants to know.
        let _ = writeln!(io::stdout(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(Arguments { path, handles }) = Arguments::parse(arguments.into_iter()) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    match replay(&path, handles, BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads on: no fault of ours.
        Err(Stopped::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stopped::Output(error)) => {
            complain(&format!("standard output: {error}"));
            ExitCode::FAILURE
        }
        Err(Stopped::Input { line: None, error }) => {
            complain(&format!("{}: {error}", path.display()));
            ExitCode::FAILURE
        }
        Err(Stopped::Input { line: Some(line), error }) => {
            complain(&format!("{}:{line}: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    path: PathBuf,
    handles: Handles,
}

impl Arguments {
    /// `None`: not as [`USAGE`] says.
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let (mut path, mut handles) = (None, Handles::default());
        while let Some(argument) = arguments.next() {
            if argument == "--handles" {
                handles = arguments.next()?.to_str()?.parse().ok()?;
            } else if path.is_some() || argument.as_encoded_bytes().starts_with(b"-") {
                return None;
            } else {
                path = Some(PathBuf::from(argument));
            }
        }
        Some(Self { path: path?, handles })
    }
}

enum Stopped {
    Input { line: Option<usize>, error: Box<dyn Error> },
    Output(io::Error),
}

/// Line by line: what was read in order is answered before a line that is not.
fn replay(path: &Path, handles: Handles, mut output: impl Write) -> Result<(), Stopped> {
    let input = File::open(path).map_err(|error| Stopped::Input { line: None, error: error.into() })?;
    let mut replayer = Replayer::new(handles);
    for (line, number) in BufReader::new(input).lines().zip(1..) {
        let trace = replay_line(&mut replayer, line).map_err(|error| Stopped::Input { line: Some(number), error });
        if let Err(stopped) = trace {
            output.flush().map_err(Stopped::Output)?;
            return Err(stopped);
        }
        if let Ok(Some(trace)) = trace {
            writeln!(output, "{trace}").map_err(Stopped::Output)?;
        }
    }
    output.flush().map_err(Stopped::Output)
}

/// `None` for an empty line.
fn replay_line(replayer: &mut Replayer, line: io::Result<String>) -> Result<Option<String>, Box<dyn Error>> {
    let line = line?;
    if line.trim().is_empty() {
        return Ok(None);
    }
    let scenario: Scenario = serde_json::from_str(&line)?;
    Ok(Some(serde_json::to_string(&replayer.replay(&scenario)?)?))
}

fn complain(what: &str) {
    // With standard error closed nobody is left to be told.
    let _ = writeln!(io::stderr(), "conformance: {what}");
}
