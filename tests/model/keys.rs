//! Children by key: who has one, who gets whom, who waits.

use crate::{
    reference::{Node, Phase, Reference, Request},
    words::{Ask, Key, Label},
};

impl Reference {
    /// Rule: a child has its key from its start until it is out of the table, whatever it does meanwhile.
    pub fn holder(&self, s: Label, key: Key) -> Option<Label> {
        let table = &self.nodes[&s].sup.as_ref()?.table;
        table.iter().copied().find(|child| self.nodes[child].spec.key == Some(key))
    }

    /// Rule: found from outside are those that have started and are not asked to end.
    pub fn found(&self, s: Label, key: Key) -> Option<Label> {
        self.holder(s, key).filter(|child| self.nodes[child].is_open())
    }

    /// What is asked of a key, asked of the one who has it.
    pub fn named(&mut self, s: Label, key: Key, ask: Ask) -> Option<Ask> {
        let child = self.holder(s, key)?;
        let is_kill = matches!(ask, Ask::KillKey(_));
        self.see(if is_kill { "killed by key" } else { "terminated by key" });
        Some(if is_kill { Ask::Kill(child) } else { Ask::Terminate(child) })
    }

    /// Rule: who has started is had, also while it is restarted; for one that starts, or ends, one waits.
    pub fn get_or_start(&mut self, s: Label, child: Label, request: Request) {
        let key = self.nodes[&child].spec.key.expect("it is for a key");
        let Some(other) = self.holder(s, key) else { return self.launch(s, child, request) };
        if self.sup(s).closing.is_some() {
            self.see("a waiter is refused: shutting down");
            return self.reply(request, "shutting down");
        }
        let phase = self.entry(other).phase;
        match phase {
            Phase::Running | Phase::Restarting => {
                self.see_if(phase == Phase::Restarting, "a child is had that is being restarted");
                self.reply(request, format!("{other} started"));
            }
            Phase::Starting | Phase::Stopping => {
                self.see(if phase == Phase::Starting { "a start is waited for" } else { "an end is waited for" });
                self.entry(other).waiters.push((request, child));
            }
        }
    }

    /// Rule: who waited asks again, in the order they came.
    pub fn serve(&mut self, s: Label, waiters: Vec<(Request, Label)>) {
        self.see_if(waiters.len() > 1, "more than one waits");
        for (request, child) in waiters {
            if self.abandoned.contains(&request) {
                self.see("a waiter has gone away");
            } else if self.sup(s).closing.is_some() {
                self.see("a waiter is refused: shutting down");
                self.reply(request, "shutting down");
            } else {
                let key = self.nodes[&child].spec.key.expect("it is for a key");
                let is_next = self.holder(s, key).is_none();
                self.see(if is_next { "a waiter is the next to start" } else { "a waiter has whom another started" });
                self.get_or_start(s, child, request);
            }
        }
    }
}

impl Node {
    fn is_open(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| matches!(entry.phase, Phase::Running | Phase::Restarting))
    }

    /// What its starter hears.
    pub fn answer(&self, label: Label) -> String {
        format!("{label} {}", self.spec.plan(1).answer())
    }
}
