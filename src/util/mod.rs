//! Small helpers.

pub mod z85;
