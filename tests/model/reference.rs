//! The whole contract as one pure machine: no clock, no runtime, no actors. Independent of the crate's sources.
//!
//! What is here: what there is, what is done to it from outside, and small words that [`life`](crate::life) and
//! [`rules`](crate::rules) are written in.
//!
//! A *node* is a child or a root supervisor. Its life (what its runner knows) and its entry (what its supervisor knows)
//! are two things: between an end and the notice of it they differ. Who has something to do is in `ready`, and turns are
//! taken in that order, as tasks on one thread take them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem::take,
};

use crate::words::{details, key_name, Ask, Failure, Kind, Label, Limits, Reason, Restart, Shutdown, Spec};

/// A request's number, in the order they are sent.
pub type Request = usize;

#[derive(Clone, Debug)]
pub enum Mail {
    Ask(Request, Ask),
    Freeze,
    Started(Label, usize),
    NotStarted(Label, usize, Failure),
    Exited(Label, usize, Reason),
    Retry(Label, usize),
    /// The delay before this incarnation is over.
    Due(Label, usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Life {
    /// Not begun, or between two incarnations.
    Dead,
    Starting,
    Alive,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Starting,
    Running,
    Restarting,
    Stopping,
}

/// What a supervisor knows of a child.
#[derive(Clone, Debug)]
pub struct Entry {
    pub phase: Phase,
    pub incarnation: usize,
    pub restarts: usize,
    pub last_exit: Option<Reason>,
    pub starter: Option<Request>,
    pub terminators: Vec<Request>,
    /// Who wants a child with this key, and what each would start.
    pub waiters: Vec<(Request, Label)>,
    /// Since when it is in this phase.
    pub since: u64,
    pub trials: Trials,
}

/// A child's tries to come back.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// How many since it last ran for long.
    pub tries: u32,
    /// Those that count in its own limit.
    pub notes: Vec<u64>,
    pub next: Option<u64>,
    pub is_parked: bool,
}

/// When it obeys, when it is killed, when its start has taken too long, when it has waited for its next try.
pub type Due = [Option<u64>; 4];

pub const NOTHING: Due = [None; 4];

#[derive(Clone, Debug)]
pub struct Node {
    pub parent: Option<Label>,
    pub spec: Spec,
    pub entry: Option<Entry>,
    pub life: Life,
    pub incarnation: usize,
    pub sup: Option<Sup>,
    pub last_exit: Option<(usize, Reason)>,
    pub queue: VecDeque<Mail>,
    /// It has found its mailbox empty: the next message wakes it, even if it waits for something else by then.
    pub listens: bool,
    /// How many starts the gate lets through.
    pub gate: usize,
    /// Its start has had its turn.
    pub has_begun: bool,
    pub asked: bool,
    pub due: Due,
    /// Who is told of the end when it is over.
    pub obituary: Vec<(Request, String)>,
    pub last_report: Option<String>,
}

/// A living supervisor.
#[derive(Clone, Debug, Default)]
pub struct Sup {
    /// In start order.
    pub table: Vec<Label>,
    pub notes: Vec<u64>,
    /// Which part of the restart limit was used when it was last looked at: none, half, or four fifths of it.
    pub nearness: u8,
    /// Whose asynchronous starts go on, and whose wait for that, in their order.
    pub starts: Vec<Label>,
    pub queue: VecDeque<Label>,
    pub closing: Option<Closing>,
    pub exits: Vec<Request>,
    pub leaving: Option<Reason>,
}

#[derive(Clone, Debug, Default)]
pub struct Closing {
    pub reason: Option<Reason>,
    pub stopped: usize,
    pub killed: usize,
    pub failed: usize,
    pub odd: Vec<String>,
    pub askers: Vec<Request>,
    pub due: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Reference {
    pub now: u64,
    pub nodes: BTreeMap<Label, Node>,
    pub ready: VecDeque<Label>,
    /// Who has its turn, and whether it is woken meanwhile: it comes again when all others have had theirs.
    pub running: Option<Label>,
    pub again: bool,
    pub requests: Request,
    pub open: BTreeSet<Request>,
    pub abandoned: BTreeSet<Request>,
    /// Who takes no messages; one at a time.
    pub frozen: Option<Label>,
    /// Who has which name.
    pub names: BTreeMap<Label, Label>,
    /// What the last step brought about: answers; by supervisor, calls of starts and what was told; by child, what was
    /// handled; the moments when something fell due.
    pub replies: BTreeMap<Request, String>,
    pub events: BTreeMap<Label, Vec<String>>,
    pub handled: BTreeMap<Label, Vec<String>>,
    pub moments: Vec<u64>,
    /// Two things fell due at the same moment: nobody can say which comes first.
    pub is_tied: bool,
    /// How often which interesting state was reached.
    pub seen: BTreeMap<&'static str, usize>,
}

impl Reference {
    pub fn start_root(&mut self, label: Label, limits: Limits) {
        let spec = Spec::supervisor(Restart::Temporary, Shutdown::Infinity, limits);
        self.add(label, None, spec);
        let request = self.request();
        self.node(label).incarnation = 1;
        match self.conclude(label) {
            Ok(_) => self.reply(request, "started"),
            Err(failure) => {
                self.reply(request, failure);
                self.over(label);
            }
        }
    }

