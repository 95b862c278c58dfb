//! A snapshot as a drawing, in the language of Graphviz.

use std::fmt::Write;

use super::{show::quoted, Snapshot};
use crate::{children::ChildState, text};

impl Snapshot {
    /// The tree in DOT, for `dot -Tsvg`. Supervisors are boxes, children that are listed are ellipses; what is down is red,
    /// what has been restarted is orange, a supervisor that does not answer is dashed.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph supervisors {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
        self.draw(&mut dot);
        dot.push_str("}\n");
        dot
    }

    fn draw(&self, dot: &mut String) {
        let own = quoted(&format!("s{}", self.id));
        let label = format!("{}\n{}\n{}", text::clip(&self.name), self.counts, self.limit);
        line(dot, &format!("{own} [shape=box, label={}];", lines(&label)));
        for child in self.children.iter().filter(|child| !self.nested.iter().any(|branch| branch.child == child.id)) {
            let color = match child.state {
                ChildState::Restarting => "red",
                ChildState::Stopping => "gray",
                ChildState::Starting | ChildState::Running if child.restarts > 0 => "orange",
                ChildState::Starting | ChildState::Running => "black",
            };
            let name = child.name().map_or_else(|| child.id.to_string(), text::clip);
            let label = format!("{name}\n{}\n{}", text::clip(child.module), child.state);
            let node = quoted(&child.id.to_string());
            line(dot, &format!("{node} [color={color}, label={}];", lines(&label)));
            line(dot, &format!("{own} -> {node};"));
        }
        if self.matched > self.children.len() {
            let node = quoted(&format!("m{}", self.id));
            let label = format!("and {} more", self.matched - self.children.len());
            line(dot, &format!("{node} [shape=plaintext, label={}];", lines(&label)));
            line(dot, &format!("{own} -> {node};"));
        }
        for branch in &self.nested {
            match branch.snapshot() {
                Some(snapshot) => {
                    snapshot.draw(dot);
                    line(dot, &format!("{own} -> {};", quoted(&format!("s{}", snapshot.id))));
                }
                None => {
                    let node = quoted(&branch.child.to_string());
                    let style = if branch.is_silent() { "dashed" } else { "solid" };
                    let label = lines(&text::clip(&branch.name));
                    line(dot, &format!("{node} [shape=box, style={style}, label={label}];"));
                    line(dot, &format!("{own} -> {node};"));
                }
            }
        }
    }
}

fn line(dot: &mut String, text: &str) {
    let _ = writeln!(dot, "  {text}");
}

/// A label of several lines; those of users' texts have been escaped before.
fn lines(label: &str) -> String {
    quoted(label).replace('\n', "\\n")
}
