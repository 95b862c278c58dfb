//! Names of supervisors.
//!
//! A name is held by a [`Lease`] and free again when the lease is dropped. Local names live per Actix `System`, in a
//! table that is keyed by the System's id as Actix's own registry is; an entry exists exactly as long as its lease.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use actix::System;

use crate::unwind;

/// The longest name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 255;

type Names = HashMap<(usize, Arc<str>), Arc<dyn Any + Send + Sync>>;

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

fn names() -> MutexGuard<'static, Names> {
    // No user code runs under this lock, so poison could only come from a failed allocation.
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who `name` is in this System.
pub(crate) fn whereis<T: Clone + 'static>(name: &str) -> Option<T> {
    let system = System::try_current()?.id();
    let holder = names().get(&(system, Arc::from(name))).cloned()?;
    holder.downcast_ref().cloned()
}

/// Registers `holder` if the name is free; else tells who has it. One of two that race gets it.
pub(crate) fn register<T: Clone + Send + Sync + 'static>(
    system: usize,
    name: &str,
    holder: T,
) -> Result<Lease, Option<T>> {
    let key = (system, Arc::<str>::from(name));
    let mut names = names();
    if let Some(existing) = names.get(&key) {
        return Err(existing.downcast_ref().cloned());
    }
    names.insert(key.clone(), Arc::new(holder));
    Ok(Lease::new(move || {
        // Taken out before it is dropped: the last address of a supervisor may be among what the lock guards.
        let holder = self::names().remove(&key);
        drop(holder);
    }))
}

/// A name taken. Dropping it frees the name.
pub(crate) struct Lease {
    free: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Lease {
    pub(crate) fn new(free: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { free: Some(Box::new(free)) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(free) = self.free.take() {
            // A registry of the user's own may panic; the end of a supervisor goes on.
            let _ = unwind::guard(free);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // System ids that no test's System has.
    const HERE: usize = usize::MAX;
    const THERE: usize = usize::MAX - 1;

    #[test]
    fn a_name_is_free_again_when_its_lease_is_dropped() {
        let lease = register(HERE, "a", 1).expect("free");
        assert_eq!(register(HERE, "a", 2).expect_err("taken"), Some(1));
        drop(lease);
        let _second = register(HERE, "a", 2).expect("free again");
    }

    #[test]
    fn two_systems_do_not_see_each_others_names() {
        let _here = register(HERE, "b", 1).expect("free here");
        let _there = register(THERE, "b", 2).expect("free there");
    }
}
