//! Events as lines.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::StreamExt;

use super::{broken, pass, probe, supervisor, HARMLESS, SECOND, SPITE};
use crate::support::{settle, world, Do, Exit, Panic, Probe};

/// What has been told so far; ids of supervisors as letters.
async fn told(supervisor: &Addr<DynamicSupervisor>, events: &mut EventStream) -> Vec<String> {
    settle().await;
    let id = supervisor.snapshot(TakeSnapshot::new()).await.map(|snapshot| snapshot.id).ok();
    let mut lines = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
        lines.push(super::lettered(&event.to_string(), &[id.unwrap_or(event.supervisor.id)]));
    }
    lines
}

#[test]
fn the_life_of_a_child_is_told_with_what_follows_before_the_reason() {
    world(async {
        let rooms = supervisor("rooms");
        let mut events = rooms.events(Events::new());
        let room = rooms.start_child(probe().key("lobby")).await.unwrap();
        pass(SECOND).await;
        let _ = room.addr.send(Panic("boom")).await;
        settle().await;
        pass(2 * SECOND).await;
        rooms.terminate_child(room.id).await.unwrap();
        let quiet = rooms.start_child(probe().id("quiet").restart(Restart::Transient)).await.unwrap().addr;
        quiet.send(Exit(ExitReason::shutdown_with("idle"))).await.unwrap();

        assert_eq!(
            told(&rooms, &mut events).await,
            [
                "rooms: A.1 lobby (Probe) started",
                "rooms: A.1 lobby (Probe) exited after 1.0 s, comes back: panicked: boom",
                "rooms: A.1 lobby (Probe) restarted as incarnation 2 after 0 µs",
                "rooms: A.1 lobby (Probe) exited as asked after 2.0 s: shutdown",
                "rooms: A.2 quiet (Probe) started",
                "rooms: A.2 quiet (Probe) exited after 0 µs: shutdown: idle",
            ]
        );
    });
}

#[test]
fn tries_that_fail_are_told_with_the_next_one_until_the_child_is_given_up() {
    world(async {
        let devices = supervisor("devices");
        let mut events = devices.events(Events::new());
        let backoff = Backoff::exponential(SECOND, 60 * SECOND);
        let sensor = broken().key("sensor").backoff(backoff).max_restarts(1, 60 * SECOND);
        devices.start_child(sensor).await.unwrap().addr.do_send(Exit(ExitReason::failed("reset by peer")));
        pass(5 * SECOND).await;
        let refused = Child::try_with(|_| Err::<Start<Probe>, _>("no room")).id("refused");
        assert!(devices.start_child(refused).await.is_err());

        assert_eq!(
            told(&devices, &mut events).await,
            [
                "devices: A.1 sensor (Probe) started",
                "devices: A.1 sensor (Probe) exited after 0 µs, comes back: failed: reset by peer",
                "devices: A.1 sensor (Probe) restarts in 1.0 s (try 1)",
                "devices: A.1 sensor (Probe) failed to restart, is tried again: no route to host",
                "devices: A.1 sensor (Probe) given up, last: failed to start: no route to host",
                "devices: A.2 refused (Probe) failed to start: no room",
            ]
        );
    });
}

#[test]
fn a_limit_is_told_when_it_is_near_and_when_it_is_reached() {
    world(async {
        let rooms = supervisor("rooms");
        let mut events = rooms.events(Events::new());
        let room = rooms.start_child(probe().key("lobby")).await.unwrap().addr;
        rooms.start_child(probe().key("other")).await.unwrap();
        told(&rooms, &mut events).await;
        for _ in 0..4 {
            room.do_send(Panic("boom"));
        }
        settle().await;

        let lines = told(&rooms, &mut events).await;

        let of_limit: Vec<_> = lines.iter().filter(|line| line.contains("limit")).collect();
        assert_eq!(
            of_limit,
            [
                "rooms: restart limit near: 2/3 restarts in 5 s",
                "rooms: restart limit near: 3/3 restarts in 5 s",
                "rooms: restart limit reached, the supervisor ends; one too many: A.1 lobby (Probe), \
                 last: exited after 0 µs: panicked: boom",
            ]
        );
        assert_eq!(
            lines[lines.len() - 3..],
            [
                "rooms: shutdown begun, children: 1",
                "rooms: A.2 other (Probe) exited as asked after 0 µs: shutdown",
                "rooms: supervisor ended: shutdown; stopped: 1, killed: 0, failed: 0, unresponsive: 0",
            ]
        );
    });
}

#[test]
fn what_users_wrote_does_no_harm_to_who_reads_it() {
    world(async {
        let rooms = supervisor(SPITE);
        let mut events = rooms.events(Events::new());
        let room = rooms.start_child(probe().key(SPITE)).await.unwrap();
        let _ = room.addr.send(Panic(SPITE)).await;
        settle().await;
        room.addr.do_send(Do::this(|_, ctx| ctx.exit(ExitReason::shutdown_with(SPITE))));
        settle().await;
        rooms.terminate_child(room.id).await.unwrap();

        let lines = told(&rooms, &mut events).await;

        let named = format!("{HARMLESS}: A.1 {HARMLESS} (Probe) ");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&named)).count(), 6, "{lines:#?}");
        for line in lines {
            let harmful = |letter: char| letter.is_control() || letter == '\u{202e}';
            assert!(!line.contains(harmful), "{line:?}");
        }
    });
}
