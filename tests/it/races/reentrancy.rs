//! Children that call their own supervisor, and children that end each other.

use std::time::Duration;

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;
use tokio::time::Instant;

use crate::support::{settle, world, Ask, Do, Journal, Panic, Probe};

/// A probe whose script sees its supervisor and its own id.
fn knowing(
    journal: &Journal,
    mut script: impl FnMut(Probe, Addr<DynamicSupervisor>, ChildId) -> Probe + Send + 'static,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let journal = journal.clone();
    Child::with(move |cx: &mut StartContext<Probe>| {
        script(Probe::new(&journal, cx.incarnation()), cx.supervisor().unwrap(), cx.id())
    })
}

/// Asks, does nothing else until it is answered, and writes the answer down.
fn wait_and_note<T: std::fmt::Debug + 'static>(
    ctx: &mut Context<Probe>,
    journal: &Journal,
    what: &'static str,
    answer: impl std::future::Future<Output = T> + 'static,
) {
    let journal = journal.clone();
    ctx.wait(wrap_future::<_, Probe>(answer).map(move |answer, _: &mut Probe, _| {
        journal.note(format_args!("{what}: {answer:?}"));
    }));
}

/// F29
#[test]
fn a_child_starts_a_sibling_from_its_own_start() {
    world(async {
        let (journal, sibling) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, siblings) = (journal.clone(), sibling.clone());
        let spec = knowing(&journal, move |probe, supervisor, _| {
            let (own, siblings) = (own.clone(), siblings.clone());
            probe.on_started(move |_, ctx| {
                let start = supervisor.start_child(Probe::child(&siblings));
                wait_and_note(ctx, &own, "sibling", async move { start.await.map(|started| started.info) });
            })
        });

        let child = supervisor.start_child(spec).await.unwrap();

        journal.expect("sibling: Ok(None)").await;
        assert!(sibling.has("started 1"));
        assert_eq!(child.addr.send(Ask).await, Ok(1));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 2);
    });
}

/// F29
#[test]
fn a_child_asks_who_there_is_from_started_a_handler_and_stopping() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = knowing(&journal, move |probe, supervisor, _| {
            let (start_note, stop_note, mut is_asked) = (own.clone(), own.clone(), false);
            let (when_started, when_stopping) = (supervisor.clone(), supervisor);
            probe
                .on_started(move |_, ctx| {
                    let count = when_started.count_children();
                    wait_and_note(ctx, &start_note, "started", async move { count.await.unwrap().specs });
                })
                .on_stopping(move |_, ctx| {
                    if std::mem::replace(&mut is_asked, true) {
                        return Running::Stop;
                    }
                    let (which, journal) = (when_stopping.which_children(), stop_note.clone());
                    ctx.spawn(wrap_future::<_, Probe>(which).map(move |children, _: &mut Probe, ctx| {
                        journal.note(format_args!("stopping: {:?}", children.unwrap()[0].state));
                        ctx.stop();
                    }));
                    Running::Continue
                })
        });
        let child = supervisor.start_child(spec).await.unwrap();
        journal.expect("started: 1").await;

        let (asked, own) = (supervisor.clone(), journal.clone());
        child.addr.do_send(Do::this(move |_, ctx| {
            let which = asked.which_children();
            wait_and_note(ctx, &own, "handler", async move { which.await.unwrap()[0].state });
        }));
        journal.expect("handler: Running").await;

        let began = Instant::now();
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
        assert!(journal.has("stopping: Stopping"));
        assert!(journal.has("stopped 1"), "not killed at its deadline");
        assert_eq!(began.elapsed(), Duration::ZERO);
    });
}

/// F29
#[test]
fn a_child_terminates_a_sibling_from_started_a_handler_and_stopping() {
    world(async {
        let (journal, siblings) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(supervisor.start_child(Probe::child(&siblings)).await.unwrap().id);
        }
        let [first, second, third] = ids[..] else { panic!("three") };
        let own = journal.clone();
        let spec = knowing(&journal, move |probe, supervisor, _| {
            let (start_note, stop_note, mut is_asked) = (own.clone(), own.clone(), false);
            let (when_started, when_stopping) = (supervisor.clone(), supervisor);
            probe
                .on_started(move |_, ctx| {
                    let supervisor = when_started.clone();
                    wait_and_note(ctx, &start_note, "started", async move { supervisor.terminate_child(first).await });
                })
                .on_stopping(move |_, ctx| {
                    if std::mem::replace(&mut is_asked, true) {
                        return Running::Stop;
                    }
                    let (supervisor, journal) = (when_stopping.clone(), stop_note.clone());
                    let end = async move { supervisor.terminate_child(third).await };
                    ctx.spawn(wrap_future::<_, Probe>(end).map(move |answer, _: &mut Probe, ctx| {
                        journal.note(format_args!("stopping: {answer:?}"));
                        ctx.stop();
                    }));
                    Running::Continue
                })
        });

        let child = supervisor.start_child(spec).await.unwrap();
        journal.expect("started: Ok(())").await;
        let (asked, own) = (supervisor.clone(), journal.clone());
        child.addr.do_send(Do::this(move |_, ctx| {
            wait_and_note(ctx, &own, "handler", async move { asked.terminate_child(second).await });
        }));
        journal.expect("handler: Ok(())").await;
        let report = supervisor.stop().await.unwrap();

        assert!(journal.has("stopping: Ok(())") || journal.has("stopping: Err(NotFound)"), "answered in the shutdown");
        assert_eq!((report.stopped, report.is_clean()), (2, true));
        assert_eq!(siblings.entries().iter().filter(|entry| *entry == "dropped 1").count(), 3);
    });
}

