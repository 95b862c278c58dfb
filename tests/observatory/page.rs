//! The page that is drawn of a snapshot and the last events.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::{
    support::{settle, world, Exit, Journal, Panic, Probe},
    terminal::{
        recent::{Rates, Recent},
        text::{width, Paint},
        view::{draw, Scene, Size},
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// A tree in which something is wrong, and what is told of it.
struct Tree {
    root: Addr<DynamicSupervisor>,
    events: EventStream,
    recent: Recent,
}

impl Tree {
    /// A room that has crashed, one that is calm, a device that waits.
    async fn new() -> Self {
        let root = DynamicSupervisor::builder().name("root").max_reports_per_second(0).start().unwrap();
        let events = root.events(Events::new().nested(true));
        let mut tree = Self { root, events, recent: Recent::default() };
        let rooms = DynamicSupervisor::builder().name("rooms").max_restarts(2).max_reports_per_second(0);
        let rooms = tree.root.start_child(rooms.into_child()).await.unwrap().addr;
        rooms.start_child(probe().key("calm")).await.unwrap();
        let loud = rooms.start_child(probe().key("loud")).await.unwrap().addr;
        let device = probe().key("device").backoff(Backoff::fixed(90 * SECOND));
        let device = tree.root.start_child(device).await.unwrap().addr;
        pass(SECOND).await;
        let _ = loud.send(Panic("boom")).await;
        device.send(Exit(ExitReason::failed("no route to host"))).await.unwrap();
        pass(2 * SECOND).await;
        tree.read().await;
        tree
    }

    async fn read(&mut self) {
        settle().await;
        while let Some(Some(event)) = self.events.next().now_or_never() {
            self.recent.note(event);
        }
    }

    async fn page(&self, size: Size, paint: Paint) -> Vec<String> {
        let snapshot = self.root.snapshot(TakeSnapshot::new()).await.unwrap();
        let scene = Scene { snapshot: &snapshot, recent: &self.recent, address: "http://here/", now: Instant::now() };
        draw(&scene, size, paint)
    }
}

fn probe() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Probe::child(&Journal::new())
}

async fn pass(time: Duration) {
    settle().await;
    tokio::time::sleep(time).await;
}

/// Without ids, of which nobody knows which number the first one has.
fn plain(page: &[String]) -> Vec<String> {
    let is_number = |word: &str| word.parse::<u64>().is_ok();
    let is_id = |word: &str| word.split_once('.').is_some_and(|(one, other)| is_number(one) && is_number(other));
    let line = |line: &String| match line.split_once(": ") {
        Some((before, after)) => match after.split_once(' ') {
            Some((id, rest)) if is_id(id) => format!("{before}: {rest}"),
            _ => line.clone(),
        },
        None => line.clone(),
    };
    page.iter().map(line).collect()
}

const LARGE: Size = Size { columns: 120, rows: 40 };

#[test]
fn the_page_has_what_is_near_its_end_what_fell_and_what_happened() {
    world(async {
        let tree = Tree::new().await;

        let page = tree.page(LARGE, Paint::None).await;

        assert_eq!(
            plain(&page),
            [
                "root  running for 3.0 s  http://here/",
                "supervisors: 2, running: 3, restarting: 1, starting or stopping: 0, silent: 0",
                "in the last minute: events: 10, starts: 5, crashes: 2, restarts: 1, given up: 0",
                "",
                "SUPERVISORS",
                "root      1/2 up      ████░░░░░░ 1/3 restarts in 5 s",
                "└─ rooms  2/2 up      █████░░░░░ 1/2 restarts in 5 s",
                "",
                "CHILDREN, THE WORST FIRST",
                "root/device  next try in 1 min 28 s  0 restarts    exited after 1.0 s: failed: no route to host",
                "rooms/loud   up 2.0 s                1 restarts    exited after 1.0 s: panicked: boom",
                "",
                "EVENTS, THE LAST FIRST",
                "2.0 s     root: device (Probe) restarts in 1 min 30 s (try 1)",
                "2.0 s     root: device (Probe) exited after 1.0 s, comes back: failed: no route to host",
                "2.0 s     root/rooms: loud (Probe) restarted as incarnation 2 after 0 µs",
                "2.0 s     root/rooms: restart limit near: 1/2 restarts in 5 s",
                "2.0 s     root/rooms: loud (Probe) exited after 1.0 s, comes back: panicked: boom",
                "3.0 s     root: device (Probe) started",
                "3.0 s     root/rooms: loud (Probe) started",
                "3.0 s     root/rooms: calm (Probe) started",
                "3.0 s     root: rooms (DynamicSupervisor) started",
                "3.0 s     root/rooms: supervisor started",
            ]
        );
    });
}

