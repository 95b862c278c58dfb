//! Actors that subscribe: events are messages.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{crash, pass, words, Scene};
use crate::support::{settle, world, Journal};

/// Notes events as words.
struct Listener {
    journal: Journal,
    /// Panics at this event.
    hates: &'static str,
    takes: Duration,
}

impl Listener {
    fn new(journal: &Journal) -> Self {
        Self { journal: journal.clone(), hates: "", takes: Duration::ZERO }
    }

    fn hates(mut self, event: &'static str) -> Self {
        self.hates = event;
        self
    }

    fn takes(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }
}

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.journal.note("listener dropped");
    }
}

impl Handler<Event> for Listener {
    type Result = ();

    fn handle(&mut self, event: Event, ctx: &mut Context<Self>) {
        let told = words(&event);
        assert_ne!(told, self.hates);
        self.journal.note(told);
        if !self.takes.is_zero() {
            ctx.wait(tokio::time::sleep(self.takes).into_actor(self));
        }
    }
}

#[test]
fn an_actor_hears_all_in_order_until_the_supervisor_has_ended() {
    world(async {
        let (scene, heard) = (Scene::new(), Journal::new());
        let listener = Listener::new(&heard).start();
        let _subscription = scene.supervisor.subscribe(listener.recipient(), Events::new()).await.unwrap();
        let (child, _monitor) = scene.watch(scene.probe()).await;
        crash(&child.addr).await;
        scene.supervisor.stop().await.unwrap();
        settle().await;
        assert_eq!(
            heard.entries(),
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom, back",
                "1#2 restarted after 0",
                "closes 1",
                "1#2 exited after 0: shutdown, asked",
                "ends: normal",
                "listener dropped",
            ],
            "and is not kept alive by it any longer"
        );
    });
}

#[test]
fn cancelled_it_hears_no_more_not_even_what_it_has_missed() {
    world(async {
        let (mut scene, heard) = (Scene::new(), Journal::new());
        let slow = Listener::new(&heard).takes(Duration::from_secs(1));
        let listener = slow.start();
        let few = Events::new().capacity(2);
        let subscription = scene.supervisor.subscribe(listener.clone().recipient(), few).await.unwrap();
        let (child, _monitor) = scene.watch(scene.probe()).await;
        for _ in 0..100 {
            crash(&child.addr).await;
        }
        settle().await;
        subscription.cancel();
        let on_their_way = heard.entries().len();
        crash(&child.addr).await;
        pass(3_600_000).await;
        assert!(
            !heard.entries().iter().any(|told| told.starts_with("1#102") || told.starts_with("missed 1")),
            "{on_their_way}"
        );
        assert!(listener.connected());
        assert!(scene.told().await.len() > 200, "others are not disturbed");
    });
}

#[test]
fn dropping_the_subscription_does_not_end_it() {
    world(async {
        let (scene, heard) = (Scene::new(), Journal::new());
        let listener = Listener::new(&heard).start();
        drop(scene.supervisor.subscribe(listener.clone().recipient(), Events::new()).await.unwrap());
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        settle().await;
        assert_eq!(heard.entries(), ["1#1 started"]);
    });
}

#[test]
fn one_whose_actor_has_died_is_forgotten() {
    world(async {
        let (mut scene, heard) = (Scene::new(), Journal::new());
        let supervised = Child::new({
            let heard = heard.clone();
            move || Listened(Listener::new(&heard).hates("2#1 started"))
        });
        let listener = scene.supervisor.start_child(supervised.restart(Restart::Temporary)).await.unwrap();
        drop(scene.supervisor.subscribe(listener.addr.clone().recipient(), Events::new()).await.unwrap());
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        settle().await;
        assert!(!listener.addr.connected(), "it panicked in its handler");
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        assert_eq!(scene.told().await.last().unwrap(), "3#1 started");
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told().await.last().unwrap(), ".");
    });
}

/// A listener that can be a child.
struct Listened(Listener);

impl Actor for Listened {
    type Context = Context<Self>;
}

impl Supervised for Listened {}

impl Handler<Event> for Listened {
    type Result = ();

    fn handle(&mut self, event: Event, _: &mut Context<Self>) {
        assert_ne!(words(&event), self.0.hates);
        self.0.journal.note(words(&event));
    }
}

#[test]
fn a_child_that_listens_goes_on_listening_in_its_next_life() {
    world(async {
        let (scene, heard) = (Scene::new(), Journal::new());
        let made = heard.clone();
        let spec = Child::new(move || Listened(Listener::new(&made).hates("2#1 started")));
        let listener = scene.supervisor.start_child(spec).await.unwrap();
        drop(scene.supervisor.subscribe(listener.addr.clone().recipient(), Events::new()).await.unwrap());
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        settle().await;
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        settle().await;
        let told = heard.entries();
        assert!(told.iter().any(|told| told.starts_with("1#2 restarted")), "{told:?}");
        assert_eq!(told.last().unwrap(), "3#1 started");
    });
}

#[test]
fn a_slow_one_is_told_how_many_it_missed_and_the_supervisor_does_not_wait() {
    world(async {
        let (scene, heard) = (Scene::new(), Journal::new());
        let slow = Listener::new(&heard).takes(Duration::from_secs(1));
        let listener = slow.start();
        let few = Events::new().capacity(10);
        drop(scene.supervisor.subscribe(listener.recipient(), few).await.unwrap());
        let began = tokio::time::Instant::now();
        let (child, _monitor) = scene.watch(scene.probe()).await;
        for _ in 0..200 {
            crash(&child.addr).await;
        }
        assert!(began.elapsed().is_zero(), "nobody has waited");
        pass(3_600_000).await;
        let told = heard.entries();
        let missed: usize = told.iter().filter_map(|told| told.strip_prefix("missed ")?.parse::<usize>().ok()).sum();
        let notices = told.iter().filter(|told| told.starts_with("missed")).count();
        assert!(missed > 0);
        assert_eq!(told.len() - notices + missed, 401, "{told:?}");
        assert_eq!(told.last().unwrap(), "1#201 restarted after 0");
    });
}
