//! What a supervisor commands, carried out inline, in its turn.

use std::{any::Any, rc::Rc, task::Poll, time::Duration};

use tokio::time::Instant;

use super::{
    child::{deadline, has_overrun, inline_context, Runner, State, Task},
    estate::Stranded,
    inbox::addr_key,
    launch::Birth,
    protocol::{Begun, Ended, Leavings, NotAlive, Run, StartFailure, Stopped, What},
    vitals::Examined,
};
use crate::{
    exit::ExitReason,
    id,
    policy::Shutdown,
    spec::{ChildActor, Starting, When},
    unwind,
};

impl<A: ChildActor> Run for Runner<A> {
    fn spawn(self: Rc<Self>) {
        actix_rt::spawn(Task(self));
    }

    fn begin(self: Rc<Self>, incarnation: id::Incarnation) -> Begun {
        let (begun, lived) = self.try_to_begin(incarnation);
        self.tell_lived(lived);
        begun
    }

    fn is_here(&self) -> bool {
        true
    }

    /// On the supervisor's own arbiter there is nobody who could.
    fn take_over(&self, _: Birth, _: id::Incarnation) -> Option<Box<dyn Stranded>> {
        None
    }
    fn wait(self: Rc<Self>, next: id::Incarnation, delay: Duration) {
        let life = &mut *self.life.borrow_mut();
        if let State::Dead = life.state {
            // Beyond what the clock can tell: not due before it is ended.
            let timer = Instant::now().checked_add(delay).and_then(deadline);
            life.state = State::Waiting { timer, next };
            life.wake();
            // It is decided what follows, and that may take long: who asked for its end is told now.
            self.inbox.publish();
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
                self.not_started(life, StartFailure::Exited(ExitReason::Killed));
            }
            State::Alive { .. } => {
                let _seated = self.sit();
                self.exited(life, None);
            }
            State::Waiting { .. } | State::Dead | State::Over => {}
        }
    }

    fn end(self: Rc<Self>) -> Option<Box<Leavings>> {
        // Never borrowed here: a handle is dropped in its supervisor's turn, never from within its own child's.
        let mut life = self.life.try_borrow_mut().ok()?;
        // Nothing is reported: who held the handle has given the child up.
        let residue = match life.state {
            State::Over => None,
            _ => match self.finish(&mut life, ExitReason::Shutdown) {
                Some(What::Exited(ended)) => ended.residue,
                _ => None,
            },
        };
        let (earlier, undelivered) = self.inbox.take_leavings();
        let (residue, last_exit) = (residue.or(earlier), life.last_exit.take());
        let is_nothing = residue.is_none() && undelivered == 0 && last_exit.is_none();
        (!is_nothing).then(|| Box::new(Leavings { residue, undelivered, last_exit }))
    }

    fn examine(&self, queues: bool) -> Examined {
        Examined::Now(self.vitals(queues))
    }

    fn weak_addr(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(self.inbox.weak_addr())
    }

    fn addr_key(&self) -> usize {
        self.inbox.addr().as_ref().map_or(0, addr_key)
    }
}

impl<A: ChildActor> Runner<A> {
    /// Begins the next incarnation; tells its end, too, if it has lived already.
    pub(super) fn try_to_begin(self: &Rc<Self>, incarnation: id::Incarnation) -> (Begun, Option<Ended>) {
        let life = &mut *self.life.borrow_mut();
        self.inbox.set_incarnation(incarnation);
        self.inbox.publish();
        let last_exit = life.last_exit.as_ref().map(|last| last.1.clone());
        let cx = self.start_context(incarnation, last_exit);
        let shared = if life.spec.is_none() { self.inbox.shared() } else { None };
        let mut lent = shared.as_ref().and_then(|shared| shared.take_spec());
        let (Some(spec), Some(mut cx)) = (life.spec.as_mut().or(lent.as_mut()), cx) else {
            return (Begun::Not(StartFailure::Exited(ExitReason::Unknown)), None);
        };
        let starting = unwind::guard(|| spec.respawn(&mut cx, self));
        let limit = spec.start_timeout();
        if let Some(shared) = shared {
            shared.put_spec(lent);
        }
        self.tell_residue();
        match starting {
            Err(report) => (Begun::Not(StartFailure::Panicked(report)), None),
            Ok(Starting(When::Now(result))) => match self.conclude(life, result, &mut inline_context()) {
                Ok(lived) => {
                    life.wake();
                    (Begun::Running, lived)
                }
                Err(failure) => (Begun::Not(failure), None),
            },
            Ok(Starting(When::Later(future))) => {
                life.state = self.starting(future, limit);
                life.wake();
                (Begun::Starting, None)
            }
        }
    }
}
