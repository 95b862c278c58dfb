//! The same work, done by one peer after another. `compare/run` says how it is called:
//!
//! * `compare peers`: a line for each peer and flavour.
//! * `compare measure PEER FLAVOUR FIGURE CHILDREN`: one figure, as one line; no line if the peer cannot do it.
//! * `compare table`: such lines and those about the machine on standard input, the table on standard output.

mod measure;
mod peers;
mod table;

use std::{
    env,
    io::{self, Read},
    panic,
    process::ExitCode,
};

use measure::{Figure, BOOM};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["peers"] => {
            for (peer, flavour) in peers::ALL {
                println!("{peer}\t{flavour}");
            }
            Some(())
        }
        ["measure", peer, flavour, figure, children] => measured(peer, flavour, figure, children),
        ["table"] => {
            let mut lines = String::new();
            io::stdin().read_to_string(&mut lines).ok().map(|_| print!("{}", table::of(&lines)))
        }
        _ => None,
    };
    if done.is_none() {
        eprintln!("usage: compare peers | measure PEER FLAVOUR FIGURE CHILDREN | table");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

/// Prints what was measured: peer, flavour, figure, the figure itself, and how many repetitions it is of.
fn measured(peer: &str, flavour: &str, figure: &str, children: &str) -> Option<()> {
    let (figure, children) = (Figure::by_name(figure)?, children.parse().ok().filter(|children| *children >= 100)?);
    // Crashes are part of the work: they are not printed, by any peer. Others end the measurement, and are.
    panic::set_hook(Box::new(|panic| {
        if panic.payload().downcast_ref() != Some(&BOOM) {
            eprintln!("{panic}");
        }
    }));
    if let Some(sample) = peers::measure_one(peer, flavour, figure, children)? {
        println!("{peer}\t{flavour}\t{}\t{:.2}\t{}", figure.name(), sample.each, sample.of);
    }
    Some(())
}
