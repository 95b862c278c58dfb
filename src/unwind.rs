//! The only `catch_unwind`. Whatever calls user code calls it through here.
//!
//! A caught panic is told as a [`PanicReport`]; its payload, which may itself panic when dropped, is dropped under
//! a guard of its own. What happens while a panic unwinds cannot be guarded: a destructor that panics *then* aborts
//! the process, which is why the runner catches first and drops later.

use std::{
    any::Any,
    error::Error,
    fmt::{self, Display},
    mem,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::Arc,
};

use crate::{
    panics::{self, Origin, Text},
    text,
};

/// What a caught panic said, cut to 1 KiB and with control characters escaped.
///
/// Where it happened is known to the panic hook of the process alone: with a [`PanicHook`](crate::PanicHook) it is told,
/// too.
#[derive(Clone, PartialEq, Eq)]
pub struct PanicReport(Arc<Panic>);

#[derive(PartialEq, Eq)]
struct Panic {
    message: String,
    origin: Option<Box<Origin>>,
}

impl PanicReport {
    #[cfg(test)]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(Arc::new(Panic { message: text::clip(message), origin: None }))
    }

    /// The panic's message; a fixed text if its payload was neither a `&str` nor a `String`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// File and line where it happened; only with a [`PanicHook`](crate::PanicHook).
    #[must_use]
    pub fn location(&self) -> Option<(&str, u32)> {
        self.0.origin.as_ref().map(|origin| (&*origin.file, origin.line))
    }

    /// The type of the message that was being handled; only with
    /// [`PanicHook::message_types`](crate::PanicHook::message_types).
    #[must_use]
    pub fn handling(&self) -> Option<&str> {
        self.0.origin.as_ref()?.handling.as_deref()
    }
}

impl fmt::Display for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        if let Some((file, line)) = self.location() {
            write!(f, ", {file}:{line}")?;
        }
        match self.handling() {
            Some(message) => write!(f, ", handling {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PanicReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PanicReport({self})")
    }
}

impl Error for PanicReport {}

/// Runs `user_code` and tells what it panicked with.
///
/// `AssertUnwindSafe` because state that a panic left half-changed is never used again: an incarnation that panicked
/// is ended, a factory that panicked is called anew or dropped.
pub(crate) fn guard<T>(user_code: impl FnOnce() -> T) -> Result<T, PanicReport> {
    catch_unwind(AssertUnwindSafe(user_code)).map_err(report)
}

/// Drops `value`; a panic in a destructor ends here.
pub(crate) fn dispose<T>(value: T) -> Result<(), PanicReport> {
    if mem::needs_drop::<T>() {
        guard(move || drop(value))
    } else {
        Ok(())
    }
}

/// A value whose destructor is user code and may run anywhere, while others panic: a panic of its own ends here.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Always there: it is taken out by the destructor only.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Err(panic) = dispose(self.0.take()) {
            // Whoever dropped the last clone may be anybody, so it is told here.
            let _ = guard(|| {
                tracing::error!(
                    target: "actix_dynamic_supervisor",
                    panic = panic.message(),
                    "a panic on the way out was contained"
                );
            });
        }
    }
}

/// What `value` displays, cut and escaped; a fixed text if its `Display` panics.
pub(crate) fn text_of(value: impl Display) -> String {
    guard(|| text::clip(value)).unwrap_or_else(|_| String::from("(its text could not be made: Display panicked)"))
}

fn report(payload: Box<dyn Any + Send>) -> PanicReport {
    let said = Text::of(&*payload);
    let origin = panics::origin(said.as_ref()).map(Box::new);
    let message = said.map_or_else(|| String::from("(a payload that is not text)"), Text::said);
    let report = PanicReport(Arc::new(Panic { message, origin }));
    if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        // A payload of a payload: leaking it is the only end that cannot panic again.
        mem::forget(second);
    }
    report
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    fn message_of(panicking: impl FnOnce()) -> String {
        guard(panicking).expect_err("it panics").message().to_owned()
    }

    #[test]
    fn the_message_is_kept_whether_literal_or_formatted() {
        assert_eq!(message_of(|| panic_any("literal")), "literal");
        assert_eq!(message_of(|| panic_any(String::from("formatted"))), "formatted");
        assert_eq!(message_of(|| panic_any(7)), "(a payload that is not text)");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic_any(Again);
            }
        }
        struct Again;
        impl Drop for Again {
            fn drop(&mut self) {
                panic_any("never dropped");
            }
        }
        assert_eq!(message_of(|| panic_any(Spiteful)), "(a payload that is not text)");
    }

    #[test]
    fn a_display_that_panics_gives_a_fixed_text() {
        struct Mute;
        impl Display for Mute {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic_any("no words")
            }
        }
        assert!(text_of(Mute).contains("Display panicked"));
    }

    #[test]
    fn disposing_of_a_quiet_value_is_ok() {
        assert_eq!(dispose(String::from("x")), Ok(()));
    }
}
