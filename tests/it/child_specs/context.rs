//! What a start can know.

use std::sync::{Arc, Mutex};

use actix::{prelude::*, WeakAddr};
use actix_dynamic_supervisor::prelude::*;

use crate::support::{settle, world, Ask, Exit, Journal, Panic, Probe};

/// What starts saw, one entry a start.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Sight>>>);

struct Sight {
    address: Addr<Probe>,
    id: ChildId,
    incarnation: usize,
    last_exit: Option<String>,
    supervisor: WeakAddr<DynamicSupervisor>,
}

impl Seen {
    fn note(&self, cx: &StartContext<Probe>) {
        self.0.lock().unwrap().push(Sight {
            address: cx.address(),
            id: cx.id(),
            incarnation: cx.incarnation(),
            last_exit: cx.last_exit().map(ToString::to_string),
            supervisor: cx.supervisor().unwrap().downgrade(),
        });
    }
}

fn noting(
    journal: &Journal,
    seen: &Seen,
    is_async: bool,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let (journal, seen) = (journal.clone(), seen.clone());
    Child::from_async(move |cx: StartContext<Probe>| {
        let (journal, seen) = (journal.clone(), seen.clone());
        async move {
            if is_async {
                tokio::task::yield_now().await;
            }
            seen.note(&cx);
            Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
        }
    })
}

#[test]
fn a_start_sees_the_address_id_and_supervisor_that_its_child_has_in_all_incarnations() {
    world(async {
        let (journal, seen, sync_seen) = (Journal::new(), Seen::default(), Seen::default());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, noted) = (journal.clone(), sync_seen.clone());
        let sync = Child::with(move |cx: &mut StartContext<Probe>| {
            noted.note(cx);
            Probe::new(&own, cx.incarnation())
        });
        let later = supervisor.start_child(noting(&journal, &seen, true)).await.unwrap();
        let now = supervisor.start_child(sync).await.unwrap();
        for child in [&later, &now] {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(2));
        }

        for (seen, child) in [(seen, later), (sync_seen, now)] {
            let sights = seen.0.lock().unwrap();
            assert_eq!(sights.len(), 2);
            for (sight, incarnation) in sights.iter().zip(1..) {
                assert_eq!((&sight.address, sight.id), (&child.addr, child.id));
                assert_eq!(sight.incarnation, incarnation);
                assert_eq!(sight.supervisor.upgrade().unwrap(), supervisor);
            }
        }
    });
}

#[test]
fn a_start_sees_how_the_last_incarnation_ended() {
    world(async {
        let (journal, seen) = (Journal::new(), Seen::default());
        let supervisor = DynamicSupervisor::builder().max_restarts(10).start().unwrap();
        let child = supervisor.start_child(noting(&journal, &seen, false)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        child.addr.do_send(Exit(ExitReason::Normal));
        child.addr.do_send(Exit(ExitReason::failed("no disk")));
        assert_eq!(child.addr.send(Ask).await, Ok(4));
        supervisor.kill_child(child.id).await.unwrap();
        assert_eq!(child.addr.send(Ask).await, Ok(5));

        let exits: Vec<_> = seen.0.lock().unwrap().iter().map(|sight| sight.last_exit.clone()).collect();
        let exits: Vec<_> = exits.iter().map(Option::as_deref).collect();
        assert_eq!(exits, [None, Some("panicked: boom"), Some("normal"), Some("failed: no disk"), Some("killed")]);
    });
}

#[test]
fn a_try_that_failed_counts_as_an_incarnation_but_not_as_an_exit() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            let exit = cx.last_exit().map_or("none".to_owned(), ToString::to_string);
            own.note(format_args!("try {} after {exit}", cx.incarnation()));
            if cx.incarnation() == 2 {
                return Err("not yet");
            }
            Ok(Start::Run(Probe::new(&own, cx.incarnation())))
        });
        let child = supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert!(journal.has("try 1 after none"));
        assert!(journal.has("try 2 after panicked: boom"));
        assert!(journal.has("try 3 after panicked: boom"));
        assert_eq!(supervisor.which_children().await.unwrap()[0].restarts, 1, "restarts that worked");
    });
}

