//! Endpoints for forgotten passwords.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    audit::Actor,
    auth::{
        extract::AdminUser,
        password::{Password, is_personal},
        password_reset::{self, PasswordResetLink},
        rules::{self, MAX_EMAIL},
        state::AuthState,
    },
    domain::text::{self, tidy},
    error::{ApiError, Code},
    http::{
        body::{Json, non_null},
        client_ip::ClientIp,
        headers::language,
        openapi::AUTH,
        path::Id,
        rate_limiter::KeyDigest,
        rules::filled,
    },
    outbox::AccountMail,
};

/// Email of an account whose password is forgotten.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"email": "kim@example.com"}))]
pub struct ForgottenPassword {
    /// Any text is accepted.
    #[schema(required, value_type = String)]
    #[validate(required(code = "required"))]
    #[serde(default, deserialize_with = "non_null")]
    email: Option<String>,
}

/// Asks for a mail with a link for a new password.
///
/// The response is the same whether the email has an account or not. An active member gets a link that is good for 30 minutes, in the
/// language of the request, at most three times an hour.
#[utoipa::path(post, path = "/auth/password/forgot", tag = AUTH, request_body = ForgottenPassword,
    responses((status = 204)))]
pub async fn forgot_password(
    State(auth): State<Arc<AuthState>>,
    ip: ClientIp,
    headers: HeaderMap,
    Json(body): Json<ForgottenPassword>,
) -> Result<StatusCode, ApiError> {
    auth.limits.forgotten_address.acquire(ip.rate_limit_key())?.spend();
    let typed = body.email.unwrap_or_default();
    let Some(email) = comparable_email(&typed) else { return Ok(StatusCode::NO_CONTENT) };
    // The limit counts emails without an account too, so that it tells nothing.
    let Ok(permit) = auth.limits.forgotten_account.acquire(KeyDigest::of(&email)) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    // The account is looked up when the mail is sent, so that the response takes as long for any email.
    let address = ip.to_string();
    let mail = AccountMail { invitation: None, email: &email, language: language(&headers), address: &address };
    auth.outbox.write_account_mail(&auth.db, &mail).await?;
    permit.spend();
    auth.outbox.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Comparison form of a text that is an email.
fn comparable_email(typed: &str) -> Option<String> {
    let tidied = tidy(typed);
    if tidied.chars().count() > MAX_EMAIL {
        return None;
    }
    let key = text::email_key(&tidied);
    text::email(&key).is_some().then_some(key)
}

/// New password, and the token of the link.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"token": "5JVk0cXb0q4yT7cW1l8mS2n9rA3dE6fG0hI1jK2lM3n", "new_password": "korea-snack-10"}))]
pub struct PasswordReset {
    #[schema(required, min_length = 1)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    token: String,
    #[schema(required, format = Password, min_length = 8, max_length = 128)]
    #[validate(custom(function = rules::new_password))]
    #[serde(default)]
    new_password: String,
}

/// Sets a new password with the token of a link, and ends all sessions.
///
/// A token works once. A password that is refused does not use it up. The new password must not be a common one, or made of the email
/// or the name.
#[utoipa::path(post, path = "/auth/password/reset", tag = AUTH, request_body = PasswordReset, responses((status = 204)))]
pub async fn reset_password(
    State(auth): State<Arc<AuthState>>,
    ip: ClientIp,
    Json(body): Json<PasswordReset>,
) -> Result<StatusCode, ApiError> {
    // Before the password is hashed, which takes long.
    let owner = password_reset::owner(&auth.db, &body.token).await?;
    if is_personal(&body.new_password, &owner.email, &owner.name) {
        return Err(ApiError::invalid("new_password", "too_personal"));
    }
    let password = Password::new(body.new_password).ok_or(Code::ValidationFailed)?;
    let hash = auth.passwords.hash(password).await?;
    let actor = Actor { id: Some(owner.id), address: ip.to_string() };
    password_reset::reset_password(&auth.db, &actor, owner.id, &body.token, &hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates a link for a new password of a user, for an admin to hand over.
///
/// It is good for 24 hours, once, and takes the place of the user's earlier links.
#[utoipa::path(post, path = "/auth/users/{id}/password-reset", tag = AUTH,
    params(("id" = i64, Path, description = "Id of the user.")), responses((status = 201, body = PasswordResetLink)))]
pub async fn create_password_reset_link(
    State(auth): State<Arc<AuthState>>,
    AdminUser(admin): AdminUser,
    id: Id,
) -> Result<(StatusCode, Json<PasswordResetLink>), ApiError> {
    let link = password_reset::create_link(&auth.db, &auth.links, &admin.actor(), id.get()?).await?;
    Ok((StatusCode::CREATED, Json(link)))
}
