//! How sharp the corpus and the model are: wrong rules are planted in a copy of the crate, one at a time, and each must
//! be found by one of the two.
//!
//! Planting and running takes minutes: `cargo test --test wrong_rules -- --ignored --nocapture`; with
//! `WRONG_RULE` only those that have its text in their title. What always runs checks that each rule can still be planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What has to find them, in this order: the first that does is told.
const FINDERS: &[&str] = &["conformance", "model"];

struct Rule {
    title: String,
    edits: Vec<Edit>,
}

struct Edit {
    file: String,
    from: String,
    to: String,
}

#[test]
fn every_wrong_rule_can_be_planted_in_the_sources_as_they_are() {
    let rules = rules();
    assert!(rules.len() >= 24, "{} rules", rules.len());
    for rule in &rules {
        assert!(!plant(rule).is_empty(), "{}", rule.title);
    }
    let mut titles: Vec<_> = rules.iter().map(|rule| &rule.title).collect();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), rules.len(), "two rules have the same title");
}

#[test]
#[ignore = "takes minutes: each rule is compiled and run"]
fn every_wrong_rule_is_found() {
    let copy = env::temp_dir().join(format!("wrong-rules-{}", std::process::id()));
    copy_project(&copy);
    assert!(tests_of(&copy, FINDERS).status.success(), "the right rules do not pass");

    let only = env::var("WRONG_RULE").unwrap_or_default();
    let mut missed = Vec::new();
    let rules = rules();
    for rule in rules.iter().filter(|rule| rule.title.contains(&only)) {
        let planted = plant(rule);
        for (file, text) in &planted {
            fs::write(copy.join(file), text).unwrap();
        }
        let found: Vec<_> = FINDERS.iter().filter(|finder| is_found(&copy, finder, &rule.title)).collect();
        for (file, _) in &planted {
            fs::copy(root().join(file), copy.join(file)).unwrap();
        }
        println!("{:<72} {found:?}", rule.title);
        if found.is_empty() {
            missed.push(&rule.title);
        }
    }
    fs::remove_dir_all(&copy).unwrap();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

/// Does this test fail? A rule that does not compile is a mistake in the list.
fn is_found(copy: &Path, finder: &str, title: &str) -> bool {
    let Output { status, stdout, stderr } = tests_of(copy, &[finder]);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(stdout.contains("running "), "{title}: does not compile\n{stderr}");
    !status.success()
}

fn tests_of(copy: &Path, names: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    // A rule may make the crate hang: that counts as found, but not before long.
    cargo.args(["test", "--quiet", "--manifest-path"]).arg(copy.join("Cargo.toml"));
    cargo.env("CARGO_TARGET_DIR", copy.join("target")).env("RUST_BACKTRACE", "0");
    for name in names {
        cargo.args(["--test", name]);
    }
    cargo.output().unwrap()
}

/// The files as they would be. Each `from` must stand there exactly once.
fn plant(rule: &Rule) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for Edit { file, from, to } in &rule.edits {
        if !files.iter().any(|(name, _)| name == file) {
            let text = fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("{}: no {file}", rule.title));
            files.push((file.clone(), text));
        }
        let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
        assert_eq!(text.matches(from.as_str()).count(), 1, "{}: {file}: stands there once:\n{from}", rule.title);
        *text = text.replace(from.as_str(), to);
    }
    files
}

/// Reads `wrong_rules.txt`: a title after `==`, then files, each followed by the lines that stand there, after `-`, and
/// those that are put in their place, after `+`.
fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(root().join("tests/wrong_rules.txt")).unwrap();
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            rules.push(Rule { title: title.to_owned(), edits: Vec::new() });
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        if let Some(from) = line.strip_prefix('-') {
            add_line(&mut rule.edits.last_mut().unwrap().from, from);
        } else if let Some(to) = line.strip_prefix('+') {
            add_line(&mut rule.edits.last_mut().unwrap().to, to);
        } else if !line.is_empty() {
            rule.edits.push(Edit { file: line.to_owned(), from: String::new(), to: String::new() });
        }
    }
    rules
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// All that is needed to build and test, and nothing that was built.
fn copy_project(to: &Path) {
    let parts = ["Cargo.toml", "Cargo.lock", "README.md", "src", "tests", "examples", "benches", "conformance"];
    fs::create_dir_all(to).unwrap();
    for part in parts.iter().map(Path::new).filter(|part| root().join(part).exists()) {
        copy_all(&root().join(part), &to.join(part));
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy_all(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}
