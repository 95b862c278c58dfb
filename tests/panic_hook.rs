//! Where a panic happened, told by the hook that [`PanicHook`] installs. It is one for the process, so this is a process of
//! its own; message types are asked for in all tests, as they cannot be asked for no more.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    future::Future,
    panic::{catch_unwind, AssertUnwindSafe},
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, PanicHook};

/// Does something, once, in its handler.
#[derive(Message)]
#[rtype(result = "()")]
struct Do(fn());

#[derive(Message)]
#[rtype(result = "()")]
struct Other;

#[derive(Default)]
struct Worker {
    in_stopping: Option<fn()>,
    later: Option<fn()>,
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(act) = self.later {
            ctx.run_later(std::time::Duration::from_millis(1), move |_, _| act());
        }
    }

    fn stopping(&mut self, _: &mut Context<Self>) -> Running {
        if let Some(act) = self.in_stopping {
            act();
        }
        Running::Stop
    }
}

impl Supervised for Worker {}

impl Handler<Do> for Worker {
    type Result = ();

    fn handle(&mut self, Do(act): Do, _: &mut Context<Self>) {
        act();
    }
}

impl Handler<Other> for Worker {
    type Result = ();

    fn handle(&mut self, _: Other, _: &mut Context<Self>) {
        panic!("another message");
    }
}

/// Panics when it is dropped, and whoever drops it catches that.
struct Noisy;

impl Drop for Noisy {
    fn drop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| panic!("in between")));
    }
}

const LINE_OF_BOOM: u32 = line!() + 2;
fn boom() {
    panic!("boom");
}

const LINE_OF_OUTER: u32 = line!() + 3;
fn boom_with_another_in_between() {
    let _noisy = Noisy;
    panic!("outer");
}

fn world<T>(test: impl Future<Output = T>) -> T {
    PanicHook::new().message_types().install();
    System::new().block_on(test)
}

/// How the first life of a temporary child ends.
async fn end_of(worker: impl Fn() -> Worker + Send + 'static, told: impl FnOnce(&Addr<Worker>)) -> PanicReport {
    let supervisor = DynamicSupervisor::builder().start().unwrap();
    let child = supervisor.start_child(Child::new(worker).restart(Restart::Temporary)).await.unwrap();
    let mut monitor = supervisor.monitor(child.id).await.unwrap();
    told(&child.addr);
    match monitor.next().await.unwrap().reason {
        ExitReason::Panicked(panic) => panic,
        reason => panic!("it ended otherwise: {reason}"),
    }
}

#[test]
fn a_panic_in_a_handler_tells_its_place_and_the_type_of_the_message() {
    world(async {
        let panic = end_of(Worker::default, |addr| addr.do_send(Do(boom))).await;
        assert_eq!(panic.message(), "boom");
        assert_eq!(panic.location(), Some((file!(), LINE_OF_BOOM)));
        assert_eq!(panic.handling(), Some("panic_hook::Do"));
        let told = format!("boom, {}:{LINE_OF_BOOM}, handling panic_hook::Do", file!());
        assert_eq!(panic.to_string(), told);
        let other = end_of(Worker::default, |addr| addr.do_send(Other)).await;
        assert_eq!(other.handling(), Some("panic_hook::Other"));
    });
}

#[cfg(feature = "serde")]
#[test]
fn a_reason_says_so_as_json_too() {
    world(async {
        let panic = end_of(Worker::default, |addr| addr.do_send(Do(boom))).await;
        let told = serde_json::to_value(ExitReason::Panicked(panic)).unwrap();
        assert_eq!(told["location"], format!("{}:{LINE_OF_BOOM}", file!()));
        assert_eq!(told["handling"], "panic_hook::Do");
    });
}

#[test]
fn a_panic_that_is_caught_while_the_first_one_unwinds_is_not_taken_for_it() {
    world(async {
        let panic = end_of(Worker::default, |addr| addr.do_send(Do(boom_with_another_in_between))).await;
        assert_eq!((panic.message(), panic.location()), ("outer", Some((file!(), LINE_OF_OUTER))));
    });
}

#[test]
fn a_panic_of_a_timer_has_a_place_and_no_message() {
    world(async {
        let worker = || Worker { later: Some(boom), ..Worker::default() };
        let panic = end_of(worker, |_| {}).await;
        assert_eq!((panic.location(), panic.handling()), (Some((file!(), LINE_OF_BOOM)), None));
    });
}

#[test]
fn a_start_that_panics_in_the_turn_of_its_supervisor_is_not_taken_for_its_handler() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let started = supervisor.start_child(Child::new(|| -> Worker { panic!("no worker") })).await;
        let Err(StartChildError::Panicked(panic)) = started else { panic!("it started") };
        assert_eq!(panic.location().unwrap().0, file!());
        assert_eq!(panic.handling(), None, "it is the supervisor that handles a message");
    });
}

#[test]
fn each_of_two_panics_in_one_end_has_its_own_place() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let mut events = supervisor.events(Events::new());
        let worker = || Worker { in_stopping: Some(|| panic!("in stopping")), ..Worker::default() };
        let child = supervisor.start_child(Child::new(worker).restart(Restart::Temporary)).await.unwrap();
        child.addr.do_send(Do(boom));
        let mut places = Vec::new();
        while places.len() < 2 {
            match futures::StreamExt::next(&mut events).await.unwrap().kind {
                EventKind::Exited { reason: ExitReason::Panicked(panic), .. }
                | EventKind::PanicContained { panic, .. } => {
                    places.push((panic.message().to_owned(), panic.location().map(|(_, line)| line)));
                }
                _ => {}
            }
        }
        places.sort();
        assert_eq!(places[0], ("boom".to_owned(), Some(LINE_OF_BOOM)));
        assert!(places[1].0 == "in stopping" && places[1].1.is_some_and(|line| line != LINE_OF_BOOM), "{places:?}");
    });
}

#[test]
fn the_last_lives_of_a_child_tell_the_places() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Child::new(Worker::default)).await.unwrap();
        child.addr.send(Do(boom)).await.unwrap_err();
        child.addr.send(Do(|| ())).await.unwrap();
        let children = supervisor.which_children().await.unwrap();
        let told = children[0].lives[0].to_string();
        assert!(told.contains(&format!("{}:{LINE_OF_BOOM}", file!())), "{told}");
    });
}

#[test]
fn panics_that_nobody_here_contains_leave_nothing_behind() {
    world(async {
        for _ in 0..1_000 {
            let _ = catch_unwind(|| panic!("the user's own"));
        }
        let panic = end_of(Worker::default, |addr| addr.do_send(Do(boom))).await;
        assert_eq!(panic.location(), Some((file!(), LINE_OF_BOOM)));
    });
}
