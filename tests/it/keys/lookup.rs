//! Who is found by which key.

use std::{borrow::Cow, sync::Arc};

use actix_dynamic_supervisor::prelude::*;

use super::{holder, Desk, Scene, Seat};
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

#[test]
fn a_child_is_found_by_its_key_and_by_no_other() {
    world(async {
        let scene = Scene::new();
        let [first, second] = [scene.start("a").await.unwrap(), scene.start("b").await.unwrap()];

        assert_eq!(scene.supervisor.whereis::<Probe>("a"), Some(first.addr));
        assert_eq!(scene.supervisor.whereis::<Probe>("b"), Some(second.addr));
        assert_eq!(scene.supervisor.whereis::<Probe>("c"), None);
        assert_eq!(scene.supervisor.whereis::<Probe>(""), None);
    });
}

#[test]
fn a_child_without_a_key_is_found_by_none() {
    world(async {
        let scene = Scene::new();
        scene.supervisor.start_child(Probe::child(&scene.journal).id("a")).await.unwrap();

        assert_eq!(scene.supervisor.whereis::<Probe>("a"), None, "an id is no key");
        assert_eq!(scene.supervisor.which_children().await.unwrap()[0].key, None);
    });
}

#[test]
fn texts_of_all_types_are_one_kind_of_key() {
    world(async {
        let scene = Scene::new();
        let keys: [ChildKey; 5] = [
            "a".into(),
            String::from("b").into(),
            Box::<str>::from("c").into(),
            Arc::<str>::from("d").into(),
            Cow::Borrowed("e").into(),
        ];
        for key in keys {
            scene.start(key).await.unwrap();
        }

        for text in ["a", "b", "c", "d", "e"] {
            let found = scene.supervisor.whereis::<Probe>(text).expect(text);
            assert_eq!(scene.supervisor.whereis(&text), Some(found.clone()));
            assert_eq!(scene.supervisor.whereis(&text.to_owned()), Some(found.clone()));
            assert_eq!(scene.supervisor.whereis(&Box::<str>::from(text)), Some(found.clone()));
            assert_eq!(scene.supervisor.whereis(&Arc::<str>::from(text)), Some(found.clone()));
            assert_eq!(scene.supervisor.whereis(&Cow::<'static, str>::Owned(text.into())), Some(found));
        }
        holder(scene.start(String::from("a")).await);
    });
}

#[test]
fn integers_of_all_sizes_are_one_kind_of_key() {
    world(async {
        let scene = Scene::new();
        let seven = scene.start(7_u64).await.unwrap().addr;
        let minus = scene.start(-1_i8).await.unwrap().addr;

        assert_eq!(scene.supervisor.whereis(&7_u8), Some(seven.clone()));
        assert_eq!(scene.supervisor.whereis(&7_i32), Some(seven.clone()));
        assert_eq!(scene.supervisor.whereis(&7_usize), Some(seven.clone()));
        assert_eq!(scene.supervisor.whereis(&7_u128), Some(seven));
        assert_eq!(scene.supervisor.whereis(&-1_i128), Some(minus));
        assert_eq!(scene.supervisor.whereis::<Probe>(&u64::MAX), None, "it is no -1");
        holder(scene.start(7_i16).await);
    });
}

#[test]
fn the_greatest_of_integers_are_keys_too() {
    world(async {
        let scene = Scene::new();
        for number in [u128::MAX, u128::MAX - 1, i128::MAX as u128, i128::MAX as u128 + 1] {
            let started = scene.start(number).await.unwrap();
            assert_eq!(scene.supervisor.whereis(&number), Some(started.addr));
            holder(scene.start(number).await);
        }
        let least = scene.start(i128::MIN).await.unwrap();
        assert_eq!(scene.supervisor.whereis(&i128::MIN), Some(least.addr));
        assert_eq!(scene.children().await, 5);
    });
}

#[test]
fn a_key_of_a_type_of_ones_own_is_as_good_as_a_text() {
    world(async {
        let scene = Scene::new();
        let first = scene.start(Seat('A', 1)).await.unwrap();
        let second = scene.start(Seat('A', 2)).await.unwrap();

        assert_eq!(scene.supervisor.whereis(&Seat('A', 1)), Some(first.addr.clone()));
        assert_eq!(scene.supervisor.whereis(&Seat('A', 2)), Some(second.addr));
        assert_eq!(scene.supervisor.whereis::<Probe>(&Seat('B', 1)), None);
        let existing = holder(scene.start(Seat('A', 1)).await);
        assert_eq!((existing.id(), existing.addr()), (Some(first.id), Some(first.addr)));
    });
}

#[test]
fn a_key_of_another_type_finds_nobody_though_it_looks_the_same() {
    world(async {
        let scene = Scene::new();
        scene.start("7").await.unwrap();
        scene.start(Seat('A', 1)).await.unwrap();
        scene.start('x').await.unwrap();

        assert_eq!(scene.supervisor.whereis::<Probe>(&7), None);
        assert_eq!(scene.supervisor.whereis::<Probe>("A1"), None);
        assert_eq!(scene.supervisor.whereis::<Probe>("x"), None);
        assert_eq!(scene.supervisor.whereis::<Probe>(&true), None);
        scene.start(7).await.unwrap();
        scene.start("A1").await.unwrap();
        assert_eq!(scene.children().await, 5);
    });
}

#[test]
fn a_key_that_is_taken_is_answered_with_who_has_it_and_the_second_is_not_started() {
    world(async {
        let scene = Scene::new();
        let first = scene.start("a").await.unwrap();

        let existing = holder(scene.start("a").await);

        assert_eq!(existing.id(), Some(first.id));
        assert_eq!(existing.addr::<Probe>(), Some(first.addr));
        assert!(existing.addr::<Desk>().is_none());
        assert_eq!((scene.children().await, scene.journal.entries()), (1, vec!["started 1".to_owned()]));
    });
}

#[test]
fn the_same_key_is_free_for_another_type_of_actor_and_in_another_supervisor() {
    world(async {
        let (scene, elsewhere) = (Scene::new(), Scene::new());
        let probe = scene.start("a").await.unwrap();

        let desk = scene.supervisor.start_child(Child::new(|| Desk).key("a")).await.unwrap();
        let other = elsewhere.start("a").await.unwrap();

        assert_eq!(scene.supervisor.whereis("a"), Some(probe.addr));
        assert_eq!(scene.supervisor.whereis("a"), Some(desk.addr));
        assert_eq!(elsewhere.supervisor.whereis("a"), Some(other.addr));
        assert!(elsewhere.supervisor.whereis::<Desk>("a").is_none());
    });
}

#[test]
fn a_child_that_can_be_started_once_and_a_supervisor_have_keys_too() {
    world(async {
        let scene = Scene::new();
        let once = scene.supervisor.start_child(Child::once(|| Desk).key(1)).await.unwrap();
        let nested = scene.supervisor.start_child(DynamicSupervisor::builder().into_child().key(1)).await.unwrap();

        assert_eq!(scene.supervisor.whereis(&1), Some(once.addr));
        assert_eq!(scene.supervisor.whereis(&1), Some(nested.addr));
    });
}

#[test]
fn a_spec_of_ones_own_names_its_key() {
    struct Numbered(u32);
    impl ChildSpec for Numbered {
        type Actor = Desk;
        type Info = ();
        fn start(&mut self, _: &mut StartContext<Desk>) -> Starting<Desk> {
            Starting::now(Ok(Start::Run(Desk)))
        }
        fn key(&self) -> Option<ChildKey> {
            (self.0 > 0).then(|| self.0.into())
        }
    }
    world(async {
        let scene = Scene::new();
        let started = scene.supervisor.start_child(Numbered(3)).await.unwrap();
        scene.supervisor.start_child(Numbered(0)).await.unwrap();
        scene.supervisor.start_child(Numbered(0)).await.unwrap();

        assert_eq!(scene.supervisor.whereis(&3), Some(started.addr));
        assert!(scene.supervisor.whereis::<Desk>(&0).is_none());
        assert_eq!(holder(scene.supervisor.start_child(Numbered(3)).await).id(), Some(started.id));
    });
}

#[test]
fn a_list_of_children_shows_keys_as_text_cut_and_escaped() {
    world(async {
        let scene = Scene::new();
        scene.start("a\n\u{1b}[31mb").await.unwrap();
        scene.start(-7_i64).await.unwrap();
        scene.start(Seat('C', 12)).await.unwrap();
        scene.start("x".repeat(100_000)).await.unwrap();

        let children = scene.supervisor.which_children().await.unwrap();
        let keys: Vec<_> = children.iter().map(|child| child.key.as_deref().expect("it has a key")).collect();

        assert_eq!(keys[..3], ["a\\n\\u{1b}[31mb", "-7", "C12"]);
        assert!(keys[3].len() <= 1024, "{} bytes", keys[3].len());
        assert!(scene.supervisor.whereis::<Probe>(&"x".repeat(100_000)).is_some(), "it is not cut for this");
        assert!(scene.supervisor.whereis::<Probe>(&"x".repeat(99_999)).is_none());
    });
}

#[test]
fn a_child_is_terminated_and_killed_by_its_key() {
    world(async {
        let scene = Scene::new();
        let [first, second] = [scene.start("a").await.unwrap(), scene.start(Seat('A', 1)).await.unwrap()];

        assert_eq!(scene.supervisor.kill_child(ChildHandle::key::<Probe>(Seat('A', 1))).await, Ok(()));
        assert_eq!(second.addr.send(Ask).await, Ok(2), "it comes back");
        assert_eq!(scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a")).await, Ok(()));

        assert!(!first.addr.connected());
        assert_eq!(scene.children().await, 1);
        scene.expect_free("a").await;
    });
}

#[test]
fn a_key_of_the_wrong_type_or_for_the_wrong_actor_ends_nobody() {
    world(async {
        let scene = Scene::new();
        let not_found = Err(TerminateChildError::NotFound);
        assert_eq!(scene.supervisor.terminate_child(ChildHandle::key::<Probe>("7")).await, not_found, "no keys yet");
        scene.start("7").await.unwrap();

        let wrong = [
            ChildHandle::key::<Desk>("7"),
            ChildHandle::key::<Probe>(7),
            ChildHandle::key::<Probe>('7'),
            ChildHandle::key::<Probe>(Seat('7', 7)),
            ChildHandle::key::<Probe>("8"),
        ];
        for handle in wrong {
            let said = format!("{handle:?}");
            assert_eq!(scene.supervisor.terminate_child(handle).await, not_found, "{said}");
        }
        assert_eq!(scene.supervisor.kill_child(ChildHandle::key::<Desk>("7")).await, not_found);
        assert!(scene.has("7"));
    });
}

#[test]
fn a_thousand_keys_find_a_thousand_children() {
    world(async {
        let scene = Scene::new();
        let mut started = Vec::new();
        for number in 0..1000_u32 {
            let by_number = scene.start(number).await.unwrap();
            let by_text = scene.start(number.to_string()).await.unwrap();
            started.push((by_number.addr, by_text.addr));
        }

        for (number, (by_number, by_text)) in (0..1000_u32).zip(started) {
            assert_ne!(by_number, by_text);
            assert_eq!(scene.supervisor.whereis(&number), Some(by_number));
            assert_eq!(scene.supervisor.whereis(&number.to_string()), Some(by_text));
        }

        for number in 0..1000_u32 {
            scene.supervisor.terminate_child(ChildHandle::key::<Probe>(number)).await.unwrap();
        }
        assert!((0..1000_u32).all(|number| scene.supervisor.whereis::<Probe>(&number).is_none()));
        assert!((0..1000_u32).all(|number| scene.supervisor.whereis::<Probe>(&number.to_string()).is_some()));
    });
}

#[test]
fn a_supervisor_that_actix_runs_itself_has_keys_too() {
    world(async {
        let supervisor = actix::Actor::start(DynamicSupervisor::default());
        let scene = Scene { supervisor, journal: Journal::new() };
        let child = scene.start("a").await.unwrap();

        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr.clone()));
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr));
        scene.supervisor.stop().await.unwrap();
        settle().await;
        assert!(!scene.has("a"));
    });
}
