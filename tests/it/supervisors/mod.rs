//! Supervisors: their options, modules, nesting, and how they end.

mod ending;
mod modules;
mod nested;
mod options;
mod services;
