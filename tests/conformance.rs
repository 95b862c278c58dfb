//! What Elixir's `DynamicSupervisor` did in thousands of random scenarios, and that this crate does the same.
//!
//! `conformance/README.md` tells how the corpus is made and what a trace holds: every reply, report, call of a start
//! function, end of a child, and what the supervisor shows of itself after each operation. All of it is compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/conformance/replayer/mod.rs"]
mod replayer;

use std::{fs, io::BufReader, path::Path};

use serde::Deserialize;
use serde_json::{json, Value};

use self::replayer::{Handles, Replayer, Scenario};

#[test]
fn children_start_end_and_come_back_as_in_elixir() {
    assert_eq!(compare("core", Handles::Instance), Tally { scenarios: 1200, as_in_elixir: 1200, ..Tally::default() });
}

#[test]
fn requests_that_wait_in_the_mailbox_are_answered_as_in_elixir() {
    assert_eq!(compare("prompt", Handles::Instance), Tally { scenarios: 700, as_in_elixir: 700, ..Tally::default() });
}

#[test]
fn a_slow_end_does_not_hold_up_the_supervisor_and_nothing_else_differs() {
    let batch = Tally { scenarios: 800, as_in_elixir: 707, by_d3: 93, ..Tally::default() };
    assert_eq!(compare("batch", Handles::Instance), batch);
}

#[test]
fn extra_arguments_odd_answers_and_stale_handles_are_as_in_elixir() {
    let full = Tally { scenarios: 350, as_in_elixir: 308, by_d3: 42, ..Tally::default() };
    assert_eq!(compare("full", Handles::Instance), full);
}

#[test]
fn restarts_are_forgotten_as_in_elixir() {
    assert_eq!(compare("window", Handles::Instance), Tally { scenarios: 150, as_in_elixir: 150, ..Tally::default() });
}

#[test]
fn the_crates_own_handles_stay_valid_over_restarts_and_nothing_else_differs() {
    // In the others no handle is ever stale.
    let tallies = ["prompt", "batch", "full"].map(|profile| compare(profile, Handles::Child));

    let total = tallies.iter().fold(Tally::default(), |sum, tally| Tally {
        scenarios: sum.scenarios + tally.scenarios,
        as_in_elixir: sum.as_in_elixir + tally.as_in_elixir,
        by_d3: sum.by_d3 + tally.by_d3,
        by_d5: sum.by_d5 + tally.by_d5,
    });
    assert_eq!(total, Tally { scenarios: 1850, as_in_elixir: 1660, by_d3: 131, by_d5: 59 });
}

#[test]
fn a_falsified_trace_is_found() {
    for entry in corpus("batch").iter().step_by(20) {
        let trace = entry.expected(Handles::Instance).1;
        assert_eq!(difference(&trace, &trace), None);
        for (i, record) in trace.iter().enumerate() {
            for (key, value) in record.as_object().unwrap() {
                let mut false_trace = trace.clone();
                false_trace[i][key] = falsified(value);
                let found = difference(&trace, &false_trace).unwrap();
                assert!(found.contains(&format!("operation {i}")) && found.contains(key), "{found}");
            }
        }
        assert!(difference(&trace, &trace[1..]).is_some() && difference(&trace, &trace[..trace.len() - 1]).is_some());
    }
}

/// As small a change as the value allows.
fn falsified(value: &Value) -> Value {
    match value {
        Value::Array(all) if all.is_empty() => json!([["slip", "more than there was"]]),
        Value::Array(all) => {
            let mut all = all.clone();
            let last = all.pop().unwrap();
            all.push(falsified(&last));
            Value::Array(all)
        }
        Value::Object(all) => {
            let mut all = all.clone();
            let value = all.values_mut().next_back().unwrap();
            *value = falsified(value);
            Value::Object(all)
        }
        Value::String(text) => json!(format!("{text}!")),
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::Null => json!([]),
        Value::Bool(is_true) => json!(!is_true),
    }
}

#[test]
fn a_supervisor_that_does_otherwise_is_found() {
    type Change = fn(&mut Value);
    let changes: [(&str, &str, Change); 6] = [
        ("one restart more than allowed", "core", |scenario| {
            let limit = scenario["sup"]["max_restarts"].as_u64().unwrap_or(3);
            scenario["sup"]["max_restarts"] = json!(limit + 1);
        }),
        ("no limit of children", "core", |scenario| {
            scenario["sup"].as_object_mut().unwrap().remove("max_children");
        }),
        ("transient children come back always", "core", |scenario| {
            for start in starts(scenario).filter(|start| start["restart"] == "transient") {
                start["restart"] = json!("permanent");
            }
        }),
        ("nobody is asked, all are killed", "core", |scenario| {
            for start in starts(scenario) {
                start["shutdown"] = json!("brutal_kill");
            }
        }),
        ("restarts are never forgotten", "window", |scenario| scenario["sup"]["max_seconds"] = json!(3600)),
        ("restarts are forgotten at once", "window", |scenario| {
            for sleep in scenario["ops"].as_array_mut().unwrap().iter_mut().filter(|op| op["op"] == "sleep") {
                sleep["ms"] = json!(1);
            }
        }),
    ];
    let mut replayer = Replayer::new(Handles::Instance);
    for (what, profile, change) in changes {
        let is_found = corpus(profile).iter().any(|entry| {
            let mut scenario = entry.scenario.clone();
            change(&mut scenario);
            difference(&entry.trace, &replay(&mut replayer, &scenario)).is_some()
        });
        assert!(is_found, "{what}: no scenario shows it");
    }
}

