//! The examples as a stranger runs them: as processes, on real files and real sockets.
//!
//! A plain `cargo test` builds them first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// They end the server by a signal.
#[cfg(unix)]
#[path = "examples/rooms.rs"]
mod rooms;

/// Built with the feature only.
#[cfg(all(unix, feature = "dashboard"))]
#[path = "examples/observatory.rs"]
mod observatory;

/// Built with the feature only.
#[cfg(all(unix, feature = "metrics"))]
#[path = "examples/prometheus.rs"]
mod prometheus;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::{mpsc, Arc, Mutex},
    thread,
    time::Duration,
};

/// Nothing here takes long; what does, hangs.
const LIMIT: Duration = Duration::from_secs(60);

mod counter {
    use super::*;

    #[test]
    fn prints_what_the_readme_shows() {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
        let shown = readme.split("<!-- counter -->\n```text\n").nth(1).unwrap().split("```").next().unwrap();

        let told = Process::start(&mut example("counter")).finish();

        assert_eq!((told.stdout.as_str(), told.code), (shown, Some(0)));
        assert_eq!(told.stderr.matches("report=").count(), 1, "one crash, one report: {}", told.stderr);
    }
}

mod words {
    use super::*;

    #[test]
    fn counts_files_in_nested_folders_as_the_standard_library_does() {
        let folder = Folder::new("nested");
        for n in 0..9 {
            folder.write(&format!("small/{n}.txt"), "word ".repeat(n));
        }
        folder.write("empty", "");
        folder.write("deep/er/no newline at the end.md", "one\ttwo\u{2003}three\r\n\r\nfour");
        // Letters of one to four bytes, so that pieces of any size cut some of them.
        folder.write("large.txt", "x grüße 世界 🦀\n".repeat(50_000));

        let told = words(&folder.path);

        let mut truth: Vec<Row> = folder.files().iter().map(|file| Row::truth(file)).collect();
        truth.sort_by(|a, b| b.words.cmp(&a.words).then_with(|| a.name.cmp(&b.name)));
        let mut shown = told.rows();
        let total = shown.pop().unwrap();
        assert_eq!(shown, truth[..10], "the ten largest, by words");
        assert_eq!(total.name, "total, files: 12, the ten largest above");
        assert_eq!(total.words, truth.iter().map(|row| row.words).sum::<usize>());
        assert_eq!(total.lines, truth.iter().map(|row| row.lines).sum::<usize>());
        assert_eq!(total.bytes, truth.iter().map(|row| row.bytes).sum::<usize>());
        assert_eq!(told.last_line(), "supervisor stopped: 0, killed: 0, failed: 0, unresponsive: 0");
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    #[test]
    fn a_file_that_is_not_utf8_is_tried_three_times_and_given_up_without_touching_the_others() {
        let folder = Folder::new("bad");
        for n in 0..20 {
            folder.write(&format!("good {n}"), "all is well\n");
        }
        let bad = folder.write("bad", [b"fine ".repeat(10_000), vec![0xff], b" fine".to_vec()].concat());

        let told = words(&folder.path);

        let total = told.rows().pop().unwrap();
        assert_eq!((total.words, total.lines, total.bytes), (60, 20, 240));
        assert_eq!(told.given_up(), [format!("{}: not UTF-8 at byte 50000 (tried 3 times)", bad.display())]);
        let reports: Vec<&str> = told.stderr.lines().collect();
        assert_eq!(reports.len(), 4, "{}", told.stderr);
        assert!(reports.iter().all(|line| line.contains("ERROR") && line.contains(bad.to_str().unwrap())));
        assert!(reports[..3].iter().all(|line| line.contains("panicked: not UTF-8 at byte 50000")));
        assert!(reports[3].contains("reached max restart intensity"));
        assert_eq!(told.code, Some(1));
    }

    #[test]
    fn a_letter_cut_by_the_end_of_the_file_is_not_utf8_either() {
        let folder = Folder::new("cut");
        let cut = folder.write("cut", &"🦀".as_bytes()[..3]);

        let told = words(&cut);

        assert_eq!(told.given_up(), [format!("{}: not UTF-8 at byte 0 (tried 3 times)", cut.display())]);
        assert_eq!(told.code, Some(1));
    }

    #[test]
    fn what_is_not_there_is_given_up_and_the_rest_is_counted() {
        let folder = Folder::new("missing");
        let (there, missing) = (folder.write("there", "a b c"), folder.path.join("missing"));

        let told = Process::start(example("words").arg(&missing).arg(&there)).finish();

        assert_eq!(told.rows().pop().unwrap().words, 3);
        assert_eq!(told.given_up().len(), 1);
        assert!(told.given_up()[0].starts_with(missing.to_str().unwrap()), "{}", told.stdout);
        assert_eq!(told.code, Some(1));
    }

    #[test]
    fn without_a_path_it_counts_src_and_the_readme() {
        let folder = Folder::new("default");
        folder.write("src/lib.rs", "fn main() {}");
        folder.write("README.md", "read me");
        folder.write("other", "not this");

        let told = Process::start(example("words").current_dir(&folder.path)).finish();

        assert_eq!(told.rows().pop().unwrap(), Row::new(5, 0, 19, "total, files: 2"));
        assert_eq!(told.code, Some(0));
    }

    #[test]
    fn an_empty_folder_is_no_fault() {
        let folder = Folder::new("empty");

        let told = Process::start(example("words").current_dir(&folder.path)).finish();

        assert_eq!(told.rows(), [Row::new(0, 0, 0, "total, files: 0")]);
        assert_eq!(told.code, Some(0));
    }

    #[test]
    fn an_unknown_option_is_wrong_usage() {
        let told = Process::start(example("words").arg("--quick")).finish();

        assert!(told.stdout.is_empty() && told.stderr.contains("usage"), "{}", told.stderr);
        assert_eq!(told.code, Some(2));
    }

    #[test]
    fn it_does_not_mind_that_nobody_reads_what_it_prints() {
        let folder = Folder::new("pipe");
        folder.write("file", "a b c");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);

        let told = Process::start(example("words").arg(&folder.path).stdout(writer)).finish();

        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    #[cfg(unix)]
    #[test]
    fn links_in_folders_are_not_followed_and_devices_are_refused() {
        let folder = Folder::new("links");
        folder.write("file", "a b c");
        std::os::unix::fs::symlink(&folder.path, folder.path.join("circle")).unwrap();

        let told = Process::start(example("words").arg("/dev/zero").arg(&folder.path)).finish();

        assert_eq!(told.rows().pop().unwrap(), Row::new(3, 0, 5, "total, files: 1"));
        assert_eq!(told.given_up(), ["/dev/zero: neither a file nor a folder"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_name_does_not_reach_the_terminal_unescaped() {
        let folder = Folder::new("names");
        folder.write("good \u{1b}[31m\n.txt", "a b c");
        folder.write("bad \u{1b}[31m\n.txt", [0xff]);

        let told = words(&folder.path);

        assert!(told.stdout.contains(r"good \u{1b}[31m\n.txt"), "{}", told.stdout);
        assert!(told.given_up()[0].contains(r"bad \u{1b}[31m\n.txt"), "{}", told.stdout);
        assert!(!told.stdout.contains('\u{1b}') && !told.stderr.contains('\u{1b}'));
        assert_eq!(told.stderr.lines().count(), 4, "each report on one line: {}", told.stderr);
    }

    fn words(path: &Path) -> Told {
        Process::start(example("words").arg(path)).finish()
    }

    #[derive(Debug, PartialEq)]
    struct Row {
        words: usize,
        lines: usize,
        bytes: usize,
        name: String,
    }

    impl Row {
        fn new(words: usize, lines: usize, bytes: usize, name: &str) -> Self {
            Self { words, lines, bytes, name: name.to_owned() }
        }

        /// What a file holds, found out in another way than the example does.
        fn truth(file: &Path) -> Self {
            let text = fs::read_to_string(file).unwrap();
            let (words, lines) = (text.split_whitespace().count(), text.matches('\n').count());
            Self::new(words, lines, text.len(), file.to_str().unwrap())
        }
    }

    impl Told {
        /// The table without its head; the last row is the total.
        fn rows(&self) -> Vec<Row> {
            let row = |line: &str| {
                let (numbers, name) = line.split_at_checked(34)?;
                let mut numbers = numbers.split_whitespace().map(|number| number.parse().ok());
                Some(Row::new(numbers.next()??, numbers.next()??, numbers.next()??, name.trim_start()))
            };
            self.stdout.lines().skip(1).map_while(row).collect()
        }

        fn given_up(&self) -> Vec<&str> {
            self.stdout.lines().filter_map(|line| line.strip_prefix("given up: ")).collect()
        }

        fn last_line(&self) -> &str {
            self.stdout.lines().last().unwrap()
        }
    }
}

mod conformance {
    use super::*;

    #[test]
    fn prints_what_its_readme_shows() {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/README.md")).unwrap();
        let shown = |name: &str| {
            let rest = readme.split(&format!("<!-- {name} -->\n```json\n")).nth(1).unwrap();
            rest.split("\n```").next().unwrap().to_owned()
        };
        let folder = Folder::new("conformance-readme");

        let told = replay(&folder.write("scenario.jsonl", shown("scenario")));

        assert_eq!(told.stdout.trim_end(), shown("trace").replace('\n', ""));
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    #[test]
    fn panics_of_scripted_children_are_not_told() {
        let folder = Folder::new("conformance-panics");
        let starts = r#"{"op":"start","child":"c1","starts":["raise"]},{"op":"start","child":"c2","starts":["throw"]}"#;

        let told = replay(&folder.write("panics.jsonl", format!(r#"{{"id":"x","ops":[{starts}]}}"#)));

        assert!(
            told.stdout.contains("error:raise:oops") && told.stdout.contains("error:throw:oops"),
            "{}",
            told.stdout
        );
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_that_names_it() {
        let told = replay(Path::new("nowhere.jsonl"));

        assert!(told.stderr.starts_with("conformance: nowhere.jsonl: "), "{}", told.stderr);
        assert_eq!((told.stdout.as_str(), told.code), ("", Some(1)));
    }

    #[test]
    fn a_bad_line_is_an_error_that_names_it_after_the_traces_of_those_before() {
        let bad_lines: [&[u8]; 8] = [
            b"{",
            b"not JSON",
            b"\xff",
            br#"{"ops":[]}"#,
            br#"{"id":"x","ops":[{"op":"dance"}]}"#,
            br#"{"id":"x","ops":[{"op":"count","twice":true}]}"#,
            br#"{"id":"x","ops":[{"op":"start","child":"c1","on_shutdown":"slow:ly"}]}"#,
            br#"{"id":"x","sup":{"max_seconds":0},"ops":[]}"#,
        ];
        for bad in bad_lines {
            let folder = Folder::new("conformance-bad");
            let good: &[u8] = br#"{"id":"good","ops":[]}"#;
            let file = folder.write("some.jsonl", [good, b"", bad, good].join(&b'\n'));

            let told = replay(&file);

            assert_eq!(told.stdout.lines().count(), 1, "{}", told.stdout);
            assert!(told.stdout.starts_with(r#"{"id":"good","#), "{}", told.stdout);
            assert!(told.stderr.starts_with(&format!("conformance: {}:3: ", file.display())), "{}", told.stderr);
            assert_eq!((told.stderr.lines().count(), told.code), (1, Some(1)), "{}", told.stderr);
        }
    }

    #[test]
    fn what_no_generator_makes_is_replayed_all_the_same() {
        let folder = Folder::new("conformance-odd");
        let ops = r#"
            {"op":"thaw"}, {"op":"exit","child":"c9","reason":"kill"}, {"op":"terminate","child":"c9"},
            {"op":"start","child":"c1","on_shutdown":"ignore","shutdown":"infinity"},
            {"op":"start","child":"c1"}, {"op":"freeze"}, {"op":"freeze"}, {"op":"parent_exit","reason":"boom"},
            {"op":"sleep","ms":18446744073709551615}, {"op":"exit","child":"c1","reason":"kill"},
            {"op":"stop","reason":"killed"}, {"op":"thaw"}, {"op":"count"}"#;
        let scenario = format!(r#"{{"id":"","sup":{{"max_restarts":4294967295}},"ops":[{ops}]}}"#).replace('\n', "");

        let told = replay(&folder.write("odd.jsonl", scenario));

        assert!(told.stdout.contains("final_stop"), "{}", told.stdout);
        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    #[test]
    fn wrong_arguments_get_a_usage_line() {
        let all: [&[&str]; 5] =
            [&[], &["one", "two"], &["--quick"], &["one", "--handles"], &["one", "--handles", "two"]];
        for arguments in all {
            let told = Process::start(example("conformance").args(arguments)).finish();

            assert!(told.stderr.contains("usage: conformance"), "{}", told.stderr);
            assert_eq!((told.stdout.as_str(), told.code), ("", Some(2)));
        }
    }

    #[test]
    fn it_does_not_mind_that_nobody_reads_what_it_prints() {
        let folder = Folder::new("conformance-pipe");
        let file = folder.write("some.jsonl", "{\"id\":\"x\",\"ops\":[]}\n".repeat(200));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);

        let told = Process::start(example("conformance").arg(file).stdout(writer)).finish();

        assert_eq!((told.stderr.as_str(), told.code), ("", Some(0)));
    }

    fn replay(file: &Path) -> Told {
        Process::start(example("conformance").arg(file)).finish()
    }
}

/// They end the server by a signal.
#[cfg(unix)]
mod tcp {
    use std::{
        io::Write,
        net::{Shutdown, TcpStream},
    };

    use super::*;

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
            let pid = self.process.child.lock().unwrap().id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
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
}

/// The example's executable, which lies beside the folder of this one.
fn example(name: &str) -> Command {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let path = deps.with_file_name("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is not built: run plain `cargo test`, which builds the examples first", path.display());
    let mut command = Command::new(path);
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running example; killed when it takes too long or is let go.
struct Process {
    child: Arc<Mutex<Child>>,
    /// `None` if it was sent elsewhere.
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
    /// Dropped with this; the watchdog then goes home.
    _finished: mpsc::Sender<()>,
}

/// What an example has told when it has ended.
struct Told {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().map(BufReader::new), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (finished_tx, finished) = mpsc::channel::<()>();
        let watched = Arc::clone(&child);
        thread::spawn(move || {
            if finished.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = watched.lock().unwrap().kill();
            }
        });
        Self { child, stdout, stderr, _finished: finished_tx }
    }

    /// The next line of its stdout.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for its end. Both pipes are read meanwhile, or a full one would hold it up.
    fn finish(mut self) -> Told {
        let mut stderr = self.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).map(|_| told).unwrap()
        });
        let mut told = Told { stdout: String::new(), stderr: String::new(), code: None };
        if let Some(mut stdout) = self.stdout.take() {
            stdout.read_to_string(&mut told.stdout).unwrap();
        }
        told.stderr = stderr.join().unwrap();
        // Not before both are at their end: the watchdog needs this lock to end what hangs.
        told.code = self.child.lock().unwrap().wait().unwrap().code();
        told
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder of a test's own, gone when the test is over.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("actix-dynamic-supervisor-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// All files in it, at any depth.
    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { &mut folders } else { &mut files }.push(path);
            }
        }
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
