//! The dashboard: what it answers, what it lets happen, what it shows in a real browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod actions;
mod api;
mod browser;
mod feed;
mod hostile;
mod load;
mod page;
mod silence;
mod support;
