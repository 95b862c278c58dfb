//! What is done to model and crate: one step after another, made at random from where the model stands.

use crate::{
    reference::{Life, Mail, Node, Reference, Request},
    words::{Ask, Label, Limits, Message, Spec},
};

/// So many children and supervisors a case has at most.
const MANY: usize = 40;

#[derive(Clone, Debug)]
pub enum Op {
    Root(Label, Limits),
    Start(Label, Label, Spec),
    /// The child with this one's key, or this one.
    GetOrStart(Label, Label, Spec),
    Send(Label, Ask),
    /// Lets one asynchronous start of this child go on.
    OpenGate(Label),
    /// Drops the future that waits for this answer.
    Abandon(Request),
    /// The supervisor stops taking messages from its mailbox, until it thaws.
    Freeze(Label),
    Thaw(Label),
}

#[derive(Clone, Debug)]
pub enum Step {
    /// All in one go, nobody else has a turn in between.
    Do(Vec<Op>),
    /// One after another, each with all that comes of it.
    InTurn(Vec<Op>),
    /// Time goes on, by so many milliseconds.
    Advance(u64),
}

impl Reference {
    pub fn step(mut self, step: &Step) -> Self {
        self.replies.clear();
        self.events.clear();
        self.handled.clear();
        self.moments.clear();
        match step {
            Step::Do(ops) => {
                self.see_if_raced(ops);
                ops.iter().for_each(|op| self.op(op));
                self.settle();
            }
            Step::InTurn(ops) => ops.iter().for_each(|op| {
                self.op(op);
                self.settle();
            }),
            Step::Advance(ms) => self.advance(*ms),
        }
        self
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Root(label, limits) => self.start_root(*label, *limits),
            Op::Start(supervisor, label, spec) => {
                self.add(*label, Some(*supervisor), spec.clone());
                self.send(*supervisor, Ask::Start(*label));
            }
            Op::GetOrStart(supervisor, label, spec) => {
                self.add(*label, Some(*supervisor), spec.clone());
                self.send(*supervisor, Ask::GetOrStart(*label));
            }
            Op::Send(to, ask) => self.send(*to, *ask),
            Op::OpenGate(child) => self.open_gate(*child),
            Op::Abandon(request) => self.abandon(*request),
            Op::Freeze(supervisor) => self.freeze(*supervisor),
            Op::Thaw(supervisor) => self.thaw(*supervisor),
        }
    }

    /// Which of the interesting races does this step make?
    fn see_if_raced(&mut self, ops: &[Op]) {
        let crash = |op: &Op| match op {
            Op::Send(child, Ask::Tell(Message::Panic | Message::Exit(_))) => Some(*child),
            _ => None,
        };
        let end = |op: &Op| match op {
            Op::Send(_, Ask::Terminate(child)) => Some(*child),
            _ => None,
        };
        let lives = |label: &Label| self.nodes[label].life == Life::Alive;
        let crashes: Vec<_> = ops.iter().filter_map(crash).filter(lives).collect();
        let ends: Vec<_> = ops.iter().filter_map(end).filter(lives).collect();
        if crashes.iter().any(|child| ends.contains(child)) {
            self.see("crash and terminate in one turn");
        }
        if ends.iter().enumerate().any(|(n, child)| ends[..n].contains(child)) {
            self.see("terminated twice in one turn");
        }
    }

    /// May this be done now? Asked again of each step when a failing case is made smaller.
    pub fn permits(&self, step: &Step) -> bool {
        match step {
            Step::Advance(ms) => {
                let mut ahead = self.clone();
                ahead.advance(*ms);
                self.frozen.is_none() && !self.keeps_askers_waiting() && !ahead.is_tied
            }
            Step::InTurn(ops) => {
                let mut ahead = self.clone();
                ops.iter().all(|op| {
                    let may = ahead.permits_op(op);
                    if may {
                        ahead.op(op);
                        ahead.settle();
                    }
                    may
                })
            }
            Step::Do(ops) => {
                let mut labels: Vec<_> = ops.iter().filter_map(Op::label).collect();
                let all = labels.len();
                labels.sort_unstable();
                labels.dedup();
                let is_alone = !ops.iter().any(|op| matches!(op, Op::Freeze(_) | Op::Thaw(_))) || ops.len() == 1;
                let mut abandoned: Vec<_> = ops.iter().filter(|op| matches!(op, Op::Abandon(_))).collect();
                abandoned.truncate(2);
                is_alone && all == labels.len() && abandoned.len() < 2 && ops.iter().all(|op| self.permits_op(op))
            }
        }
    }

    fn permits_op(&self, op: &Op) -> bool {
        let is_new = |label| !self.nodes.contains_key(label) && self.nodes.len() < MANY;
        let is_supervisor = |label: &Label| self.knows(*label) && self.nodes[label].spec.is_supervisor();
        match op {
            Op::Root(label, _) => is_new(label) && self.frozen.is_none(),
            Op::Start(supervisor, label, _) | Op::GetOrStart(supervisor, label, _) => {
                is_new(label) && is_supervisor(supervisor) && self.reaches(*supervisor)
            }
            Op::Send(to, ask) => {
                let fits = match ask {
                    Ask::Tell(_) => self.knows(*to) && !is_supervisor(to) && self.nodes[to].queued() < 8,
                    Ask::Terminate(child) | Ask::Kill(child) => {
                        is_supervisor(to) && self.knows(*child) && self.nodes[child].parent.is_some()
                    }
                    _ => is_supervisor(to),
                };
                fits && self.reaches(*to)
            }
            Op::OpenGate(child) => self.nodes.get(child).is_some_and(|node| node.spec.is_async) && self.reaches(*child),
            Op::Abandon(request) => self.open.contains(request),
            Op::Freeze(s) => is_supervisor(s) && self.frozen.is_none() && self.nodes[s].life == Life::Alive,
            Op::Thaw(s) => self.frozen == Some(*s),
        }
    }

    /// Can it be named from outside? A worker from its first start on, a supervisor when it has run.
    pub fn knows(&self, label: Label) -> bool {
        self.nodes.get(&label).is_some_and(Node::is_known)
    }

    /// Does a supervisor wait for its next try while somebody wants an end of it? Its thread is taken for blocked then.
    fn keeps_askers_waiting(&self) -> bool {
        let is_end = |mail: &Mail| {
            matches!(
                mail,
                Mail::Ask(
                    _,
                    Ask::Stop { .. } | Ask::Terminate(_) | Ask::TerminateKey(_) | Ask::Kill(_) | Ask::KillKey(_)
                )
            )
        };
        self.nodes.values().any(|node| node.due[3].is_some() && node.queue.iter().any(is_end))
    }

    /// While a supervisor is frozen nothing is done to those above it: it could not obey.
    pub fn reaches(&self, label: Label) -> bool {
        let Some(frozen) = self.frozen else { return true };
        std::iter::successors(Some(label), |label| self.nodes[label].parent).any(|above| above == frozen)
    }
}

impl Op {
    fn label(&self) -> Option<Label> {
        match self {
            Self::Root(label, _) | Self::Start(_, label, _) | Self::GetOrStart(_, label, _) => Some(*label),
            _ => None,
        }
    }
}

impl Node {
    pub fn is_known(&self) -> bool {
        if self.spec.is_supervisor() {
            self.has_lived()
        } else {
            self.incarnation > 0
        }
    }
}
