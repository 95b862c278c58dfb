//! A supervisor's rules: who is started, who comes back, who ends how, and when it gives up.

use std::mem::take;

use crate::{
    reference::{Closing, Entry, Life, Mail, Phase, Reference, Request, Trials},
    words::{Ask, Failure, Label, Reason, Restart, Shutdown},
};

impl Reference {
    pub fn handle(&mut self, s: Label, mail: Mail) {
        let is_open = self.sup(s).closing.is_none();
        match mail {
            Mail::Ask(request, ask) => self.answer(s, request, ask, is_open),
            Mail::Started(child, incarnation) => self.started(s, child, incarnation),
            Mail::Exited(child, incarnation, reason) => self.exited(s, child, incarnation, reason),
            Mail::NotStarted(child, incarnation, failure) if is_open => {
                self.not_started(s, child, incarnation, failure)
            }
            Mail::Retry(child, incarnation) if is_open => match self.present(s, child, incarnation) {
                Some(Phase::Restarting) => self.restart(s, child),
                _ => self.see("a retry is void"),
            },
            Mail::Due(child, incarnation) if is_open => self.due(s, child, incarnation),
            Mail::NotStarted(..) | Mail::Retry(..) | Mail::Due(..) => {
                self.see("a try is void: the supervisor shuts down")
            }
            Mail::Freeze => unreachable!("seen to before"),
        }
    }

    pub fn answer(&mut self, s: Label, request: Request, ask: Ask, is_open: bool) {
        match ask {
            Ask::Start(_) | Ask::GetOrStart(_) if self.abandoned.contains(&request) => {
                self.see("a start is withdrawn in time")
            }
            Ask::Start(_) | Ask::GetOrStart(_) if !is_open => {
                self.see("a start is refused: shutting down");
                self.reply(request, "shutting down");
            }
            Ask::Start(child) => self.launch(s, child, request),
            Ask::GetOrStart(child) => self.get_or_start(s, child, request),
            Ask::Terminate(_) | Ask::TerminateKey(_) | Ask::Stop { .. } if self.abandoned.contains(&request) => {
                self.abandoned.remove(&request);
                self.see("an end is asked for by a caller that is gone");
                self.answer(s, request, ask, is_open);
            }
            Ask::Terminate(child) => match self.tell_to_end(s, child) {
                Told::NotFound => self.reply(request, "not found"),
                Told::Stopping => self.entry(child).terminators.push(request),
                Told::Gone(entry, end) => {
                    self.ended_as_told(s, child, entry, end);
                    self.reply(request, "ok");
                }
            },
            Ask::Kill(child) if self.sup(s).table.contains(&child) => {
                let (phase, life) = (self.entry(child).phase, self.node(child).life);
                self.see_if(phase == Phase::Stopping, "killed while it is being terminated");
                self.see_if(life == Life::Starting, "killed while it starts");
                self.see_if(self.nodes[&child].due[3].is_some(), "killed while it waits");
                self.kill(child);
                self.reply(request, "ok");
            }
            Ask::Kill(_) => self.reply(request, "not found"),
            Ask::TerminateKey(key) | Ask::KillKey(key) => match self.named(s, key, ask) {
                Some(ask) => self.answer(s, request, ask, is_open),
                None => self.reply(request, "not found"),
            },
            Ask::Count => self.reply(request, self.counts(s)),
            Ask::Which => self.reply(request, self.list(s)),
            Ask::Stop { reason, deadline } => {
                self.see_if(!is_open, "a stop joins a shutdown under way");
                if is_open {
                    self.sup(s).closing = Some(Closing { reason: Some(reason), ..Closing::default() });
                }
                self.closing(s).askers.push(request);
                if is_open {
                    self.tell_all_to_end(s);
                }
                if let (Some(ms), false) = (deadline, self.sup(s).table.is_empty()) {
                    let at = self.now + ms;
                    let closing = self.closing(s);
                    closing.due = Some(closing.due.map_or(at, |due| due.min(at)));
                }
            }
            Ask::AwaitExit => self.sup(s).exits.push(request),
            Ask::Tell(_) => unreachable!("for workers"),
        }
    }

