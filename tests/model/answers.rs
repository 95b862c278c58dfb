//! What the crate answers, in the model's words.

use std::{fmt::Display, future::Future};

use actix::prelude::*;
use actix_dynamic_supervisor::{ChildInfo, DynamicSupervisor, StartChildError, Started, TerminateChildError};
use futures::future::{FutureExt, LocalBoxFuture};
use tokio::time::Instant;

use crate::{
    words::{details, Label},
    worker::{Book, Worker},
};

pub struct Answer {
    pub text: String,
    /// A supervisor that has started.
    pub started: Option<(Label, Addr<DynamicSupervisor>)>,
}

pub fn text<T: 'static>(
    answer: impl Future<Output = T> + 'static,
    text: impl FnOnce(T) -> String + 'static,
) -> LocalBoxFuture<'static, Answer> {
    answer.map(|answer| Answer::from(text(answer))).boxed_local()
}

impl<T: Into<String>> From<T> for Answer {
    fn from(text: T) -> Self {
        Self { text: text.into(), started: None }
    }
}

pub fn or_gone<T: Display, E>(answer: Result<T, E>) -> String {
    answer.map_or("gone".into(), |answer| answer.to_string())
}

pub fn ended(answer: Result<(), TerminateChildError>) -> String {
    match answer {
        Ok(()) => "ok".into(),
        Err(TerminateChildError::NotFound) => "not found".into(),
        Err(TerminateChildError::SupervisorGone) => "gone".into(),
        Err(error) => format!("unexpected: {error}"),
    }
}

/// Which worker was started or found, and what came with it.
pub fn started(answer: Result<Started<Worker, &'static str>, StartChildError>, book: &Book) -> String {
    match answer {
        Ok(Started { id, info, .. }) => {
            let label = book.open().label(id);
            format!("{label} {}", if info.is_some() { "started, with info" } else { "started" })
        }
        Err(error) => refused(error, book),
    }
}

pub fn refused(error: StartChildError, book: &Book) -> String {
    match error {
        StartChildError::MaxChildren { .. } => "full".into(),
        StartChildError::Ignored => "declined".into(),
        StartChildError::Failed(error) => error.to_string(),
        StartChildError::Panicked(panic) => format!("panicked: {panic}"),
        StartChildError::Exited(reason) => format!("ended while it started: {reason}"),
        StartChildError::Timeout => "took longer than allowed".into(),
        StartChildError::AlreadyStarted(other) => match other.id() {
            Some(id) => format!("the key is that of {}", book.open().label(id)),
            None => "name taken".into(),
        },
        StartChildError::Terminated => "terminated".into(),
        StartChildError::ShuttingDown => "shutting down".into(),
        StartChildError::SupervisorGone => "gone".into(),
        error => format!("unexpected: {error}"),
    }
}

/// As the model lists children.
pub struct List(String);

impl Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `began`: the beginning of all time.
pub fn list(children: Vec<ChildInfo>, began: Instant) -> List {
    let line = |child: &ChildInfo| {
        let label = child.label.as_deref().unwrap_or("?");
        let last = child.last_exit.as_ref().map_or("-".into(), ToString::to_string);
        let next_try = child.next_try.map(|at| at.duration_since(began).as_millis() as u64);
        format!("{label} {:?} {} {last}{}", child.state, child.restarts, details(child.key.clone(), next_try))
    };
    List(children.iter().map(line).collect::<Vec<_>>().join(", "))
}
