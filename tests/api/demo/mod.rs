//! Demo data.

mod data;