    pub fn launch(&mut self, s: Label, child: Label, request: Request) {
        if self.limits(s).max_children.is_some_and(|limit| self.sup(s).table.len() >= limit) {
            let phases: Vec<_> = self.sup(s).table.clone().iter().map(|child| self.entry(*child).phase).collect();
            self.see_if(phases.contains(&Phase::Starting), "full, with one that starts");
            self.see_if(phases.contains(&Phase::Restarting), "full, with one that restarts");
            self.see_if(phases.contains(&Phase::Stopping), "full, with one that stops");
            self.see_if(self.does_one_wait(s), "full, with one that waits for its next try");
            return self.reply(request, "full");
        }
        if let Some(other) = self.nodes[&child].spec.key.and_then(|key| self.holder(s, key)) {
            self.see("a key is taken");
            return self.reply(request, format!("the key is that of {other}"));
        }
        self.call_start(s, child, 1);
        let is_async = self.node(child).life == Life::Starting;
        if !is_async {
            match self.conclude(child) {
                Ok(lived) => lived.into_iter().for_each(|reason| self.ended(child, reason)),
                Err(failure) => {
                    self.over(child);
                    return self.reply(request, failure);
                }
            }
        }
        let (phase, starter) = if is_async { (Phase::Starting, Some(request)) } else { (Phase::Running, None) };
        let since = self.now;
        self.node(child).entry = Some(Entry {
            phase,
            incarnation: 1,
            restarts: 0,
            last_exit: None,
            starter,
            terminators: Vec::new(),
            waiters: Vec::new(),
            since,
            trials: Trials::default(),
        });
        self.sup(s).table.push(child);
        if !is_async {
            self.tell_of(s, child, 1, "child started", "");
            self.reply(request, self.nodes[&child].answer(child));
        }
    }

    /// The next incarnation, inline if it can be.
    pub fn begin(&mut self, s: Label, child: Label) {
        self.see_if(!self.nodes[&child].queue.is_empty(), "messages wait for the next incarnation");
        let incarnation = self.entry(child).incarnation;
        self.see_if(self.nodes[&child].spec.is_supervisor(), "a nested supervisor comes back");
        self.call_start(s, child, incarnation);
        self.publish(child);
        if self.node(child).life != Life::Starting {
            match self.conclude(child) {
                Ok(lived) => {
                    lived.into_iter().for_each(|reason| self.ended(child, reason));
                    self.started(s, child, incarnation);
                }
                Err(failure) => self.not_started(s, child, incarnation, failure),
            }
        }
    }

    pub fn call_start(&mut self, s: Label, child: Label, incarnation: usize) {
        let node = self.node(child);
        node.incarnation = incarnation;
        if node.spec.is_async {
            node.life = Life::Starting;
            self.wake(child);
        }
        if !self.node(child).spec.is_supervisor() {
            self.tell(s, format!("start {child}#{incarnation}"));
        }
    }

    pub fn started(&mut self, s: Label, child: Label, incarnation: usize) {
        let Some(phase @ (Phase::Starting | Phase::Restarting | Phase::Running)) = self.present(s, child, incarnation)
        else {
            return self.see("a start is noticed too late");
        };
        let (now, entry) = (self.now, self.entry(child));
        (entry.phase, entry.since) = (Phase::Running, now);
        entry.restarts += usize::from(phase == Phase::Restarting);
        let was_parked = take(&mut entry.trials.is_parked);
        let (starter, waiters) = (entry.starter.take(), take(&mut entry.waiters));
        self.see_if(was_parked, "a parked child comes back");
        self.tell_of(s, child, incarnation, if starter.is_some() { "child started" } else { "child restarted" }, "");
        if let Some(request) = starter {
            self.see_if(self.abandoned.contains(&request), "a start succeeds whose caller is gone");
            self.reply(request, self.nodes[&child].answer(child));
        }
        self.serve(s, waiters);
    }

