//! Accounts: sign-up, tokens, profiles, roles, resignation.

pub mod extract;
pub mod invitations;
pub mod limits;
pub mod links;
pub mod password;
pub mod password_reset;
pub mod routes;
pub mod rules;
pub mod sessions;
pub mod sign_up;
pub mod state;
pub mod token;
pub mod user_cache;
pub mod users;

use std::sync::Arc;

use axum::extract::FromRef;
use sqlx::PgPool;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    routes::{
        account, invitations as invitation_routes, passwords, sessions as session_routes, sign_up as sign_up_routes,
        users as user_routes,
    },
    state::AuthState,
};
use crate::{
    error::Code::{
        EmailResigned, EmailTaken, InvalidCredentials, InvalidInvitation, InvalidResetToken, InvalidToken, LastAdmin,
        SignUpClosed, TooManyRequests, UserErased, UserResigned, ValidationFailed,
    },
    http::openapi::{admin, open, signed_in},
    outbox::Outbox,
};

pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    PgPool: FromRef<S>,
    Arc<AuthState>: FromRef<S>,
    Arc<Outbox>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(open(routes!(sign_up_routes::get_sign_up_options), &[]))
        .routes(open(
            routes!(sign_up_routes::sign_up),
            &[ValidationFailed, InvalidInvitation, SignUpClosed, EmailTaken, EmailResigned, TooManyRequests],
        ))
        .routes(admin(routes!(invitation_routes::create_invitation), &[ValidationFailed, EmailTaken, EmailResigned]))
        .routes(admin(routes!(invitation_routes::list_invitations), &[]))
        .routes(admin(routes!(invitation_routes::delete_invitation), &[]))
        .routes(open(routes!(account::sign_in), &[ValidationFailed, InvalidCredentials, TooManyRequests]))
        .routes(open(routes!(account::refresh_tokens), &[ValidationFailed, InvalidToken]))
        .routes(open(routes!(account::sign_out), &[ValidationFailed]))
        .routes(open(routes!(passwords::forgot_password), &[ValidationFailed, TooManyRequests]))
        .routes(open(routes!(passwords::reset_password), &[ValidationFailed, InvalidResetToken]))
        .routes(admin(routes!(passwords::create_password_reset_link), &[UserResigned]))
        .routes(signed_in(routes!(account::change_password), &[ValidationFailed]))
        .routes(signed_in(routes!(account::resign), &[LastAdmin]))
        .routes(signed_in(routes!(session_routes::list_sessions), &[]))
        .routes(signed_in(routes!(session_routes::end_session), &[]))
        .routes(signed_in(routes!(user_routes::get_profile), &[]))
        .routes(signed_in(routes!(user_routes::change_profile), &[ValidationFailed]))
        .routes(admin(routes!(user_routes::list_users), &[]))
        .routes(admin(routes!(user_routes::change_member_type), &[ValidationFailed, UserResigned, LastAdmin]))
        .routes(admin(routes!(user_routes::remove_user), &[LastAdmin]))
        .routes(admin(routes!(user_routes::restore_user), &[UserErased]))
        .routes(signed_in(routes!(user_routes::check_authenticated), &[]))
        .routes(admin(routes!(user_routes::check_admin), &[]))
}
