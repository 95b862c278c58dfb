//! What a bench is asked on the command line, and how it answers.

use std::{env, process::ExitCode};

use super::FROM_MAIN;

/// `cargo bench --bench NAME -- [--json] [--check] [--from-main] [ROW…]`
pub(crate) struct Asked {
    json: bool,
    check: bool,
    rows: Vec<String>,
}

impl Asked {
    pub(crate) fn by_arguments() -> Self {
        let mut asked = Self { json: false, check: false, rows: Vec::new() };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                "--json" => asked.json = true,
                "--check" => asked.check = true,
                // The first is Cargo's own.
                "--bench" | FROM_MAIN => {}
                _ => asked.rows.push(argument),
            }
        }
        asked
    }

    /// Without names, all rows are asked for; a name also asks for those below it (`storm` for `storm/p99`).
    pub(crate) fn is_for(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| row == name || row.split('/').next() == Some(name))
    }
}

/// One metric of the two sides.
pub(crate) struct Row {
    pub(crate) metric: String,
    pub(crate) ours: f64,
    /// `None`: plain Actix cannot do it.
    pub(crate) floor: Option<f64>,
    pub(crate) ceiling: Option<Ceiling>,
}

/// What a row may reach.
#[derive(Clone, Copy)]
pub(crate) enum Ceiling {
    /// Of ours over the floor.
    Ratio(f64),
    /// Of ours alone.
    Ours(f64),
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.ours / floor)
    }

    fn is_over(&self) -> bool {
        match self.ceiling {
            // What is no number is over, too.
            Some(Ceiling::Ratio(most)) => self.ratio().is_none_or(|ratio| ratio.is_nan() || ratio > most),
            Some(Ceiling::Ours(most)) => self.ours.is_nan() || self.ours > most,
            None => false,
        }
    }
}

/// Prints rows as they come, and knows at the end whether one was over its ceiling.
pub(crate) struct Report {
    asked: Asked,
    over: usize,
}

impl Report {
    pub(crate) fn new(asked: Asked) -> Self {
        if !asked.json {
            println!("{:<30} {:>13} {:>13} {:>8} {:>9}", "metric", "ours", "floor", "ratio", "ceiling");
        }
        Self { asked, over: 0 }
    }

    pub(crate) fn asks_for(&self, row: &str) -> bool {
        self.asked.is_for(row)
    }

    pub(crate) fn add(&mut self, row: &Row) {
        let Row { metric, ours, floor, ceiling } = row;
        let over = row.is_over();
        self.over += usize::from(over);
        if self.asked.json {
            let [ours, floor, ratio] = [Some(*ours), *floor, row.ratio()].map(json);
            println!(r#"{{"metric":"{metric}","ours":{ours},"floor":{floor},"ratio":{ratio}}}"#);
            return;
        }
        let floor = floor.map_or("-".to_owned(), |floor| format!("{floor:.1}"));
        let ratio = row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let ceiling = match ceiling {
            Some(Ceiling::Ratio(most)) => format!("{most:.2}"),
            Some(Ceiling::Ours(most)) => format!("{most:.0}"),
            None => "-".to_owned(),
        };
        let mark = if over { "  over" } else { "" };
        println!("{metric:<30} {ours:>13.1} {floor:>13} {ratio:>8} {ceiling:>9}{mark}");
    }

    /// With `--check`, a failure if a row was over its ceiling.
    pub(crate) fn end(self) -> ExitCode {
        if self.asked.check && self.over > 0 {
            eprintln!("over the ceiling: {}", self.over);
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

fn json(figure: Option<f64>) -> String {
    figure.filter(|figure| figure.is_finite()).map_or("null".to_owned(), |figure| format!("{figure:.4}"))
}
