//! Who somebody is and what they may do: sign-up, tokens, profiles, roles, resignation.
//!
//! | rule | where |
//! | --- | --- |
//! | a refresh token is spent once; a second use ends the sign-in | [`sign_ins::refresh`] |
//! | unknown email, wrong password and resigned member look and cost alike | [`routes::account::sign_in`] |
//! | there is always an active admin | [`store::lock_admins`] |
//! | a role or a resignation bites with the next request | [`standing`] |

pub mod extract;
pub mod limits;
pub mod password;
pub mod routes;
pub mod sessions;
pub mod user_cache;

pub mod token;
pub mod users;
pub mod workers;

pub use extract::{Admin, Member};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::state::AppState,
    error::Code::{
        EmailResigned, EmailTaken, InvalidCredentials, InvalidToken, LastAdmin, TooManyRequests, UserResigned,
        ValidationFailed,
    },
    http::openapi::{admin, member, open},
};

/// Every route of this noun with the refusals that are its own.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(open(
            routes!(routes::account::sign_up),
            &[ValidationFailed, EmailTaken, EmailResigned, TooManyRequests],
        ))
        .routes(open(routes!(routes::account::sign_in), &[ValidationFailed, InvalidCredentials, TooManyRequests]))
        .routes(open(routes!(routes::account::refresh_tokens), &[ValidationFailed, InvalidToken]))
        .routes(open(routes!(routes::account::sign_out), &[ValidationFailed]))
        .routes(member(routes!(routes::account::change_password), &[ValidationFailed]))
        .routes(member(routes!(routes::account::resign), &[LastAdmin]))
        .routes(member(routes!(routes::users::get_profile), &[]))
        .routes(member(routes!(routes::users::change_profile), &[ValidationFailed]))
        .routes(admin(routes!(routes::users::list_users), &[]))
        .routes(admin(routes!(routes::users::change_member_type), &[ValidationFailed, UserResigned, LastAdmin]))
        .routes(member(routes!(routes::users::check_authenticated), &[]))
        .routes(admin(routes!(routes::users::check_admin), &[]))
}
