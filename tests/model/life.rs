//! One node's life: its turns, its incarnations, its end. What its runner does.

use std::mem::take;

use crate::{
    reference::{Life, Mail, Node, Reference, Sup, NOTHING},
    words::{Ask, Failure, Kind, Label, Message, OnStop, Plan, Reason},
};

impl Reference {
    pub fn turn(&mut self, label: Label) {
        if self.node(label).life == Life::Starting && self.has_turn(label) && self.node(label).gate > 0 {
            self.node(label).gate -= 1;
            self.end_start(label, Life::Dead);
            let incarnation = self.node(label).incarnation;
            let concluded = self.conclude(label);
            // It has its turn as it is: it looks at its mailbox below, and is not woken for that.
            self.again = false;
            match concluded {
                Ok(lived) => {
                    self.report(label, Mail::Started(label, incarnation));
                    lived.into_iter().for_each(|reason| self.ended(label, reason));
                }
                Err(failure) => self.report(label, Mail::NotStarted(label, incarnation, failure)),
            }
        }
        if self.node(label).life == Life::Alive {
            if let Some(reason) = self.poll(label) {
                self.ended(label, reason);
            }
        }
    }

    /// Handles what waits in the mailbox, so many messages; why the incarnation ended, if it did.
    pub fn poll(&mut self, label: Label) -> Option<Reason> {
        let mut left = if self.node(label).sup.is_some() { 16 } else { 128 };
        while !self.is_frozen(label) {
            if left == 0 {
                self.see("a supervisor gives others a turn");
                self.wake(label);
                return None;
            }
            left -= 1;
            let incarnation = self.node(label).incarnation;
            let Some(mail) = self.node(label).queue.pop_front() else {
                self.node(label).listens = true;
                return None;
            };
            match mail {
                Mail::Ask(request, Ask::Tell(_)) if self.abandoned.contains(&request) => {}
                Mail::Ask(request, Ask::Tell(message)) => {
                    self.handled.entry(label).or_default().push(format!("{request} by #{incarnation}"));
                    let end = match message {
                        Message::Work => None,
                        Message::Panic => Some(Reason::Panicked),
                        Message::Exit(reason) => Some(reason),
                    };
                    let is_answered = message != Message::Panic;
                    self.reply(request, if is_answered { format!("by #{incarnation}") } else { "closed".into() });
                    self.see_if(end.is_some() && self.nodes[&label].asked, "a child asked to stop ends otherwise");
                    if end.is_some() {
                        return end;
                    }
                }
                Mail::Freeze => self.frozen = Some(label),
                mail => {
                    self.handle(label, mail);
                    if let Some(reason) = self.sup(label).leaving {
                        self.drop_supervisor(label, reason);
                        return Some(reason);
                    }
                }
            }
        }
        None
    }

    /// It has ended outside of any command.
    pub fn ended(&mut self, label: Label, reason: Reason) {
        self.bury(label, reason);
        let Node { incarnation, parent, .. } = self.nodes[&label];
        match parent {
            Some(_) => self.report(label, Mail::Exited(label, incarnation, reason)),
            None => self.over(label),
        }
    }

    pub fn bury(&mut self, label: Label, reason: Reason) {
        let node = self.node(label);
        let ended = Some((node.incarnation, reason));
        (node.life, node.last_exit, node.due, node.sup) = (Life::Dead, ended, NOTHING, None);
    }

    /// Makes an incarnation by its plan. `Some`: it started, and is ending already.
    pub fn conclude(&mut self, label: Label) -> Result<Option<Reason>, Failure> {
        let Node { spec, incarnation, .. } = self.nodes[&label].clone();
        if let Kind::Supervisor(limits) = spec.kind {
            if *self.names.entry(limits.name).or_insert(label) != label {
                self.see("a name is taken");
                return Err(Failure::NameTaken);
            }
            self.tell(label, "supervisor started");
        }
        let plan = spec.plan(incarnation);
        plan.fails().map_or(Ok(()), Err)?;
        let node = self.node(label);
        (node.life, node.asked, node.due) = (Life::Alive, false, NOTHING);
        node.sup = spec.is_supervisor().then(Sup::default);
        self.wake(label);
        Ok((plan == Plan::CrashAtOnce).then_some(Reason::Panicked))
    }

