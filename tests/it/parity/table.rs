//! `tests/elixir_parity.md` must be honest.

use std::{fs, path::Path};

const TABLE: &str = include_str!("../../elixir_parity.md");

/// `parity::a::b` in the table is `fn b` in `tests/it/parity/a.rs`, with a `#[test]` above it.
fn exists(test: &str) -> bool {
    let Some((module, name)) = test.rsplit_once("::") else { return false };
    let it = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(module.replace("::", "/"));
    let Ok(source) = fs::read_to_string(it.with_extension("rs")) else { return false };
    source.contains(&format!("#[test]\nfn {name}() {{"))
}

/// What stands in backquotes and is a path.
fn tests_named_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("parity::"))
}

#[test]
fn every_test_named_in_the_table_exists() {
    let missing: Vec<_> = tests_named_in(TABLE).filter(|test| !exists(test)).collect();

    assert!(missing.is_empty(), "{missing:#?}");
    assert!(!exists("parity::table::no_such_test"), "a test that does not exist is found missing");
}

#[test]
fn every_test_of_the_originals_has_a_row_that_names_tests_or_says_why_there_is_none() {
    let rows = |heading: &str| -> Vec<(usize, &str)> {
        let section = TABLE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
        let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
        cells.filter_map(|(number, rest)| Some((number.parse().ok()?, rest))).collect()
    };
    for (heading, number_of_tests) in [("Elixir", 41), ("Erlang", 20)] {
        let rows = rows(heading);

        assert!(rows.iter().map(|row| row.0).eq(1..=number_of_tests), "{heading}: one row each, in order");
        for (number, row) in rows {
            let has_a_place = tests_named_in(row).next().is_some() || row.contains("Cannot exist: ");
            assert!(has_a_place, "{heading} {number}: {row}");
        }
    }
}
