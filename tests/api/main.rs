//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;

mod admins;
mod auth;
mod binary;
mod calls;
mod demo_data;
mod documents;
mod forwarder;
mod hostile;
mod orders;
mod outage;
mod process;
mod reactions;
mod refusals;
mod serve;
mod snacks;
mod statistics;
mod tokens;
mod transport;
mod users;
