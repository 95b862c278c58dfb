//! One scenario under way.

use std::{cell::OnceCell, mem, rc::Rc, time::Duration};

use actix::Addr;
use actix_dynamic_supervisor::prelude::*;
use actix_dynamic_supervisor::StopError;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout, Instant},
};

use super::{
    child::Exit,
    extras::{Freeze, ToKill},
    journal::Journal,
    request::{self, Answer, Gone},
    scenario::{ExitBy, Operation, Options},
    trace::{self, Condition, Late, Record, Reply},
    words::Reason,
    Handles,
};

/// On a paused clock this passes when nothing is left to do, and not before.
const AN_INSTANT: Duration = Duration::from_millis(1);

/// Longer than anything in a scenario takes.
const AT_MOST: Duration = Duration::from_secs(10);

pub(super) struct Run {
    supervisor: Addr<DynamicSupervisor>,
    handles: Handles,
    journal: Journal,
    /// With what the supervisor has ended, once it has.
    ended: Rc<OnceCell<ExitReason>>,
    /// Dropping it thaws the supervisor.
    frozen: Option<mpsc::UnboundedSender<ToKill>>,
    queued: Vec<(usize, JoinHandle<Result<Reply, Gone>>)>,
}

impl Run {
    pub(super) fn start(options: &Options, handles: Handles, journal: &Journal) -> Result<Self, StartError> {
        // Every report counts here, however many there are in a second.
        let mut builder = DynamicSupervisor::builder().max_reports_per_second(u32::MAX);
        if let Some(max_restarts) = options.max_restarts {
            builder = builder.max_restarts(max_restarts);
        }
        if let Some(max_seconds) = options.max_seconds {
            builder = builder.max_seconds(max_seconds);
        }
        if let Some(max_children) = options.max_children {
            builder = builder.max_children(max_children);
        }
        if !options.extra.is_empty() {
            builder = builder.extra_argument(options.extra.clone());
        }
        let supervisor = builder.start()?;
        let ended = Rc::new(OnceCell::new());
        let (exited, noted) = (supervisor.exited(), Rc::clone(&ended));
        actix::spawn(async move { noted.set(exited.await) });
        Ok(Self { supervisor, handles, journal: journal.clone(), ended, frozen: None, queued: Vec::new() })
    }

    /// All operations, and a last stop.
    pub(super) async fn carry_out(mut self, operations: &[Operation]) -> Vec<Record> {
        let mut trace = Vec::with_capacity(operations.len() + 1);
        for (i, operation) in operations.iter().enumerate() {
            let reply = self.step(i, operation).await;
            trace.push(self.record(i, operation.name(), reply).await);
        }
        let reply = self.stop(Reason::Shutdown).await;
        trace.push(self.record(operations.len(), "final_stop", reply).await);
        trace
    }

    async fn step(&mut self, i: usize, operation: &Operation) -> Reply {
        match operation {
            Operation::Start(script) => self.ask(i, request::start(&self.supervisor, script, &self.journal)).await,
            Operation::Terminate { child, handle } => {
                self.ask(i, request::terminate(&self.supervisor, child, *handle, self.handles, &self.journal)).await
            }
            Operation::Count {} => self.ask(i, request::count(&self.supervisor)).await,
            Operation::Which {} => self.ask(i, request::which(&self.supervisor, &self.journal)).await,
            Operation::Exit { child, reason } => self.exit(child, *reason).await,
            Operation::Stop { reason } => self.stop(*reason).await,
            Operation::ParentExit { reason } => self.parent_exit(*reason),
            Operation::Sleep { ms } => {
                sleep(Duration::from_millis(*ms)).await;
                Reply::Ok
            }
            Operation::Freeze {} => self.freeze().await,
            Operation::Thaw {} => self.thaw().await,
            Operation::Stray {} | Operation::StartInvalid { .. } => Reply::Skipped,
        }
    }

