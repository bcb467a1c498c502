//! Endpoints of accounts and users.

pub mod account;
pub mod passwords;
pub mod sessions;
pub mod users;
