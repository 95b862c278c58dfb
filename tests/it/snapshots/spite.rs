//! Users' own texts and destructors, at their worst.

use std::{fmt, panic::panic_any};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Snapshot, Told};
use futures::future::join_all;

use super::{all, hold, look, patient, queued};
use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe};

/// Displays itself as it is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Spite {
    Panics,
    Endless,
    Refuses,
}

impl fmt::Display for Spite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panics => panic_any("no words"),
            Self::Endless => loop {
                f.write_str("on and on ")?;
            },
            Self::Refuses => Err(fmt::Error),
        }
    }
}

impl std::error::Error for Spite {}

const SPITE: [Spite; 3] = [Spite::Panics, Spite::Endless, Spite::Refuses];

/// Quotes, escapes, colours, line ends, tags: what a client may type.
const HOSTILE: &[&str] = &[
    "\"; drop [label=\"x",
    "ends with a backslash\\",
    "two\\\\ and a quote\\\"",
    "line\nend\r\n\u{2028}\u{85}",
    "\u{1b}[31mred\u{7}\u{0}",
    "\u{202e}reversed",
    "<b>bold</b>&amp;\\N\\G",
    "{a|b} -> c; }",
    "",
];

#[test]
fn keys_whose_text_panics_or_has_no_end_harm_nobody() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        for spite in SPITE {
            supervisor.start_child(Probe::child(&journal).key(spite)).await.unwrap();
        }
        supervisor.start_child(Probe::child(&journal).key("good")).await.unwrap();
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        let keys: Vec<&str> = snapshot.children.iter().map(|child| child.key.as_deref().unwrap()).collect();
        assert!(keys[0].contains("Display panicked"), "{keys:?}");
        assert!(keys[1].starts_with("on and on") && keys[1].len() <= 1_024);
        assert_eq!(keys[2..], ["", "good"]);
        let found = look(&supervisor, TakeSnapshot::new().filter(ChildFilter::new().text("GOOD"))).await;
        assert_eq!(found.matched, 1, "those before it were asked for their text");
        assert!(snapshot.to_string().contains("good") && snapshot.to_dot().contains("good"));
        assert_eq!(supervisor.count_children().await.unwrap().active, 4);
    });
}

#[test]
fn errors_whose_text_panics_or_has_no_end_harm_nobody() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        for spite in SPITE {
            let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            probe.addr.do_send(Exit(ExitReason::failed(spite)));
            assert_eq!(probe.addr.send(Ask).await.unwrap(), 2);
        }
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!(snapshot.children.iter().filter(|child| child.last_exit.is_some()).count(), 3);
        let text = snapshot.to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("Display panicked") && text.contains("on and on"), "{text}");
        well_formed(&snapshot.to_dot());
    });
}

async fn hostile_tree(journal: &Journal) -> (Addr<DynamicSupervisor>, Snapshot) {
    let root = DynamicSupervisor::builder().name(HOSTILE[0]).max_restarts(1_000).start().unwrap();
    for text in HOSTILE {
        let spec = Probe::child(journal).id(*text);
        let child = root.start_child(spec.key(format!("key {text}"))).await.unwrap();
        let said = (*text).to_owned();
        child.addr.do_send(Do::this(move |_, _| panic_any(said)));
        root.start_child(Probe::child(journal).id(*text)).await.unwrap();
        let nested = DynamicSupervisor::builder().name(format!("nested {text}")).max_restarts(0).into_child();
        let nested = root.start_child(nested.backoff(Backoff::fixed(super::SECOND))).await.unwrap();
        let fatal = nested.addr.start_child(Probe::child(journal).id(*text)).await.unwrap();
        if text.len() % 2 == 0 {
            fatal.addr.do_send(Panic("silent from now on"));
        }
    }
    settle().await;
    let snapshot = look(&root, TakeSnapshot::new().limit(20)).await;
    (root, snapshot)
}

/// Statements on a line each, in the form that is drawn; what is quoted holds no line end and ends where it should.
fn well_formed(dot: &str) {
    let mut lines = dot.lines();
    assert_eq!(lines.next(), Some("digraph supervisors {"));
    let mut nodes = std::collections::BTreeSet::new();
    for line in lines {
        let (outside, quoted) = split_quoted(line);
        assert!(line.chars().all(|letter| !letter.is_control()), "{line:?}");
        match outside.as_str() {
            "}" => {}
            // What holds for all.
            outside if ["  rankdir=", "  node [", "  edge ["].iter().any(|all| outside.starts_with(all)) => {}
            "   -> ;" => assert!(quoted.iter().all(|node| nodes.contains(node)), "nobody has drawn {quoted:?}"),
            outside => {
                let (of, attributes) = outside.split_once('[').unwrap_or_else(|| panic!("{line}"));
                assert_eq!(of, "   ", "{line}");
                let names = attributes.trim_end_matches("];").split(", ").map(|one| one.split('=').next().unwrap());
                let known = ["shape", "style", "color", "fillcolor", "fontcolor", "label", "tooltip"];
                assert!(names.into_iter().all(|name| known.contains(&name)), "{line}");
                assert!(nodes.insert(quoted[0].clone()), "drawn twice: {line}");
            }
        }
    }
    assert!(dot.ends_with("}\n"));
}

