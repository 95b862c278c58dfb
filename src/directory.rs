//! Children by key, found from any thread.
//!
//! Each supervisor that has keyed children has a table of them, which it alone writes. An address leads to its
//! supervisor's table through one list for the whole process, as Actix's own registry is one; an entry of it exists
//! exactly as long as its supervisor. No user code runs while any of this is locked.

use std::{
    any::{Any, TypeId},
    collections::{hash_map::RandomState, HashMap},
    sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{
    id::ChildId,
    key::{Asked, ChildKey, Key, OtherKey, Plain, Repr},
};

/// The tables of all supervisors, by their address.
static TABLES: LazyLock<RwLock<HashMap<usize, Arc<Keys>>>> = LazyLock::new(RwLock::default);

/// The keyed children of the supervisor at this address; `None` if it has none.
pub(crate) fn keys_of(supervisor: usize) -> Option<Arc<Keys>> {
    read(&TABLES).get(&supervisor).cloned()
}

/// A table that others find, for as long as this lives.
pub(crate) struct Listed {
    supervisor: usize,
    keys: Arc<Keys>,
}

impl Listed {
    pub(crate) fn new(supervisor: usize) -> Self {
        let keys = Arc::new(Keys { hashers: RandomState::new(), tables: RwLock::default() });
        let before = write(&TABLES).insert(supervisor, Arc::clone(&keys));
        drop(before);
        Self { supervisor, keys }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut tables = write(&TABLES);
        // Its successor at the same address may have a table already.
        let is_own = tables.get(&self.supervisor).is_some_and(|keys| Arc::ptr_eq(keys, &self.keys));
        let own = if is_own { tables.remove(&self.supervisor) } else { None };
        drop(tables);
        drop(own);
    }
}

/// Who has which key. A key is unique among the children with the same type of actor.
pub(crate) struct Keys {
    /// Random: who chooses keys must not be able to make them collide.
    hashers: RandomState,
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    plain: HashMap<(TypeId, Plain), Holder>,
    /// By type of actor and hash.
    others: HashMap<(TypeId, u64), Vec<(OtherKey, Holder)>>,
}

/// Who has a key.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) id: ChildId,
    /// A weak address, its type forgotten.
    pub(crate) addr: Arc<dyn Any + Send + Sync>,
    /// It has started, and is not asked to end.
    pub(crate) is_open: bool,
}

/// A key as its holder's supervisor keeps it: all that is needed to give it back without calling user code.
pub(crate) struct Held {
    actor: TypeId,
    key: ChildKey,
    hash: u64,
}

impl Held {
    pub(crate) fn key(&self) -> &ChildKey {
        &self.key
    }
}

impl Keys {
    /// Prepares a key to be held. Calls its `Hash`, so to be called under a guard.
    pub(crate) fn prepare(&self, actor: TypeId, key: ChildKey) -> Held {
        let hash = match &key.0 {
            Repr::Plain(_) => 0,
            Repr::Other(other) => other.with(|other| other.hash_with(&self.hashers)).unwrap_or_default(),
        };
        Held { actor, key, hash }
    }

    /// Who has this key. May call its `Eq`, so to be called under a guard.
    pub(crate) fn holder(&self, Held { actor, key, hash }: &Held) -> Option<Holder> {
        match &key.0 {
            Repr::Plain(plain) => self.plain_holder(*actor, plain.clone()),
            Repr::Other(own) => self.other_holder(*actor, *hash, |key| key.equals(own)),
        }
    }

    /// Who has this key. May call its `Hash` and `Eq`, without a guard: the caller brought them.
    pub(crate) fn find(&self, actor: TypeId, key: &(impl Key + ?Sized)) -> Option<Holder> {
        match key.query().0 {
            Asked::Plain(plain) => self.plain_holder(actor, plain),
            Asked::Other(other) => self.other_holder(actor, other.hash_with(&self.hashers), |key| key.is(other)),
        }
    }

    fn plain_holder(&self, actor: TypeId, plain: Plain) -> Option<Holder> {
        read(&self.tables).plain.get(&(actor, plain)).cloned()
    }

    fn other_holder(&self, actor: TypeId, hash: u64, is_it: impl Fn(&OtherKey) -> bool) -> Option<Holder> {
        // Cloned out, as they are compared by code of the user's.
        let candidates = read(&self.tables).others.get(&(actor, hash)).cloned()?;
        candidates.into_iter().find(|(key, _)| is_it(key)).map(|(_, holder)| holder)
    }

    /// Gives a key that nobody has to this child.
    pub(crate) fn insert(&self, Held { actor, key, hash }: &Held, holder: Holder) {
        let mut tables = write(&self.tables);
        match &key.0 {
            Repr::Plain(plain) => {
                let before = tables.plain.insert((*actor, plain.clone()), holder);
                debug_assert!(before.is_none(), "it was free");
            }
            Repr::Other(other) => tables.others.entry((*actor, *hash)).or_default().push((other.clone(), holder)),
        }
    }

