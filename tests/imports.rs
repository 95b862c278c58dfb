//! The import table of ARCHITECTURE.md, checked against the sources: imports go down only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Who may import whom. `lib` is the root: it may import all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("id", &[]),
    ("panics", &["text"]),
    ("unwind", &["panics", "text"]),
    ("exit", &["text", "unwind"]),
    ("key", &["unwind"]),
    ("directory", &["key", "id"]),
    ("error", &["exit", "id", "unwind"]),
    // For its tests only: the reasons they are made of.
    ("policy", &["exit", "id", "unwind"]),
    ("spec", &["policy", "key", "exit", "id", "text", "unwind"]),
    ("children", &["spec", "policy", "exit", "id", "unwind"]),
    ("runner", &["spec", "policy", "exit", "id", "unwind"]),
    ("registry", &["unwind"]),
    // How types look as JSON.
    ("wire", &["policy", "exit", "id", "unwind"]),
    ("snapshot", &["wire", "children", "spec", "policy", "exit", "id", "text", "unwind"]),
    ("event", &["snapshot", "wire", "children", "runner", "spec", "policy", "key", "exit", "id", "text", "unwind"]),
    (
        "supervisor",
        &[
            "children",
            "runner",
            "registry",
            "directory",
            "event",
            "snapshot",
            "spec",
            "policy",
            "error",
            "key",
            "exit",
            "id",
            "unwind",
        ],
    ),
    ("partition", &["supervisor", "children", "event", "snapshot", "spec", "error", "key", "exit", "id"]),
    ("task", &["supervisor", "runner", "spec", "policy", "error", "exit", "id", "unwind"]),
    ("dashboard", &["partition", "supervisor", "children", "event", "snapshot", "error", "id", "unwind"]),
];

/// Names that the pure modules must not know: no clock, no runtime, no actors.
const IMPURE: &[&str] = &["tokio", "actix", "actix_rt", "futures", "Instant::now", "SystemTime", "std::thread"];

#[test]
fn every_module_imports_only_what_the_table_allows() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(module, may)| (*module, may.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    for (path, code) in sources() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} is not in the table"));
        for imported in crate_paths(&code) {
            // What `lib` exports at the root belongs to the module that defines it; sources name that one.
            assert!(
                imported == module || may.contains(imported.as_str()),
                "{}: `{module}` may not import `{imported}`",
                path.display()
            );
        }
        seen.insert(module);
    }
    assert_eq!(seen.len(), ALLOWED.len(), "the table names a module that is not there: {seen:?}");
}

#[test]
fn the_table_has_no_cycle() {
    let table: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut placed = BTreeSet::new();
    while placed.len() < table.len() {
        let next = table
            .iter()
            .find(|(module, may)| !placed.contains(*module) && may.iter().all(|m| placed.contains(m)))
            .unwrap_or_else(|| panic!("a cycle among those not in {placed:?}"));
        placed.insert(*next.0);
    }
}

#[test]
fn the_rules_and_the_table_of_children_know_no_clock_and_no_runtime() {
    let mut checked = 0;
    for (path, code) in sources() {
        if ["policy", "children"].contains(&module_of(&path).as_str()) && !path.ends_with("tests.rs") {
            let code = code.split("#[cfg(test)]").next().unwrap();
            for name in IMPURE {
                let found = code.lines().find(|line| line.contains(name) && !is_comment(line));
                assert_eq!(found, None, "{}: names `{name}`", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 7, "{checked} files checked");
}

#[test]
fn panics_are_caught_in_one_place() {
    let places: Vec<_> = sources()
        .into_iter()
        .filter(|(_, code)| code.lines().any(|line| line.contains("catch_unwind") && !is_comment(line)))
        .map(|(path, _)| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(places, ["unwind.rs"]);
}

#[test]
fn a_planted_import_is_found() {
    assert_eq!(crate_paths("use crate::{\n    event::{Fact, X},\n    id::ChildId,\n};\n"), ["event", "id"]);
    assert_eq!(
        crate_paths("use crate::supervisor::Stop;\nfn f() { crate::runner::launch() }"),
        ["supervisor", "runner"]
    );
    assert_eq!(crate_paths("/// [`x`](crate::Restart)\nuse crate::text;"), ["text"]);
}

/// The modules that code, not comments, reaches through `crate::`. Names at the crate's root (upper case) are re-exports.
fn crate_paths(code: &str) -> Vec<String> {
    let code: String = code.lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect();
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(module_name(&std::mem::take(&mut name))),
                    _ if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            found.extend(module_name(&name));
        } else {
            found.extend(module_name(after));
        }
    }
    found
}

fn module_name(path: &str) -> Option<String> {
    let name: String = path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    name.chars().next().is_some_and(char::is_lowercase).then_some(name)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// `src/runner/child.rs` is of `runner`, `src/id.rs` of `id`.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<(PathBuf, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let code = fs::read_to_string(&path).unwrap();
                files.push((path, code));
            }
        }
    }
    assert!(files.len() > 20, "the sources are there");
    files
}
