//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

#![expect(clippy::expect_used, reason = "a helper that cannot go on ends its test")]

mod helpers;

mod auth;
mod csv;
mod documents;
mod idempotency;
mod order_edits;
mod order_lists;
mod order_races;
mod orders;
mod periods;
mod reactions;
mod recount;
mod seeds;
mod snacks;
mod statistics;
mod transitions;
mod transport;
