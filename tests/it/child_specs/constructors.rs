//! Every way to make a child, and every answer of a start.

use std::io;

use actix_dynamic_supervisor::{prelude::*, AlreadyStarted};

use crate::support::{settle, world, Ask, Exit, Journal, Panic, Probe};

#[test]
fn a_child_can_be_made_by_a_closure_that_knows_nothing() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, mut made) = (journal.clone(), 0);

        let spec = Child::new(move || {
            made += 1;
            Probe::new(&own, made * 10)
        });
        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(10));
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(20), "made anew by the same closure");
    });
}

#[test]
fn a_child_can_be_made_by_a_closure_that_sees_its_start() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let own = journal.clone();
        let spec = Child::with(move |cx: &mut StartContext<Probe>| Probe::new(&own, cx.incarnation() + 100));
        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(101));
    });
}

#[test]
fn a_start_can_fail_with_an_error_of_ones_own_that_reaches_the_caller_whole() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let spec = Child::try_with(|_: &mut StartContext<Probe>| {
            Err::<Start<Probe>, _>(io::Error::new(io::ErrorKind::AddrInUse, "port 80 is taken"))
        });
        let started = supervisor.start_child(spec).await;

        let Err(StartChildError::Failed(error)) = started else { panic!("{started:?}") };
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_start_can_decline_and_leaves_nothing() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let now = Child::try_with(|_: &mut StartContext<Probe>| Ok::<_, BoxError>(Start::Ignore));
        let later = Child::from_async(|_: StartContext<Probe>| async { Ok::<_, BoxError>(Start::Ignore) });

        assert!(matches!(supervisor.start_child(now).await, Err(StartChildError::Ignored)));
        assert!(matches!(supervisor.start_child(later).await, Err(StartChildError::Ignored)));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_restart_that_declines_removes_the_child() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            Ok::<_, BoxError>(match cx.incarnation() {
                1 => Start::Run(Probe::new(&own, 1)),
                _ => Start::Ignore,
            })
        });
        let child = supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Exit(ExitReason::Normal));
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert!(!child.addr.connected());
    });
}

#[test]
fn a_start_can_hand_a_value_to_its_caller_and_restarts_do_not_need_one() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let own = journal.clone();
        let now = Child::try_with_info(move |cx: &mut StartContext<Probe>| {
            let port = format!("port {}", cx.incarnation());
            Ok::<_, BoxError>(Start::RunWith(Probe::new(&own, cx.incarnation()), port))
        });
        let own = journal.clone();
        let later = Child::from_async_with_info(move |cx: StartContext<Probe>| {
            let probe = Probe::new(&own, cx.incarnation());
            async move {
                tokio::task::yield_now().await;
                Ok::<_, BoxError>(Start::RunWith(probe, 7_u16))
            }
        });
        let (now, later) = (supervisor.start_child(now).await.unwrap(), supervisor.start_child(later).await.unwrap());

        assert_eq!(now.info.as_deref(), Some("port 1"));
        assert_eq!(later.info, Some(7));
        for addr in [now.addr, later.addr] {
            addr.do_send(Panic("boom"));
            assert_eq!(addr.send(Ask).await, Ok(2));
        }
    });
}

#[test]
fn a_start_that_could_hand_over_a_value_need_not() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = Child::try_with_info(move |_: &mut StartContext<Probe>| {
            Ok::<Start<Probe, String>, BoxError>(Start::Run(Probe::new(&own, 1)))
        });

        assert_eq!(supervisor.start_child(spec).await.unwrap().info, None);
    });
}

#[test]
fn an_asynchronous_start_need_not_be_send_and_is_asynchronous_at_restarts_too() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let own = journal.clone();
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = std::rc::Rc::new(own.clone());
            async move {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let began = tokio::time::Instant::now();

        let child = supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert!(began.elapsed() >= std::time::Duration::from_secs(2));
    });
}

#[test]
fn a_child_made_of_what_cannot_be_made_twice_lives_once() {
    world(async {
        struct Connection(Journal);
        let journal = Journal::new();
        let connection = Connection(journal.clone());
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let spec = Child::once(move || {
            let Connection(journal) = connection;
            Probe::new(&journal, 1)
        });
        let child = supervisor.start_child(spec.id("session").shutdown(Shutdown::Infinity)).await.unwrap();
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.restart, info.label.as_deref()), (Restart::Temporary, Some("session")));
        child.addr.do_send(Panic("boom"));
        settle().await;

        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert!(!child.addr.connected());
    });
}

#[test]
fn a_child_made_once_can_see_its_start() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().extra_argument(7_usize).start().unwrap();
        let own = journal.clone();
        let spec = Child::once_with(move |cx: &mut StartContext<Probe>| {
            own.note(cx.id());
            Probe::new(&own, cx.extra::<usize>().unwrap())
        });

        let child = supervisor.start_child(spec).await.unwrap();

        assert_eq!(journal.entries(), [child.id.to_string(), "started 7".into()]);
    });
}

#[test]
fn a_start_that_finds_its_own_name_taken_answers_who_has_it() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let first = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        for is_late in [false, true] {
            let existing = first.addr.clone();
            let started = if is_late {
                let spec = Child::from_async(move |_: StartContext<Probe>| {
                    let taken = AlreadyStarted::new(existing.clone());
                    async move { Err::<Start<Probe>, _>(taken) }
                });
                supervisor.start_child(spec).await
            } else {
                let spec = Child::try_with(move |_: &mut StartContext<Probe>| {
                    Err::<Start<Probe>, _>(AlreadyStarted::new(existing.clone()))
                });
                supervisor.start_child(spec).await
            };

            let Err(StartChildError::AlreadyStarted(existing)) = started else { panic!("{started:?}") };
            assert_eq!(existing.addr::<Probe>(), Some(first.addr.clone()));
            assert_eq!(existing.addr::<DynamicSupervisor>(), None);
        }
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
    });
}
