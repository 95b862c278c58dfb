//! Lines that fit.

use std::time::Duration;

use crate::terminal::text::{bar, brief, cut, width, Line, Paint, Style};

#[test]
fn a_line_is_cut_where_the_window_ends_and_says_so() {
    let line = Line::new(Style::Bad, "abc").and(Style::Plain, "def").and(Style::Good, "ghi");
    let printed = [0, 1, 3, 4, 6, 7, 9, 10].map(|columns| line.print(columns, Paint::None));
    assert_eq!(printed, ["", "…", "ab…", "abc…", "abcde…", "abcdef…", "abcdefghi", "abcdefghi"]);
}

#[test]
fn a_column_is_as_wide_as_it_is_said_to_be_and_then_two_are_empty() {
    let line = |text| Line::default().column(Style::Plain, text, 4).and(Style::Plain, "|").print(80, Paint::None);
    let printed = ["", "ab", "abcd", "abcde", "世界", "世界世", "e\u{301}"].map(line);
    assert_eq!(printed, ["      |", "ab    |", "abcd  |", "abc…  |", "世界  |", "世…   |", "e\u{301}     |"]);
}

#[test]
fn letters_take_the_columns_that_a_terminal_gives_them() {
    assert_eq!(["", "abc", "世界", "🦀", "e\u{301}", "█░…"].map(width), [0, 3, 4, 2, 1, 3]);
    assert_eq!([0, 1, 2, 3, 4].map(|columns| cut("世界", columns)), ["", "…", "…", "世…", "世界"]);
}

#[test]
fn colours_change_nothing_but_the_colour_and_end_with_it() {
    let line =
        Line::new(Style::Bad, "down").and(Style::Plain, ", ").and(Style::Dim, "1 \u{1b}[0m").and(Style::Bold, "  ");
    assert_eq!(line.print(80, Paint::None), "down, 1 \\u{1b}[0m");
    assert_eq!(line.print(80, Paint::Colours), "\u{1b}[31mdown\u{1b}[0m, \u{1b}[2m1 \\u{1b}[0m\u{1b}[0m");
    assert_eq!(line.print(3, Paint::Colours), "\u{1b}[31mdo…\u{1b}[0m");
}

#[test]
fn no_text_moves_the_cursor_breaks_the_line_or_turns_it_round() {
    let text = "a\u{1b}[2J\r\nb\t\u{9b}c\u{202e}d\u{200f}e\u{2066}f\u{2028}g\u{200b}h\u{feff}\u{7f}";
    let printed = Line::new(Style::Plain, text).print(1_000, Paint::None);
    assert_eq!(printed, r"a\u{1b}[2J\r\nb\t\u{9b}c\u{202e}d\u{200f}e\u{2066}f\u{2028}g\u{200b}h\u{feff}\u{7f}");
}

#[test]
fn a_bar_shows_whatever_is_used_and_is_full_when_all_is() {
    let bars = [(0, 3), (1, 1_000), (1, 2), (3, 3), (4, 3), (0, 0), (1, 0)].map(|(used, of)| bar(used, of, 4));
    assert_eq!(bars, ["░░░░", "█░░░", "██░░", "████", "████", "░░░░", "████"]);
}

#[test]
fn a_duration_has_few_letters() {
    let texts = [0, 999, 1_000, 59_999, 60_000, 3_599_000, 3_600_000, 90_000_000];
    assert_eq!(
        texts.map(|millis| brief(Duration::from_millis(millis))),
        ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 0 min"]
    );
}
