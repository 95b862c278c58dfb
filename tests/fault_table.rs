//! `tests/faults.md` is honest: every fault has tests that name it, in just the modules it says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Faults that no test in Rust can have: see the table.
const ELSEWHERE: [u32; 2] = [31, 33];

#[test]
fn every_fault_is_tested_where_the_table_says() {
    let (said, found) = (said(), found());
    assert_eq!(said.keys().copied().collect::<Vec<_>>(), (1..=34).collect::<Vec<_>>(), "one row per fault, in order");
    for (fault, modules) in said {
        if ELSEWHERE.contains(&fault) {
            assert!(!found.contains_key(&fault), "F{fault:02} has a test after all");
        } else {
            assert_eq!(Some(&modules), found.get(&fault), "F{fault:02}");
        }
    }
}

/// The modules each row of the table names.
fn said() -> BTreeMap<u32, BTreeSet<String>> {
    let table = fs::read_to_string(tests().join("faults.md")).unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| F"));
    rows.map(|row| {
        let (fault, rest) = row.split_at(2);
        let last = rest.rsplit('|').nth(1).unwrap();
        let modules = last.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (fault.parse().unwrap(), modules)
    })
    .collect()
}

/// The modules whose tests name each fault in their doc comments.
fn found() -> BTreeMap<u32, BTreeSet<String>> {
    let mut found: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![tests()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let code = fs::read_to_string(&path).unwrap();
                for fault in code.lines().filter_map(named_fault).flatten() {
                    found.entry(fault).or_default().insert(module_of(&path));
                }
            }
        }
    }
    found
}

/// The faults that a line of a doc comment names, each by its letter and two digits.
fn named_fault(line: &str) -> Option<Vec<u32>> {
    let text = line.trim_start().strip_prefix("///")?;
    let faults = text.split(|letter: char| !letter.is_alphanumeric()).filter_map(|word| {
        let digits = word.strip_prefix('F')?;
        (digits.len() == 2).then(|| digits.parse().ok()).flatten()
    });
    Some(faults.collect())
}

/// `tests/it/races/names.rs` is `races::names`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(tests()).unwrap().with_extension("");
    let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).filter(|part| *part != "it").collect();
    parts.join("::")
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
