//! Asynchronous starts of one supervisor's children, of which so many go on at a time.

use crate::{
    reference::{Life, Reference, NOTHING},
    words::Label,
};

impl Reference {
    /// Has this start's turn come? Rule: first come, first served. What it may take at most counts from then on.
    pub fn has_turn(&mut self, child: Label) -> bool {
        let parent = self.nodes[&child].parent.expect("only children start slowly");
        let limit = self.limits(parent).max_starts.unwrap_or(usize::MAX);
        let sup = self.sup(parent);
        if !sup.starts.contains(&child) {
            if sup.starts.len() >= limit {
                if !sup.queue.contains(&child) {
                    sup.queue.push_back(child);
                }
                return false;
            }
            sup.starts.push(child);
        }
        if !self.nodes[&child].has_begun {
            let (now, node) = (self.now, self.node(child));
            node.has_begun = true;
            node.due[2] = node.spec.start_timeout.map(|ms| now + ms);
        }
        true
    }

    /// A start has come to an end, or is cut off: the next in the queue has its place at once.
    pub fn end_start(&mut self, child: Label, life: Life) {
        let node = self.node(child);
        let was_starting = node.life == Life::Starting;
        (node.life, node.due, node.has_begun) = (life, NOTHING, false);
        let Some(parent) = self.nodes[&child].parent.filter(|parent| was_starting && self.nodes[parent].sup.is_some())
        else {
            return;
        };
        let sup = self.sup(parent);
        let waited = sup.queue.len();
        sup.queue.retain(|other| *other != child);
        let is_cut_off = sup.queue.len() < waited;
        let held = sup.starts.len();
        sup.starts.retain(|other| *other != child);
        let next = if sup.starts.len() < held { sup.queue.pop_front() } else { None };
        sup.starts.extend(next);
        self.see_if(is_cut_off, "a start that waits for its turn is cut off");
        if let Some(next) = next {
            self.see("a start has its turn");
            self.wake(next);
        }
    }
}