    pub(crate) fn set_open(&self, Held { actor, key, hash }: &Held, is_open: bool) {
        let mut tables = write(&self.tables);
        let holder = match &key.0 {
            Repr::Plain(plain) => tables.plain.get_mut(&(*actor, plain.clone())),
            Repr::Other(own) => tables
                .others
                .get_mut(&(*actor, *hash))
                .and_then(|holders| holders.iter_mut().find(|(key, _)| key.is_the_same(own)))
                .map(|(_, holder)| holder),
        };
        if let Some(holder) = holder {
            holder.is_open = is_open;
        }
    }

    /// Frees a key.
    pub(crate) fn remove(&self, Held { actor, key, hash }: &Held) {
        let mut tables = write(&self.tables);
        // What comes out is dropped when the lock is free: the last hold on a mailbox may be among it.
        match &key.0 {
            Repr::Plain(plain) => {
                let holder = tables.plain.remove(&(*actor, plain.clone()));
                drop(tables);
                drop(holder);
            }
            Repr::Other(own) => {
                let Some(holders) = tables.others.get_mut(&(*actor, *hash)) else { return };
                let at = holders.iter().position(|(key, _)| key.is_the_same(own));
                let holder = at.map(|at| holders.swap_remove(at));
                if holders.is_empty() {
                    tables.others.remove(&(*actor, *hash));
                }
                drop(tables);
                drop(holder);
            }
        }
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SupervisorId;

    // Addresses that no supervisor has.
    const HERE: usize = 1;
    const THERE: usize = 3;

    struct Actor;

    #[derive(PartialEq, Eq)]
    struct Clumsy(u8);

    impl std::hash::Hash for Clumsy {
        fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
            // All collide.
            hasher.write_u8(0);
        }
    }

    impl std::fmt::Display for Clumsy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "clumsy {}", self.0)
        }
    }

    fn holder(number: u64) -> Holder {
        Holder { id: ChildId::new(SupervisorId::fresh(), number, 0), addr: Arc::new(()), is_open: true }
    }

    fn held(keys: &Keys, key: impl Into<ChildKey>) -> Held {
        keys.prepare(TypeId::of::<Actor>(), key.into())
    }

    fn find(keys: &Keys, key: &(impl Key + ?Sized)) -> Option<u64> {
        keys.find(TypeId::of::<Actor>(), key).map(|holder| holder.id.number())
    }

    #[test]
    fn a_key_is_found_until_it_is_freed() {
        let listed = Listed::new(HERE);
        let keys = listed.keys();
        let (text, number) = (held(keys, "a"), held(keys, 7));
        assert_eq!(text.key().text(), "a");
        keys.insert(&text, holder(1));
        keys.insert(&number, holder(2));
        assert_eq!([find(keys, "a"), find(keys, &7_u64), find(keys, "7")], [Some(1), Some(2), None]);
        assert_eq!(keys.holder(&held(keys, String::from("a"))).map(|holder| holder.id.number()), Some(1));
        keys.remove(&text);
        assert_eq!([find(keys, "a"), find(keys, &7_u64)], [None, Some(2)]);
    }

    #[test]
    fn keys_that_collide_are_told_apart_and_freed_one_by_one() {
        let listed = Listed::new(HERE + 100);
        let keys = listed.keys();
        let (one, two) = (held(keys, Clumsy(1)), held(keys, Clumsy(2)));
        keys.insert(&one, holder(1));
        keys.insert(&two, holder(2));
        assert_eq!([find(keys, &Clumsy(1)), find(keys, &Clumsy(2)), find(keys, &Clumsy(3))], [Some(1), Some(2), None]);
        keys.set_open(&two, false);
        assert!(!keys.holder(&held(keys, Clumsy(2))).is_some_and(|holder| holder.is_open));
        keys.remove(&one);
        assert_eq!([find(keys, &Clumsy(1)), find(keys, &Clumsy(2))], [None, Some(2)]);
    }

    #[test]
    fn the_same_key_may_be_had_by_children_of_another_type() {
        struct Another;
        let listed = Listed::new(HERE + 200);
        let keys = listed.keys();
        keys.insert(&held(keys, "a"), holder(1));
        assert!(keys.find(TypeId::of::<Another>(), "a").is_none());
    }

    #[test]
    fn a_table_is_listed_as_long_as_its_supervisor_lives() {
        let first = Listed::new(THERE);
        assert!(keys_of(THERE).is_some());
        let second = Listed::new(THERE);
        drop(first);
        assert!(keys_of(THERE).is_some_and(|keys| Arc::ptr_eq(&keys, &second.keys)), "not that of its successor");
        drop(second);
        assert!(keys_of(THERE).is_none());
    }
}
