//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;

mod admins;
mod auth;
mod calls;
mod convergence;
mod documents;
mod hostile;
mod ledger;
mod orders;
mod pictures;
mod reactions;
mod redis_outages;
mod refusals;
mod snack_edits;
mod snack_lists;
mod snacks;
mod statistics;
mod tokens;
mod transport;
mod users;