    pub fn not_started(&mut self, s: Label, child: Label, incarnation: usize, failure: Failure) {
        match self.present(s, child, incarnation) {
            None | Some(Phase::Running) => {}
            Some(Phase::Restarting) if failure != Failure::Ignored => {
                self.see("a try of a restart fails");
                self.tell_of(s, child, incarnation, "child failed to restart", &format!(": {failure}"));
                self.post(s, Mail::Retry(child, incarnation));
            }
            Some(phase) => {
                if phase == Phase::Restarting {
                    self.see("a restart declines");
                    self.tell_of(s, child, incarnation, "child declined to restart", "");
                }
                self.forget(s, child, failure.to_string());
            }
        }
    }

    /// Rule: restart type x reason.
    pub fn exited(&mut self, s: Label, child: Label, incarnation: usize, reason: Reason) {
        let Some(phase) = self.present(s, child, incarnation) else { return self.see("an end is noticed too late") };
        self.entry(child).last_exit = Some(reason);
        if phase == Phase::Stopping {
            let end = Some((self.asked(child), reason));
            let entry = self.remove(s, child);
            return self.ended_as_told(s, child, entry, end);
        }
        let restart = self.nodes[&child].spec.restart;
        let is_reported = restart == Restart::Permanent || reason.is_abnormal();
        let what = if is_reported { "child terminated" } else { "child ended" };
        self.tell_of(s, child, incarnation, what, &format!(": {reason}"));
        if is_reported && restart != Restart::Temporary {
            self.forget_tries(s, child);
            self.entry(child).phase = Phase::Restarting;
            self.restart(s, child);
        } else {
            self.forget(s, child, String::new());
        }
    }

    pub fn tell_to_end(&mut self, s: Label, child: Label) -> Told {
        if !self.sup(s).table.contains(&child) {
            return Told::NotFound;
        }
        let Entry { phase, incarnation, .. } = *self.entry(child);
        let (now, shutdown, asked) = (self.now, self.nodes[&child].spec.shutdown, self.asked(child));
        if phase == Phase::Stopping {
            self.see("a second end of a child joins the first");
            return Told::Stopping;
        }
        let end = match (self.node(child).life, self.node(child).last_exit) {
            (Life::Starting, _) => {
                self.see(if phase == Phase::Starting { "ended while it starts" } else { "ended while it restarts" });
                self.end_start(child, Life::Dead);
                None
            }
            (Life::Alive, _) => {
                self.see_if(phase != Phase::Running, "ended when its start is not noticed yet");
                let ended = if shutdown == Shutdown::BrutalKill {
                    if self.node(child).sup.is_some() {
                        self.drop_supervisor(child, Reason::Killed);
                    }
                    Some(Reason::Killed)
                } else {
                    self.ask_to_stop(child)
                };
                let Some(reason) = ended else {
                    if let Shutdown::Within(ms) = shutdown {
                        self.node(child).due[1] = Some(now + ms);
                    }
                    self.entry(child).phase = Phase::Stopping;
                    if let Some(request) = self.entry(child).starter.take() {
                        self.reply(request, self.cut_off(s));
                    }
                    return Told::Stopping;
                };
                self.bury(child, reason);
                Some((asked, reason))
            }
            (_, Some((last, reason))) if last == incarnation => {
                self.see("ended when its own end is not noticed yet");
                Some((Asked::TooLate, reason))
            }
            _ => {
                let waits = self.entry(child).trials.next.is_some();
                self.see(if waits { "ended while it waits" } else { "ended between two tries of a restart" });
                None
            }
        };
        Told::Gone(self.remove(s, child), end)
    }

    pub fn ended_as_told(&mut self, s: Label, child: Label, entry: Entry, end: Option<(Asked, Reason)>) {
        if let Some((asked, reason)) = end {
            let is_permanent = self.nodes[&child].spec.restart == Restart::Permanent;
            let is_expected = match (asked, reason) {
                (Asked::Kill, reason) => reason == Reason::Killed,
                (Asked::Stop, Reason::Shutdown | Reason::ShutdownWith) => true,
                (_, reason) => reason == Reason::Normal && !is_permanent,
            };
            let what = if is_expected { "child ended" } else { "child shut down abnormally" };
            let line = format!("{what} {child}#{}: {reason}", entry.incarnation);
            let closing = self.sup(s).closing.as_mut();
            let is_later = !is_expected && closing.is_some();
            if let Some(closing) = closing {
                closing.killed += usize::from(reason == Reason::Killed);
                closing.failed += usize::from(reason != Reason::Killed && reason.is_abnormal());
                closing.stopped += usize::from(!reason.is_abnormal());
                closing.odd.extend(is_later.then(|| line.clone()));
            }
            if !is_later {
                self.tell(s, line);
            }
        }
        self.farewell(s, child, entry, self.cut_off(s).into());
        self.finish_if_done(s);
    }

