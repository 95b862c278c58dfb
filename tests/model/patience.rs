//! Coming back: whose limit a try counts in, how long it is waited for, and what follows when there have been too many.

use std::time::Duration;

use crate::{
    reference::{Entry, Mail, Phase, Reference},
    words::{Backoff, Budget, GiveUp, Label, Limits, Reason},
};

impl Reference {
    /// Rule: a try is noted before it is made, and before it is waited for; in the child's own limit if it has one, else
    /// in the supervisor's.
    pub fn restart(&mut self, s: Label, child: Label) {
        let own = self.nodes[&child].spec.budget;
        let parked = match own {
            Some(Budget { give_up: GiveUp::Park(every), .. }) if self.entry(child).trials.is_parked => {
                self.see("a parked child is tried in vain");
                Some(every)
            }
            Some(budget) if self.is_used_up(child, budget) => match budget.give_up {
                GiveUp::Remove => return self.give_up_on(s, child),
                GiveUp::Park(every) => {
                    self.see("used up: parked");
                    self.entry(child).trials.is_parked = true;
                    Some(every)
                }
                GiveUp::Escalate => {
                    self.see("used up: the supervisor's matter");
                    self.entry(child).trials.notes.clear();
                    if !self.bears(s) {
                        self.see("used up, and the supervisor's limit too");
                        return self.give_up(s, child);
                    }
                    None
                }
            },
            Some(_) => None,
            None if self.bears(s) => None,
            None => return self.give_up(s, child),
        };
        let backoff = self.backoff(s, child);
        let (now, entry) = (self.now, self.entry(child));
        entry.incarnation += 1;
        entry.trials.tries += 1;
        let (incarnation, tries) = (entry.incarnation, entry.trials.tries);
        let delay = parked.or(backoff.map(|backoff| backoff.delay(tries))).unwrap_or_default();
        let is_capped = parked.is_none() && backoff.is_some_and(|backoff| backoff.cap == Some(delay));
        self.see_if(is_capped && tries > 1, "a delay is at its cap");
        if delay == 0 {
            return self.begin(s, child);
        }
        self.see_if(tries > 1 && !is_capped && parked.is_none(), "a child waits once more");
        self.tell_of(s, child, incarnation, "child waits for its next try", &format!(": {}", delay_text(delay)));
        self.entry(child).trials.next = Some(now + delay);
        self.node(child).due[3] = Some(now + delay);
        // Its end has been dealt with: who waited to hear of it need not wait for what comes next.
        self.publish(child);
        self.wake(child);
    }

    /// Rule: `max_restarts` + 1 within the period end the supervisor.
    fn bears(&mut self, s: Label) -> bool {
        let (now, Limits { max_restarts, period, .. }) = (self.now, self.limits(s));
        let notes = &mut self.sup(s).notes;
        let before = notes.len();
        notes.retain(|note| now - note <= period);
        let (kept, is_edge) = (notes.len(), notes.first().is_some_and(|note| now - note == period));
        notes.push(now);
        self.see_if(kept < before, "a restart falls out of the window");
        self.see_if(is_edge, "a restart exactly one period ago counts");
        self.see_if(kept + 1 == max_restarts, "the limit of restarts is exactly reached");
        if kept < max_restarts {
            self.warn_if_near(s, kept, max_restarts);
        }
        kept < max_restarts
    }

    /// Rule: that half, and that four fifths, of the limit are used is told when it comes about, not as long as it is so.
    fn warn_if_near(&mut self, s: Label, kept: usize, max_restarts: usize) {
        let near = |used: usize| u8::from(2 * used >= max_restarts) + u8::from(5 * used >= 4 * max_restarts);
        let (used, nearness) = (kept + 1, near(kept + 1));
        // Time alone may have made it far again.
        let told = std::mem::replace(&mut self.sup(s).nearness, nearness);
        let before = told.min(near(kept));
        if nearness > before {
            self.see("the limit of restarts comes near");
            self.tell(s, format!("restart limit near: {used} of {max_restarts}"));
        }
        self.see_if(before < told, "the limit of restarts is far again");
    }

    /// Rule: so do `max_restarts` + 1 use up the child's own.
    fn is_used_up(&mut self, child: Label, Budget { max_restarts, within, .. }: Budget) -> bool {
        let now = self.now;
        let notes = &mut self.entry(child).trials.notes;
        let before = notes.len();
        notes.retain(|note| now - note <= within);
        let (kept, is_edge) = (notes.len(), notes.first().is_some_and(|note| now - note == within));
        notes.push(now);
        self.see_if(kept < before, "a restart falls out of the child's own window");
        self.see_if(is_edge && kept == max_restarts, "a restart exactly one period ago uses up the child's own");
        kept >= max_restarts
    }

    fn give_up(&mut self, s: Label, child: Label) {
        self.see("the limit of restarts is exceeded");
        let incarnation = self.entry(child).incarnation;
        self.tell_of(s, child, incarnation, "child caused shutdown", "");
        self.forget(s, child, "shutting down".into());
        self.close(s, Some(Reason::Shutdown));
    }

    fn give_up_on(&mut self, s: Label, child: Label) {
        self.see("used up: removed");
        let incarnation = self.entry(child).incarnation;
        self.tell_of(s, child, incarnation, "child given up", "");
        self.forget(s, child, "terminated".into());
    }

    pub fn backoff(&self, s: Label, child: Label) -> Option<Backoff> {
        self.nodes[&child].spec.backoff.or(self.limits(s).backoff)
    }

    /// Rule: an incarnation that ran for long makes all tries before it forgotten.
    pub fn forget_tries(&mut self, s: Label, child: Label) {
        let stable = self.backoff(s, child).map(|backoff| backoff.forget_after.unwrap_or(FORGET_AFTER));
        let (now, Entry { since, trials, .. }) = (self.now, self.entry(child));
        let (ran_for, tries) = (now - *since, trials.tries);
        if stable.is_some_and(|stable| ran_for >= stable) {
            trials.tries = 0;
            self.see_if(tries > 0, "tries are forgotten");
            self.see_if(tries > 0 && stable == Some(ran_for), "tries are forgotten after exactly the stable time");
        }
    }

    pub fn has_waited(&mut self, child: Label) {
        self.node(child).due[3] = None;
        let incarnation = self.entry(child).incarnation;
        self.report(child, Mail::Due(child, incarnation));
    }

    pub fn due(&mut self, s: Label, child: Label, incarnation: usize) {
        let waits = self.present(s, child, incarnation) == Some(Phase::Restarting);
        if waits && self.entry(child).trials.next.take().is_some() {
            self.begin(s, child);
        }
    }

    pub fn does_one_wait(&self, s: Label) -> bool {
        let table = self.nodes[&s].sup.iter().flat_map(|sup| &sup.table);
        table.filter_map(|child| self.nodes[child].entry.as_ref()).any(|entry| entry.trials.next.is_some())
    }
}

/// A minute, unless told otherwise.
const FORGET_AFTER: u64 = 60_000;

fn delay_text(ms: u64) -> String {
    format!("{:?}", Duration::from_millis(ms))
}
