//! Text from outside, made safe to print: cut to 1 KiB, control characters escaped.
//!
//! Panic messages, error texts and ids may hold whatever a client typed. Everything that reaches a log or a
//! [`PanicReport`](crate::PanicReport) passes through here, so that no newline and no terminal escape does.

use std::{
    fmt::{self, Display, Write},
    time::Duration,
};

/// The longest text kept, in bytes of UTF-8, the mark of a cut included.
pub(crate) const LIMIT_BYTES: usize = 1024;

const CUT_MARK: &str = "…";

/// What `value` displays, cut and escaped. Stops asking `value` for more once the limit is reached.
pub(crate) fn clip(value: impl Display) -> String {
    clip_to(LIMIT_BYTES, value)
}

/// The same with a limit of its own.
pub(crate) fn clip_to(limit_bytes: usize, value: impl Display) -> String {
    let mut clip = Clip { room: limit_bytes.saturating_sub(CUT_MARK.len()), kept: String::new(), full: false };
    // An error means either "full", which is noted, or that `value` itself refused to be displayed.
    let _ = write!(clip, "{value}");
    if clip.full {
        clip.kept.push_str(CUT_MARK);
    }
    clip.kept
}

/// A duration in two words at most: `850 µs`, `1.2 s`, `3 min 20 s`, `5 d 3 h`.
pub(crate) fn brief(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {rest}"),
    };
    match seconds {
        0 if duration.as_millis() == 0 => format!("{} µs", duration.as_micros()),
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// A duration that somebody has set: `5 s` where one that was measured is `5.0 s`.
pub(crate) fn set(duration: Duration) -> String {
    match (duration.as_secs(), duration.subsec_nanos()) {
        (seconds @ 1..60, 0) => format!("{seconds} s"),
        _ => brief(duration),
    }
}

/// A type's name without the modules it is in: `Room<Lobby>` for `app::Room<app::places::Lobby>`; cut and escaped.
pub(crate) fn short(type_name: &str) -> String {
    let (mut short, mut path) = (String::new(), 0);
    for letter in type_name.chars() {
        match letter {
            // What follows a closing bracket is no module: `<Room as Place>::Key`.
            ':' if short.ends_with(['>', ':']) => short.push(':'),
            ':' => short.truncate(path),
            letter => short.push(letter),
        }
        if letter != ':' && letter != '_' && !letter.is_alphanumeric() {
            path = short.len();
        }
    }
    clip(short)
}

struct Clip {
    room: usize,
    kept: String,
    full: bool,
}

impl Write for Clip {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let before = self.kept.len();
            if is_harmless(letter) {
                self.kept.push(letter);
            } else {
                self.kept.extend(letter.escape_default());
            }
            if self.kept.len() > self.room {
                self.kept.truncate(before);
                self.full = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// Neither a control character nor one that reorders or breaks the line it stands in.
fn is_harmless(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_passes_unchanged() {
        assert_eq!(clip("grüße, 世界"), "grüße, 世界");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clip("a\nb\u{1b}[31mc\u{202e}"), "a\\nb\\u{1b}[31mc\\u{202e}");
    }

    #[test]
    fn long_text_is_cut_at_a_character_and_marked() {
        let cut = clip("ü".repeat(4 * LIMIT_BYTES));
        assert!(cut.len() <= LIMIT_BYTES, "{} bytes", cut.len());
        assert!(cut.ends_with(CUT_MARK));
        assert!(clip("x".repeat(LIMIT_BYTES - CUT_MARK.len())).ends_with('x'));
    }

    #[test]
    fn a_duration_is_told_in_two_words_at_most() {
        let texts = [0, 850, 12_345, 1_290_000, 60_000_000, 200_000_000, 7_199_000_000, 442_800_000_000]
            .map(|micros| brief(Duration::from_micros(micros)));
        assert_eq!(texts, ["0 µs", "850 µs", "12 ms", "1.2 s", "1 min", "3 min 20 s", "1 h 59 min", "5 d 3 h"]);
        assert!(brief(Duration::MAX).ends_with('h'));
    }

    #[test]
    fn what_somebody_has_set_has_no_tenths() {
        let texts = [0, 300, 5_000, 5_500, 60_000, 90_000].map(|millis| set(Duration::from_millis(millis)));
        assert_eq!(texts, ["0 µs", "300 ms", "5 s", "5.5 s", "1 min", "1 min 30 s"]);
    }

    #[test]
    fn a_type_is_called_by_its_name_without_its_modules() {
        let names = [
            ("app::rooms::Room", "Room"),
            ("Room", "Room"),
            ("app::Room<app::places::Lobby, (u8, alloc::string::String)>", "Room<Lobby, (u8, String)>"),
            ("app::run::{{closure}}::Own_1", "{{closure}}Own_1"),
            ("<app::Room as app::Place>::Key", "<Room as Place>::Key"),
            ("&dyn core::fmt::Debug", "&dyn Debug"),
            ("", ""),
        ];
        for (full, expected) in names {
            assert_eq!(short(full), expected, "{full}");
        }
        assert_eq!(short("a::b\n\u{1b}c"), "b\\n\\u{1b}c");
    }

    #[test]
    fn an_endless_display_is_not_read_to_its_end() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("more ")?;
                }
            }
        }
        assert!(clip(Endless).len() <= LIMIT_BYTES);
    }
}
