//! How long others wait while one arbiter is kept busy: `cargo bench --bench fairness -- [--json] [--check] [--from-main] [ROW…]`.
//!
//! Microseconds, beside plain Actix under the same load. `-` is what plain Actix does not do: a child of its that messages
//! itself, or is flooded faster than it works, leaves nobody a turn, and nothing comes back after a crash. Each side of a
//! load runs in a process of its own, which is killed when nothing is answered any more.
//!
//! Requests to the supervisor while thousands of children crash wait behind the reports of those crashes, as in Elixir; a
//! message to a sibling does not.

#[path = "../support/mod.rs"]
mod support;

mod busy;
mod keeper;

use std::{
    collections::HashMap,
    env,
    io::{self, Write},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use busy::{Flood, Load};
use keeper::{Keeper, Kept};
use support::{
    actors::Get,
    on_a_system,
    report::{Asked, Ceiling, Report, Row},
    rounds::quantile,
};

const LOADS: &[(&str, Load)] =
    &[("self_messages", Load::SelfMessages), ("flood", Load::Flood), ("crashes", Load::Crashes)];

/// Rows of each load, and the microseconds they may take.
const ROWS: &[(&str, Option<f64>)] = &[
    ("sibling_p50", None),
    ("sibling_p99", Some(5_000.0)),
    ("sibling_worst", None),
    ("count_children_p99", None),
    ("terminate_child_p50", None),
    ("terminate_child_p99", Some(10_000.0)),
];

/// Asks a process for one side of one load.
const ASK: &str = "--side";

/// Longer than any side takes that is answered at all.
const LIMIT: Duration = Duration::from_secs(60);

/// How long one kind of request is repeated, and how often at least.
const LONG: Duration = Duration::from_secs(3);
const FEWEST: usize = 100;

/// How many children crash.
const CRASHING: usize = 10_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [ask, side, load] = arguments.as_slice() {
        if ask == ASK {
            measure(side, load);
            return ExitCode::SUCCESS;
        }
    }
    let mut report = Report::new(Asked::by_arguments());
    for (name, load) in LOADS {
        if !report.asks_for(name) {
            continue;
        }
        let ours = in_its_own_process("ours", name);
        let floor = match load {
            // Nothing comes back.
            Load::Crashes => HashMap::new(),
            Load::SelfMessages | Load::Flood => in_its_own_process("floor", name),
        };
        for (row, most) in ROWS {
            // Behind thousands of crashes a request to the supervisor has no ceiling.
            let most = most.filter(|_| !(matches!(load, Load::Crashes) && *row == "terminate_child_p99"));
            report.add(&Row {
                metric: format!("{name}/{row}"),
                ours: ours.get(*row).copied().unwrap_or(f64::NAN),
                floor: floor.get(*row).copied(),
                ceiling: most.map(Ceiling::Ours),
            });
        }
    }
    report.end()
}

/// What a side had printed when it ended, or when its time was over.
#[allow(clippy::unwrap_used, reason = "without a process there is no figure")]
fn in_its_own_process(side: &str, load: &str) -> HashMap<String, f64> {
    let mut again = Command::new(env::current_exe().unwrap());
    let mut process = again.args([ASK, side, load]).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < LIMIT && process.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = process.kill();
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(row, us)| (row.to_owned(), number(us))).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// In the process asked: each figure is printed as soon as it is known.
fn measure(side: &str, load: &str) {
    let Some(&(_, load)) = LOADS.iter().find(|(name, _)| *name == load) else { return };
    let is_ours = side == "ours";
    on_a_system(async move || {
        let mut keeper = if is_ours { Keeper::ours() } else { Keeper::plain() };
        let sibling = keeper.start_sibling().await;
        let flood = Flood::start();
        let mut busy = burden(&mut keeper, &flood, load).await;

        // Until the load is there.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let waits = sample(async || _ = sibling.send(Get).await).await;
        say("sibling_p50", quantile(&waits, 0.5));
        say("sibling_p99", quantile(&waits, 0.99));
        say("sibling_worst", quantile(&waits, 1.0));

        let waits = sample(async || _ = keeper.count().await).await;
        say("count_children_p99", quantile(&waits, 0.99));

        let begun = Instant::now();
        let mut waits = Vec::new();
        while waits.len() < FEWEST || (begun.elapsed() < LONG && waits.len() < 300) {
            let Some(child) = busy.pop() else { break };
            // In its stride.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let asked = Instant::now();
            keeper.end(child).await;
            waits.push(micros(asked));
            if !matches!(load, Load::Crashes) {
                busy.push(another(&mut keeper, &flood, load).await);
            }
        }
        say("terminate_child_p50", quantile(&waits, 0.5));
        say("terminate_child_p99", quantile(&waits, 0.99));
    });
}

/// Puts the load on the arbiter.
async fn burden(keeper: &mut Keeper, flood: &Flood, load: Load) -> Vec<Kept> {
    if let Load::Crashes = load {
        keeper.start_crowd(CRASHING, load).await
    } else {
        vec![another(keeper, flood, load).await]
    }
}

async fn another(keeper: &mut Keeper, flood: &Flood, load: Load) -> Kept {
    let (child, addr) = keeper.start_busy(load).await;
    if let Load::Flood = load {
        flood.turn_to(addr);
    }
    child
}

/// Microseconds each try took: as many as there is time for, and enough to speak of a share of them.
async fn sample(mut one: impl AsyncFnMut()) -> Vec<f64> {
    const MOST: usize = 50_000;
    let begun = Instant::now();
    let mut waits = Vec::new();
    while waits.len() < FEWEST || (begun.elapsed() < LONG && waits.len() < MOST) {
        let asked = Instant::now();
        one().await;
        waits.push(micros(asked));
    }
    waits
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64 / 1_000.0
}

fn say(row: &str, micros: f64) {
    println!("{row} {micros}");
    let _ = io::stdout().flush();
}
