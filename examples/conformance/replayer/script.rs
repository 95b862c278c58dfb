//! The description of a child, and what its instances are to do.

use std::time::Duration;

use actix_dynamic_supervisor::{ChildType, Restart, Shutdown};
use serde::{Deserialize, Serialize};

use super::words::Reason;

/// What is absent among the options is left to the crate, so that its defaults are compared too.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    pub(crate) child: String,
    pub(crate) restart: Option<RestartType>,
    #[serde(rename = "type")]
    pub(crate) child_type: Option<Type>,
    pub(crate) shutdown: Option<Patience>,
    #[serde(default)]
    starts: Vec<Outcome>,
    #[serde(default)]
    then: Outcome,
    #[serde(default)]
    lives: Vec<Life>,
    #[serde(default)]
    then_life: Life,
    #[serde(default)]
    pub(crate) on_shutdown: OnShutdown,
}

impl Script {
    /// What the start function comes to at this call, counted from 1.
    pub(crate) fn outcome(&self, call: usize) -> Outcome {
        self.starts.get(call - 1).copied().unwrap_or(self.then)
    }

    /// What the instance made by this call does by itself.
    pub(crate) fn life(&self, call: usize) -> Life {
        self.lives.get(call - 1).copied().unwrap_or(self.then_life)
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestartType {
    Permanent,
    Transient,
    Temporary,
}

impl From<RestartType> for Restart {
    fn from(restart: RestartType) -> Self {
        match restart {
            RestartType::Permanent => Self::Permanent,
            RestartType::Transient => Self::Transient,
            RestartType::Temporary => Self::Temporary,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Type {
    Worker,
    Supervisor,
}

impl From<Type> for ChildType {
    fn from(child_type: Type) -> Self {
        match child_type {
            Type::Worker => Self::Worker,
            Type::Supervisor => Self::Supervisor,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Patience {
    Infinity,
    BrutalKill,
    #[serde(untagged)]
    Milliseconds(u64),
}

impl From<Patience> for Shutdown {
    fn from(patience: Patience) -> Self {
        match patience {
            Patience::Infinity => Self::Infinity,
            Patience::BrutalKill => Self::BrutalKill,
            Patience::Milliseconds(limit) => Self::Timeout(Duration::from_millis(limit)),
        }
    }
}

/// What a call of the start function comes to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    #[default]
    Ok,
    OkInfo,
    Ignore,
    Error,
    Raise,
    Bad,
    Throw,
    Exit,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Life {
    #[default]
    Run,
    #[serde(untagged)]
    Ends(Reason),
}

/// What an instance does when it is asked to end.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum OnShutdown {
    #[default]
    Die,
    Exit(Reason),
    Ignore,
    Slow(Duration),
}

impl TryFrom<String> for OnShutdown {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = match text.split_once(':') {
            None if text == "die" => Some(Self::Die),
            None if text == "ignore" => Some(Self::Ignore),
            Some(("slow", time)) => time.parse().ok().map(|time| Self::Slow(Duration::from_millis(time))),
            Some(("exit", reason)) => serde_json::from_value(serde_json::Value::from(reason)).ok().map(Self::Exit),
            _ => None,
        };
        known.ok_or_else(|| format!("unknown on_shutdown {text:?}"))
    }
}
