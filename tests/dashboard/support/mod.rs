//! Trees to look at, and ways to look.

pub(crate) mod driver;
pub(crate) mod http;
pub(crate) mod tree;
