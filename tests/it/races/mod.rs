//! Faults F18 to F34: limits and their edges, races made by design, names and ids, the end of the System, calls of a
//! child to its own supervisor, wrong options, great numbers.

mod identity;
mod limits;
mod names;
mod options;
mod reentrancy;
mod scale;
mod stop_races;
mod system;
mod terminate_races;