    /// A frozen supervisor answers later.
    async fn ask(&mut self, i: usize, answer: Answer) -> Reply {
        if self.frozen.is_some() {
            self.queued.push((i, actix::spawn(answer)));
            return Reply::Queued;
        }
        match timeout(AT_MOST, answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(Gone)) if self.ended.get().is_some() => Reply::NoSupervisor,
            Ok(Err(Gone)) | Err(_) => Reply::Unexpected(String::from("no answer from a supervisor that is up")),
        }
    }

    async fn exit(&mut self, label: &str, by: ExitBy) -> Reply {
        let known = self.journal.notes().current(label).filter(|known| known.is_running);
        let Some(known) = known else { return Reply::NotRunning };
        let killed = match (by, &self.frozen) {
            (ExitBy::Itself(reason), _) => {
                known.addr.do_send(Exit(reason));
                return Reply::Ok;
            }
            (ExitBy::Kill, None) => self.supervisor.kill_child(known.id).await,
            (ExitBy::Kill, Some(frozen)) => {
                let (answer, answered) = oneshot::channel();
                match frozen.send(ToKill(known.id, answer)) {
                    Ok(()) => answered.await.unwrap_or(Err(TerminateChildError::SupervisorGone)),
                    Err(_) => Err(TerminateChildError::SupervisorGone),
                }
            }
        };
        match killed {
            Ok(()) => Reply::Ok,
            Err(error) => Reply::Unexpected(format!("{error:?}")),
        }
    }

    async fn stop(&mut self, reason: Reason) -> Reply {
        if self.frozen.is_some() {
            self.thaw().await;
        }
        match timeout(AT_MOST, self.supervisor.stop_with(reason.into(), None)).await {
            Ok(Ok(_)) => Reply::Ok,
            Ok(Err(StopError::SupervisorGone)) => Reply::NoSupervisor,
            Ok(Err(error)) => Reply::Unexpected(format!("{error:?}")),
            Err(_) => Reply::Unexpected(String::from("does not stop")),
        }
    }

    /// What `Linked` does when it is dropped, with a reason.
    fn parent_exit(&mut self, reason: Reason) -> Reply {
        if self.frozen.is_some() {
            return Reply::Skipped;
        }
        self.supervisor.do_send(Stop::with_reason(reason.into()));
        Reply::Ok
    }

    async fn freeze(&mut self) -> Reply {
        if self.ended.get().is_some() || self.frozen.is_some() {
            return Reply::Skipped;
        }
        let (sender, to_kill) = mpsc::unbounded_channel();
        if self.supervisor.send(Freeze(to_kill)).await.is_err() {
            return Reply::Unexpected(String::from("not frozen"));
        }
        self.frozen = Some(sender);
        Reply::Ok
    }

    async fn thaw(&mut self) -> Reply {
        if self.frozen.take().is_none() {
            return Reply::Skipped;
        }
        self.come_to_rest().await;
        let mut replies = Vec::new();
        for (i, answer) in mem::take(&mut self.queued) {
            let reply = match if answer.is_finished() { answer.await.ok() } else { None } {
                Some(Ok(reply)) => reply,
                Some(Err(Gone)) => match self.ended.get().map(|reason| Reason::told(&reason.to_string())) {
                    Some(Some(reason)) => Reply::Overtaken(reason),
                    ended => Reply::Unexpected(format!("overtaken by {ended:?}")),
                },
                None => Reply::Unexpected(String::from("no answer")),
            };
            replies.push(Late { i, reply });
        }
        Reply::Thawed(replies)
    }

    /// Waits until nobody is on the way out any more and nothing is left to do.
    async fn come_to_rest(&self) {
        let began = Instant::now();
        sleep(AN_INSTANT).await;
        if self.frozen.is_some() {
            return;
        }
        let mut has_waited = false;
        while self.journal.notes().is_anybody_leaving() {
            if began.elapsed() > AT_MOST {
                return self.journal.notes().slip(String::from("does not come to rest"));
            }
            sleep(AN_INSTANT).await;
            has_waited = true;
        }
        if has_waited {
            // The last of them has ended just now: what follows comes to rest, too.
            sleep(AN_INSTANT).await;
        }
        if self.ended.get().is_some() && self.journal.notes().is_anybody_alive() {
            self.journal.notes().slip(String::from("a child outlives its supervisor"));
        }
    }

    async fn record(&self, i: usize, op: &'static str, reply: Reply) -> Record {
        self.come_to_rest().await;
        let sup = match self.ended.get() {
            _ if self.frozen.is_some() => Condition::Frozen,
            None => Condition::Up,
            Some(reason) => Condition::Down(Reason::told(&reason.to_string()).ok_or_else(|| reason.to_string())),
        };
        let (mut children, mut counts) = (None, None);
        if let Condition::Up = sup {
            children = self.supervisor.which_children().await.ok().map(|all| request::listed(all, &self.journal));
            counts = self.supervisor.count_children().await.ok().map(Into::into);
        }
        let notes = &mut *self.journal.notes();
        let (mut events, mut exits) = (mem::take(&mut notes.events), mem::take(&mut notes.exits));
        trace::sort_runs(&mut events);
        exits.sort_by_cached_key(|(instance, _)| instance.to_string());
        Record { i, op, reply, events, exits, sup, children, counts }
    }
}
