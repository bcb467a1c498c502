//! Accounts, sign-in, tokens, roles and what belongs to whom.

mod accounts;
mod ownership;
mod passwords;
mod roles;
mod token_table;
pub mod tokens;
mod users;
