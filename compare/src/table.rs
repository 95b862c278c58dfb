//! The table, from the lines of the measurements and those about the machine.

use std::{collections::HashMap, fmt::Write};

use crate::measure::{median, Figure};

/// A row: a peer, its flavour, how it is called here, and the packages whose versions say which it is.
const ROWS: [(&str, &str, &str, &[&str]); 10] = [
    ("ours", "system", "**this crate**", &["actix-dynamic-supervisor"]),
    ("floor", "system", "floor: plain Actix, a manager by hand", &["actix"]),
    ("elixir", "one-scheduler", "Elixir's DynamicSupervisor, one scheduler", &[]),
    ("elixir", "all-schedulers", "Elixir's DynamicSupervisor, a scheduler per core", &[]),
    ("ractor", "current-thread", "ractor-supervisor, one thread", &["ractor-supervisor", "ractor"]),
    ("ractor", "multi-thread", "ractor-supervisor, a thread per core", &["ractor-supervisor", "ractor"]),
    ("kameo", "current-thread", "kameo, one thread", &["kameo"]),
    ("kameo", "multi-thread", "kameo, a thread per core", &["kameo"]),
    ("hydra", "current-thread", "hydra, one thread", &["hydra"]),
    ("hydra", "multi-thread", "hydra, a thread per core", &["hydra"]),
];

/// What must be known about a cell. `{of}` is the number of repetitions.
const NOTES: [(&str, Figure, &str); 11] = [
    ("floor", Figure::Crash, "No restart: the address is dead for good, and the manager does not know."),
    ("elixir", Figure::Bytes, "The growth of `:erlang.memory(:total)`, not of the resident bytes."),
    (
        "elixir",
        Figure::Stop,
        "Measured with {of} children: each takes the longer the more there are, with 100,000 several times as long.",
    ),
    (
        "ractor",
        Figure::Crash,
        "{of} crashes a round: the supervisor sleeps for 10 ms at each restart, and restarts nobody else meanwhile.",
    ),
    ("ractor", Figure::Terminate, "The child is killed: its `post_stop` does not run."),
    ("ractor", Figure::Stop, "The children are killed: their `post_stop` does not run."),
    (
        "kameo",
        Figure::Start,
        "The handle is there before the child has started; all are waited for at the end.",
    ),
    (
        "kameo",
        Figure::Terminate,
        "There is no such call: the child is asked to stop, is transient, and so is not restarted. What the \
         supervisor knows of it, about 5 kB, stays.",
    ),
    (
        "kameo",
        Figure::Stop,
        "Measured with {of} children: each takes the longer the more there are, with 100,000 several times as long.",
    ),
    ("hydra", Figure::Crash, "The supervisor looks for the child among all of them, one by one."),
    (
        "hydra",
        Figure::Terminate,
        "{of} children a round: the supervisor looks for the child among all of them, one by one. The child's specification \
         stays until `delete_child`, which is not measured.",
    ),
];

