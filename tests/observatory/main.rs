//! The parts of the example `observatory` that can be tested by themselves: what it draws, and what it is asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code, unused_imports)]
#![allow(clippy::type_complexity)]

#[path = "../../examples/observatory/options.rs"]
mod options;
#[path = "../it/support/mod.rs"]
mod support;
#[path = "../../examples/observatory/terminal/mod.rs"]
mod terminal;

mod asked;
mod lines;
mod page;
#[cfg(target_os = "linux")]
mod screen;
