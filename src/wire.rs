//! How the crate's own types look as JSON: times as whole milliseconds, reasons as an object.

use std::time::Duration;

use serde::{
    ser::{SerializeStruct, Serializer},
    Serialize,
};
use tokio::time::Instant;

use crate::{
    exit::ExitReason,
    id::{ChildId, SupervisorId},
    policy::{ChildType, Restart},
    unwind,
};

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole(*duration))
}

/// A duration by itself.
pub(crate) struct Millis(pub(crate) Duration);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        millis(&self.0, serializer)
    }
}

/// An instant by itself.
pub(crate) struct Ago(pub(crate) Instant);

impl Serialize for Ago {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ago(&self.0, serializer)
    }
}

/// With a fraction, for what is short.
pub(crate) fn fine_millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| (duration.as_secs_f64() * 1e6).round() / 1e3).serialize(serializer)
}

/// How long ago.
pub(crate) fn ago<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole(at.elapsed()))
}

/// How long it takes until then.
pub(crate) fn until<S: Serializer>(at: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| whole(at.saturating_duration_since(Instant::now()))).serialize(serializer)
}

macro_rules! as_text {
    ($($of:ty),*) => {
        $(impl Serialize for $of {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })*
    };
}

as_text!(ChildId, SupervisorId, ChildType, Restart);

impl Serialize for ExitReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let panic = match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        };
        let location = panic.and_then(|panic| panic.location()).map(|(file, line)| format!("{file}:{line}"));
        let mut reason = serializer.serialize_struct("ExitReason", 5)?;
        reason.serialize_field("kind", self.kind())?;
        // An error's `Display` is user code.
        reason.serialize_field("text", &unwind::text_of(self))?;
        reason.serialize_field("abnormal", &self.is_abnormal())?;
        reason.serialize_field("location", &location)?;
        reason.serialize_field("handling", &panic.and_then(|panic| panic.handling()))?;
        reason.end()
    }
}