#[test]
fn what_a_start_sends_to_its_own_child_is_handled_after_started() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = Child::with(move |cx: &mut StartContext<Probe>| {
            let journal = own.clone();
            cx.address().do_send(crate::support::Do::this(move |probe, _| {
                journal.note(format_args!("handled by {}", probe.incarnation));
            }));
            Probe::new(&own, cx.incarnation())
        });

        supervisor.start_child(spec).await.unwrap();
        journal.expect("handled by 1").await;

        assert_eq!(journal.entries(), ["started 1", "handled by 1"]);
    });
}

#[test]
fn extras_are_found_by_type_and_cloned_for_each_start() {
    #[derive(Clone)]
    struct Pool(Arc<()>);

    world(async {
        let (journal, shared) = (Journal::new(), Arc::new(()));
        let supervisor = DynamicSupervisor::builder()
            .extra_argument(Pool(Arc::clone(&shared)))
            .extra_argument(7_u8)
            .extra_argument(String::from("seven"))
            .start()
            .unwrap();
        let (own, expected) = (journal.clone(), Arc::clone(&shared));
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            let pool: Pool = cx.extra()?;
            assert!(Arc::ptr_eq(&pool.0, &expected));
            own.note(format_args!("{} {}", cx.extra::<u8>()?, cx.extra::<String>()?));
            Ok::<_, MissingExtra>(Start::Run(Probe::new(&own, cx.incarnation())))
        });

        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));

        assert_eq!(journal.entries().iter().filter(|entry| *entry == "7 seven").count(), 2);
        supervisor.stop().await.unwrap();
        settle().await;
        assert_eq!(Arc::strong_count(&shared), 1, "nothing of it is kept");
    });
}

#[test]
fn a_missing_extra_fails_the_start_and_names_its_type() {
    world(async {
        let supervisor = DynamicSupervisor::builder().extra_argument(7_u8).start().unwrap();

        let spec = Child::try_with(|cx: &mut StartContext<Probe>| {
            let missing: u16 = cx.extra()?;
            Ok::<_, MissingExtra>(Start::Run(Probe::new(&Journal::new(), missing.into())))
        });
        let started = supervisor.start_child(spec).await;

        let Err(StartChildError::Failed(error)) = started else { panic!("{started:?}") };
        assert!(error.downcast_ref::<MissingExtra>().is_some());
        assert!(error.to_string().contains("u16"), "{error}");
    });
}

#[test]
fn a_supervisor_has_no_extras_of_its_parents() {
    world(async {
        let parent = DynamicSupervisor::builder().extra_argument(7_u8).start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let spec = Child::try_with(|cx: &mut StartContext<Probe>| {
            cx.extra::<u8>().map(|_| Start::Run(Probe::new(&Journal::new(), 1)))
        });

        assert!(matches!(nested.addr.start_child(spec).await, Err(StartChildError::Failed(_))));
    });
}

#[test]
fn a_start_that_outlives_its_supervisor_finds_it_gone_and_its_own_address_closed() {
    world(async {
        let (context_tx, context_rx) = tokio::sync::oneshot::channel();
        let mut context_tx = Some(context_tx);
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = supervisor.start_child(Child::from_async(move |cx: StartContext<Probe>| {
            let _ = context_tx.take().unwrap().send(cx);
            std::future::pending::<Result<Start<Probe>, BoxError>>()
        }));
        let cx = context_rx.await.unwrap();
        assert_eq!(cx.supervisor().as_ref(), Some(&supervisor));

        supervisor.stop().await.unwrap();
        drop((start.await, supervisor));

        assert!(cx.supervisor().is_none_or(|gone| !gone.connected()));
        assert!(!cx.address().connected());
        assert_eq!(cx.incarnation(), 1);
    });
}
