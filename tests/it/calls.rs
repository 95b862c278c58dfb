//! Who may ask, from where, and what becomes of requests that nobody waits for any more.

use std::{
    future::Future,
    pin::pin,
    sync::{mpsc, Arc},
    task::{self, Poll, Wake},
    thread,
    time::Duration,
};

use actix::{dev::ToEnvelope, prelude::*};
use actix_dynamic_supervisor::{prelude::*, AwaitExit, ChildCounts, Reinit, ReinitError, StopError};

use crate::{
    support::script::{gated, slow_to_stop, Gate},
    support::{real_world, settle, world, Ask, Journal, Panic, Probe},
};

/// An ordinary actor that passes a message on and gives back the answer.
struct Client {
    supervisor: Addr<DynamicSupervisor>,
}

impl Actor for Client {
    type Context = Context<Self>;
}

struct Pass<M>(M);

impl<M: Message> Message for Pass<M>
where
    M::Result: 'static,
{
    type Result = Result<M::Result, MailboxError>;
}

impl<M> Handler<Pass<M>> for Client
where
    M: Message + Send + 'static,
    M::Result: Send + 'static,
    DynamicSupervisor: Handler<M>,
    Context<DynamicSupervisor>: ToEnvelope<DynamicSupervisor, M>,
{
    type Result = ResponseFuture<Result<M::Result, MailboxError>>;

    fn handle(&mut self, Pass(message): Pass<M>, _: &mut Context<Self>) -> Self::Result {
        Box::pin(self.supervisor.send(message))
    }
}

#[test]
fn every_request_can_be_sent_as_a_message_by_another_actor() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let client = Client { supervisor: supervisor.clone() }.start();

        let child = client.send(Pass(StartChild(Probe::child(&journal)))).await.unwrap().unwrap().unwrap();
        let other = client.send(Pass(StartChild(Probe::child(&journal)))).await.unwrap().unwrap().unwrap();
        assert_eq!(client.send(Pass(CountChildren)).await.unwrap().unwrap().specs, 2);
        assert_eq!(client.send(Pass(WhichChildren)).await.unwrap().unwrap()[1].id, other.id);
        assert_eq!(client.send(Pass(KillChild(child.id.into()))).await.unwrap(), Ok(Ok(())));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(client.send(Pass(TerminateChild(child.id.into()))).await.unwrap(), Ok(Ok(())));
        let by_addr = TerminateChild((&other.addr).into());
        assert_eq!(client.send(Pass(by_addr)).await.unwrap(), Ok(Ok(())));
        assert!(matches!(client.send(Pass(Reinit)).await.unwrap(), Ok(Ok(()))));
        let ended = client.send(Pass(AwaitExit));
        let stop = Stop::with_reason(ExitReason::Shutdown).within(Duration::from_secs(1));
        assert!(client.send(Pass(stop)).await.unwrap().unwrap().is_clean());
        assert!(matches!(ended.await.unwrap(), Ok(ExitReason::Shutdown)));
        assert_eq!(client.send(Pass(CountChildren)).await.unwrap(), Err(MailboxError::Closed));
    });
}

#[test]
fn a_supervisor_is_a_recipient_of_its_messages() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let counts: Recipient<CountChildren> = supervisor.clone().recipient();
        let stops: Recipient<Stop> = supervisor.recipient();

        assert_eq!(counts.send(CountChildren).await.unwrap(), ChildCounts::default());
        assert_eq!(stops.send(Stop::default()).await.unwrap(), ShutdownReport::default());
    });
}

#[test]
fn requests_sent_without_waiting_for_an_answer_are_carried_out() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let ended = supervisor.exited();

        supervisor.do_send(StartChild(Probe::child(&journal)));
        journal.expect("started 1").await;
        let id = supervisor.which_children().await.unwrap()[0].id;
        supervisor.do_send(CountChildren);
        supervisor.do_send(WhichChildren);
        supervisor.do_send(Reinit);
        supervisor.do_send(AwaitExit);
        supervisor.do_send(KillChild(id.into()));
        journal.expect("started 2").await;
        supervisor.do_send(TerminateChild(id.into()));
        journal.expect("dropped 2").await;
        supervisor.do_send(Stop::default());

        assert!(matches!(ended.await, ExitReason::Normal));
    });
}

