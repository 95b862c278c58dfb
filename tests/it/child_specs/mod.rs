//! What a child can be made of, what its start sees and answers, and how long its spec lives.

mod constructors;
mod context;
mod lifetime;
mod options;
