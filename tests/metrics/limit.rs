//! How much of the restart limit is used.

use actix_dynamic_supervisor::prelude::*;

use super::{
    crash, measured,
    support::{Journal, Panic, Probe},
    SECOND,
};

const RATIO: &str = "restart_limit_used_ratio";

#[test]
fn it_rises_with_each_restart_and_falls_as_they_get_old() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().max_restarts(4).period(SECOND * 10).start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(figures.values(RATIO), [0.0], "there is a figure before there is a restart");

        crash(&child.addr).await;
        assert_eq!(figures.values(RATIO), [0.25]);
        tokio::time::sleep(SECOND * 4).await;
        crash(&child.addr).await;
        crash(&child.addr).await;
        assert_eq!(figures.values(RATIO), [0.75]);

        tokio::time::sleep(SECOND * 5).await;
        assert_eq!(figures.values(RATIO), [0.75], "after 9 seconds all three count");
        tokio::time::sleep(SECOND * 2).await;
        assert_eq!(figures.values(RATIO), [0.5], "after 11 seconds the first does not");
        tokio::time::sleep(SECOND * 4).await;
        assert_eq!(figures.values(RATIO), [0.0], "after 15 seconds none does");
        assert_eq!(figures.times(RATIO), 1 + 3 + 2, "once when it started, and each time it rose or fell");

        crash(&child.addr).await;
        assert_eq!(figures.values(RATIO), [0.25]);
        supervisor.stop().await.unwrap();
        assert_eq!(figures.values(RATIO), [0.0], "nothing of it is left");
    });
}

#[test]
fn it_is_all_used_by_the_restart_that_is_one_too_many_and_by_any_where_none_is_allowed() {
    for max_restarts in [0, 2] {
        measured(async |figures| {
            let supervisor = DynamicSupervisor::builder().max_restarts(max_restarts).start().unwrap();
            let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
            // It is looked at as the supervisor ends, when this child stops.
            let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            let (tell, all) = (std::sync::Arc::clone(&seen), figures.clone());
            let witness = Probe::scripted(&Journal::new(), move |probe| {
                let (tell, all) = (std::sync::Arc::clone(&tell), all.clone());
                probe.on_stopped(move |_, _| tell.lock().unwrap().extend(all.values(RATIO)))
            });
            supervisor.start_child(witness).await.unwrap();

            for _ in 0..max_restarts {
                crash(&child.addr).await;
            }
            child.addr.do_send(Panic("one too many"));
            supervisor.exited().await;

            assert_eq!(*seen.lock().unwrap(), [1.0]);
            assert_eq!(figures.values(RATIO), [0.0]);
        });
    }
}

#[test]
fn restarts_that_a_child_has_of_its_own_use_none_of_it() {
    measured(async |figures| {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new()).max_restarts(5, SECOND)).await.unwrap();
        crash(&child.addr).await;
        assert_eq!((figures.values(RATIO), figures.sum("restarts_total")), (vec![0.0], 1.0));
    });
}

#[test]
fn new_limits_change_it_at_once() {
    struct Halved;
    impl SupervisorModule for Halved {
        type Arg = std::sync::atomic::AtomicU32;

        fn init(arg: &Self::Arg) -> Result<Init, BoxError> {
            let max_restarts = arg.fetch_add(2, std::sync::atomic::Ordering::Relaxed);
            Ok(Init::Flags(Flags::new().max_restarts(max_restarts)))
        }
    }
    measured(async |figures| {
        let supervisor = DynamicSupervisor::start_module::<Halved>(2.into()).unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        crash(&child.addr).await;
        assert_eq!(figures.values(RATIO), [0.5]);
        supervisor.reinit().await.unwrap();
        assert_eq!(figures.values(RATIO), [0.25]);
    });
}
