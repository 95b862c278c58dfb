//! What is done to model and crate: one step after another, made at random from where the model stands.

use proptest::prelude::*;

use crate::{
    dice::{residue, Dice},
    reference::{Life, Node, Phase, Reference, Request},
    words::{Ask, Label, Limits, Message, Spec},
};

/// So many children and supervisors a case has at most.
const MANY: usize = 40;

#[derive(Clone, Debug)]
pub enum Op {
    Root(Label, Limits),
    Start(Label, Label, Spec),
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
            Step::Advance(_) => self.frozen.is_none(),
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
            Op::Start(supervisor, label, _) => is_new(label) && is_supervisor(supervisor) && self.reaches(*supervisor),
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

    /// While a supervisor is frozen nothing is done to those above it: it could not obey.
    fn reaches(&self, label: Label) -> bool {
        let Some(frozen) = self.frozen else { return true };
        std::iter::successors(Some(label), |label| self.nodes[label].parent).any(|above| above == frozen)
    }

    /// One number decides; a case is made smaller by leaving steps out.
    pub fn next_step(&self) -> BoxedStrategy<Step> {
        let menu = self.menu();
        any::<u64>().no_shrink().prop_map(move |seed| menu.step(&mut Dice(seed))).boxed()
    }

    fn menu(&self) -> Menu {
        let labels = |is: &dyn Fn(&Node) -> bool| -> Vec<Label> {
            let can_be = |label: Label, node: &Node| node.is_known() && self.reaches(label) && is(node);
            self.nodes.iter().filter(|(label, node)| can_be(**label, node)).map(|(label, _)| *label).collect()
        };
        let children = |is: &dyn Fn(&Node) -> bool| -> Vec<(Label, Label)> {
            labels(is).into_iter().filter_map(|child| Some((self.nodes[&child].parent?, child))).collect()
        };
        let is_worker = |node: &Node| !node.spec.is_supervisor();
        let is_troubled = |node: &Node| match &node.entry {
            Some(entry) => entry.phase != Phase::Running || node.life != Life::Alive,
            None => false,
        };
        let fails_next = |node: &Node| node.spec.plan(node.incarnation + 1).fails().is_some();
        Menu {
            // A label may be drawn twice in one step; such a step is not permitted, another is drawn.
            next: self.nodes.keys().max().map_or(1, |label| label + 1),
            names: self.names.keys().copied().collect(),
            frozen: self.frozen,
            is_due: self.nodes.values().any(|node| node.due().is_some()),
            open: self.open.iter().copied().collect(),
            supervisors: labels(&|node| node.spec.is_supervisor()),
            alive_supervisors: labels(&|node| node.sup.is_some()),
            nested: children(&|node| node.sup.is_some()),
            children: children(&|_| true),
            present: children(&|node| node.entry.is_some()),
            troubled: children(&is_troubled),
            doomed: children(&|node| is_worker(node) && node.life == Life::Alive && fails_next(node)),
            workers: children(&|node| is_worker(node) && node.life != Life::Over),
            gone: children(&|node| is_worker(node) && node.life == Life::Over),
            starting: labels(&|node| node.life == Life::Starting),
        }
    }
}

/// What there is to choose from.
#[derive(Debug)]
struct Menu {
    next: Label,
    names: Vec<Label>,
    frozen: Option<Label>,
    is_due: bool,
    open: Vec<Request>,
    supervisors: Vec<Label>,
    alive_supervisors: Vec<Label>,
    // With their parents.
    nested: Vec<(Label, Label)>,
    children: Vec<(Label, Label)>,
    present: Vec<(Label, Label)>,
    troubled: Vec<(Label, Label)>,
    doomed: Vec<(Label, Label)>,
    workers: Vec<(Label, Label)>,
    gone: Vec<(Label, Label)>,
    starting: Vec<Label>,
}

#[derive(Clone, Copy)]
enum Choice {
    Alone,
    Together,
    Burst,
    Race,
    Trouble,
    Freeze,
    Thaw,
    StopFrozen,
    Advance,
}

#[derive(Clone, Copy)]
enum OpKind {
    Root,
    Start,
    Question,
    Stop,
    EndAny,
    EndPresent,
    EndTroubled,
    KillNested,
    EndForeign,
    Tell,
    TellGone,
    OpenGate,
    Abandon,
}

/// The weight, if there is something to choose from.
fn if_any<T>(weight: u64, those: &[T]) -> u64 {
    if those.is_empty() {
        0
    } else {
        weight
    }
}

