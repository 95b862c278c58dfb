//! Where a panic happened, which only the process's panic hook learns. Opt-in: [`PanicHook`].
//!
//! The hook runs on the thread that panics, before anything unwinds, and leaves a note there; who catches the panic looks for
//! its note. Others may lie there: of a destructor that panicked on the way and was caught by code in between, of panics
//! that users have caught. The text of a panic stays where it is in memory from the hook to who catches it, and that, with
//! what it says, tells one note from the others. Among those of one literal, which has one place, the latest is taken.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::RefCell,
    collections::VecDeque,
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

/// How many notes are kept that nobody has come for.
const MAX_NOTES: usize = 8;

thread_local! {
    /// Latest last.
    static NOTES: RefCell<VecDeque<Note>> = const { RefCell::new(VecDeque::new()) };
}

/// What the hook has seen of a panic.
struct Note {
    text: Option<Text>,
    origin: Origin,
}

/// What a panic says, and where that lies in memory.
#[derive(PartialEq, Eq)]
pub(crate) struct Text {
    said: String,
    place: (usize, usize),
}

impl Text {
    /// That of a panic's payload; `None` if it is not text.
    pub(crate) fn of(payload: &(dyn Any + Send)) -> Option<Self> {
        let text = match (payload.downcast_ref::<&'static str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (_, Some(text)) => text.as_str(),
            _ => return None,
        };
        Some(Self { said: text::clip(text), place: (text.as_ptr() as usize, text.len()) })
    }

    pub(crate) fn said(self) -> String {
        self.said
    }
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
    let backtrace = MESSAGE_TYPES.load(Ordering::Relaxed).then(|| Backtrace::force_capture().to_string());
    let handling = backtrace.as_deref().and_then(handling);
    let origin = Origin {
        file: text::clip(location.file()).into_boxed_str(),
        line: location.line(),
        handling: handling.map(|name| text::clip_to(MAX_TYPE_BYTES, name).into_boxed_str()),
    };
    let note = Note { text: Text::of(info.payload()), origin };
    let _ = NOTES.try_with(|notes| {
        if let Ok(mut notes) = notes.try_borrow_mut() {
            if notes.len() >= MAX_NOTES {
                notes.pop_front();
            }
            notes.push_back(note);
        }
    });
}

/// Takes the note about the panic that was just caught, if there is one, and those that came after it; `text` as it was
/// caught.
pub(crate) fn origin(text: Option<&Text>) -> Option<Origin> {
    let found = NOTES.try_with(|notes| {
        let mut notes = notes.try_borrow_mut().ok()?;
        let at = notes.iter().rposition(|note| note.text.as_ref() == text)?;
        let latest = notes.drain(at..).next();
        latest
    });
    found.ok()?.map(|note| note.origin)
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
