//! What a child costs the more there are: `cargo bench --bench scale` writes `docs/scale.md` and `docs/scale.svg`.
//!
//! Each number of children is measured in processes of its own; a figure is the median of their answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails gives no figure")]

#[path = "../support/mod.rs"]
mod support;

mod plot;

use std::{
    env,
    fmt::Write,
    fs,
    process::{Command, Stdio},
    thread,
};

use actix_dynamic_supervisor::prelude::*;
use support::{
    actors::{start_worker, supervisor, Crash, Get},
    memory::resident,
    on_a_system,
    rounds::{median, per},
};

/// How many children, and how many processes that try it.
const SIZES: &[(u64, usize)] = &[(1_000, 9), (10_000, 9), (100_000, 5), (1_000_000, 3)];

/// A column: its head, and what it is.
const COLUMNS: &[(&str, &str)] = &[
    ("start ns", "`start_child`, one by one, until it is answered"),
    ("idle bytes", "resident bytes per child"),
    ("count ns", "`count_children`, whole"),
    ("which ns", "`which_children`, per child listed"),
    (
        "snapshot ns",
        "`snapshot` of the 100 worst, per child there is; all in the supervisor's turn. Up to five times as much where each \
         child has an id of its own (`.id(..)`), as such children share no rules",
    ),
    ("crash ns", "from a crash until the next request to that child is answered, another child each time"),
    ("stop ns", "`stop`, per child, until all are gone"),
];

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

/// Asks a process for one line of the table.
const ASK: &str = "--children";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [ask, children] = arguments.as_slice() {
        if ask == ASK {
            let row = measure(children.parse().expect("a number"));
            println!("{}", row.map(|figure| figure.to_string()).join(" "));
            return;
        }
    }
    let mut rows = Vec::new();
    for (children, tries) in SIZES {
        let tries: Vec<_> = (0..*tries).map(|_| in_its_own_process(*children)).collect();
        let row: Vec<f64> = (0..COLUMNS.len())
            .map(|column| median(&tries.iter().map(|figures| figures[column]).collect::<Vec<_>>()))
            .collect();
        println!("{children:>8} {row:.0?}");
        rows.push((*children, row));
    }
    fs::create_dir_all(DOCS).expect("a folder");
    fs::write(format!("{DOCS}/scale.md"), page(&rows)).expect("the file can be written");
    fs::write(format!("{DOCS}/scale.svg"), plot::svg(COLUMNS, &rows)).expect("the file can be written");
}

fn in_its_own_process(children: u64) -> Vec<f64> {
    let mut again = Command::new(env::current_exe().unwrap());
    let output = again.args([ASK, &children.to_string()]).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

/// In the process asked.
fn measure(children: u64) -> [f64; COLUMNS.len()] {
    const TIMES: u64 = 1_000;
    on_a_system(async move || {
        let supervisor = supervisor();
        start_worker(&supervisor, 0).await.1.send(Get).await.unwrap();
        let mut addresses = Vec::with_capacity(children as usize);
        let before = resident();
        let start = per(children, async || {
            for value in 0..children {
                addresses.push(start_worker(&supervisor, value).await.1);
            }
        })
        .await;
        // The address kept here counts, as it would with a user.
        let bytes = resident().zip(before).map_or(f64::NAN, |(now, then)| now.saturating_sub(then) as f64);
        let count = per(TIMES, async || {
            for _ in 0..TIMES {
                supervisor.count_children().await.unwrap();
            }
        })
        .await;
        let which = per(children, async || drop(supervisor.which_children().await.unwrap())).await;
        const LOOKS: u64 = 10;
        let snapshots = per(children * LOOKS, async || {
            for _ in 0..LOOKS {
                drop(supervisor.snapshot(TakeSnapshot::new()).await.unwrap());
            }
        })
        .await;
        let stride = addresses.len() / TIMES as usize;
        let crash = per(TIMES, async || {
            for child in addresses.iter().step_by(stride.max(1)).take(TIMES as usize) {
                child.do_send(Crash);
                child.send(Get).await.unwrap();
            }
        })
        .await;
        drop(addresses);
        let stop = per(children, async || drop(supervisor.stop().await.unwrap())).await;
        [start, bytes / children as f64, count, which, snapshots, crash, stop]
    })
}

fn page(rows: &[(u64, Vec<f64>)]) -> String {
    let mut page = String::from(
        "# What a child costs the more there are\n\n\
         Written by `cargo bench --bench scale`, each line in processes of its own.\n\n",
    );
    let _ = writeln!(page, "{}\n", machine());
    let heads: Vec<_> = COLUMNS.iter().map(|(head, _)| *head).collect();
    let _ = writeln!(page, "| children | {} |", heads.join(" | "));
    let _ = writeln!(page, "|---:|{}", "---:|".repeat(COLUMNS.len()));
    for (children, row) in rows {
        let figures: Vec<_> = row.iter().map(|figure| format!("{figure:.0}")).collect();
        let _ = writeln!(page, "| {children} | {} |", figures.join(" | "));
    }
    page.push_str("\n![the same as a plot](scale.svg)\n\n");
    for (head, what) in COLUMNS {
        let _ = writeln!(page, "* **{head}**: {what}.");
    }
    page
}

/// What the figures were measured on.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, model)| model);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let compiler = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let compiler = String::from_utf8_lossy(&compiler).trim().to_owned();
    format!("Machine: {}, {cores} cores, shared, {}; {compiler}.", model.unwrap_or("unknown"), env::consts::OS)
}
