//! Where a panic happened, which only the process's panic hook learns. Opt-in: [`PanicHook`].
//!
//! The hook runs on the thread that panics, before anything unwinds, and leaves a note there; who catches the panic takes
//! it. A note whose message is not that of the panic caught was left by another one (a destructor that panicked and was
//! caught by code in between) and is not believed.

use std::{
    backtrace::Backtrace,
    cell::Cell,
    panic,
    sync::{
        atomic::{AtomicBool, Ordering},
        Once,
    },
    thread,
};

use crate::text;

/// The longest name of a message type that is kept.
const MAX_TYPE_BYTES: usize = 255;

thread_local! {
    static NOTE: Cell<Option<Note>> = const { Cell::new(None) };
}

/// What the hook has seen of a panic.
struct Note {
    message: Option<String>,
    origin: Origin,
}

/// Where a panic came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// File, line.
    pub(crate) file: Box<str>,
    pub(crate) line: u32,
    /// The type of the message that was being handled.
    pub(crate) handling: Option<Box<str>>,
}

/// Lets reports, events and [last lives](crate::ChildInfo::lives) say where a panic happened.
///
/// File and line of a panic are told to the panic hook of the process and to nobody else, so this is opt-in:
/// [`install`](Self::install) puts a hook before the one that is there, which is still called. Panics of other threads and
/// libraries pass through it unchanged.
///
/// # Examples
///
/// ```
/// use actix_dynamic_supervisor::PanicHook;
///
/// // First thing in `main`.
/// PanicHook::new().install();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is installed yet"]
pub struct PanicHook {
    message_types: bool,
}

/// Whether message types are looked for; the hook is one for the process, and so is this.
static MESSAGE_TYPES: AtomicBool = AtomicBool::new(false);

impl PanicHook {
    /// File and line only, which costs next to nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also the type of the message that was being handled.
    ///
    /// It is read out of a backtrace, as Actix tells it nobody: each panic then costs milliseconds. There is none where the
    /// program's symbols have been stripped.
    pub fn message_types(mut self) -> Self {
        self.message_types = true;
        self
    }

    /// Installs the hook. Once for the process; asked for again it only adds what it is to tell.
    ///
    /// A hook that is set later, and does not call the one before it, replaces it.
    pub fn install(self) {
        static INSTALLED: Once = Once::new();
        MESSAGE_TYPES.fetch_or(self.message_types, Ordering::Relaxed);
        // Hooks cannot be changed by a thread that panics.
        if thread::panicking() {
            return;
        }
        INSTALLED.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                leave_note(info);
                before(info);
            }));
        });
    }
}

fn leave_note(info: &panic::PanicHookInfo<'_>) {
    let Some(location) = info.location() else { return };
    let message = info.payload_as_str().map(text::clip);
    let backtrace = MESSAGE_TYPES.load(Ordering::Relaxed).then(|| Backtrace::force_capture().to_string());
    let handling = backtrace.as_deref().and_then(handling);
    let origin = Origin {
        file: text::clip(location.file()).into_boxed_str(),
        line: location.line(),
        handling: handling.map(|name| text::clip_to(MAX_TYPE_BYTES, name).into_boxed_str()),
    };
    let _ = NOTE.try_with(|note| note.set(Some(Note { message, origin })));
}

/// Takes the note about the panic that was just caught, if there is one; `message` as it was caught.
pub(crate) fn origin(message: Option<&str>) -> Option<Origin> {
    let note = NOTE.try_with(Cell::take).ok()??;
    (note.message.as_deref() == message).then_some(note.origin)
}

/// The message type in the innermost frame of a handler. Frames behind one that catches panics are of somebody else, as of
/// a supervisor in whose turn a child is started.
fn handling(backtrace: &str) -> Option<&str> {
    let catches =
        |line: &&str| ["__rust_try", "panicking::try", "panicking::catch"].iter().any(|name| line.contains(name));
    let ours = backtrace.lines().take_while(|line| !catches(line));
    let mut enclosing = None;
    for (line, next) in ours.clone().zip(ours.skip(1).chain([""])) {
        // The user's own handler; where that was inlined without a trace, what calls it.
        for (before, after) in
            [(" as actix::handler::Handler<", ">>::handle"), ("::envelope::SyncEnvelopeProxy<", "> as ")]
        {
            let found = line.find(before).map(|at| &line[at + before.len()..]);
            if let Some(name) = found.and_then(|rest| rest.rfind(after).map(|end| &rest[..end])) {
                enclosing = enclosing.or(Some(name));
            }
        }
        // An inlined call has a name without its type, but for what it is generic over: here the actor and the message.
        if next.contains("address/envelope.rs") || next.contains("address\\envelope.rs") {
            enclosing = enclosing.or_else(|| last_argument(line.split_once(": handle<")?.1.strip_suffix('>')?));
        }
    }
    enclosing
}

/// The last of several types, separated by commas.
fn last_argument(types: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let comma = types.char_indices().rev().find(|(_, letter)| {
        match letter {
            '>' | ')' | ']' => depth += 1,
            '<' | '(' | '[' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *letter == ',' && depth == 0
    })?;
    Some(types[comma.0 + 1..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_type_is_that_of_the_innermost_handler() {
        let backtrace = "  4: app::work\n  5: <app::Room as actix::handler::Handler<app::Say<u8>>>::handle\n\
             6: <actix::address::envelope::SyncEnvelopeProxy<app::Say<u8>> as actix::address::envelope::EnvelopeProxy<app::Room>>::handle\n\
             7: std::panicking::try\n  8: <Other as actix::handler::Handler<app::Start>>::handle";
        assert_eq!(handling(backtrace), Some("app::Say<u8>"));
    }

    #[test]
    fn a_handler_that_was_inlined_is_known_by_its_envelope() {
        let backtrace = " 6: <actix::address::envelope::SyncEnvelopeProxy<app::Say> as actix::address::envelope::EnvelopeProxy<app::Room>>::handle";
        assert_eq!(handling(backtrace), Some("app::Say"));
    }

    #[test]
    fn a_handler_that_was_inlined_with_its_envelope_is_known_by_what_that_is_of() {
        let backtrace = |file: &str| {
            format!(
                "   9: handle\n             at ./src/room.rs:75:18\n  10: handle<app::Room<(u8, u8)>, app::Say<(u8, app::Pair<u8, i8>)>>\n\
                 \x20            at {file}:82:23\n  11: <actix::address::envelope::Envelope<A> as actix::address::envelope::EnvelopeProxy<A>>::handle\n"
            )
        };
        for file in ["actix-0.13.5/src/address/envelope.rs", "actix-0.13.5\\src\\address\\envelope.rs"] {
            assert_eq!(handling(&backtrace(file)), Some("app::Say<(u8, app::Pair<u8, i8>)>"), "{file}");
        }
        assert_eq!(handling(&backtrace("app/src/envelope.rs")), None, "anybody's function");
    }

    #[test]
    fn who_started_a_child_is_not_taken_for_its_handler() {
        let backtrace = "  4: app::make\n  5: __rust_try\n  6: <S as actix::handler::Handler<app::Start>>::handle";
        assert_eq!(handling(backtrace), None);
    }
}
