//! The model's words as the crate has them.

use std::{fmt, hash, time::Duration};

use actix::Addr;
use actix_dynamic_supervisor::{
    Backoff, Budget, ChildHandle, ChildKey, DynamicSupervisor, ExitReason, GiveUp, Restart, Shutdown, SupervisorAddr,
};

use crate::{
    words::{self, key_name, Key, Reason},
    worker::Worker,
};

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn reason(reason: Reason) -> ExitReason {
    match reason {
        Reason::Normal => ExitReason::Normal,
        Reason::Shutdown => ExitReason::Shutdown,
        Reason::ShutdownWith => ExitReason::shutdown_with("x"),
        Reason::Failed => ExitReason::failed("boom"),
        Reason::Killed | Reason::Panicked => unreachable!("no actor says so itself"),
    }
}

pub fn restart(restart: words::Restart) -> Restart {
    match restart {
        words::Restart::Permanent => Restart::Permanent,
        words::Restart::Transient => Restart::Transient,
        words::Restart::Temporary => Restart::Temporary,
    }
}

pub fn shutdown(shutdown: words::Shutdown) -> Shutdown {
    match shutdown {
        words::Shutdown::BrutalKill => Shutdown::BrutalKill,
        words::Shutdown::Within(limit) => Shutdown::Timeout(ms(limit)),
        words::Shutdown::Infinity => Shutdown::Infinity,
    }
}

pub fn backoff(words::Backoff { first, cap, forget_after }: words::Backoff) -> Backoff {
    let backoff = match cap {
        Some(cap) => Backoff::exponential(ms(first), ms(cap)),
        None if first == 0 => Backoff::none(),
        None => Backoff::fixed(ms(first)),
    };
    match forget_after {
        Some(stable) => backoff.forget_after(ms(stable)),
        None => backoff,
    }
}

pub fn budget(words::Budget { max_restarts, within, give_up }: words::Budget) -> Budget {
    let budget = Budget::new(max_restarts.try_into().unwrap(), ms(within));
    match self::give_up(give_up) {
        GiveUp::Remove => budget,
        give_up => budget.give_up(give_up),
    }
}

pub fn give_up(give_up: words::GiveUp) -> GiveUp {
    match give_up {
        words::GiveUp::Remove => GiveUp::Remove,
        words::GiveUp::Escalate => GiveUp::Escalate,
        words::GiveUp::Park(every) => GiveUp::Park { every: ms(every) },
    }
}

/// A key of a type of its own. All of them have the same hash.
#[derive(PartialEq, Eq)]
struct Tag(Key);

impl hash::Hash for Tag {
    fn hash<H: hash::Hasher>(&self, hasher: &mut H) {
        hasher.write_u8(0);
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_name(self.0))
    }
}

pub fn key(key: Key) -> ChildKey {
    match key % 3 {
        0 => key.into(),
        1 => key_name(key).into(),
        _ => Tag(key).into(),
    }
}

pub fn handle(key: Key) -> ChildHandle {
    ChildHandle::key::<Worker>(self::key(key))
}

/// Looked for by another of the types that are the same key.
pub fn whereis(supervisor: &Addr<DynamicSupervisor>, key: Key) -> Option<Addr<Worker>> {
    match key % 3 {
        0 => supervisor.whereis(&(key as u8)),
        1 => supervisor.whereis(key_name(key).as_str()),
        _ => supervisor.whereis(&Tag(key)),
    }
}
