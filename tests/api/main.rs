//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;

mod admins;
mod auth;
mod documents;
mod orders;
mod reactions;
mod snacks;
mod statistics;
mod tokens;
mod transport;
mod users;
