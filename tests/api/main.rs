//! The server as its clients see it: every test speaks HTTP to a server of its own, on a database of its own.

mod helpers;

mod admins;
mod auth;
mod calls;
mod documents;
mod hostile;
mod orders;
mod reactions;
mod refusals;
mod snacks;
mod statistics;
mod tokens;
mod transport;
mod users;
