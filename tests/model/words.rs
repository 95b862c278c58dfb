//! The words that model and crate share: what a child is, what can be asked, why things end.

use std::fmt;

/// A node's number, unique in a case: a child, or a supervisor.
pub type Label = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Permanent,
    Transient,
    Temporary,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    BrutalKill,
    Within(u64),
    Infinity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Normal,
    Shutdown,
    ShutdownWith,
    Killed,
    Panicked,
    Failed,
}

impl Reason {
    pub fn is_abnormal(self) -> bool {
        matches!(self, Self::Killed | Self::Panicked | Self::Failed)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::ShutdownWith => "shutdown: x",
            Self::Killed => "killed",
            Self::Panicked => "panicked: boom",
            Self::Failed => "failed: boom",
        })
    }
}

/// What one start comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Run,
    /// Runs, and hands something to the caller.
    RunWith,
    Ignore,
    Fail,
    Panic,
    PanicInStarted,
    ExitInStarted(Reason),
    /// Starts well and panics right after.
    CrashAtOnce,
}

impl Plan {
    pub fn fails(self) -> Option<Failure> {
        match self {
            Self::Run | Self::RunWith | Self::CrashAtOnce => None,
            Self::Ignore => Some(Failure::Ignored),
            Self::Fail => Some(Failure::Error),
            Self::Panic | Self::PanicInStarted => Some(Failure::Panicked),
            Self::ExitInStarted(reason) => Some(Failure::Exited(reason)),
        }
    }

    pub fn answer(self) -> String {
        if self == Self::RunWith { "started, with info" } else { "started" }.into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Ignored,
    Error,
    Panicked,
    Exited(Reason),
    TimedOut,
    NameTaken,
}

/// As a report of a restart gives it; to the caller of a first start it is the same, less its own words for it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("declined"),
            Self::Error => f.write_str("no luck"),
            Self::Panicked => f.write_str("panicked: boom"),
            Self::Exited(reason) => write!(f, "ended while it started: {reason}"),
            Self::TimedOut => f.write_str("took longer than allowed"),
            Self::NameTaken => f.write_str("name taken"),
        }
    }
}

/// What an instance does when it is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStop {
    Obey,
    Exit(Reason),
    Panic,
    Refuse,
    /// Obeys this much later.
    Slow(u64),
}

/// What a child can be called: a number, a text, or something of its own type, in turn.
pub type Key = usize;

/// A key as people see it.
pub fn key_name(key: Key) -> String {
    match key % 3 {
        0 => key.to_string(),
        1 => format!("k{key}"),
        _ => format!("tag {key}"),
    }
}

/// The delay before a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: u64,
    /// Doubled with each further try, up to this; `None`: always the same.
    pub cap: Option<u64>,
    pub forget_after: Option<u64>,
}

impl Backoff {
    pub fn delay(self, tries: u32) -> u64 {
        match self.cap {
            Some(cap) => (0..tries.saturating_sub(1)).fold(self.first, |delay, _| cap.min(delay * 2)).min(cap),
            None => self.first,
        }
    }
}

/// What happens to a child whose own restarts are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    Remove,
    Escalate,
    Park(u64),
}

/// A limit of a child's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub max_restarts: usize,
    pub within: u64,
    pub give_up: GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_restarts: usize,
    pub period: u64,
    pub max_children: Option<usize>,
    /// For children that have none of their own.
    pub backoff: Option<Backoff>,
    /// Asynchronous starts that go on at a time.
    pub max_starts: Option<usize>,
    /// Names are numbers too.
    pub name: Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Worker,
    Supervisor(Limits),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub kind: Kind,
    pub key: Option<Key>,
    pub restart: Restart,
    pub backoff: Option<Backoff>,
    pub budget: Option<Budget>,
    pub shutdown: Shutdown,
    /// An asynchronous start waits at the child's gate.
    pub is_async: bool,
    pub start_timeout: Option<u64>,
    /// For one incarnation after another, and again from the first.
    pub starts: Vec<Plan>,
    pub on_stop: OnStop,
}

impl Spec {
    pub fn supervisor(restart: Restart, shutdown: Shutdown, limits: Limits) -> Self {
        let (starts, on_stop) = (vec![Plan::Run], OnStop::Obey);
        let (kind, key, backoff, budget) = (Kind::Supervisor(limits), None, None, None);
        Self { kind, key, restart, backoff, budget, shutdown, is_async: false, start_timeout: None, starts, on_stop }
    }

    pub fn plan(&self, incarnation: usize) -> Plan {
        self.starts[(incarnation - 1) % self.starts.len()]
    }

    pub fn is_supervisor(&self) -> bool {
        self.kind != Kind::Worker
    }

    pub fn is_patient(&self) -> bool {
        self.backoff.is_some() || self.budget.is_some()
    }
}

/// What a worker can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Work,
    Panic,
    Exit(Reason),
}

/// What can be asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Tell(Message),
    Start(Label),
    /// The child with this one's key, or this one.
    GetOrStart(Label),
    Terminate(Label),
    TerminateKey(Key),
    Kill(Label),
    KillKey(Key),
    Count,
    Which,
    Stop {
        reason: Reason,
        deadline: Option<u64>,
    },
    AwaitExit,
}

/// A child's key and next try in a list, if it has them.
pub fn details(key: Option<String>, next_try: Option<u64>) -> String {
    let key = key.map(|key| format!(", key {key}"));
    let next_try = next_try.map(|at| format!(", next try at {at}"));
    key.into_iter().chain(next_try).collect()
}
