//! A snapshot as text: a tree.

use std::fmt::{self, Write};

use super::{Branch, Snapshot, Sum, SupervisorState, Told};
use crate::text;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, "")
    }
}

impl Snapshot {
    fn tell(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        write!(f, "{} [{}], {}", text::clip(&self.name), self.id, self.state)?;
        write!(f, " for {}, {}, {}", text::brief(self.started.elapsed()), self.counts, self.limit)?;
        if let Some(max_children) = self.max_children {
            write!(f, ", max_children: {max_children}")?;
        }
        let named = self.children.iter().filter(|child| !self.is_branch(child.id));
        let mut items: Vec<Item<'_>> = named.map(Item::Child).collect();
        let listed = self.children.len();
        if self.matched > listed {
            items.push(Item::More(self.matched - listed));
        }
        items.extend(self.sums.iter().filter(|_| self.matched > listed || listed == 0).map(Item::Sum));
        items.extend(self.nested.iter().map(Item::Branch));
        let last = items.len().saturating_sub(1);
        for (nth, item) in items.into_iter().enumerate() {
            let (branch, below) = if nth == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            write!(f, "\n{indent}{branch}")?;
            match item {
                Item::Child(child) => write!(f, "{child}")?,
                Item::More(more) => write!(f, "and {more} more, all together:")?,
                Item::Sum(sum) => write!(f, "{sum}")?,
                Item::Branch(branch) => branch.tell(f, &format!("{indent}{below}"))?,
            }
        }
        Ok(())
    }

    fn is_branch(&self, child: crate::id::ChildId) -> bool {
        self.nested.iter().any(|branch| branch.child == child)
    }
}

enum Item<'a> {
    Child(&'a super::ChildInfo),
    More(usize),
    Sum(&'a Sum),
    Branch(&'a Branch),
}

impl Branch {
    fn tell(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        write!(f, "{} ", self.child)?;
        match &self.told {
            Told::Snapshot(snapshot) => snapshot.tell(f, indent),
            Told::NotAsked => write!(f, "{} (not asked)", text::clip(&self.name)),
            Told::Silent { within } => {
                write!(f, "{} DOES NOT ANSWER within {}", text::clip(&self.name), text::brief(*within))
            }
            Told::Gone => write!(f, "{} is gone", text::clip(&self.name)),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, state, children, restarts } = self;
        write!(f, "{} × {} {state}", children, text::clip(module))?;
        if *restarts > 0 {
            write!(f, ", restarts: {restarts}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SupervisorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Closing => "closing",
        })
    }
}

/// Text inside a quoted DOT string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                let _ = write!(quoted, "\\{letter}");
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
