//! Accounts, sessions, tokens, roles and ownership.

mod accounts;
mod forged_tokens;
mod invitations;
mod leavers;
mod ownership;
mod password_reset;
mod passwords;
mod roles;
mod sessions;
mod sign_up;
mod stale_roles;
mod token_table;
mod tokens;
mod users;