/// What is outside of quotes, and what is inside.
fn split_quoted(line: &str) -> (String, Vec<String>) {
    let (mut outside, mut quoted, mut is_quoted) = (String::new(), Vec::new(), false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, is_quoted) {
            ('"', _) => {
                is_quoted = !is_quoted;
                if is_quoted {
                    quoted.push(String::new());
                }
            }
            ('\\', true) => quoted.last_mut().unwrap().extend(['\\', letters.next().expect("what is escaped")]),
            (letter, true) => quoted.last_mut().unwrap().push(letter),
            (letter, false) => outside.push(letter),
        }
    }
    assert!(!is_quoted, "never closed: {line}");
    (outside, quoted)
}

#[test]
fn a_drawing_is_well_formed_whatever_things_are_called() {
    world(async {
        let (_root, snapshot) = hostile_tree(&Journal::new()).await;
        assert!(snapshot.nested.iter().any(|branch| matches!(branch.told, Told::Down)));
        assert!(snapshot.nested.iter().any(|branch| branch.snapshot().is_some()));
        well_formed(&snapshot.to_dot());
    });
}

#[test]
fn a_tree_has_one_line_for_each_and_no_control_characters_whatever_things_are_called() {
    world(async {
        let (_root, snapshot) = hostile_tree(&Journal::new()).await;
        let text = snapshot.to_string();
        for line in text.lines() {
            let is_harmless = |letter: char| !letter.is_control() && !('\u{202a}'..='\u{202e}').contains(&letter);
            assert!(line.chars().all(is_harmless), "{line:?}");
        }
        for line in text.split(['\u{2028}', '\u{85}', '\r', '\n']).skip(1) {
            assert!(
                line.starts_with("├─ ")
                    || line.starts_with("└─ ")
                    || line.starts_with("│  ")
                    || line.starts_with("   "),
                "{line:?}"
            );
        }
        for child in &snapshot.children {
            assert_eq!(child.to_string().lines().count(), 1);
        }
    });
}

/// A message whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any("dropped");
        }
    }
}

/// Sends a message whose destructor panics, handled or not.
fn bomb(probe: &Addr<Probe>) {
    let bomb = Bomb;
    probe.do_send(Do::this(move |_, _| {
        let _bomb = &bomb;
    }));
}

#[test]
fn destructors_that_panic_among_what_was_counted_are_contained_when_a_child_is_terminated() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let _gate = hold(&probe.addr).await;
        let mut asked = Vec::new();
        for _ in 0..5 {
            bomb(&probe.addr);
            asked.push(probe.addr.send(Ask));
            bomb(&probe.addr);
        }
        assert_eq!(queued(&supervisor, probe.id).await, Some(15));
        bomb(&probe.addr);
        asked.push(probe.addr.send(Ask));
        assert_eq!(supervisor.terminate_child(probe.id).await, Ok(()));
        assert!(join_all(asked).await.iter().all(Result::is_err));
        assert!(look(&supervisor, all()).await.children.is_empty());
    });
}

#[test]
fn destructors_that_panic_among_what_was_counted_are_contained_when_all_is_dropped() {
    let probe = {
        let mut kept = None;
        world(async {
            let (journal, supervisor) = (Journal::new(), patient());
            let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            let _gate = hold(&probe.addr).await;
            for _ in 0..5 {
                bomb(&probe.addr);
            }
            assert_eq!(queued(&supervisor, probe.id).await, Some(5));
            kept = Some(probe.addr.clone());
            drop(supervisor);
            settle().await;
        });
        kept.unwrap()
    };
    assert!(!probe.connected());
}

#[test]
fn an_actor_that_asks_for_a_snapshot_of_its_own_supervisor_in_a_handler_is_answered() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let (asked, its_journal) = (supervisor.clone(), journal.clone());
        probe.addr.do_send(Do::this(move |_, ctx| {
            let answer = asked.snapshot(all());
            ctx.wait(actix::fut::wrap_future(async move {
                its_journal.note(format_args!("queued {:?}", answer.await.unwrap().children[0].queued));
            }));
        }));
        super::send(&probe.addr, 0..3);
        journal.expect("queued Some(3)").await;
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(super::handled(&journal), super::by(1, 0..3));
    });
}
