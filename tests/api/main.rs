//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

#![expect(clippy::expect_used, reason = "a helper that cannot go on ends its test")]

mod helpers;

mod admins;
mod audit;
mod auth;
mod binary;
mod calls;
mod convergence;
mod csv;
mod day_sums;
mod demo_data;
mod documents;
mod forgeries;
mod forwarder;
mod histories;
mod hostile;
mod hostile_pictures;
mod idempotency;
mod ledger;
mod limits;
mod objects;
mod order_edits;
mod order_lists;
mod order_races;
mod orders;
mod outage;
mod overload;
mod periods;
mod picture_colours;
mod picture_ends;
mod picture_store;
mod pictures;
mod plans;
mod process;
mod reactions;
mod recount;
mod redis_outages;
mod refusals;
mod seeds;
mod serve;
mod snack_edits;
mod snack_lists;
mod snacks;
mod statistics;
mod token_table;
mod tokens;
mod transitions;
mod transport;
mod uploads;
mod users;
mod web;
