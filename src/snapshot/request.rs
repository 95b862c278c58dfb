//! What a snapshot is asked to show.

use std::{fmt::Write, time::Duration};

use actix::Message;

use super::Snapshot;
use crate::{
    children::{ChildState, Entry},
    id::ChildId,
};

/// Take a picture of a supervisor and all that is below it; answered when all have told, or have been silent for too long.
///
/// Defaults: all levels, the 100 worst children of each supervisor by name and all others as sums, half a second, no queues.
///
/// A supervisor walks its children once for it, in its own turn: what that takes with a million of them is told in
/// `docs/scale.md`. All below are asked at the same time.
#[derive(Clone, Debug)]
#[must_use = "nobody has been asked yet"]
pub struct TakeSnapshot {
    pub(crate) depth: usize,
    pub(crate) deadline: Duration,
    pub(crate) filter: ChildFilter,
    pub(crate) limit: usize,
    pub(crate) order: Order,
    pub(crate) only: Option<ChildId>,
    pub(crate) queues: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Worst,
    Started { after: Option<ChildId> },
}

impl Default for TakeSnapshot {
    fn default() -> Self {
        Self {
            depth: usize::MAX,
            deadline: Duration::from_millis(500),
            filter: ChildFilter::default(),
            limit: 100,
            order: Order::Worst,
            only: None,
            queues: false,
        }
    }
}

impl TakeSnapshot {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many levels of nested supervisors are asked; 0 is this one only. Default: all.
    pub fn depth(mut self, levels: usize) -> Self {
        self.depth = levels;
        self
    }

    /// How long is waited for who does not answer. Default half a second.
    ///
    /// A nested supervisor has four fifths of its parent's time, so that it can tell who below it is silent.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Which children are listed. Default: all. Sums are over all children, whatever is listed.
    pub fn filter(mut self, filter: ChildFilter) -> Self {
        self.filter = filter;
        self
    }

    /// How many children of each supervisor are listed at most. Default 100.
    pub fn limit(mut self, children: usize) -> Self {
        self.limit = children;
        self
    }

    /// Lists the worst first, which is the default: those that are down, then those that fell most often lately, then those
    /// that fell most often at all.
    pub fn worst_first(mut self) -> Self {
        self.order = Order::Worst;
        self
    }

    /// Lists in start order, from the one after this on: the last of a page leads to the next. Other supervisors than
    /// that child's list from their first child on.
    pub fn in_start_order(mut self, after: impl Into<Option<ChildId>>) -> Self {
        self.order = Order::Started { after: after.into() };
        self
    }

    /// Lists this child and no other.
    pub fn only(mut self, child: ChildId) -> Self {
        self.only = Some(child);
        self
    }

    /// Also counts what waits in the queues of the children listed, up to 1,024 messages each. Default: no.
    ///
    /// Actix does not tell how long a queue is, so the messages are taken out and laid aside, in order: where senders wait
    /// for room in a full mailbox, some find it. The queue of a child that may be
    /// [taken over](crate::OnUnresponsive::TakeOver) is not counted.
    pub fn queues(mut self, are_counted: bool) -> Self {
        self.queues = are_counted;
        self
    }

    /// The same, for a supervisor one level down.
    pub(crate) fn below(&self) -> Self {
        let (depth, deadline) = (self.depth.saturating_sub(1), self.deadline - self.deadline / 5);
        Self { depth, deadline, ..self.clone() }
    }
}

impl Message for TakeSnapshot {
    type Result = Snapshot;
}

/// Which children are listed: those for which all of this is so.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ChildFilter {
    text: Option<String>,
    state: Option<ChildState>,
    module: Option<String>,
}

impl ChildFilter {
    /// All children.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those with this text in their key, the id of their spec, their own id or the type name of their actor; large and
    /// small letters are the same.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into().to_lowercase()).filter(|text| !text.is_empty());
        self
    }

    /// Only those in this state.
    pub fn state(mut self, state: ChildState) -> Self {
        self.state = Some(state);
        self
    }

    /// Only those whose actor has this type name.
    pub fn module(mut self, module: impl Into<String>) -> Self {
        self.module = Some(module.into());
        self
    }
}

/// Looks at one child after another for those that are to be listed.
pub(crate) struct Search<'a> {
    request: &'a TakeSnapshot,
    /// Can the text be one in an id?
    is_for_ids: bool,
    /// Whether the type asked about last has the text: the next child is mostly of the same.
    module: (&'static str, bool),
    /// An id as text, in memory that is used again.
    id: String,
}

impl<'a> Search<'a> {
    pub(crate) fn new(request: &'a TakeSnapshot) -> Self {
        let text = request.filter.text.as_deref().unwrap_or_default();
        let is_for_ids = text.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
        Self { request, is_for_ids, module: ("", text.is_empty()), id: String::new() }
    }

    /// `key` tells its key as text; it is asked only if that is needed.
    pub(crate) fn wants<R>(&mut self, id: ChildId, entry: &Entry<R>, key: impl FnOnce() -> Option<String>) -> bool {
        let ChildFilter { text, state, module } = &self.request.filter;
        let rules = &entry.rules;
        self.request.only.is_none_or(|only| only == id)
            && state.is_none_or(|state| state == entry.phase().into())
            && module.as_deref().is_none_or(|module| module == rules.module)
            && text.as_deref().is_none_or(|text| {
                rules.label.as_deref().is_some_and(|label| holds(label, text))
                    || self.module_holds(rules.module, text)
                    || self.id_holds(id, text)
                    || key().is_some_and(|key| holds(&key, text))
            })
    }

    fn module_holds(&mut self, module: &'static str, text: &str) -> bool {
        if !std::ptr::eq(self.module.0, module) {
            self.module = (module, holds(module, text));
        }
        self.module.1
    }

    fn id_holds(&mut self, id: ChildId, text: &str) -> bool {
        self.is_for_ids && {
            self.id.clear();
            write!(self.id, "{id}").is_ok() && self.id.contains(text)
        }
    }
}

/// `text` is in small letters. Most names need no copy to be compared with it.
fn holds(name: &str, text: &str) -> bool {
    if name.is_ascii() {
        let mut parts = name.as_bytes().windows(text.len().max(1));
        text.is_empty() || parts.any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    } else {
        name.to_lowercase().contains(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_large_and_small_letters_of_all_scripts() {
        let cases = [
            ("Lobby", "lobby", true),
            ("the LOBBY 1", "bby 1", true),
            ("lobby", "lobby!", false),
            ("", "a", false),
            ("", "", true),
            ("a", "", true),
            ("ÄRGER", "ärg", true),
            ("ärger", "arg", false),
            // The sign of Kelvin is a large k.
            ("300 \u{212a}", "300 k", true),
            ("lobby", "ö", false),
        ];
        for (name, text, is_there) in cases {
            assert_eq!(holds(name, text), is_there, "{text:?} in {name:?}");
            assert_eq!(name.to_lowercase().contains(text), is_there, "as one would do it with copies");
        }
    }
}
