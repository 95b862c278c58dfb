//! What the scripted children know about themselves: every call of a start function, every instance and its end.
//!
//! This is the truth that the crate's words are checked against; a difference is a [`Slip`](Event::Slip).

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix::Addr;
use actix_dynamic_supervisor::{ChildId, StartContext};

use super::{
    child::Scripted,
    script::Outcome,
    trace::{Event, Instance},
    words::Reason,
};

/// Clones share the notes.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Notes>>);

/// What happened in one scenario, and in its present operation.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) events: Vec<Event>,
    pub(crate) exits: Vec<(Instance, Reason)>,
    children: BTreeMap<String, Child>,
}

/// A label, from the first call of its start function on.
struct Child {
    id: ChildId,
    addr: Addr<Scripted>,
    calls: usize,
    /// Those that did start.
    lives: Vec<Life>,
}

struct Life {
    call: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Asked to end; it has not yet.
    Leaving,
    Ended(Reason),
}

/// An instance as a handle: stale when its child has been restarted.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) id: ChildId,
    pub(crate) addr: Addr<Scripted>,
    /// How often the child had been restarted when this instance started.
    pub(crate) restarts: u64,
    pub(crate) is_running: bool,
}

impl Journal {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all: the next scenario begins.
    pub(crate) fn clear(&self) {
        // Dropped outside of the lock: the last address of a child may be among it.
        let _old = mem::take(&mut *self.notes());
    }
}

impl Notes {
    /// Notes a call of the start function, and answers its number.
    pub(super) fn call(&mut self, label: &str, cx: &StartContext<Scripted>) -> usize {
        let child = self.children.entry(label.to_owned()).or_insert_with(|| Child {
            id: cx.id(),
            addr: cx.address(),
            calls: 0,
            lives: Vec::new(),
        });
        child.calls += 1;
        let call = child.calls;
        let ended = child.lives.last().map(|life| life.state);
        let told = cx.last_exit().map(|reason| Reason::told(&reason.to_string()).map(State::Ended));
        let mut slips = Vec::new();
        if (cx.id(), cx.address(), cx.incarnation()) != (child.id, child.addr.clone(), call) {
            slips.push(format!("call {call} of {label} is told it is {} of {}", cx.incarnation(), cx.id()));
        }
        if told != ended.map(Some) {
            slips.push(format!("call {call} of {label} is told of a last exit {:?}", cx.last_exit()));
        }
        slips.into_iter().for_each(|what| self.slip(what));
        call
    }

    pub(super) fn started(&mut self, instance: &Instance, outcome: Outcome, extra: Vec<String>) {
        self.events.push(Event::Start { instance: instance.clone(), outcome, extra });
    }

    /// An instance is on its way.
    pub(super) fn born(&mut self, instance: &Instance) {
        let Some(child) = self.children.get_mut(&instance.label) else { return };
        let is_alone = child.lives.iter().all(|life| matches!(life.state, State::Ended(_)));
        child.lives.push(Life { call: instance.call, state: State::Running });
        if !is_alone {
            self.slip(format!("{instance} starts beside another instance"));
        }
    }

    pub(super) fn leaving(&mut self, instance: &Instance) {
        if let Some(life) = self.life(instance) {
            life.state = State::Leaving;
        }
    }

    pub(super) fn ended(&mut self, instance: &Instance, reason: Reason) {
        if let Some(life) = self.life(instance) {
            life.state = State::Ended(reason);
        }
        self.exits.push((instance.clone(), reason));
    }

    /// The crate says that this instance ended like this.
    pub(super) fn told_end(&mut self, instance: &Instance, told: &str) -> Option<Reason> {
        let ended = self.life(instance).map(|life| life.state);
        let reason = Reason::told(told);
        if reason.is_none() || ended != reason.map(State::Ended) {
            self.slip(format!("{instance} is told to have ended with {told}"));
        }
        reason
    }

    pub(super) fn slip(&mut self, what: String) {
        self.events.push(Event::Slip(what));
    }

    fn life(&mut self, instance: &Instance) -> Option<&mut Life> {
        self.children.get_mut(&instance.label)?.lives.iter_mut().find(|life| life.call == instance.call)
    }

    pub(crate) fn id(&self, label: &str) -> Option<ChildId> {
        self.children.get(label).map(|child| child.id)
    }

    /// The instance that started last.
    pub(crate) fn current(&self, label: &str) -> Option<Known> {
        let restarts = self.children.get(label)?.lives.len().checked_sub(1)?;
        self.known(label, restarts)
    }

    /// The instance that started first.
    pub(crate) fn first(&self, label: &str) -> Option<Known> {
        self.known(label, 0)
    }

    fn known(&self, label: &str, restarts: usize) -> Option<Known> {
        let child = self.children.get(label)?;
        let life = child.lives.get(restarts)?;
        Some(Known {
            id: child.id,
            addr: child.addr.clone(),
            restarts: u64::try_from(restarts).ok()?,
            is_running: life.state == State::Running,
        })
    }

    /// The instance of a child that has been restarted that often.
    pub(crate) fn instance(&self, label: &str, restarts: u64) -> Option<Instance> {
        let life = self.children.get(label)?.lives.get(usize::try_from(restarts).ok()?)?;
        Some(Instance { label: label.to_owned(), call: life.call })
    }

    /// The instance that started last.
    pub(super) fn last(&self, label: &str) -> Option<Instance> {
        let life = self.children.get(label)?.lives.last()?;
        Some(Instance { label: label.to_owned(), call: life.call })
    }

    /// Is anybody asked to end who has not yet?
    pub(crate) fn is_anybody_leaving(&self) -> bool {
        self.lives().any(|life| life.state == State::Leaving)
    }

    pub(crate) fn is_anybody_alive(&self) -> bool {
        self.lives().any(|life| !matches!(life.state, State::Ended(_)))
    }

    fn lives(&self) -> impl Iterator<Item = &Life> {
        self.children.values().flat_map(|child| &child.lives)
    }
}
