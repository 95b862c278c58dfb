//! The example `counter`: what it prints.

use std::{fs, path::Path};

use super::support::{example, Process};

#[test]
fn prints_what_the_readme_shows() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("<!-- counter -->\n```text\n").nth(1).unwrap().split("```").next().unwrap();

    let told = Process::start(&mut example("counter")).finish();

    assert_eq!((told.stdout.as_str(), told.code), (shown, Some(0)));
    assert_eq!(told.stderr.matches("report=").count(), 1, "one crash, one report: {}", told.stderr);
}
