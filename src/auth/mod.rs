//! Who somebody is and what they may do: sign-up, tokens, profiles, roles, resignation.
//!
//! | rule | where |
//! | --- | --- |
//! | a refresh token is spent once; a second use ends the sign-in | [`store::refresh`] |
//! | unknown email, wrong password and resigned member look and cost alike | [`account::sign_in`] |
//! | there is always an active admin | [`store::lock_admins`] |
//! | a role or a resignation bites with the next request | [`standing`] |

pub mod account;
pub mod guard;
pub mod limits;
pub mod password;
pub mod standing;
pub mod store;
pub mod token;
pub mod users;

pub use guard::{Admin, Member};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::Code::{
        EmailResigned, EmailTaken, InvalidCredentials, InvalidToken, LastAdmin, TooManyRequests, UserResigned,
        ValidationFailed,
    },
    openapi::{admin, member, open},
    state::AppState,
};

/// Every route of this noun with the refusals that are its own.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(open(routes!(account::sign_up), &[ValidationFailed, EmailTaken, EmailResigned, TooManyRequests]))
        .routes(open(routes!(account::sign_in), &[ValidationFailed, InvalidCredentials, TooManyRequests]))
        .routes(open(routes!(account::refresh_tokens), &[ValidationFailed, InvalidToken]))
        .routes(open(routes!(account::sign_out), &[ValidationFailed]))
        .routes(member(routes!(account::change_password), &[ValidationFailed]))
        .routes(member(routes!(account::resign), &[LastAdmin]))
        .routes(member(routes!(users::get_profile), &[]))
        .routes(member(routes!(users::change_profile), &[ValidationFailed]))
        .routes(admin(routes!(users::list_users), &[]))
        .routes(admin(routes!(users::change_member_type), &[ValidationFailed, UserResigned, LastAdmin]))
        .routes(member(routes!(users::check_authenticated), &[]))
        .routes(admin(routes!(users::check_admin), &[]))
}