#[test]
fn requests_of_one_asker_are_handled_in_the_order_in_which_they_were_made() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        // Made now, awaited later and in another order; more of them than Actix's mailbox holds.
        let mut starts: Vec<_> = (0..100).map(|_| supervisor.start_child(Probe::child(&journal))).collect();
        let count = supervisor.count_children();
        let stopped = supervisor.stop();

        assert_eq!(stopped.await.unwrap().stopped, 100);
        assert_eq!(count.await.unwrap().specs, 100);
        while let Some(start) = starts.pop() {
            start.await.unwrap();
        }
    });
}

/// A supervisor in a System on a thread of its own.
fn elsewhere() -> (Addr<DynamicSupervisor>, thread::JoinHandle<()>) {
    let (addr_tx, addr_rx) = mpsc::channel();
    let home = thread::spawn(move || {
        real_world(async {
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            addr_tx.send(supervisor.clone()).unwrap();
            supervisor.exited().await;
        });
    });
    (addr_rx.recv().unwrap(), home)
}

/// Awaits on any worker of a plain Tokio runtime: what is given must be `Send` and borrow nothing.
async fn far<T: Send + 'static>(answer: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(answer).await.unwrap()
}

#[test]
fn every_method_works_on_a_tokio_runtime_without_a_system() {
    let (supervisor, home) = elsewhere();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();

    runtime.block_on(async {
        let journal = Journal::new();
        let ended = tokio::spawn(supervisor.exited());
        let child = far(supervisor.start_child(Probe::child(&journal))).await.unwrap();
        let late = far(supervisor.start_child(gated(&journal, &Gate::shut(), 2))).await.unwrap();
        assert_eq!(far(child.addr.send(Ask)).await, Ok(1));
        assert_eq!(far(supervisor.count_children()).await.unwrap().specs, 2);
        assert_eq!(far(supervisor.which_children()).await.unwrap()[0].id, child.id);
        assert_eq!(far(supervisor.kill_child(child.id)).await, Ok(()));
        assert_eq!(far(child.addr.send(Ask)).await, Ok(2));
        far(supervisor.reinit()).await.unwrap();
        assert_eq!(far(supervisor.terminate_child(child.id)).await, Ok(()));
        assert_eq!(far(supervisor.terminate_child(&late.addr)).await, Ok(()));
        assert_eq!(far(supervisor.terminate_child(child.id)).await, Err(TerminateChildError::NotFound));
        let reason = ExitReason::shutdown_with("done");
        assert!(far(supervisor.stop_with(reason, Duration::from_secs(1))).await.unwrap().is_clean());
        assert_eq!(ended.await.unwrap().to_string(), "shutdown: done");
        // Answered is not yet out of the way: its mailbox closes a moment later, on its own thread.
        home.join().unwrap();
        assert_eq!(far(supervisor.stop()).await, Err(StopError::SupervisorGone));
    });
}

/// Awaits on this thread, with nothing but the standard library.
fn by_hand<T>(answer: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let (mut cx, mut answer) = (task::Context::from_waker(&waker), pin!(answer));
    loop {
        match answer.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn every_method_works_on_a_runtime_without_a_clock() {
    let (supervisor, home) = elsewhere();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    runtime.block_on(async {
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
        assert!(supervisor.stop().await.unwrap().is_clean());
    });
    home.join().unwrap();
}

#[test]
fn every_method_works_without_any_runtime() {
    let (supervisor, home) = elsewhere();
    let journal = Journal::new();

    let child = by_hand(supervisor.start_child(Probe::child(&journal))).unwrap();
    assert_eq!(by_hand(supervisor.count_children()).unwrap().specs, 1);
    assert_eq!(by_hand(supervisor.terminate_child(child.id)), Ok(()));
    assert!(by_hand(supervisor.stop()).unwrap().is_clean());

    home.join().unwrap();
}

#[test]
fn many_threads_may_ask_at_once() {
    let (supervisor, home) = elsewhere();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();

    runtime.block_on(async {
        let askers = (0..50).map(|_| {
            let supervisor = supervisor.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let spec = Probe::child(&Journal::new()).restart(Restart::Transient);
                    let child = supervisor.start_child(spec).await.unwrap();
                    child.addr.do_send(crate::support::Exit(ExitReason::Normal));
                    // It may have ended by itself before.
                    let terminated = supervisor.terminate_child(child.id).await;
                    assert!(matches!(terminated, Ok(()) | Err(TerminateChildError::NotFound)));
                }
            })
        });
        for asker in askers.collect::<Vec<_>>() {
            asker.await.unwrap();
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        supervisor.stop().await.unwrap();
    });
    home.join().unwrap();
}