impl Menu {
    fn step(&self, dice: &mut Dice) -> Step {
        let is_open = self.frozen.is_none();
        let when = |is: bool, weight: u64| if is { weight } else { 0 };
        let choice = dice.weighted(&[
            (50, Choice::Alone),
            (16, Choice::Together),
            (if_any(8, &self.workers), Choice::Burst),
            (if_any(4, &self.workers), Choice::Race),
            (when(is_open, if_any(9, &self.doomed)), Choice::Trouble),
            (when(is_open, if_any(9, &self.alive_supervisors)), Choice::Freeze),
            (when(!is_open, 9), Choice::Thaw),
            (when(!is_open, 4), Choice::StopFrozen),
            (when(is_open, if self.is_due { 14 } else { 6 }), Choice::Advance),
        ]);
        let frozen = self.frozen.unwrap_or_default();
        match choice {
            Choice::Alone => Step::Do(vec![self.op(dice)]),
            Choice::Together => Step::Do((0..dice.from(2..5)).map(|_| self.op(dice)).collect()),
            Choice::Burst => {
                let (_, child) = dice.pick(&self.workers);
                Step::Do((0..dice.from(2..6)).map(|_| Op::Send(child, Ask::Tell(dice.message()))).collect())
            }
            Choice::Race => {
                let (parent, child) = dice.pick(&self.workers);
                let mut ops = vec![Op::Send(child, Ask::Tell(dice.message())), Op::Send(parent, Ask::Terminate(child))];
                if dice.one_in(2) {
                    ops.reverse();
                }
                Step::Do(ops)
            }
            Choice::Trouble => self.trouble(dice),
            Choice::Freeze => Step::Do(vec![Op::Freeze(dice.pick(&self.alive_supervisors))]),
            Choice::Thaw => Step::Do(vec![Op::Thaw(frozen)]),
            Choice::StopFrozen => Step::Do(vec![Op::Send(frozen, stop(frozen, dice))]),
            Choice::Advance => Step::Advance(dice.units(1..6)),
        }
    }

    /// A child that would fail to come back crashes, and something else is on its way already when it is tried again.
    fn trouble(&self, dice: &mut Dice) -> Step {
        let (parent, child) = dice.pick(&self.doomed);
        let stop = stop(parent, dice);
        let between = dice.weighted(&[(3, Ask::Terminate(child)), (1, Ask::Kill(child)), (1, Ask::Count), (4, stop)]);
        let crash = Op::Send(child, Ask::Tell(Message::Panic));
        Step::InTurn(vec![Op::Freeze(parent), crash, Op::Send(parent, between), Op::Thaw(parent)])
    }

    fn op(&self, dice: &mut Dice) -> Op {
        let label = self.next + dice.below(4) as Label;
        let is_first = self.alive_supervisors.is_empty();
        let parents = if is_first { &self.supervisors } else { &self.alive_supervisors };
        let kind = dice.weighted(&[
            (if is_first { 40 } else { 2 }, OpKind::Root),
            (if_any(24, parents), OpKind::Start),
            (if_any(6, &self.supervisors), OpKind::Question),
            (if_any(3, parents), OpKind::Stop),
            (if_any(2, &self.children), OpKind::EndAny),
            (if_any(10, &self.present), OpKind::EndPresent),
            (if_any(9, &self.troubled), OpKind::EndTroubled),
            (if_any(1, &self.nested), OpKind::KillNested),
            (if_any(if_any(1, &self.supervisors), &self.children), OpKind::EndForeign),
            (if_any(26, &self.workers), OpKind::Tell),
            (if_any(2, &self.gone), OpKind::TellGone),
            (if_any(14, &self.starting), OpKind::OpenGate),
            (if_any(5, &self.open), OpKind::Abandon),
        ]);
        match kind {
            OpKind::Root => Op::Root(label, dice.limits(label, &self.names)),
            OpKind::Start => {
                let parent = dice.pick(parents);
                let spec = if dice.one_in(6) {
                    let (restart, shutdown) = (dice.restart(), dice.shutdown(label));
                    Spec::supervisor(restart, shutdown, dice.limits(label, &self.names))
                } else {
                    dice.worker(label)
                };
                Op::Start(parent, label, spec)
            }
            OpKind::Question => {
                Op::Send(dice.pick(&self.supervisors), dice.pick(&[Ask::Count, Ask::Which, Ask::AwaitExit]))
            }
            OpKind::Stop => {
                let supervisor = dice.pick(parents);
                Op::Send(supervisor, stop(supervisor, dice))
            }
            OpKind::EndAny => {
                let child = dice.pick(&self.children);
                end(dice, child)
            }
            OpKind::EndPresent => {
                let child = dice.pick(&self.present);
                end(dice, child)
            }
            OpKind::EndTroubled => {
                let child = dice.pick(&self.troubled);
                end(dice, child)
            }
            OpKind::KillNested => {
                let (parent, child) = dice.pick(&self.nested);
                Op::Send(parent, Ask::Kill(child))
            }
            OpKind::EndForeign => Op::Send(dice.pick(&self.supervisors), Ask::Terminate(dice.pick(&self.children).1)),
            OpKind::Tell => Op::Send(dice.pick(&self.workers).1, Ask::Tell(dice.message())),
            OpKind::TellGone => Op::Send(dice.pick(&self.gone).1, Ask::Tell(dice.message())),
            OpKind::OpenGate => Op::OpenGate(dice.pick(&self.starting)),
            OpKind::Abandon => Op::Abandon(dice.pick(&self.open)),
        }
    }
}

fn end(dice: &mut Dice, (parent, child): (Label, Label)) -> Op {
    Op::Send(parent, if dice.below(10) < 7 { Ask::Terminate(child) } else { Ask::Kill(child) })
}

fn stop(supervisor: Label, dice: &mut Dice) -> Ask {
    let deadline = (!dice.one_in(3)).then(|| dice.units(1..4) + residue(supervisor, 2));
    Ask::Stop { reason: dice.reason(), deadline }
}

impl Op {
    fn label(&self) -> Option<Label> {
        match self {
            Self::Root(label, _) | Self::Start(_, label, _) => Some(*label),
            _ => None,
        }
    }
}

impl Node {
    fn is_known(&self) -> bool {
        if self.spec.is_supervisor() {
            self.has_lived()
        } else {
            self.incarnation > 0
        }
    }
}
