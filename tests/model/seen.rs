//! All that can be seen after a step, of the model or of the crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use crate::{
    dice::KEYS,
    reference::{Life, Reference, Request},
    words::{Key, Label},
};

/// What can be seen after a step, of the model or of the crate.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub replies: BTreeMap<Request, String>,
    pub events: BTreeMap<String, Vec<String>>,
    pub handled: BTreeMap<Label, Vec<String>>,
    /// Living supervisors that take messages: their counts, and their children.
    pub supervisors: BTreeMap<Label, (String, String)>,
    /// Who is found by which key of which supervisor.
    pub found: BTreeMap<(Label, Key), Label>,
    pub names: BTreeSet<String>,
    pub alive: BTreeSet<(Label, usize)>,
    pub awaited: BTreeSet<Request>,
}

impl Seen {
    /// What the model says.
    pub fn expected(model: &Reference) -> Self {
        let living = model.nodes.iter().filter(|(label, node)| node.sup.is_some() && !model.is_frozen(**label));
        let keys = model.nodes.keys().flat_map(|label| (0..KEYS).map(|key| (*label, key)));
        let workers = model.nodes.iter().filter(|(_, node)| !node.spec.is_supervisor() && node.life == Life::Alive);
        Self {
            replies: model.replies.clone(),
            events: model.events.iter().map(|(name, lines)| (name_of(*name), lines.clone())).collect(),
            handled: model.handled.clone(),
            supervisors: living.map(|(label, _)| (*label, (model.counts(*label), model.list(*label)))).collect(),
            found: keys.filter_map(|(s, key)| Some(((s, key), model.found(s, key)?))).collect(),
            names: model.names.keys().map(|name| name_of(*name)).collect(),
            alive: workers.map(|(label, node)| (*label, node.incarnation)).collect(),
            awaited: model.open.clone(),
        }
    }
}

impl Seen {
    /// What is not equal, in words.
    pub fn difference(&self, other: &Self) -> String {
        let Self { replies, events, handled, supervisors, found, names, alive, awaited } = self;
        [
            unequal("replies", replies, &other.replies),
            unequal("events", events, &other.events),
            unequal("handled", handled, &other.handled),
            unequal("supervisors", supervisors, &other.supervisors),
            unequal("found", found, &other.found),
            unequal("names", names, &other.names),
            unequal("alive", alive, &other.alive),
            unequal("awaited", awaited, &other.awaited),
        ]
        .concat()
    }
}

fn unequal<T: PartialEq + Debug>(what: &str, expected: &T, seen: &T) -> String {
    if expected == seen {
        String::new()
    } else {
        format!("\n{what}\n  expected {expected:?}\n  seen     {seen:?}")
    }
}

pub fn name_of(name: Label) -> String {
    format!("s{name}")
}
