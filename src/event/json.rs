//! An event for `serde`: flat, its kind by name, its text beside its fields.

use serde::{
    ser::{SerializeMap, Serializer},
    Serialize,
};

use super::{Event, EventChild, EventKind};
use crate::wire::{Ago, Millis};

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event", self.kind.name())?;
        map.serialize_entry("supervisor", &self.supervisor.id)?;
        map.serialize_entry("path", &*self.supervisor.path)?;
        map.serialize_entry("age_ms", &Ago(self.at))?;
        map.serialize_entry("text", &self.to_string())?;
        if let Some(child) = self.child() {
            map.serialize_entry("child", child)?;
        }
        match &self.kind {
            EventKind::StartFailed { reason, comes_back, .. } => {
                map.serialize_entry("reason", reason)?;
                map.serialize_entry("comes_back", comes_back)?;
            }
            EventKind::Exited { reason, uptime, asked, comes_back, .. } => {
                map.serialize_entry("reason", reason)?;
                map.serialize_entry("uptime_ms", &Millis(*uptime))?;
                map.serialize_entry("asked", asked)?;
                map.serialize_entry("comes_back", comes_back)?;
            }
            EventKind::Removed { reason, .. } => map.serialize_entry("reason", reason)?,
            EventKind::RestartScheduled { attempt, delay, .. } => {
                map.serialize_entry("try", attempt)?;
                map.serialize_entry("delay_ms", &Millis(*delay))?;
            }
            EventKind::Restarted { downtime, .. } => map.serialize_entry("downtime_ms", &Millis(*downtime))?,
            EventKind::GaveUp { lives, .. } | EventKind::LimitReached { lives, .. } => {
                map.serialize_entry("lives", &**lives)?;
            }
            EventKind::LimitNear { limit } => {
                map.serialize_entry("limit", limit)?;
                // As a chart of all events wants them.
                map.serialize_entry("used", &limit.used)?;
                map.serialize_entry("max_restarts", &limit.max_restarts)?;
            }
            EventKind::ShutdownBegun { children } | EventKind::Unresponsive { children, .. } => {
                map.serialize_entry("children", children)?;
            }
            EventKind::ShutdownEnded { reason, report } => {
                map.serialize_entry("reason", reason)?;
                map.serialize_entry("report", &**report)?;
            }
            EventKind::QueueClosed { id, undelivered, .. } => {
                map.serialize_entry("id", id)?;
                map.serialize_entry("undelivered", undelivered)?;
            }
            EventKind::PanicContained { panic, .. } => map.serialize_entry("panic", &panic.to_string())?,
            EventKind::Missed { events } => map.serialize_entry("missed", events)?,
            EventKind::SupervisorStarted
            | EventKind::Started { .. }
            | EventKind::Declined { .. }
            | EventKind::KilledAtDeadline { .. } => {}
        }
        map.end()
    }
}

impl EventKind {
    fn name(&self) -> &'static str {
        match self {
            Self::SupervisorStarted => "supervisor_started",
            Self::Started { .. } => "started",
            Self::StartFailed { .. } => "start_failed",
            Self::Exited { .. } => "exited",
            Self::RestartScheduled { .. } => "restart_scheduled",
            Self::Restarted { .. } => "restarted",
            Self::Removed { .. } => "removed",
            Self::Declined { .. } => "declined",
            Self::GaveUp { .. } => "gave_up",
            Self::LimitNear { .. } => "limit_near",
            Self::LimitReached { .. } => "limit_reached",
            Self::ShutdownBegun { .. } => "shutdown_begun",
            Self::ShutdownEnded { .. } => "shutdown_ended",
            Self::KilledAtDeadline { .. } => "killed_at_deadline",
            Self::Unresponsive { .. } => "unresponsive",
            Self::QueueClosed { .. } => "queue_closed",
            Self::PanicContained { .. } => "panic_contained",
            Self::Missed { .. } => "missed",
        }
    }
}

impl Serialize for EventChild {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("incarnation", &self.incarnation)?;
        map.serialize_entry("label", &self.label)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("module", self.module)?;
        map.serialize_entry("child_type", &self.child_type)?;
        map.end()
    }
}
