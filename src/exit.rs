//! Why something ended: [`ExitReason`] and its one question, [`is_abnormal`](ExitReason::is_abnormal).

use std::{error::Error, fmt, sync::Arc};

use crate::{
    text,
    unwind::{Contained, PanicReport},
};

/// Any error a start may answer with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why an incarnation of a child, or a supervisor, ended.
///
/// The first three are *quiet*: nothing went wrong. All others are abnormal.
///
/// # In Elixir
///
/// | here | there |
/// |---|---|
/// | `Normal` | `:normal` |
/// | `Shutdown`, `ShutdownWith(detail)` | `:shutdown`, `{:shutdown, detail}` |
/// | `Killed` | `:killed` |
/// | `Panicked`, `Failed` | an exception, any other term |
/// | `ArbiterGone` | `:noconnection` comes nearest |
/// | `Unresponsive` | nothing: a process cannot block its scheduler |
/// | `Unknown` | `:noproc` |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExitReason {
    /// It stopped by itself, all well: `ctx.stop()`, `ctx.terminate()`.
    Normal,
    /// It was asked to stop and did.
    Shutdown,
    /// It stopped on purpose and left a note.
    ShutdownWith(Arc<str>),
    /// It was ended by force: `BrutalKill`, [`KillChild`](crate::KillChild), a deadline passed.
    Killed,
    /// User code panicked: a handler, a hook, a timer, a future of the actor's.
    Panicked(PanicReport),
    /// It gave up with this error: `ctx.exit(ExitReason::failed(error))`.
    Failed(Failure),
    /// The arbiter it lived on went away under it.
    ArbiterGone,
    /// It kept its thread blocked, and another incarnation took over elsewhere. It may still run: nobody can end it.
    Unresponsive,
    /// It had ended before anybody asked, so the reason is not known any more.
    Unknown,
}

impl ExitReason {
    /// A purposeful end with a note: `ShutdownWith`.
    pub fn shutdown_with(detail: impl Into<Arc<str>>) -> Self {
        Self::ShutdownWith(detail.into())
    }

    /// An end with an error: `Failed`.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed(Failure::from(error.into()))
    }

    /// Did something go wrong? `false` for `Normal`, `Shutdown` and `ShutdownWith`, `true` for all else.
    ///
    /// A [`Transient`](crate::Restart::Transient) child is restarted exactly when this is `true`.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown | Self::ShutdownWith(_))
    }

    /// The variant alone, for readers that are programs.
    #[cfg(any(feature = "serde", feature = "metrics"))]
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown | Self::ShutdownWith(_) => "shutdown",
            Self::Killed => "killed",
            Self::Panicked(_) => "panicked",
            Self::Failed(_) => "failed",
            Self::ArbiterGone => "arbiter_gone",
            Self::Unresponsive => "unresponsive",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(detail) => write!(f, "shutdown: {}", text::clip(detail)),
            Self::Killed => f.write_str("killed"),
            Self::Panicked(report) => write!(f, "panicked: {report}"),
            Self::Failed(error) => write!(f, "failed: {}", text::clip(error)),
            Self::ArbiterGone => f.write_str("arbiter gone"),
            Self::Unresponsive => f.write_str("unresponsive"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The error of an [`ExitReason::Failed`]: a shared `dyn Error` that can be downcast.
///
/// A destructor of the error that panics is contained, wherever the last clone is dropped.
#[derive(Clone)]
pub struct Failure(Arc<Contained<BoxError>>);

impl Failure {
    /// The error itself.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        match self.0.get() {
            Some(error) => &**error,
            None => &Dropped,
        }
    }

    /// The error as an `E`, if it is one.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error().downcast_ref()
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Arc::new(Contained::new(error.into())))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.error(), f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.error(), f)
    }
}

#[derive(Debug)]
struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropped")
    }
}

impl Error for Dropped {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_three_reasons_are_quiet() {
        let quiet = [ExitReason::Normal, ExitReason::Shutdown, ExitReason::shutdown_with("x")];
        let abnormal = [
            ExitReason::Killed,
            ExitReason::Panicked(PanicReport::new("x")),
            ExitReason::failed("x"),
            ExitReason::ArbiterGone,
            ExitReason::Unknown,
        ];
        assert!(quiet.iter().all(|reason| !reason.is_abnormal()));
        assert!(abnormal.iter().all(ExitReason::is_abnormal));
    }

    #[test]
    fn an_error_can_be_had_back_and_its_panicking_destructor_is_contained() {
        #[derive(Debug)]
        struct Spite;
        impl fmt::Display for Spite {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("spite")
            }
        }
        impl Error for Spite {}
        impl Drop for Spite {
            fn drop(&mut self) {
                std::panic::panic_any("dropped");
            }
        }
        let reason = ExitReason::failed(Spite);
        let ExitReason::Failed(failure) = &reason else { unreachable!() };
        assert!(failure.downcast_ref::<Spite>().is_some());
        drop(reason.clone());
        drop(reason);
    }

    #[test]
    fn reasons_print_on_one_line_whatever_they_hold() {
        assert_eq!(ExitReason::failed("no\nway").to_string(), "failed: no\\nway");
        assert_eq!(ExitReason::shutdown_with("b\u{7}").to_string(), "shutdown: b\\u{7}");
        assert_eq!(ExitReason::Panicked(PanicReport::new("o\rops")).to_string(), "panicked: o\\rops");
    }
}
