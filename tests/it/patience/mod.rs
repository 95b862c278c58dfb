//! Patience.