#[test]
fn the_page_fits_whatever_window_there_is() {
    world(async {
        let tree = Tree::new().await;
        for columns in [1, 2, 7, 40, 80, 300] {
            for rows in [0, 1, 3, 9, 10, 14, 24, 100] {
                let page = tree.page(Size { columns, rows }, Paint::None).await;
                assert!(page.len() <= rows, "{columns}, {rows}: {page:#?}");
                assert!(page.iter().all(|line| width(line) <= columns), "{columns}, {rows}: {page:#?}");
            }
        }
        let page = tree.page(Size { columns: 80, rows: 14 }, Paint::None).await;
        let of = |title: &str| page.iter().any(|line| line.starts_with(title));
        assert!(of("SUPERVISORS") && of("CHILDREN") && of("EVENTS, THE LAST FIRST (and "), "{page:#?}");
    });
}

#[test]
fn colours_are_all_that_is_added() {
    world(async {
        let tree = Tree::new().await;
        let (plain, mut painted) = (tree.page(LARGE, Paint::None).await, tree.page(LARGE, Paint::Colours).await);
        assert!(plain.iter().all(|line| !line.contains('\u{1b}')));
        let bar = painted.iter().find(|line| line.contains("rooms  ")).unwrap();
        assert!(bar.contains("\u{1b}[33m█████░░░░░"), "half of it is used: {bar}");
        for line in &mut painted {
            for code in ["0", "1", "2", "31", "32", "33"] {
                *line = line.replace(&format!("\u{1b}[{code}m"), "");
            }
        }
        assert_eq!(painted, plain);
    });
}

#[test]
fn what_users_wrote_does_no_harm_to_the_terminal() {
    const SPITE: &str = "a\u{1b}[2Jb\nc\u{202e}d";
    world(async {
        let mut tree = Tree::new().await;
        let nested = DynamicSupervisor::builder().name(SPITE).max_reports_per_second(0).into_child();
        let nested = tree.root.start_child(nested).await.unwrap().addr;
        let room = nested.start_child(probe().key(SPITE)).await.unwrap().addr;
        let _ = room.send(Panic(SPITE)).await;
        tree.read().await;

        let page = tree.page(Size { columns: 500, rows: 100 }, Paint::None).await;

        assert!(page.iter().filter(|line| line.contains(r"a\u{1b}[2Jb\nc\u{202e}d")).count() >= 4, "{page:#?}");
        assert!(page.iter().all(|line| !line.contains(|letter: char| letter.is_control() || letter == '\u{202e}')));
    });
}

#[test]
fn what_is_longer_ago_than_a_minute_is_forgotten_and_what_was_missed_is_not() {
    world(async {
        let mut tree = Tree::new().await;
        let rates = Rates { events: 10, starts: 5, crashes: 2, restarts: 1, losses: 0 };
        assert_eq!(tree.recent.rates(Instant::now()), rates);
        pass(58 * SECOND).await;
        let later = Rates { events: 5, starts: 0, ..rates };
        assert_eq!(tree.recent.rates(Instant::now()), later, "the starts are 61 seconds ago");
        pass(9 * SECOND).await;
        assert_eq!(tree.recent.rates(Instant::now()), Rates::default());
        assert_eq!(tree.recent.last().count(), 10, "and are still told");

        tree.events = tree.root.events(Events::new().capacity(1));
        settle().await;
        for name in ["one", "two", "three"] {
            tree.root.start_child(probe().key(name)).await.unwrap();
        }
        tree.read().await;
        assert_eq!(tree.recent.missed, 2);
        assert!(tree.page(LARGE, Paint::None).await[2].ends_with(", missed: 2"));
    });
}
