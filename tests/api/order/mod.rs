//! Orders.

mod arrivals;
mod buying_list;
mod cancellations;
mod creation;
mod edits;
mod follows;
mod idempotency;
mod lists;
mod notes;
mod races;
mod transitions;