/// The lines: `peer flavour figure value of`, of which the same may come several times; and `about name text`.
pub(crate) fn of(lines: &str) -> String {
    let mut samples: HashMap<(&str, &str, &str), (Vec<f64>, u64)> = HashMap::new();
    let mut about = Vec::new();
    for line in lines.lines() {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["about", name, text] => about.push((*name, *text)),
            [peer, flavour, figure, value, of] => {
                if let (Ok(value), Ok(of)) = (value.parse(), of.parse()) {
                    let sample = samples.entry((peer, flavour, figure)).or_default();
                    sample.0.push(value);
                    sample.1 = of;
                }
            }
            _ => eprintln!("not understood: {line}"),
        }
    }
    let children = text_about(&about, "children").unwrap_or("?");
    let mut table = format!("# Measured with {children} children\n\n");
    table +=
        "| | start a child | bytes per idle child | request and reply | crash until it answers again | terminate a \
              child | stop, per child |\n|---|--:|--:|--:|--:|--:|--:|\n";
    let mut notes = Vec::new();
    for (peer, flavour, name, packages) in ROWS {
        let _ = write!(table, "| {name}{} |", versions(peer, packages, &about));
        for figure in Figure::ALL {
            let sample = samples.get(&(peer, flavour, figure.name()));
            let shown = match sample {
                Some((values, _)) if figure == Figure::Bytes => grouped(median(values).round() as u64),
                Some((values, _)) => time(median(values)),
                None if peer == "elixir" && text_about(&about, "Elixir").is_none() => "not installed".to_owned(),
                None => "–".to_owned(),
            };
            let _ = write!(table, " {shown}");
            let note = NOTES.iter().find(|(of, figured, _)| *of == peer && *figured == figure);
            if let (Some((.., note)), true) = (note, sample.is_some() || shown == "–") {
                let note = note.replace("{of}", &grouped(sample.map_or(0, |(_, of)| *of)));
                let _ = write!(table, " <sup>{}</sup>", number(&mut notes, note));
            }
            table += " |";
        }
        table.push('\n');
    }
    table.push('\n');
    for (index, note) in notes.iter().enumerate() {
        let _ = writeln!(table, "{}. {note}", index + 1);
    }
    table += "\nNanoseconds and microseconds are medians of rounds after one to warm up. [README.md](README.md) says what is \
              measured, and what each peer promises.\n\n";
    for (name, text) in about {
        let _ = writeln!(table, "* {name}: {text}");
    }
    table
}

fn text_about<'a>(about: &[(&str, &'a str)], asked: &str) -> Option<&'a str> {
    about.iter().find(|(name, _)| *name == asked).map(|(_, text)| *text)
}

/// The number of a note; the same note has the same number in all rows.
fn number(notes: &mut Vec<String>, note: String) -> usize {
    let index = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    index + 1
}

/// The versions in use, from Cargo.lock; Elixir tells its own.
fn versions(peer: &str, packages: &[&str], about: &[(&str, &str)]) -> String {
    if peer == "elixir" {
        return text_about(about, "Elixir").map(|versions| format!(" ({versions})")).unwrap_or_default();
    }
    let versions: Vec<String> = packages.iter().map(|package| format!("{package} {}", version(package))).collect();
    format!(" ({})", versions.join(", "))
}

fn version(package: &str) -> &'static str {
    let head = format!("name = \"{package}\"\nversion = \"");
    let found = include_str!("../Cargo.lock").split(&head).nth(1).and_then(|rest| rest.split('"').next());
    found.unwrap_or("?")
}

/// Nanoseconds, with as many digits as can be meant.
fn time(nanoseconds: f64) -> String {
    let microseconds = nanoseconds / 1000.0;
    match microseconds {
        ..0.9995 => format!("{nanoseconds:.0} ns"),
        ..9.995 => format!("{microseconds:.2} µs"),
        ..99.95 => format!("{microseconds:.1} µs"),
        _ => format!("{} µs", grouped(microseconds.round() as u64)),
    }
}

/// `1234567` is `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_fit_to_read() {
        assert_eq!(
            [540.4, 999.6, 9_994.0, 9_996.0, 99_960.0].map(time),
            ["540 ns", "1.00 µs", "9.99 µs", "10.0 µs", "100 µs"]
        );
        assert_eq!([0, 999, 1_000, 11_200_000].map(grouped), ["0", "999", "1,000", "11,200,000"]);
    }

    #[test]
    fn a_cell_is_the_median_of_its_lines_and_a_peer_that_was_not_there_says_so() {
        let table = of(
            "about\tchildren\t1,000\nours\tsystem\tbytes\t3\t9\nours\tsystem\tbytes\t1\t9\nours\tsystem\tbytes\t2\t9\n",
        );
        assert!(table.contains(" – | 2 | – |"), "{table}");
        assert!(table.contains("not installed"), "{table}");
        assert!(table.contains("Measured with 1,000 children"), "{table}");
    }
}