    pub fn add(&mut self, label: Label, parent: Option<Label>, spec: Spec) {
        self.nodes.insert(label, Node::new(parent, spec));
    }

    pub fn send(&mut self, to: Label, ask: Ask) {
        let request = self.request();
        if self.node(to).life == Life::Over {
            self.reply(
                request,
                match ask {
                    Ask::Tell(_) => "closed",
                    Ask::AwaitExit => "unknown",
                    _ => "gone",
                },
            );
        } else {
            self.post(to, Mail::Ask(request, ask));
        }
    }

    pub fn open_gate(&mut self, child: Label) {
        self.node(child).gate += 1;
        self.wake(child);
    }

    /// The asker goes away.
    pub fn abandon(&mut self, request: Request) {
        self.open.remove(&request);
        self.abandoned.insert(request);
    }

    pub fn freeze(&mut self, supervisor: Label) {
        self.post(supervisor, Mail::Freeze);
    }

    pub fn thaw(&mut self, supervisor: Label) {
        self.frozen = None;
        self.wake(supervisor);
    }

    pub fn is_frozen(&self, supervisor: Label) -> bool {
        self.frozen == Some(supervisor)
    }

    pub fn settle(&mut self) {
        while let Some(label) = self.ready.pop_front() {
            self.running = Some(label);
            self.turn(label);
            self.running = None;
            if take(&mut self.again) {
                self.wake(label);
            }
        }
    }

    pub fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(due) = self.nodes.values().filter_map(Node::due).min().filter(|due| *due <= end) {
            self.now = due;
            self.moments.push(due);
            let whose = self.nodes.iter().filter(|(_, node)| node.due() == Some(due)).map(|(label, _)| *label);
            let whose: Vec<_> = whose.collect();
            self.is_tied |= self.nodes.values().flat_map(Node::dues).filter(|other| *other == due).count() > 1;
            whose.into_iter().for_each(|label| self.fall_due(label));
            self.settle();
        }
        self.now = end;
        self.moments.push(end);
    }

    pub fn counts(&self, s: Label) -> String {
        let table = &self.nodes[&s].sup.as_ref().expect("alive").table;
        let count = |is: &dyn Fn(&Node) -> bool| table.iter().filter(|child| is(&self.nodes[child])).count();
        let active = count(&|n| n.entry.as_ref().is_some_and(|e| matches!(e.phase, Phase::Running | Phase::Stopping)));
        let supervisors = count(&|n| n.spec.is_supervisor());
        let (specs, workers) = (table.len(), table.len() - supervisors);
        format!("specs: {specs}, active: {active}, supervisors: {supervisors}, workers: {workers}")
    }