fn starts(scenario: &mut Value) -> impl Iterator<Item = &mut Value> {
    scenario["ops"].as_array_mut().unwrap().iter_mut().filter(|op| op["op"] == "start")
}

/// How many scenarios went as in Elixir, and how many as a decision of `DESIGN.md` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    scenarios: usize,
    as_in_elixir: usize,
    by_d3: usize,
    by_d5: usize,
}

/// Replays a profile; fails if a scenario does not go as expected.
fn compare(profile: &str, handles: Handles) -> Tally {
    let mut replayer = Replayer::new(handles);
    let (mut tally, mut differences) = (Tally::default(), Vec::new());
    for entry in corpus(profile) {
        let (cause, expected) = entry.expected(handles);
        tally.scenarios += 1;
        match cause {
            Cause::Elixir => tally.as_in_elixir += 1,
            Cause::D3 => tally.by_d3 += 1,
            Cause::D5 => tally.by_d5 += 1,
        }
        if let Some(difference) = difference(&expected, &replay(&mut replayer, &entry.scenario)) {
            differences.push((entry.scenario, difference));
        }
    }
    for (scenario, difference) in differences.iter().take(3) {
        eprintln!("{}: {difference}{}\n", scenario["id"], how_to_replay(scenario, handles));
    }
    assert!(differences.is_empty(), "{profile}: {} scenarios do not go as expected", differences.len());
    tally
}

fn replay(replayer: &mut Replayer, scenario: &Value) -> Vec<Value> {
    let trace = replayer.replay(&Scenario::deserialize(scenario).unwrap()).unwrap();
    assert_eq!(trace.id, scenario["id"]);
    trace.trace.iter().map(|record| serde_json::to_value(record).unwrap()).collect()
}

/// A scenario, and what Elixir did.
#[derive(Deserialize)]
struct Entry {
    scenario: Value,
    trace: Vec<Value>,
    /// What is expected here if that differs because a terminate does not block (D3).
    #[serde(rename = "D3")]
    d3: Option<Vec<Value>>,
    /// ... because handles name children, too (D5).
    #[serde(rename = "D3+D5")]
    d5: Option<Vec<Value>>,
}

enum Cause {
    Elixir,
    D3,
    D5,
}

impl Entry {
    fn expected(&self, handles: Handles) -> (Cause, Vec<Value>) {
        match (&self.d3, &self.d5) {
            (_, Some(trace)) if handles == Handles::Child => (Cause::D5, trace.clone()),
            (Some(trace), _) => (Cause::D3, trace.clone()),
            _ => (Cause::Elixir, self.trace.iter().cloned().map(expressible).collect()),
        }
    }
}

/// Without what cannot be written in typed Rust: an unknown message (D14), an invalid description (D6).
fn expressible(mut record: Value) -> Value {
    if record["op"] == "stray" || record["op"] == "start_invalid" {
        record["reply"] = json!("skipped");
    }
    let events = record["events"].as_array_mut().unwrap();
    events.retain(|event| *event != json!(["report", "unexpected_msg"]));
    // Their order has no meaning, and what the dropped one stood between are neighbours now.
    let is_odd_end = |event: &Value| event[1] == "shutdown_error";
    for run in events.chunk_by_mut(|one, other| is_odd_end(one) && is_odd_end(other)) {
        run.sort_by_key(Value::to_string);
    }
    record
}

/// Where and how two traces differ first.
fn difference(expected: &[Value], got: &[Value]) -> Option<String> {
    if let Some((expected, got)) = expected.iter().zip(got).find(|(expected, got)| expected != got) {
        let (expected, got) = (expected.as_object().unwrap(), got.as_object().unwrap());
        let mut text = format!("operation {}: {}\n", expected["i"], expected["op"]);
        for (key, value) in expected.iter().filter(|(key, value)| got.get(*key) != Some(value)) {
            text += &format!("  {key}\n    expected {value}\n    got      {}\n", got.get(key).unwrap_or(&Value::Null));
        }
        return Some(text);
    }
    (expected.len() != got.len()).then(|| format!("expected {} records, got {}\n", expected.len(), got.len()))
}

/// The scenario in a file of its own, and the command that replays it.
fn how_to_replay(scenario: &Value, handles: Handles) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.jsonl", scenario["id"].as_str().unwrap()));
    fs::write(&file, format!("{scenario}\n")).unwrap();
    let handles = if handles == Handles::Child { "--handles child " } else { "" };
    format!("replay it: cargo run --example conformance -- {handles}{}", file.display())
}

fn corpus(profile: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("conformance/corpus/{profile}.jsonl.xz"));
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut BufReader::new(fs::File::open(path).unwrap()), &mut text).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}
