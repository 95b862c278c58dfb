//! `workers`: children on two threads of their own, measured. One blocks its thread now and then, one takes longer and longer.

use std::{thread, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::dice::Dice;

const WORKERS: [&str; 6] = ["import-1", "import-2", "import-3", "export-1", "export-2", "mailer"];
const RENDERER: &str = "pdf-renderer";
const REPORTER: &str = "report-writer";

/// How many messages may wait for the one that takes longer and longer before it is replaced.
const MAX_QUEUED: usize = 8;

pub(crate) fn supervisor() -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name("workers")
        .placement(Placement::Pool(2))
        .measure(true)
        .unresponsive_after(Duration::from_millis(500))
        .with_children(|workers| {
            for name in WORKERS.into_iter().chain([RENDERER]) {
                workers.start_child(Child::new(|| Worker).key(name));
            }
            workers.start_child(reporter().key(REPORTER));
        })
        .into_child()
}

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Supervised for Worker {}

/// Blocks the thread for this long: a library that knows nothing of `async`.
#[derive(Message)]
#[rtype(result = "()")]
struct Job(Duration);

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, Job(takes): Job, _: &mut Context<Self>) {
        thread::sleep(takes);
    }
}

fn reporter() -> Child<Reporter, (), impl FnMut(&mut StartContext<Reporter>) -> Starting<Reporter> + Send + 'static> {
    Child::new(Reporter::default)
}

/// Looks through all it has ever written before it writes the next.
#[derive(Default)]
struct Reporter {
    written: u64,
}

impl Actor for Reporter {
    type Context = Context<Self>;
}

impl Supervised for Reporter {}

#[derive(Message)]
#[rtype(result = "()")]
struct Write;

impl Handler<Write> for Reporter {
    type Result = ();

    fn handle(&mut self, _: Write, ctx: &mut Context<Self>) {
        self.written += 1;
        // It keeps its thread for a part of the time, and waits for a disk for the rest.
        thread::sleep(Duration::from_millis(2 * self.written));
        let disk = actix_rt::time::sleep(Duration::from_millis(4 * self.written));
        ctx.wait(disk.into_actor(self));
    }
}

/// Hands out work.
pub(crate) async fn dispatch(seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        actix_rt::time::sleep(Duration::from_millis(125)).await;
        let Some(workers) = DynamicSupervisor::whereis("workers") else { continue };
        let (name, job) = match dice.below(80) {
            0 => (RENDERER, Job(dice.millis(600, 800))),
            _ => (dice.pick(&WORKERS), Job(dice.millis(0, 4))),
        };
        if let Some(worker) = workers.whereis::<Worker>(name) {
            worker.do_send(job);
        }
        if let (true, Some(reporter)) = (dice.one_in(2), workers.whereis::<Reporter>(REPORTER)) {
            reporter.do_send(Write);
        }
    }
}

/// Looks after the one that takes longer and longer: where too much waits for it, a new one takes its place.
pub(crate) async fn look_after() {
    loop {
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        let Some(workers) = DynamicSupervisor::whereis("workers") else { continue };
        let Ok(reporter) = workers.get_or_start(REPORTER, reporter()).await else { continue };
        let request = TakeSnapshot::new().depth(0).only(reporter.id).queues(true);
        let Ok(snapshot) = workers.snapshot(request).await else { continue };
        if snapshot.children.iter().any(|child| child.queued > Some(MAX_QUEUED)) {
            // However it ended: the next round finds it gone and starts one.
            let _ = workers.terminate_child(reporter.id).await;
        }
    }
}
