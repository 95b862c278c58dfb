//! A snapshot as a drawing, in the language of Graphviz.

use std::fmt::Write;

use super::{Branch, ChildInfo, RestartLimit, Snapshot, Told};
use crate::{children::ChildState, text};

/// From left to right, close together.
const HEAD: &str = "digraph supervisors {
  rankdir=LR; ranksep=0.6; nodesep=0.08;
  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\", fontsize=10, height=0.2, margin=\"0.1,0.04\"];
  edge [arrowhead=none, color=gray60];
";

const BAD: &str = "color=red3, fillcolor=mistyrose";
const DOUBTFUL: &str = "color=orange3, fillcolor=oldlace";
const CALM: &str = "color=gray40";
const SILENT: &str = "style=\"filled,dashed\", color=red3, fillcolor=mistyrose";
const LEAVING: &str = "color=gray60, fontcolor=gray40";

impl Snapshot {
    /// The tree in DOT, for `dot -Tsvg`.
    ///
    /// Boxes with sharp corners are supervisors: orange when half of their restart limit is used, red from four fifths on,
    /// dashed where one did not answer. Those with round corners are the children that are listed: red when they are down,
    /// orange when they have been restarted, gray when they end. Hovering over one tells all that is known of it.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(HEAD);
        self.draw(&mut dot);
        dot.push_str("}\n");
        dot
    }

    fn draw(&self, dot: &mut String) {
        let own = format!("s{}", self.id);
        let (children, active) = (self.counts.specs, self.counts.active);
        let down = if active < children { format!(", down: {}", children - active) } else { String::new() };
        let label = format!("{}\nchildren: {children}{down}\n{}", text::clip(&self.name), self.limit);
        node(dot, &own, &format!("style=filled, {}", of_limit(&self.limit)), &label, &self.path);
        for child in self.children.iter().filter(|child| !self.is_branch(child.id)) {
            child.draw(dot, &own);
        }
        let (unlisted, left_out) = (self.unlisted(), self.nested_left_out);
        for (id, left_out, what) in [("m", unlisted, "more"), ("n", left_out, "more supervisors")] {
            if left_out > 0 {
                let node_id = format!("{id}{}", self.id);
                node(dot, &node_id, "shape=plaintext, style=\"\"", &format!("and {left_out} {what}"), "");
                edge(dot, &own, &node_id);
            }
        }
        for branch in &self.nested {
            match branch.snapshot() {
                Some(snapshot) => {
                    snapshot.draw(dot);
                    edge(dot, &own, &format!("s{}", snapshot.id));
                }
                None => branch.draw(dot, &own),
            }
        }
    }
}

impl ChildInfo {
    fn draw(&self, dot: &mut String, parent: &str) {
        let look = match self.state {
            ChildState::Restarting => BAD,
            ChildState::Stopping => LEAVING,
            ChildState::Starting | ChildState::Running if self.restarts > 0 => DOUBTFUL,
            ChildState::Starting | ChildState::Running => CALM,
        };
        let (id, name) = (self.id.to_string(), self.name().map(text::clip));
        let mut label = format!("{} ({})", name.as_ref().unwrap_or(&id), text::short(self.module));
        match self.state {
            ChildState::Running => {}
            ChildState::Restarting if self.is_parked => label.push_str("\nparked"),
            state => label.push_str(&format!("\n{state}")),
        }
        if self.restarts > 0 {
            label.push_str(&format!("\nrestarts: {}", self.restarts));
        }
        node(dot, &id, look, &label, &self.to_string());
        edge(dot, parent, &id);
    }
}

impl Branch {
    /// One that has told nothing.
    fn draw(&self, dot: &mut String, parent: &str) {
        let (id, name) = (self.child.to_string(), text::clip(&self.name));
        let (look, why) = match (&self.told, self.state) {
            (Told::Down, ChildState::Restarting) => (SILENT, "restarting"),
            (Told::Down, _) => (SILENT, "does not run"),
            (Told::Silent { .. }, _) => (SILENT, "does not answer"),
            (Told::Gone, _) => ("style=\"filled,dashed\", color=gray60", "is gone"),
            (Told::NotAsked | Told::Snapshot(_), _) => ("style=filled, color=gray40", "not asked"),
        };
        node(dot, &id, look, &format!("{name}\n{why}"), &name);
        edge(dot, parent, &id);
    }
}

/// When a supervisor itself would warn.
fn of_limit(limit: &RestartLimit) -> &'static str {
    match (limit.used as u64 * 10, u64::from(limit.max_restarts)) {
        (0, _) => CALM,
        (tenths, max) if tenths >= max * 8 => BAD,
        (tenths, max) if tenths >= max * 5 => DOUBTFUL,
        _ => CALM,
    }
}

/// `id`, `label` and `tooltip` are text; what users wrote into them has been escaped before, so each line break is ours.
fn node(dot: &mut String, id: &str, look: &str, label: &str, tooltip: &str) {
    let _ =
        writeln!(dot, "  {} [{look}, label={}, tooltip={}];", quoted(id), quoted(label), quoted(&text::clip(tooltip)));
}

fn edge(dot: &mut String, from: &str, to: &str) {
    let _ = writeln!(dot, "  {} -> {};", quoted(from), quoted(to));
}

/// Text inside a quoted DOT string, in which a backslash begins an escape of Graphviz's own.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            // Graphviz reads what looks like an entity of HTML as one.
            '&' => quoted.push_str("&amp;"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
