//! Counts the words, lines and bytes of real files, one supervised child for each.
//!
//! `cargo run --example words -- PATH…`; folders are walked; without a path it counts `src` and `README.md`, or else
//! the current folder. Lines are newlines, as for `wc -l`.
//!
//! A file that cannot be read, or is not UTF-8, crashes its reader. All children of a supervisor share one limit of
//! restarts, so each file gets a supervisor of its own: a bad file is given up after three tries, and the others do not
//! notice.
//!
//! ```text
//! all files            at most 8 at a time
//! ├── one file         at most 2 restarts
//! │   └── its reader
//! └── …
//! ```
//!
//! Exit code: 0 if all were counted, 1 if some were given up, 2 for wrong usage.

use std::{
    cmp::Reverse,
    env,
    error::Error,
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io::{self, Read, Write},
    ops::AddAssign,
    path::{Path, PathBuf},
    process::ExitCode,
    str,
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::stream::{FuturesUnordered, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use walkdir::WalkDir;

/// How many files are open at a time.
const MAX_OPEN: usize = 8;

/// How often a file that has crashed its reader is tried again.
const MAX_RETRIES: u32 = 2;

/// What a reader reads before others have their turn.
const PIECE_BYTES: u64 = 16 * 1024;

const USAGE: &str = "usage: words [PATH…]";

#[actix::main]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return print(&format!("{USAGE}\n"), ExitCode::SUCCESS);
    }
    if let Some(option) = arguments.iter().find(|argument| argument.as_encoded_bytes().starts_with(b"-")) {
        complain(format_args!("there is no option {}\n{USAGE}", printable(option)));
        return ExitCode::from(2);
    }
    match run(paths_or_default(arguments)).await {
        Ok(code) => code,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

async fn run(paths: Vec<PathBuf>) -> Result<ExitCode, Box<dyn Error>> {
    let (files, mut tally) = find_files(&paths);
    let progress = progress_bar(files.len());
    log_above(&progress);

    let all = DynamicSupervisor::builder().max_children(MAX_OPEN).start()?;
    tokio::select! {
        counted = count_all(files, &all, &mut tally, &progress) => counted?,
        // Dropping the count leaves its children to their supervisor, which ends them below.
        _ = tokio::signal::ctrl_c() => tally.is_cut_short = true,
    }
    let report = all.stop().await?;
    progress.finish_and_clear();

    let code = if tally.given_up.is_empty() && !tally.is_cut_short { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok(print(&tally.render(&report)?, code))
}

/// Counts the files, as many at a time as `all` allows.
async fn count_all(
    files: Vec<PathBuf>,
    all: &Addr<DynamicSupervisor>,
    tally: &mut Tally,
    progress: &ProgressBar,
) -> Result<(), StartChildError> {
    let mut open = FuturesUnordered::new();
    let mut done = |outcome| {
        tally.add(outcome);
        progress.inc(1);
    };
    for file in files {
        let supervisor = loop {
            // It lives for one file, and has nobody to restart: temporary. However long a try takes, it counts.
            let one_file = DynamicSupervisor::builder().max_restarts(MAX_RETRIES).period(Duration::MAX);
            match all.start_child(one_file.into_child().restart(Restart::Temporary)).await {
                Ok(supervisor) => break supervisor,
                // No place: one has to finish first.
                Err(full @ StartChildError::MaxChildren { .. }) => done(open.next().await.ok_or(full)?),
                Err(error) => return Err(error),
            }
        };
        open.push(async move {
            let outcome = count(file, &supervisor.addr).await;
            // Answered when it is gone, also if it had given up by itself: only then its place is free.
            let _ = all.terminate_child(supervisor.id).await;
            outcome
        });
    }
    while let Some(outcome) = open.next().await {
        done(outcome);
    }
    Ok(())
}

/// Has one file read by a child of its supervisor.
async fn count(file: PathBuf, supervisor: &Addr<DynamicSupervisor>) -> Outcome {
    let (tries_tx, mut tries) = mpsc::unbounded_channel();
    let path = file.clone();
    let reader = Child::new(move || Reader::new(path.clone(), tries_tx.clone()))
        .restart(Restart::Transient)
        .id(file.to_string_lossy());
    if let Err(error) = supervisor.start_child(reader).await {
        return Err(GivenUp::untried(file, error));
    }
    // The sending halves are held by the spec and the actor it makes. When the supervisor has given up both are
    // dropped, and the channel ends.
    let mut problems = Vec::new();
    while let Some(attempt) = tries.recv().await {
        match attempt {
            Ok(counts) => return Ok((file, counts)),
            Err(problem) => problems.push(problem),
        }
    }
    let tries = problems.len();
    let reason = problems.pop().unwrap_or_else(|| "its reader is gone".to_owned());
    Err(GivenUp { file, reason, tries })
}

/// Reads one file, a piece for each message to itself.
struct Reader {
    path: PathBuf,
    file: Option<File>,
    /// The piece being counted; between two pieces the first bytes of a letter that was cut.
    piece: Vec<u8>,
    counts: Counts,
    is_inside_word: bool,
    tries: mpsc::UnboundedSender<Result<Counts, String>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct ReadOn;

impl Actor for Reader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // The file is not opened here: a first start that fails is not tried again, a crash is.
        ctx.address().do_send(ReadOn);
    }
}

impl Supervised for Reader {}

impl Handler<ReadOn> for Reader {
    type Result = ();

    #[allow(clippy::panic, reason = "the crash is what is shown here")]
    fn handle(&mut self, _: ReadOn, ctx: &mut Context<Self>) {
        match self.read_piece() {
            // Through the mailbox, which lets others have their turn; `ctx.notify` would go on at once.
            Ok(Piece::Counted) => ctx.address().do_send(ReadOn),
            Ok(Piece::End) => {
                let _ = self.tries.send(Ok(self.counts));
                ctx.stop();
            }
            Err(problem) => {
                let _ = self.tries.send(Err(problem.to_string()));
                panic!("{problem}");
            }
        }
    }
}

enum Piece {
    Counted,
    End,
}

impl Reader {
    fn new(path: PathBuf, tries: mpsc::UnboundedSender<Result<Counts, String>>) -> Self {
        Self { path, file: None, piece: Vec::new(), counts: Counts::default(), is_inside_word: false, tries }
    }

    /// Blocks for as long as a regular file takes to answer, which is why there are none of another kind here.
    fn read_piece(&mut self) -> Result<Piece, Box<dyn Error>> {
        let file = match &mut self.file {
            Some(file) => file,
            closed => closed.insert(File::open(&self.path)?),
        };
        let is_end = file.take(PIECE_BYTES).read_to_end(&mut self.piece)? == 0;
        let text = match str::from_utf8(&self.piece) {
            Ok(text) => text,
            // The last letter is cut; the rest of it is in the next piece, if there is one.
            Err(error) if error.error_len().is_none() && !is_end => str::from_utf8(&self.piece[..error.valid_up_to()])?,
            Err(error) => {
                return Err(format!("not UTF-8 at byte {}", self.counts.bytes + error.valid_up_to() as u64).into())
            }
        };
        for letter in text.chars() {
            let was_inside_word = self.is_inside_word;
            self.is_inside_word = !letter.is_whitespace();
            self.counts.words += u64::from(self.is_inside_word && !was_inside_word);
            self.counts.lines += u64::from(letter == '\n');
        }
        let counted = text.len();
        self.counts.bytes += counted as u64;
        self.piece.drain(..counted);
        Ok(if is_end { Piece::End } else { Piece::Counted })
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    words: u64,
    lines: u64,
    bytes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.words += other.words;
        self.lines += other.lines;
        self.bytes += other.bytes;
    }
}

type Outcome = Result<(PathBuf, Counts), GivenUp>;

struct GivenUp {
    file: PathBuf,
    reason: String,
    tries: usize,
}

impl GivenUp {
    fn untried(file: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self { file: file.into(), reason: reason.to_string(), tries: 0 }
    }
}

#[derive(Default)]
struct Tally {
    counted: Vec<(PathBuf, Counts)>,
    given_up: Vec<GivenUp>,
    is_cut_short: bool,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Ok(counted) => self.counted.push(counted),
            Err(given_up) => self.given_up.push(given_up),
        }
    }

    fn render(mut self, report: &ShutdownReport) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let mut total = Counts::default();
        self.counted.iter().for_each(|(_, counts)| total += *counts);
        self.counted.sort_by(|(a, x), (b, y)| Reverse(x.words).cmp(&Reverse(y.words)).then_with(|| a.cmp(b)));
        self.given_up.sort_by(|a, b| a.file.cmp(&b.file));

        writeln!(text, "{:>10} {:>10} {:>12}  file", "words", "lines", "bytes")?;
        let mut row = |Counts { words, lines, bytes }: Counts, name: &str| {
            writeln!(text, "{words:>10} {lines:>10} {bytes:>12}  {name}")
        };
        for (file, counts) in self.counted.iter().take(10) {
            row(*counts, &printable(file))?;
        }
        let above = if self.counted.len() > 10 { ", the ten largest above" } else { "" };
        row(total, &format!("total, files: {}{above}", self.counted.len()))?;
        for GivenUp { file, reason, tries } in &self.given_up {
            let tried = if *tries == 0 { String::new() } else { format!(" (tried {tries} times)") };
            writeln!(text, "given up: {}: {}{tried}", printable(file), printable(reason))?;
        }
        if self.is_cut_short {
            writeln!(text, "interrupted: there are more files")?;
        }
        writeln!(text, "supervisor {report}")?;
        Ok(text)
    }
}

