//! What snapshots, children and events print, word for word.

mod events;
mod snapshots;

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Snapshot, SupervisorId};

use crate::support::{Journal, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// A text that does harm to a terminal, or a page, that prints it as it is.
const SPITE: &str = "a\u{1b}[2Jb\nc\u{202e}d<b>\"\\";

/// How it is to be printed.
const HARMLESS: &str = r#"a\u{1b}[2Jb\nc\u{202e}d<b>"\"#;

fn supervisor(name: &str) -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().name(name).max_reports_per_second(0).start().unwrap()
}

fn probe() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Probe::child(&Journal::new())
}

/// Runs once; each try of a restart fails.
fn broken() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let journal = Journal::new();
    Child::try_with(move |cx| match cx.incarnation() {
        1 => Ok(Start::Run(Probe::new(&journal, 1))),
        _ => Err("no route to host"),
    })
}

async fn look(supervisor: &Addr<DynamicSupervisor>, request: TakeSnapshot) -> Snapshot {
    supervisor.snapshot(request).await.unwrap()
}

/// The snapshot as text. Ids of supervisors differ from run to run: the first is told as A, the second as B.
async fn tree(supervisor: &Addr<DynamicSupervisor>, request: TakeSnapshot) -> String {
    let snapshot = look(supervisor, request).await;
    let ids: Vec<_> = snapshot.supervisors().map(|supervisor| supervisor.id).collect();
    format!("\n{}\n", lettered(&snapshot.to_string(), &ids))
}

fn lettered(text: &str, ids: &[SupervisorId]) -> String {
    ids.iter().zip('A'..).fold(text.to_owned(), |text, (id, letter)| {
        // Durations look like ids of children, but stand elsewhere.
        let before = ["─ ", "\n", ": ", "; one too many: ", "\"", " by "];
        let text = before
            .iter()
            .fold(text, |text, before| text.replace(&format!("{before}{id}."), &format!("{before}{letter}.")));
        text.replace(&format!("[{id}]"), &format!("[{letter}]"))
            .replace(&format!("\"s{id}\""), &format!("\"s{letter}\""))
            .replace(&format!("\"m{id}\""), &format!("\"m{letter}\""))
    })
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
