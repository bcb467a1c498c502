//! Accounts, sessions, tokens, roles and ownership.

mod accounts;
mod ownership;
mod passwords;
mod roles;
mod token_table;
pub mod tokens;
mod users;
