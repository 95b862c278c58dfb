//! The example `conformance`: what it prints of scenarios, good and bad.

use std::{fs, path::Path};

use super::support::{example, Folder, Process, Told};

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

    assert!(told.stdout.contains("error:raise:oops") && told.stdout.contains("error:throw:oops"), "{}", told.stdout);
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
    let all: [&[&str]; 5] = [&[], &["one", "two"], &["--quick"], &["one", "--handles"], &["one", "--handles", "two"]];
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