    pub fn list(&self, s: Label) -> String {
        let line = |child: &Label| {
            let Node { entry, spec, .. } = &self.nodes[child];
            let Entry { phase, restarts, last_exit, trials, .. } = entry.as_ref().expect("in the table");
            let last = last_exit.map_or("-".into(), |reason| reason.to_string());
            format!("{child} {phase:?} {restarts} {last}{}", details(spec.key.map(key_name), trials.next))
        };
        self.nodes[&s].sup.as_ref().expect("alive").table.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    pub fn node(&mut self, label: Label) -> &mut Node {
        self.nodes.get_mut(&label).expect("a node")
    }

    pub fn sup(&mut self, s: Label) -> &mut Sup {
        self.node(s).sup.as_mut().expect("a living supervisor")
    }

    pub fn closing(&mut self, s: Label) -> &mut Closing {
        self.sup(s).closing.as_mut().expect("shutting down")
    }

    pub fn entry(&mut self, child: Label) -> &mut Entry {
        self.node(child).entry.as_mut().expect("in the table")
    }

    pub fn limits(&self, s: Label) -> Limits {
        let Kind::Supervisor(limits) = self.nodes[&s].spec.kind else { unreachable!("a supervisor") };
        limits
    }

    /// The child's phase, if this is about its present incarnation.
    pub fn present(&mut self, s: Label, child: Label, incarnation: usize) -> Option<Phase> {
        let is_child = self.sup(s).table.contains(&child) && self.entry(child).incarnation == incarnation;
        is_child.then(|| self.entry(child).phase)
    }

    pub fn remove(&mut self, s: Label, child: Label) -> Entry {
        self.sup(s).table.retain(|other| *other != child);
        self.node(child).entry.take().expect("in the table")
    }

    pub fn request(&mut self) -> Request {
        self.requests += 1;
        self.open.insert(self.requests);
        self.requests
    }

    pub fn reply(&mut self, request: Request, answer: impl ToString) {
        if self.open.remove(&request) {
            self.replies.insert(request, answer.to_string());
        }
    }

    pub fn post(&mut self, to: Label, mail: Mail) {
        self.node(to).queue.push_back(mail);
        if take(&mut self.node(to).listens) {
            self.wake(to);
        }
    }

    pub fn report(&mut self, child: Label, mail: Mail) {
        let parent = self.nodes[&child].parent.expect("a child");
        if self.node(parent).life != Life::Over {
            self.post(parent, mail);
        }
    }

    pub fn wake(&mut self, label: Label) {
        if self.running == Some(label) {
            self.again = true;
        } else if !self.ready.contains(&label) {
            self.ready.push_back(label);
        }
    }

    /// Told under the supervisor's name.
    pub fn tell(&mut self, s: Label, line: impl ToString) {
        self.events.entry(self.limits(s).name).or_default().push(line.to_string());
    }

    pub fn tell_of(&mut self, s: Label, child: Label, incarnation: usize, what: &str, why: &str) {
        self.tell(s, format!("{what} {child}#{incarnation}{why}"));
    }

    pub fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn see_if(&mut self, is_so: bool, what: &'static str) {
        if is_so {
            self.see(what);
        }
    }
}

impl Node {
    pub fn new(parent: Option<Label>, spec: Spec) -> Self {
        Self {
            parent,
            spec,
            entry: None,
            life: Life::Dead,
            incarnation: 0,
            sup: None,
            last_exit: None,
            queue: VecDeque::new(),
            listens: false,
            gate: 0,
            has_begun: false,
            asked: false,
            due: NOTHING,
            obituary: Vec::new(),
            last_report: None,
        }
    }

    pub fn due(&self) -> Option<u64> {
        self.dues().min()
    }

    fn dues(&self) -> impl Iterator<Item = u64> {
        let stop = self.sup.as_ref().and_then(|sup| sup.closing.as_ref()?.due);
        self.due.into_iter().chain([stop]).flatten()
    }

    pub fn has_lived(&self) -> bool {
        self.life == Life::Alive || self.last_exit.is_some()
    }

    pub fn queued(&self) -> usize {
        self.queue.len()
    }
}
