//! A snapshot as text: a tree.

use std::fmt;

use super::{Branch, ChildInfo, Snapshot, Sum, SupervisorState, Told};
use crate::{id::ChildId, text};

/// One line for each supervisor and each child that is listed, the worst first if they are listed so.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, "", None)
    }
}

/// How far names are made equally long, in letters.
const MAX_PADDING: usize = 40;

impl Snapshot {
    /// `own`: the same supervisor as its parent sees it, if that is listed.
    fn tell(&self, f: &mut fmt::Formatter<'_>, indent: &str, own: Option<&ChildInfo>) -> fmt::Result {
        self.tell_own(f)?;
        if let Some(own) = own {
            own.tell_past(f)?;
        }
        let items = self.items();
        let heads = items.iter().filter_map(Item::head).map(|head| head.chars().count());
        let padding = heads.filter(|letters| *letters <= MAX_PADDING).max().unwrap_or_default();
        let last = items.len().saturating_sub(1);
        for (nth, item) in items.iter().enumerate() {
            let (branch, below) = if nth == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            write!(f, "\n{indent}{branch}")?;
            match item {
                Item::Child(child) => {
                    write!(f, "{:padding$}", child.head())?;
                    child.tell(f)?;
                }
                Item::Sums { unlisted } => self.tell_sums(f, *unlisted)?,
                Item::Branch(branch) => branch.tell(f, &format!("{indent}{below}"), self.listed(branch.child))?,
                Item::BranchesLeftOut => write!(f, "and {} more supervisors", self.nested_left_out)?,
            }
        }
        Ok(())
    }

    fn tell_own(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (children, active) = (self.counts.specs, self.counts.active);
        write!(
            f,
            "{} [{}] {} for {}",
            text::clip(&self.name),
            self.id,
            self.state,
            text::brief(self.started.elapsed())
        )?;
        write!(f, ", children: {children}")?;
        if let Some(max_children) = self.max_children {
            write!(f, " of {max_children}")?;
        }
        if active < children {
            write!(f, ", down: {}", children - active)?;
        }
        write!(f, ", {}", self.limit)?;
        if self.limit.is_used_up() {
            f.write_str(", one more ends it")?;
        }
        Ok(())
    }

    /// Is it a supervisor that has a place of its own?
    pub(super) fn is_branch(&self, child: ChildId) -> bool {
        self.nested.iter().any(|branch| branch.child == child)
    }

    /// How many are not shown. Supervisors that are not listed as children are shown all the same.
    pub(super) fn unlisted(&self) -> usize {
        let shown = self.children.iter().filter(|child| !self.is_branch(child.id)).count();
        let others = self.counts.specs.saturating_sub(self.nested.len() + self.nested_left_out);
        self.matched.saturating_sub(self.children.len()).min(others.saturating_sub(shown))
    }

    fn items(&self) -> Vec<Item<'_>> {
        let workers = self.children.iter().filter(|child| !self.is_branch(child.id));
        let mut items: Vec<Item<'_>> = workers.map(Item::Child).collect();
        let unlisted = self.unlisted();
        if unlisted > 0 {
            items.push(Item::Sums { unlisted });
        }
        items.extend(self.nested.iter().map(Item::Branch));
        if self.nested_left_out > 0 {
            items.push(Item::BranchesLeftOut);
        }
        items
    }

    /// What there are, by type and state.
    fn tell_sums(&self, f: &mut fmt::Formatter<'_>, unlisted: usize) -> fmt::Result {
        if !self.children.is_empty() {
            write!(f, "and {unlisted} more; ")?;
        }
        f.write_str("all: ")?;
        for (nth, sum) in self.sums.iter().enumerate() {
            write!(f, "{}{sum}", if nth == 0 { "" } else { "; " })?;
        }
        Ok(())
    }

    fn listed(&self, id: ChildId) -> Option<&ChildInfo> {
        self.children.iter().find(|child| child.id == id)
    }
}

enum Item<'a> {
    Child(&'a ChildInfo),
    Sums { unlisted: usize },
    Branch(&'a Branch),
    BranchesLeftOut,
}

impl Item<'_> {
    /// What is to be as long as its neighbours'.
    fn head(&self) -> Option<String> {
        match self {
            Self::Child(child) => Some(child.head()),
            Self::Sums { .. } | Self::Branch(_) | Self::BranchesLeftOut => None,
        }
    }
}

impl Branch {
    /// `own`: what its parent knows of it, if it is listed.
    fn tell(&self, f: &mut fmt::Formatter<'_>, indent: &str, own: Option<&ChildInfo>) -> fmt::Result {
        if let Told::Snapshot(snapshot) = &self.told {
            write!(f, "{} ", self.child)?;
            return snapshot.tell(f, indent, own);
        }
        match own {
            Some(child) => write!(f, "{child}")?,
            None => write!(f, "{} {} {}", self.child, text::clip(&self.name), self.state)?,
        }
        match &self.told {
            Told::Snapshot(_) => Ok(()),
            Told::NotAsked => f.write_str(", not asked"),
            // Its state says so.
            Told::Down => Ok(()),
            Told::Silent { within } => write!(f, ", DOES NOT ANSWER within {}", text::brief(*within)),
            Told::Gone => f.write_str(", is gone"),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, state, children, restarts } = self;
        write!(f, "{} × {} {state}", children, text::short(module))?;
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