    /// Asks it to stop, and lets it do at once what it can.
    pub fn ask_to_stop(&mut self, label: Label) -> Option<Reason> {
        let now = self.now;
        let node = self.node(label);
        node.asked = true;
        if node.sup.is_none() {
            match node.spec.on_stop {
                OnStop::Obey => return Some(Reason::Shutdown),
                OnStop::Exit(reason) => return Some(reason),
                OnStop::Panic => return Some(Reason::Panicked),
                OnStop::Refuse => {}
                OnStop::Slow(ms) => node.due[0] = Some(now + ms),
            }
        } else {
            self.close(label, None);
            if let Some(reason) = self.sup(label).leaving {
                self.drop_supervisor(label, reason);
                return Some(reason);
            }
        }
        self.poll(label)
    }

    /// Its holder is going away: hooks, once, without veto. Did one of them panic?
    pub fn dismiss(&mut self, label: Label) -> bool {
        let is_alive = self.node(label).life == Life::Alive;
        let is_supervisor = self.node(label).sup.is_some();
        if is_alive && is_supervisor {
            self.see("a supervisor is dropped with its parent");
            self.node(label).asked = true;
            self.close(label, None);
            self.drop_supervisor(label, Reason::Shutdown);
        }
        if is_alive {
            self.bury(label, Reason::Shutdown);
        }
        self.over(label);
        is_alive && !is_supervisor && self.node(label).spec.on_stop == OnStop::Panic
    }

    /// Ends what lives, or starts, without hooks; that is reported like any other end.
    pub fn kill(&mut self, label: Label) {
        match self.node(label).life {
            Life::Starting => self.fail_start(label, Failure::Exited(Reason::Killed)),
            Life::Alive => {
                if self.node(label).sup.is_some() {
                    self.drop_supervisor(label, Reason::Killed);
                }
                self.ended(label, Reason::Killed);
            }
            Life::Dead | Life::Over => {}
        }
    }

    pub fn fail_start(&mut self, label: Label, failure: Failure) {
        self.end_start(label, Life::Dead);
        let incarnation = self.node(label).incarnation;
        self.report(label, Mail::NotStarted(label, incarnation, failure));
    }

    /// For good: the mailbox is closed, the name is free, then who waited for the end is told.
    pub fn over(&mut self, label: Label) {
        self.end_start(label, Life::Over);
        let node = self.node(label);
        let ended = node.last_exit.map_or("unknown".into(), |(_, reason)| reason.to_string());
        let report = node.last_report.clone().unwrap_or("gone".into());
        for mail in take(&mut node.queue) {
            let Mail::Ask(request, ask) = mail else { continue };
            self.see(if matches!(ask, Ask::Tell(_)) { "a message is closed" } else { "a request is overtaken" });
            match ask {
                Ask::Tell(_) => self.reply(request, "closed"),
                Ask::Stop { .. } => self.reply(request, &report),
                Ask::AwaitExit => self.reply(request, &ended),
                _ => self.reply(request, "gone"),
            }
        }
        self.names.retain(|_, owner| *owner != label);
        self.publish(label);
    }

    pub fn publish(&mut self, label: Label) {
        for (request, answer) in take(&mut self.node(label).obituary) {
            self.reply(request, answer);
        }
    }

    pub fn fall_due(&mut self, label: Label) {
        let (now, node) = (Some(self.now), self.node(label));
        if node.due[0] == now {
            self.ended(label, Reason::Shutdown);
        } else if node.due[1] == now {
            self.see("a child is killed at its deadline");
            self.kill(label);
        } else if node.due[2] == now {
            self.see("a start takes longer than allowed");
            self.fail_start(label, Failure::TimedOut);
        } else if node.due[3] == now {
            self.has_waited(label);
        } else {
            self.see("a stop's deadline kills the rest");
            self.closing(label).due = None;
            self.sup(label).table.clone().into_iter().for_each(|child| self.kill(child));
        }
    }
}
