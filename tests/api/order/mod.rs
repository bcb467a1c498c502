//! Orders.

mod creation;
mod edits;
mod idempotency;
mod lists;
mod races;
mod transitions;
