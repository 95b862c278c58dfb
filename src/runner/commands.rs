//! What a supervisor commands, carried out inline, in its turn.

use std::{any::Any, rc::Rc, task::Poll, time::Duration};

use tokio::time::Instant;

use super::{
    child::{deadline, has_overrun, inline_context, Runner, State, Task},
    inbox::addr_key,
    protocol::{Begun, Ended, NotAlive, Run, StartFailure, Stopped, What},
};
use crate::{
    exit::ExitReason,
    id,
    policy::Shutdown,
    spec::{ChildActor, Starting, When},
    unwind::{self, PanicReport},
};

impl<A: ChildActor> Run for Runner<A> {
    fn spawn(self: Rc<Self>) {
        actix_rt::spawn(Task(self));
    }

    fn begin(self: Rc<Self>, incarnation: id::Incarnation) -> Begun {
        let life = &mut *self.life.borrow_mut();
        self.inbox.set_incarnation(incarnation);
        self.inbox.publish();
        let last_exit = life.last_exit.as_ref().map(|last| last.1.clone());
        let cx = self.start_context(incarnation, last_exit);
        let (Some(spec), Some(mut cx)) = (&mut life.spec, cx) else {
            return Begun::Not(StartFailure::Exited(ExitReason::Unknown));
        };
        let starting = unwind::guard(|| spec.respawn(&mut cx, &self));
        let limit = spec.start_timeout();
        self.tell_residue();
        match starting {
            Err(report) => Begun::Not(StartFailure::Panicked(report)),
            Ok(Starting(When::Now(result))) => match self.conclude(life, result, &mut inline_context()) {
                Ok(lived) => {
                    if let Some(ended) = lived {
                        self.report(What::Exited(ended));
                    }
                    life.wake();
                    Begun::Running
                }
                Err(failure) => Begun::Not(failure),
            },
            Ok(Starting(When::Later(future))) => {
                life.state = self.starting(future, limit);
                life.wake();
                Begun::Starting
            }
        }
    }

    fn wait(self: Rc<Self>, next: id::Incarnation, delay: Duration) {
        let life = &mut *self.life.borrow_mut();
        // Who wants to hear of the end need not wait for what comes next.
        self.inbox.publish();
        if let State::Dead = life.state {
            // Beyond what the clock can tell: not due before it is ended.
            let timer = Instant::now().checked_add(delay).and_then(deadline);
            life.state = State::Waiting { timer, next };
            life.wake();
        }
    }

    fn stop(self: Rc<Self>, shutdown: Shutdown) -> Stopped {
        let life = &mut *self.life.borrow_mut();
        match life.state {
            State::Starting(_) => {
                self.drop_start(life);
                return Stopped::NotAlive(NotAlive::Starting);
            }
            State::Waiting { .. } => life.state = State::Dead,
            State::Alive { .. } | State::Dead | State::Over => {}
        }
        let State::Alive { incarnation, deadline: until } = &mut life.state else {
            return Stopped::NotAlive(NotAlive::Dead(life.last_exit.as_deref().cloned()));
        };
        let _seated = self.sit();
        // Before it is asked: what it does at once is part of its time.
        let limit = shutdown.limit().and_then(|limit| Instant::now().checked_add(limit));
        let over = if shutdown == Shutdown::BrutalKill {
            None
        } else {
            incarnation.ask_to_stop(&self.inbox);
            match incarnation.poll(&self.inbox, &mut inline_context()) {
                Poll::Ready(over) => Some(over),
                Poll::Pending => {
                    *until = limit.and_then(deadline);
                    // Polled with a waker that wakes nobody: its task has to look for itself.
                    life.wake();
                    return Stopped::Stopping;
                }
            }
        };
        let ended = life.bury(&self.inbox, |incarnation, inbox| match over {
            Some(over) => incarnation.end(over, inbox),
            None => incarnation.kill(inbox),
        });
        match ended {
            // Not noted: nobody asks a child that was told to go how it went.
            Some(ended) => Stopped::Ended(Ended { overran: limit.is_some_and(has_overrun), ..ended }),
            None => Stopped::Stopping,
        }
    }

    fn kill(self: Rc<Self>) {
        let life = &mut *self.life.borrow_mut();
        match &life.state {
            State::Starting(_) => {
                self.drop_start(life);
                self.report(What::NotStarted(StartFailure::Exited(ExitReason::Killed)));
            }
            State::Alive { .. } => {
                let _seated = self.sit();
                self.exited(life, None);
            }
            State::Waiting { .. } | State::Dead | State::Over => {}
        }
    }

    fn end(self: Rc<Self>) -> Option<PanicReport> {
        // Never borrowed here: a handle is dropped in its supervisor's turn, never from within its own child's.
        let mut life = self.life.try_borrow_mut().ok()?;
        if matches!(life.state, State::Over) {
            return self.inbox.take_residue();
        }
        // Nothing is reported: who held the handle has given the child up.
        match self.finish(&mut life, ExitReason::Shutdown) {
            Some(What::Exited(Ended { residue: Some(residue), .. })) => Some(residue),
            _ => self.inbox.take_residue(),
        }
    }

    fn weak_addr(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(self.inbox.weak_addr())
    }

    fn addr_key(&self) -> usize {
        self.inbox.addr().as_ref().map_or(0, addr_key)
    }
}
