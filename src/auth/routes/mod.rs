//! Endpoints of accounts and users.

pub mod account;
pub mod invitations;
pub mod passwords;
pub mod sessions;
pub mod sign_up;
pub mod users;
