//! The example `words`, on real files.

use std::{fs, path::Path};

use super::support::{example, Folder, Process, Told};

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
