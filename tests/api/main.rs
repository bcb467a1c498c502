//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;
mod ledger;

mod auth;
mod convergence;
mod documents;
mod histories;
mod orders;
mod pictures;
mod reactions;
mod redis_outages;
mod snack_edits;
mod snack_lists;
mod snacks;
mod statistics;
mod transport;
