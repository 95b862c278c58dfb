//! What can be done next, and what of it is: drawn by chance, from where the model stands.

use proptest::prelude::*;

use crate::{
    dice::{residue, Dice, UNIT},
    reference::{Life, Node, Phase, Reference, Request},
    steps::{Op, Step},
    words::{Ask, Key, Label, Message, Spec},
};

impl Reference {
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
        let is_alive_worker = |node: &Node| is_worker(node) && node.life == Life::Alive;
        let fails_next = |node: &Node| node.spec.plan(node.incarnation + 1).fails().is_some();
        let waits = |child: &Label| self.nodes[child].due[3].is_some();
        let is_crowded = |node: &Node| node.sup.as_ref().is_some_and(|sup| sup.table.iter().any(waits));
        let is_between = |node: &Node| match &node.entry {
            Some(entry) => node.spec.key.is_some() && matches!(entry.phase, Phase::Starting | Phase::Stopping),
            None => false,
        };
        let waiters = self.nodes.values().filter_map(|node| node.entry.as_ref()).flat_map(|entry| &entry.waiters);
        Menu {
            // A label may be drawn twice in one step; such a step is not permitted, another is drawn.
            next: self.nodes.keys().max().map_or(1, |label| label + 1),
            names: self.names.keys().copied().collect(),
            frozen: self.frozen,
            some_wait: self.nodes.values().any(|node| node.due[3].is_some()),
            is_due: self.nodes.values().any(|node| node.due().is_some()),
            open: self.open.iter().copied().collect(),
            waiters: waiters.map(|(request, _)| *request).filter(|request| self.open.contains(request)).collect(),
            supervisors: labels(&|node| node.spec.is_supervisor()),
            alive_supervisors: labels(&|node| node.sup.is_some()),
            nested: children(&|node| node.sup.is_some()),
            children: children(&|_| true),
            present: children(&|node| node.entry.is_some()),
            troubled: children(&is_troubled),
            doomed: children(&|node| is_alive_worker(node) && fails_next(node) && node.spec.backoff.is_none()),
            edges: self.edges().map(|(at, _)| at - self.now).filter(|ms| (1..=5 * UNIT).contains(ms)).collect(),
            ripe: children(&is_alive_worker)
                .into_iter()
                .filter(|(_, child)| self.edges().any(|(at, other)| other == *child && at == self.now))
                .collect(),
            patient: children(&|node| is_alive_worker(node) && node.spec.is_patient()),
            crowded: children(&is_crowded),
            between: children(&is_between)
                .into_iter()
                .filter_map(|(parent, child)| Some((parent, self.nodes[&child].spec.key?)))
                .collect(),
            workers: children(&|node| is_worker(node) && node.life != Life::Over),
            gone: children(&|node| is_worker(node) && node.life == Life::Over),
            starting: labels(&|node| node.life == Life::Starting),
        }
    }
}

impl Reference {
    /// The moments at which a crash tells exactly as long as allowed from longer, and whose, if time can go there.
    fn edges(&self) -> impl Iterator<Item = (u64, Label)> + '_ {
        let running =
            self.nodes.iter().filter_map(|(label, node)| Some((label, node, node.entry.as_ref()?, node.parent?)));
        let moments =
            running.filter(|(_, _, entry, _)| entry.phase == Phase::Running).flat_map(|(label, node, entry, s)| {
                let oldest =
                    node.spec.budget.zip(entry.trials.notes.first()).map(|(budget, note)| note + budget.within);
                let stable =
                    self.backoff(s, *label).filter(|_| entry.trials.tries > 0).and_then(|backoff| backoff.forget_after);
                let forgotten = stable.map(|stable| entry.since + stable);
                oldest.into_iter().chain(forgotten).map(|at| (at, *label))
            });
        moments.filter(|(at, _)| *at >= self.now && at.is_multiple_of(UNIT))
    }
}

/// What there is to choose from.
#[derive(Debug)]
struct Menu {
    next: Label,
    names: Vec<Label>,
    frozen: Option<Label>,
    some_wait: bool,
    is_due: bool,
    open: Vec<Request>,
    waiters: Vec<Request>,
    supervisors: Vec<Label>,
    alive_supervisors: Vec<Label>,
    // With their parents.
    nested: Vec<(Label, Label)>,
    children: Vec<(Label, Label)>,
    present: Vec<(Label, Label)>,
    troubled: Vec<(Label, Label)>,
    doomed: Vec<(Label, Label)>,
    /// Until when a limit, or what is forgotten, makes a difference.
    edges: Vec<u64>,
    /// Those for whom it does now.
    ripe: Vec<(Label, Label)>,
    patient: Vec<(Label, Label)>,
    crowded: Vec<(Label, Label)>,
    /// Keys of children that start or end, under these parents.
    between: Vec<(Label, Key)>,
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
    Wear,
    WearRipe,
    Meet,
    Freeze,
    Thaw,
    StopFrozen,
    Advance,
    AdvanceToEdge,
}

