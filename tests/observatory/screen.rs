//! The screen is left as it was when the drawing panics.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use actix_dynamic_supervisor::prelude::*;

use crate::{support::world, terminal::watch};

/// Set where the test runs in a terminal of its own.
const IN_TERMINAL: &str = "OBSERVATORY_DRAWS_AND_PANICS";

#[test]
fn a_panic_while_it_draws_leaves_the_screen_as_it_was() {
    if env::var_os(IN_TERMINAL).is_some() {
        return draw_and_panic();
    }
    let itself = env::current_exe().unwrap();
    let test = "screen::a_panic_while_it_draws_leaves_the_screen_as_it_was";
    let run = format!("exec '{}' --exact {test} --color never", itself.display());
    let mut script = Command::new("script");
    script.args(["-qefc", &run, "/dev/null"]).env(IN_TERMINAL, "1").stdin(Stdio::null());

    let told = script.output().unwrap();

    let shown = String::from_utf8(told.stdout).unwrap();
    assert!(shown.contains("SUPERVISORS"), "it has drawn: {shown:?}");
    let (_, drawn) = shown.split_once("\u{1b}[?1049h\u{1b}[?25l").expect(&shown);
    let (_, after) = drawn.split_once("\u{1b}[?25h\u{1b}[?1049l").expect(&shown);
    assert!(after.contains("the ink is spilt") && !after.contains('\u{1b}'), "{after:?}");
    assert!(!told.status.success());
}

fn draw_and_panic() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let panics = async {
            // The clock is paused: it goes on when all is drawn.
            tokio::time::sleep(Duration::from_millis(100)).await;
            panic!("the ink is spilt");
        };
        watch(&supervisor, "http://nowhere/", None, panics).await.unwrap();
    });
}