#[test]
fn a_start_that_is_given_up_before_the_supervisor_has_begun_with_it_is_withdrawn() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let start = supervisor.start_child(Probe::child(&journal));
        drop(start);

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        settle().await;
        assert!(journal.entries().is_empty());
    });
}

#[test]
fn a_start_that_is_given_up_after_that_goes_on() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let start = supervisor.start_child(gated(&journal, &gate, 1));
        journal.expect("starting 1").await;
        drop(start);
        gate.admit(1);

        journal.expect("started 1").await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
    });
}

#[test]
fn a_terminate_kill_reinit_or_stop_that_is_given_up_at_once_is_carried_out() {
    world(async {
        let (first, second) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let one = supervisor.start_child(Probe::child(&first)).await.unwrap();
        let other = supervisor.start_child(Probe::child(&second)).await.unwrap();
        let ended = supervisor.exited();

        drop(supervisor.terminate_child(one.id));
        drop(supervisor.kill_child(other.id));
        drop(supervisor.reinit());
        second.expect("started 2").await;
        drop(supervisor.stop_with(ExitReason::Shutdown, None));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert_eq!(first.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(second.entries(), ["started 1", "dropped 1", "started 2", "stopping 2", "stopped 2", "dropped 2"]);
    });
}

#[test]
fn a_supervisor_that_is_gone_answers_every_call_with_a_typed_error() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        supervisor.stop().await.unwrap();

        let started = supervisor.start_child(Probe::child(&Journal::new())).await;
        assert!(matches!(started, Err(StartChildError::SupervisorGone)));
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::SupervisorGone));
        assert_eq!(supervisor.kill_child(&child.addr).await, Err(TerminateChildError::SupervisorGone));
        assert!(matches!(supervisor.which_children().await, Err(SupervisorGone { .. })));
        assert!(matches!(supervisor.count_children().await, Err(SupervisorGone { .. })));
        assert_eq!(supervisor.stop().await, Err(StopError::SupervisorGone));
        let stopped = supervisor.stop_with(ExitReason::Normal, Duration::ZERO).await;
        assert_eq!(stopped, Err(StopError::SupervisorGone));
        assert!(matches!(supervisor.exited().await, ExitReason::Unknown));
        assert!(matches!(supervisor.reinit().await, Err(ReinitError::SupervisorGone)));
    });
}

#[test]
fn calls_that_wait_when_the_supervisor_ends_are_answered() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child().restart(Restart::Temporary));
        let nested = nested.await.unwrap();
        let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, Duration::from_secs(60)));
        let child = nested.addr.start_child(spec.shutdown(Shutdown::Infinity)).await.unwrap();
        let start = nested.addr.start_child(gated(&journal, &gate, 1));
        let terminated = nested.addr.terminate_child(child.id);
        let ended = nested.addr.exited();
        journal.expect("stopping 1").await;

        let killed = parent.kill_child(nested.id);
        settle().await;

        assert_eq!(killed.await, Ok(()));
        assert!(matches!(start.await, Err(StartChildError::SupervisorGone)));
        assert_eq!(terminated.await, Err(TerminateChildError::SupervisorGone));
        assert!(matches!(ended.await, ExitReason::Killed));
        assert!(journal.has("dropped 1"), "and so is its child");
    });
}

#[test]
fn calls_behind_the_last_restart_in_the_mailbox_are_answered_when_the_limit_ends_the_supervisor() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        child.addr.do_send(Panic("boom"));
        child.addr.send(Ask).await.unwrap_err();
        let count = supervisor.count_children();
        let terminated = supervisor.terminate_child(child.id);

        assert!(count.await.is_err());
        assert_eq!(terminated.await, Err(TerminateChildError::SupervisorGone));
    });
}

#[test]
fn an_answer_borrows_nothing_of_the_address_it_was_asked_with() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let ask = |supervisor: Addr<DynamicSupervisor>| {
            let journal = Journal::new();
            (supervisor.start_child(Probe::child(&journal)), supervisor.get_or_start("a", Probe::child(&journal)))
        };

        let (first, second) = ask(supervisor.clone());

        assert_ne!(first.await.unwrap().id, second.await.unwrap().id);
    });
}