#[derive(Clone, Copy)]
enum OpKind {
    Root,
    Start,
    GetOrStart,
    Question,
    Stop,
    EndAny,
    EndPresent,
    EndTroubled,
    EndKey,
    KillNested,
    KillCrowded,
    EndForeign,
    Tell,
    TellGone,
    OpenGate,
    Abandon,
    AbandonWaiter,
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
        let time = match (self.some_wait, self.is_due) {
            (true, _) => 20,
            (false, true) => 14,
            (false, false) => 6,
        };
        let choice = dice.weighted(&[
            (50, Choice::Alone),
            (16, Choice::Together),
            (if_any(8, &self.workers), Choice::Burst),
            (if_any(4, &self.workers), Choice::Race),
            (when(is_open, if_any(12, &self.doomed)), Choice::Trouble),
            (if_any(7, &self.patient), Choice::Wear),
            (if_any(90, &self.ripe), Choice::WearRipe),
            (when(is_open, if_any(26, &self.edges)), Choice::AdvanceToEdge),
            (if_any(8, &self.between), Choice::Meet),
            (when(is_open, if_any(9, &self.alive_supervisors)), Choice::Freeze),
            (when(!is_open, 9), Choice::Thaw),
            (when(!is_open, 4), Choice::StopFrozen),
            (when(is_open, time), Choice::Advance),
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
            Choice::Wear => crash(dice.pick(&self.patient).1),
            Choice::WearRipe => crash(dice.pick(&self.ripe).1),
            Choice::Meet => {
                let (parent, key) = dice.pick(&self.between);
                let labels = self.next..self.next + dice.from(1..4) as Label;
                Step::Do(labels.map(|label| get_or_start(dice, parent, label, key)).collect())
            }
            Choice::Freeze => Step::Do(vec![Op::Freeze(dice.pick(&self.alive_supervisors))]),
            Choice::Thaw => Step::Do(vec![Op::Thaw(frozen)]),
            Choice::StopFrozen => Step::Do(vec![Op::Send(frozen, stop(frozen, dice))]),
            Choice::Advance => Step::Advance(dice.units(1..6)),
            Choice::AdvanceToEdge => Step::Advance(dice.pick(&self.edges)),
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
            (if_any(9, parents), OpKind::GetOrStart),
            (if_any(6, &self.supervisors), OpKind::Question),
            (if_any(3, parents), OpKind::Stop),
            (if_any(2, &self.children), OpKind::EndAny),
            (if_any(10, &self.present), OpKind::EndPresent),
            (if_any(6, &self.troubled), OpKind::EndTroubled),
            (if_any(3, parents), OpKind::EndKey),
            (if_any(4, &self.nested), OpKind::KillNested),
            (if_any(18, &self.crowded), OpKind::KillCrowded),
            (if_any(if_any(1, &self.supervisors), &self.children), OpKind::EndForeign),
            (if_any(26, &self.workers), OpKind::Tell),
            (if_any(2, &self.gone), OpKind::TellGone),
            (if_any(14, &self.starting), OpKind::OpenGate),
            (if_any(5, &self.open), OpKind::Abandon),
            (if_any(3, &self.waiters), OpKind::AbandonWaiter),
        ]);
        match kind {
            OpKind::Root => Op::Root(label, dice.limits(label, &self.names)),
            OpKind::Start => {
                let parent = dice.pick(parents);
                let is_supervisor = dice.one_in(5);
                let spec = if is_supervisor { dice.supervisor(label, &self.names) } else { dice.worker(label) };
                Op::Start(parent, label, spec)
            }
            OpKind::GetOrStart => {
                let (parent, key) = (dice.pick(parents), dice.key());
                get_or_start(dice, parent, label, key)
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
            OpKind::EndKey => {
                let (parent, key) = (dice.pick(parents), dice.key());
                Op::Send(parent, if dice.below(10) < 7 { Ask::TerminateKey(key) } else { Ask::KillKey(key) })
            }
            OpKind::KillNested => {
                let (parent, child) = dice.pick(&self.nested);
                Op::Send(parent, Ask::Kill(child))
            }
            OpKind::KillCrowded => {
                let (parent, child) = dice.pick(&self.crowded);
                Op::Send(parent, Ask::Kill(child))
            }
            OpKind::EndForeign => Op::Send(dice.pick(&self.supervisors), Ask::Terminate(dice.pick(&self.children).1)),
            OpKind::Tell => Op::Send(dice.pick(&self.workers).1, Ask::Tell(dice.message())),
            OpKind::TellGone => Op::Send(dice.pick(&self.gone).1, Ask::Tell(dice.message())),
            OpKind::OpenGate => Op::OpenGate(dice.pick(&self.starting)),
            OpKind::Abandon => Op::Abandon(dice.pick(&self.open)),
            OpKind::AbandonWaiter => Op::Abandon(dice.pick(&self.waiters)),
        }
    }
}

fn crash(child: Label) -> Step {
    Step::Do(vec![Op::Send(child, Ask::Tell(Message::Panic))])
}

fn get_or_start(dice: &mut Dice, parent: Label, label: Label, key: Key) -> Op {
    Op::GetOrStart(parent, label, Spec { key: Some(key), ..dice.worker(label) })
}

fn end(dice: &mut Dice, (parent, child): (Label, Label)) -> Op {
    Op::Send(parent, if dice.below(10) < 7 { Ask::Terminate(child) } else { Ask::Kill(child) })
}

fn stop(supervisor: Label, dice: &mut Dice) -> Ask {
    let deadline = (!dice.one_in(3)).then(|| dice.units(1..4) + residue(supervisor, 2));
    Ask::Stop { reason: dice.reason(), deadline }
}
