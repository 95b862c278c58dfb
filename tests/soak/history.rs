//! What happened, and what must not have.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        atomic::{AtomicI64, AtomicU64, Ordering},
        Mutex,
    },
};

use crate::clerk::{may_be_taken_over, Deed, Done};

pub(crate) struct History {
    next: AtomicU64,
    /// Batches whose answers have not all come: which of their jobs were handled, in this order.
    open: Mutex<HashMap<u64, Vec<u64>>>,
    clerks: Vec<Life>,
    counts: Counts,
    /// What was wrong, for people.
    wrong: Mutex<Vec<String>>,
}

/// What is known of the children with one key.
#[derive(Default)]
struct Life {
    alive: AtomicI64,
    terminating: AtomicU64,
    terminated: AtomicU64,
}

/// How many terminations had begun, and whether one was going on.
pub(crate) struct Terminations {
    begun: u64,
    goes_on: bool,
}

#[derive(Default)]
struct Counts {
    jobs: AtomicU64,
    crashes: AtomicU64,
    terminations: AtomicU64,
    starts: AtomicU64,
    arbiters: AtomicU64,
    blocks: AtomicU64,
    snapshots: AtomicU64,
    /// Messages that waited when a snapshot looked.
    counted: AtomicU64,
    lost: AtomicU64,
    duplicate: AtomicU64,
    wrong: AtomicU64,
    unresolved: AtomicU64,
}

/// A batch with all its answers; `None` is `Closed`.
pub(crate) struct Batch {
    pub(crate) key: u64,
    pub(crate) number: u64,
    /// Before its child was asked for.
    pub(crate) before: Terminations,
    pub(crate) answers: Vec<(u64, Deed, Option<Done>)>,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::SeqCst);
}

impl History {
    pub(crate) fn new(keys: u64) -> Self {
        Self {
            next: AtomicU64::new(1),
            open: Mutex::default(),
            clerks: (0..keys).map(|_| Life::default()).collect(),
            counts: Counts::default(),
            wrong: Mutex::default(),
        }
    }

    fn life(&self, key: u64) -> &Life {
        &self.clerks[key as usize]
    }

    /// Wrong if there are more than there may be: one, and for a while two of those that may be taken over. Of these it
    /// may be more, where one is taken over several times while its old ones are blocked.
    pub(crate) fn born(&self, key: u64) {
        add(&self.counts.starts);
        let before = self.life(key).alive.fetch_add(1, Ordering::SeqCst);
        if before > 0 && !may_be_taken_over(key) {
            self.wrong(format!("{key}: born while {before} live"));
        }
    }

    pub(crate) fn died(&self, key: u64) {
        self.life(key).alive.fetch_sub(1, Ordering::SeqCst);
    }

    /// From here on a job for this child may be answered `Closed` though nobody handled it.
    pub(crate) fn terminating(&self, key: u64) {
        add(&self.counts.terminations);
        add(&self.life(key).terminating);
    }

    pub(crate) fn terminated(&self, key: u64) {
        add(&self.life(key).terminated);
    }

    pub(crate) fn terminations(&self, key: u64) -> Terminations {
        let life = self.life(key);
        // In this order: one that ends in between still counts as going on.
        let terminated = life.terminated.load(Ordering::SeqCst);
        let begun = life.terminating.load(Ordering::SeqCst);
        Terminations { begun, goes_on: begun > terminated }
    }

    pub(crate) fn troubled(&self, deed: Deed) {
        add(if deed == Deed::Block { &self.counts.blocks } else { &self.counts.arbiters });
    }

    /// A snapshot has counted as many messages in all queues.
    pub(crate) fn looked(&self, counted: u64) {
        add(&self.counts.snapshots);
        self.counts.counted.fetch_add(counted, Ordering::SeqCst);
    }

    pub(crate) fn looked_wrong(&self, what: String) {
        self.wrong(format!("a snapshot: {what}"));
    }

    pub(crate) fn open(&self, jobs: u64) -> u64 {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        self.counts.jobs.fetch_add(jobs, Ordering::SeqCst);
        self.open.lock().unwrap().insert(number, Vec::new());
        number
    }

