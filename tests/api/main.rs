//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;

mod admins;
mod auth;
mod calls;
mod convergence;
mod csv;
mod documents;
mod hostile;
mod idempotency;
mod ledger;
mod order_edits;
mod order_lists;
mod order_races;
mod orders;
mod periods;
mod pictures;
mod reactions;
mod recount;
mod redis_outages;
mod refusals;
mod seeds;
mod snack_edits;
mod snack_lists;
mod snacks;
mod statistics;
mod tokens;
mod transitions;
mod transport;
mod users;