/// F29
#[test]
fn a_child_terminates_itself_from_started_and_is_not_restarted() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = knowing(&journal, move |probe, supervisor, id| {
            probe.on_started(move |_, ctx| {
                let supervisor = supervisor.clone();
                ctx.wait(
                    wrap_future::<_, Probe>(async move { supervisor.terminate_child(id).await }).map(|_, _, _| ()),
                );
            })
        });

        let child = supervisor.start_child(spec).await.unwrap();
        settle().await;

        assert!(!child.addr.connected());
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F29
#[test]
fn a_child_terminates_itself_from_a_handler_at_once_even_while_it_waits_for_the_answer() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal).shutdown(Shutdown::Infinity)).await.unwrap();
        let (asked, id) = (supervisor.clone(), child.id);

        child.addr.do_send(Do::this(move |_, ctx| {
            ctx.wait(wrap_future::<_, Probe>(async move { asked.terminate_child(id).await }).map(|_, _, _| ()));
        }));
        journal.expect("dropped 1").await;
        settle().await;

        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F29
#[test]
fn a_child_that_waits_in_stopping_for_its_own_termination_is_killed_at_its_deadline() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = knowing(&journal, |probe, supervisor, id| {
            probe.on_stopping(move |_, ctx| {
                let supervisor = supervisor.clone();
                let end = async move { supervisor.terminate_child(id).await };
                ctx.wait(wrap_future::<_, Probe>(end).map(|_, _: &mut Probe, ctx| ctx.stop()));
                Running::Continue
            })
        });
        let child = supervisor.start_child(spec).await.unwrap();
        let began = Instant::now();

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        assert!(began.elapsed() >= Duration::from_secs(5) && began.elapsed() < Duration::from_millis(5_100));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "dropped 1"]);
    });
}

/// F29
#[test]
fn a_child_stops_its_own_supervisor_from_a_handler_and_from_its_start() {
    world(async {
        let (journal, sibling) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        supervisor.start_child(Probe::child(&sibling)).await.unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let (ended, asked) = (supervisor.exited(), supervisor.clone());
        child.addr.do_send(Do::this(move |_, ctx| {
            ctx.wait(wrap_future::<_, Probe>(async move { drop(asked.stop().await) }));
        }));
        assert!(matches!(ended.await, ExitReason::Normal));
        assert!(journal.has("stopped 1") && sibling.has("stopped 1"));

        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let started = supervisor.start_child(knowing(&journal, |probe, supervisor, _| {
            supervisor.do_send(Stop::default());
            probe
        }));
        let ended = supervisor.exited();
        assert!(started.await.is_ok(), "the start comes first");
        ended.await;
        assert!(supervisor.count_children().await.is_err());
    });
}

/// F30
#[test]
fn two_children_that_terminate_each_other_both_end_at_once() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let one = supervisor.start_child(Probe::child(&journal).shutdown(Shutdown::Infinity)).await.unwrap();
        let other = supervisor.start_child(Probe::child(&journal).shutdown(Shutdown::Infinity)).await.unwrap();

        for (child, victim) in [(&one, other.id), (&other, one.id)] {
            let supervisor = supervisor.clone();
            child.addr.do_send(Do::this(move |_, ctx| {
                ctx.wait(
                    wrap_future::<_, Probe>(async move { supervisor.terminate_child(victim).await }).map(|_, _, _| ()),
                );
            }));
        }
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "stopped 1").count(), 2);
    });
}

/// F30
#[test]
fn two_children_that_each_wait_in_stopping_for_the_others_end_are_bounded_by_their_deadlines() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (pair_tx, pair_rx) = tokio::sync::watch::channel(Vec::<ChildId>::new());
        for _ in 0..2 {
            let pair = pair_rx.clone();
            let spec = knowing(&journal, move |probe, supervisor, id| {
                let pair = pair.clone();
                probe.on_stopping(move |_, ctx| {
                    let other = *pair.borrow().iter().find(|other| **other != id).unwrap();
                    let supervisor = supervisor.clone();
                    let end = async move { supervisor.terminate_child(other).await };
                    ctx.wait(wrap_future::<_, Probe>(end).map(|_, _: &mut Probe, ctx| ctx.terminate()));
                    Running::Continue
                })
            });
            let id = supervisor.start_child(spec).await.unwrap().id;
            pair_tx.send_modify(|pair| pair.push(id));
        }
        let (one, other) = (pair_rx.borrow()[0], pair_rx.borrow()[1]);
        let began = Instant::now();

        let (first, second) = (supervisor.terminate_child(one), supervisor.terminate_child(other));

        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert!(began.elapsed() < Duration::from_millis(5_100), "{:?}", began.elapsed());
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F30
#[test]
fn two_children_that_crash_just_after_they_asked_for_each_others_end_are_both_gone() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let one = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let other = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        for (child, victim) in [(&one, other.id), (&other, one.id)] {
            let supervisor = supervisor.clone();
            child.addr.do_send(Do::this(move |_, _| drop(supervisor.terminate_child(victim))));
            child.addr.do_send(Panic("boom"));
        }
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        let count = |what: &str| journal.entries().iter().filter(|entry| entry.starts_with(what)).count();
        assert_eq!(count("started"), count("dropped"));
        assert!(!one.addr.connected() && !other.addr.connected());
    });
}