    pub(crate) fn handled(&self, batch: u64, at: u64) {
        if batch == 0 {
            return;
        }
        match self.open.lock().unwrap().get_mut(&batch) {
            Some(handled) => handled.push(at),
            // All its answers had come.
            None => add(&self.counts.duplicate),
        }
    }

    fn wrong(&self, what: String) {
        add(&self.counts.wrong);
        self.wrong.lock().unwrap().push(what);
    }

    pub(crate) fn unresolved(&self) {
        add(&self.counts.unresolved);
    }

    pub(crate) fn close(&self, Batch { key, number, before, answers }: Batch) {
        let handled = self.open.lock().unwrap().remove(&number).unwrap();
        for pair in handled.windows(2) {
            if pair[0] == pair[1] {
                add(&self.counts.duplicate);
            } else if pair[0] > pair[1] {
                self.wrong(format!("{key}: handled in the order {handled:?}"));
            }
        }
        let was_terminated = before.goes_on || self.terminations(key).begun > before.begun;
        for (at, deed, answer) in answers {
            let was_handled = handled.contains(&at);
            match (answer, deed) {
                (Some(done), Deed::Nothing) if was_handled && done == (Done { key, batch: number, at }) => {}
                (None, Deed::Crash) if was_handled => add(&self.counts.crashes),
                // Handled, and the answer did not come; or answered by nobody.
                (Some(_), _) => self.wrong(format!("{key}: {at} answered {answer:?}, handled: {was_handled}")),
                (None, _) if was_handled => self.wrong(format!("{key}: {at} handled, and not answered")),
                (None, _) if was_terminated => {}
                (None, _) => add(&self.counts.lost),
            }
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let Counts { jobs, crashes, terminations, starts, arbiters, blocks, snapshots, counted, .. } = &self.counts;
        let Counts { lost, duplicate, wrong, unresolved, .. } = &self.counts;
        let alive: i64 = self.clerks.iter().map(|life| life.alive.load(Ordering::SeqCst)).sum();
        Summary {
            jobs: count(jobs),
            crashes: count(crashes),
            terminations: count(terminations),
            starts: count(starts),
            arbiters: count(arbiters),
            blocks: count(blocks),
            snapshots: count(snapshots),
            counted: count(counted),
            lost: count(lost),
            duplicate: count(duplicate),
            wrong: count(wrong),
            unresolved: count(unresolved) + self.open.lock().unwrap().len() as u64,
            alive,
            details: self.wrong.lock().unwrap().clone(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Summary {
    jobs: u64,
    crashes: u64,
    terminations: u64,
    starts: u64,
    arbiters: u64,
    blocks: u64,
    snapshots: u64,
    counted: u64,
    lost: u64,
    duplicate: u64,
    wrong: u64,
    unresolved: u64,
    /// Children left when all was over.
    alive: i64,
    details: Vec<String>,
}

impl Summary {
    pub(crate) fn is_clean(&self) -> bool {
        (self.lost, self.duplicate, self.wrong, self.unresolved, self.alive) == (0, 0, 0, 0, 0)
    }

    pub(crate) fn is_thorough(&self) -> bool {
        let is_watched = self.snapshots > 10 && self.counted > 100;
        self.jobs > 1000
            && self.crashes > 10
            && self.terminations > 1
            && self.arbiters > 1
            && self.blocks > 0
            && is_watched
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs, crashes, terminations, starts, arbiters, blocks, snapshots, counted, .. } = self;
        let Self { lost, duplicate, wrong, unresolved, alive, details, .. } = self;
        write!(
            f,
            "jobs: {jobs}, crashes: {crashes}, terminations: {terminations}, starts: {starts}, arbiters ended: {arbiters}, \
             threads blocked: {blocks}, snapshots: {snapshots}, counted in queues: {counted}; lost: {lost}, duplicate: {duplicate}, wrong: {wrong}, unresolved: {unresolved}, \
             left alive: {alive}"
        )?;
        details.iter().try_for_each(|what| write!(f, "\n  wrong: {what}"))
    }
}