    pub fn close(&mut self, s: Label, reason: Option<Reason>) {
        if self.sup(s).closing.is_none() {
            self.sup(s).closing = Some(Closing { reason, ..Closing::default() });
            self.tell_all_to_end(s);
        }
    }

    pub fn tell_all_to_end(&mut self, s: Label) {
        for child in self.sup(s).table.clone() {
            if let Told::Gone(entry, end) = self.tell_to_end(s, child) {
                self.ended_as_told(s, child, entry, end);
            }
        }
        self.finish_if_done(s);
    }

    pub fn finish_if_done(&mut self, s: Label) {
        let unnamed = if self.node(s).asked { Reason::Shutdown } else { Reason::Normal };
        let sup = self.sup(s);
        if let (Some(closing), true) = (&mut sup.closing, sup.table.is_empty()) {
            sup.leaving = Some(closing.reason.unwrap_or(unnamed));
            take(&mut closing.odd).into_iter().for_each(|line| self.tell(s, line));
        }
    }

    /// The end of a supervisor's incarnation, in whatever way: what still lives is dropped.
    pub fn drop_supervisor(&mut self, s: Label, reason: Reason) {
        let sup = take(self.sup(s));
        let mut closing = sup.closing.unwrap_or_default();
        for child in sup.table {
            let entry = self.node(child).entry.take().expect("it is in the table");
            closing.killed += usize::from(matches!(entry.phase, Phase::Running | Phase::Stopping));
            if self.dismiss(child) {
                self.tell(s, format!("a panic on the way out was contained {child}"));
            }
            self.see_if(entry.trials.next.is_some(), "a supervisor is dropped while a child waits");
            let waiters = entry.waiters.into_iter().map(|(request, _)| request);
            let askers = entry.terminators.into_iter().chain(entry.starter).chain(waiters);
            askers.for_each(|request| self.reply(request, "gone"));
        }
        self.tell(s, format!("supervisor ended: {reason}"));
        if self.nodes[&s].spec.restart == Restart::Temporary {
            self.names.retain(|_, owner| *owner != s);
        }
        let Closing { stopped, killed, failed, askers, .. } = closing;
        let report = format!("stopped: {stopped}, killed: {killed}, failed: {failed}, unresponsive: 0");
        let node = self.node(s);
        node.obituary.extend(askers.into_iter().map(|request| (request, report.clone())));
        node.obituary.extend(sup.exits.into_iter().map(|request| (request, reason.to_string())));
        node.last_report = Some(report);
    }

    pub fn forget(&mut self, s: Label, child: Label, started: String) {
        let entry = self.remove(s, child);
        self.farewell(s, child, entry, started);
    }

    pub fn farewell(&mut self, s: Label, child: Label, entry: Entry, started: String) {
        self.over(child);
        entry.starter.into_iter().for_each(|request| self.reply(request, &started));
        entry.terminators.into_iter().for_each(|request| self.reply(request, "ok"));
        self.serve(s, entry.waiters);
    }

    fn asked(&self, child: Label) -> Asked {
        if self.nodes[&child].spec.shutdown == Shutdown::BrutalKill {
            Asked::Kill
        } else {
            Asked::Stop
        }
    }

    fn cut_off(&self, s: Label) -> &'static str {
        let is_open = self.nodes[&s].sup.as_ref().is_some_and(|sup| sup.closing.is_none());
        if is_open {
            "terminated"
        } else {
            "shutting down"
        }
    }
}

pub enum Told {
    NotFound,
    Stopping,
    Gone(Entry, Option<(Asked, Reason)>),
}

#[derive(Clone, Copy)]
pub enum Asked {
    Kill,
    Stop,
    TooLate,
}
