//! `rooms`: many children with keys, through which messages flow. One of them falls again and again.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::dice::Dice;

/// The room that falls.
const TOWN_HALL: &str = "town-hall";

const TOPICS: [&str; 20] = [
    "rust", "elixir", "erlang", "actors", "books", "films", "music", "chess", "cooking", "bread", "bikes", "trains",
    "trees", "birds", "stars", "maps", "news", "jobs", "help", "lobby",
];
const PLACES: [&str; 6] = ["berlin", "lisboa", "osaka", "tromsø", "quito", "web"];

/// Clients name rooms, and not all mean well: such a name is to harm neither a terminal nor a page.
const ODD: [&str; 3] = ["<img src=x onerror=alert(1)>", "\u{1b}[2J\u{1b}[31mred\nalert", "txt\u{202e}gnp.exe"];

const LINES: [&str; 4] = ["hello", "is anybody here?", "grüße aus der küche", "see you"];

fn names() -> impl Iterator<Item = String> {
    let topics = TOPICS.iter().flat_map(|topic| PLACES.iter().map(move |place| format!("{topic}-{place}")));
    topics.chain(ODD.into_iter().chain([TOWN_HALL]).map(str::to_owned))
}

pub(crate) fn supervisor() -> impl ChildSpec<Actor = DynamicSupervisor> {
    DynamicSupervisor::builder()
        .name("rooms")
        .max_restarts(20)
        .max_seconds(60)
        .max_children(200)
        .with_children(|rooms| {
            for name in names() {
                rooms.start_child(room(&name).key(name));
            }
        })
        .into_child()
}

fn room(name: &str) -> Child<Room, (), impl FnMut(&mut StartContext<Room>) -> Starting<Room> + Send + 'static> {
    let room = Child::new(Room::default).restart(Restart::Transient);
    match name {
        // Its crashes are its own: they are not to be the end of all rooms.
        TOWN_HALL => room.max_restarts(30, Duration::from_secs(60)),
        _ => room,
    }
}

#[derive(Default)]
struct Room {
    said: Vec<String>,
}

impl Actor for Room {
    type Context = Context<Self>;
}

impl Supervised for Room {}

#[derive(Message)]
#[rtype(result = "()")]
struct Say(&'static str);

impl Handler<Say> for Room {
    type Result = ();

    fn handle(&mut self, Say(line): Say, _: &mut Context<Self>) {
        if self.said.len() >= 100 {
            self.said.clear();
        }
        self.said.push(line.to_owned());
    }
}

/// Nobody is there any more.
#[derive(Message)]
#[rtype(result = "()")]
struct Leave;

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) {
        ctx.exit(ExitReason::shutdown_with("nobody is there"));
    }
}

/// What the room was not made for.
#[derive(Message)]
#[rtype(result = "()")]
struct Quarrel(usize);

impl Handler<Quarrel> for Room {
    type Result = ();

    #[allow(clippy::panic, reason = "stands for the mistakes that every application has somewhere")]
    fn handle(&mut self, Quarrel(about): Quarrel, _: &mut Context<Self>) {
        let said = self.said.len();
        match about % 6 {
            0 => panic!("index out of bounds: the len is {said} but the index is {about}"),
            1 => panic!("called `Option::unwrap()` on a `None` value"),
            2 => panic!("member {about} has left before joining"),
            3 => panic!("a line with \u{1b}[31mcolour\u{1b}[0m,\na second one and \u{202e}text that runs backwards"),
            4 => panic!("assertion `left == right` failed: two members with one name\n  left: {about}\n right: {said}"),
            _ => panic!("byte index {about} is not a char boundary; it is inside 'ü' of `grüße`"),
        }
    }
}

/// A clerk carries lines to rooms; one that is not there is opened.
pub(crate) async fn carry_lines(seed: u64) {
    let (mut dice, names) = (Dice::new(seed), names().collect::<Vec<_>>());
    loop {
        actix_rt::time::sleep(dice.millis(60, 240)).await;
        let name = &names[dice.below(names.len())];
        let Some(rooms) = DynamicSupervisor::whereis("rooms") else { continue };
        let Ok(room) = rooms.get_or_start(name.clone(), room(name)).await else { continue };
        match dice.below(500) {
            0 => room.addr.do_send(Quarrel(dice.below(100))),
            1..4 => room.addr.do_send(Leave),
            _ => room.addr.do_send(Say(dice.pick(&LINES))),
        }
    }
}

/// Somebody who cannot leave the town hall in peace, and has been everywhere else before.
pub(crate) async fn quarrel(seed: u64) {
    let mut dice = Dice::new(seed);
    for name in ODD {
        actix_rt::time::sleep(dice.millis(100, 300)).await;
        pick_a_quarrel(name, &mut dice);
    }
    loop {
        actix_rt::time::sleep(dice.millis(500, 6_000)).await;
        pick_a_quarrel(TOWN_HALL, &mut dice);
    }
}

fn pick_a_quarrel(name: &str, dice: &mut Dice) {
    if let Some(room) = DynamicSupervisor::whereis("rooms").and_then(|rooms| rooms.whereis::<Room>(name)) {
        room.do_send(Quarrel(dice.below(100)));
    }
}