fn paths_or_default(arguments: Vec<OsString>) -> Vec<PathBuf> {
    if !arguments.is_empty() {
        return arguments.into_iter().map(PathBuf::from).collect();
    }
    let mut own: Vec<PathBuf> =
        ["src", "README.md"].map(PathBuf::from).into_iter().filter(|path| path.exists()).collect();
    if own.is_empty() {
        own.push(".".into());
    }
    own
}

/// The regular files under these paths; what is not to be walked is given up at once.
///
/// Links inside of folders are not followed, so nothing is counted twice and no walk goes in circles.
fn find_files(paths: &[PathBuf]) -> (Vec<PathBuf>, Tally) {
    let (mut files, mut tally) = (Vec::new(), Tally::default());
    for path in paths {
        for entry in WalkDir::new(path) {
            match entry {
                // What is named on the command line may be a link.
                Ok(entry) if entry.depth() == 0 && entry.path().is_file() => files.push(entry.into_path()),
                Ok(entry) if entry.depth() == 0 && !entry.path().is_dir() => {
                    tally.add(Err(GivenUp::untried(path, "neither a file nor a folder")));
                }
                Ok(entry) if entry.depth() > 0 && entry.file_type().is_file() => files.push(entry.into_path()),
                Ok(_) => {}
                Err(error) => {
                    let place = error.path().unwrap_or(path).to_owned();
                    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    tally.add(Err(GivenUp::untried(place, reason)));
                }
            }
        }
    }
    (files, tally)
}

/// On stderr, and hidden if that is no terminal.
fn progress_bar(files: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} files").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(files as u64).with_style(style)
}

/// Shows what the crate reports, and keeps it clear of the progress bar.
fn log_above(progress: &ProgressBar) {
    struct Above(ProgressBar);

    impl Write for Above {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.suspend(|| io::stderr().write(line))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error"))
        .target(env_logger::Target::Pipe(Box::new(Above(progress.clone()))))
        .init();
    // The crate reports every crash; the default hook would tell it a second time, across the bar.
    std::panic::set_hook(Box::new(|_| {}));
}

/// A text from outside on one line: no letter of it controls the terminal.
fn printable(text: &(impl AsRef<Path> + ?Sized)) -> String {
    let is_harmless =
        |letter: char| !letter.is_control() && !matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::new();
    for letter in text.as_ref().to_string_lossy().chars() {
        if is_harmless(letter) {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_default());
        }
    }
    shown
}

/// To stdout. A reader that has heard enough, like `head`, is no fault.
fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("cannot print: {error}"));
            ExitCode::FAILURE
        }
        _ => code,
    }
}

fn complain(problem: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "words: {problem}");
}
