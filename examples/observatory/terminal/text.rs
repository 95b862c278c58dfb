//! Lines of text that fit a window: what users wrote made harmless, cut to a width, painted or not.

use std::{fmt::Write, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Dim,
    Bold,
    Good,
    Doubtful,
    Bad,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
            Self::Good => Some("32"),
            Self::Doubtful => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// Are there colours?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Colours,
    None,
}

/// One line, in pieces of one style each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    pub(crate) fn new(style: Style, text: impl Into<String>) -> Self {
        Self::default().and(style, text)
    }

    /// What follows. Text of users is made harmless here, and nowhere else: no other way leads into a line.
    pub(crate) fn and(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, harmless(&text.into())));
        self
    }

    /// What follows, as wide as this, and two columns that are empty.
    pub(crate) fn column(self, style: Style, text: &str, columns: usize) -> Self {
        let text = cut(&harmless(text), columns);
        let room = columns + 2 - width(&text);
        self.and(style, text + &" ".repeat(room))
    }

    /// As it is printed, without a newline: no wider than this, and with no space at its end.
    pub(crate) fn print(&self, columns: usize, paint: Paint) -> String {
        let last = self.0.iter().rposition(|(_, text)| !text.trim_end().is_empty()).map_or(0, |at| at + 1);
        let trimmed = |at, text| if at + 1 == last { str::trim_end(text) } else { text };
        let pieces = self.0[..last].iter().enumerate().map(|(at, (style, text))| (*style, trimmed(at, text)));
        let is_cut = pieces.clone().map(|(_, text)| width(text)).sum::<usize>() > columns;
        // The mark of a cut takes one.
        let mut room = columns - usize::from(is_cut && columns > 0);
        let mut printed = String::new();
        for (style, text) in pieces {
            let is_too_wide = width(text) > room;
            let mut text = start_of(text, room).to_owned();
            room -= width(&text);
            if is_too_wide && columns > 0 {
                text.push(CUT);
            }
            match (paint, style.code()) {
                (Paint::Colours, Some(code)) => {
                    let _ = write!(printed, "\u{1b}[{code}m{text}\u{1b}[0m");
                }
                _ => printed.push_str(&text),
            }
            if is_too_wide {
                break;
            }
        }
        printed
    }
}

/// Without what moves the cursor, breaks the line or turns the direction of writing.
fn harmless(text: &str) -> String {
    let is_harmful = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().fold(String::new(), |mut clean, letter| {
        match letter {
            letter if is_harmful(letter) => clean.extend(letter.escape_default()),
            letter => clean.push(letter),
        }
        clean
    })
}

const CUT: char = '…';

/// The first of it, so that it is no wider than this; a cut is marked.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    match columns.checked_sub(1) {
        _ if width(text) <= columns => text.to_owned(),
        Some(room) => format!("{}{CUT}", start_of(text, room)),
        None => String::new(),
    }
}

/// As much of it as this is wide.
fn start_of(text: &str, columns: usize) -> &str {
    let mut end = 0;
    let mut room = columns;
    for (at, letter) in text.char_indices() {
        match room.checked_sub(columns_of(letter)) {
            Some(rest) => (room, end) = (rest, at + letter.len_utf8()),
            None => break,
        }
    }
    &text[..end]
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Roughly what terminals do: marks that join others take none, East Asian letters and pictures take two.
fn columns_of(letter: char) -> usize {
    match u32::from(letter) {
        0x300..=0x36f
        | 0x483..=0x489
        | 0x591..=0x5bd
        | 0x610..=0x61a
        | 0x64b..=0x65f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A duration in few letters.
pub(crate) fn brief(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        seconds @ 1..60 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// How much of something is used, drawn.
pub(crate) fn bar(used: usize, of: usize, columns: usize) -> String {
    // Nothing of nothing is not full; whatever is used shows.
    let filled = if used == 0 { 0 } else { (used * columns).div_ceil(of.max(1)).min(columns) };
    "█".repeat(filled) + &"░".repeat(columns - filled)
}
