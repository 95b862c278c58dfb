//! What happened, in order, and a way to await it.

use std::{
    fmt::Display,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

/// Entries written by children and read by the test. Clones share them.
#[derive(Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<String>>>,
    written: Arc<Notify>,
}

impl Journal {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn note(&self, entry: impl Display) {
        self.entries.lock().unwrap().push(entry.to_string());
        self.written.notify_waiters();
    }

    pub fn entries(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }

    /// What was written so far, which is then forgotten.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.entries.lock().unwrap())
    }

    pub fn has(&self, entry: &str) -> bool {
        self.entries.lock().unwrap().iter().any(|written| written == entry)
    }

    /// Waits until `entry` has been written.
    pub async fn expect(&self, entry: &str) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if self.has(entry) {
                return;
            }
            written.await;
        }
    }
}
