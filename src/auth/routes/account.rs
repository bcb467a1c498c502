//! Endpoints for one's own account: sign-in, sign-out, password, resignation.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chrono::Duration;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    audit::{Action, Actor},
    auth::{
        extract::CurrentUser,
        password::{Match, Password, is_personal},
        rules::{self, MAX_EMAIL},
        sessions::{self, Refresh, Verified},
        state::AuthState,
        token::{TokenType, Tokens},
        users,
    },
    domain::text,
    error::{ApiError, Code},
    http::{body::Json, client_ip::ClientIp, headers::UserAgent, openapi::AUTH, rules::filled},
};

/// Sign-in request.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"username": "kim@example.com", "password": "korea-snack-9"}))]
pub struct SignIn {
    /// Email. The field may also be named `email`.
    #[schema(required, min_length = 1)]
    #[serde(default, alias = "email")]
    #[validate(custom(function = filled))]
    username: String,
    #[schema(required, format = Password, min_length = 1)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    password: String,
}

/// Subject in the audit log for a username that is not an email.
const NOT_AN_EMAIL: &str = "(not an email)";

/// Signs in.
///
/// An unknown email, a wrong password and a resigned member get the same response after about the same time.
#[utoipa::path(post, path = "/auth/token", tag = AUTH, request_body = SignIn, responses((status = 200, body = Tokens)))]
pub async fn sign_in(
    State(auth): State<Arc<AuthState>>,
    ip: ClientIp,
    user_agent: UserAgent,
    Json(body): Json<SignIn>,
) -> Result<Json<Tokens>, ApiError> {
    let email = text::tidy(&body.username);
    let mut actor = Actor { id: None, address: ip.to_string() };
    let could_be_known = email.chars().count() <= MAX_EMAIL;
    let account = could_be_known.then(|| text::email_key(&email));
    // Acquired before and refunded after a success, so that attempts at the same time do not all pass.
    let attempt = auth.limits.sign_in(account.as_deref(), ip).inspect_err(|error| {
        actor.log_rate_limited(Action::SignIn, unknown_subject(&email), error.code);
    })?;
    let refresh = match Password::new(body.password) {
        Some(password) if could_be_known => authenticate(&auth, &mut actor, &user_agent, &email, password).await?,
        _ => None,
    };
    let Some(refresh) = refresh else {
        attempt.fail();
        let subject = if actor.id.is_some() { &email } else { unknown_subject(&email) };
        actor.log_denied(&auth.db, Action::SignIn, subject, Code::InvalidCredentials.name()).await?;
        return Err(Code::InvalidCredentials.into());
    };
    auth.tokens(&refresh).map(Json)
}

/// Subject in the audit log for a username without an account. People type their password into the wrong field, so the text is kept
/// only if it looks like an email with a domain such as `example.com`. `P@ssw0rd` is a valid email on a local network.
fn unknown_subject(email: &str) -> &str {
    let top_level = email.rsplit_once('@').and_then(|(_, domain)| domain.rsplit_once('.')).map(|(_, label)| label);
    let has_domain = top_level.is_some_and(|label| {
        label.starts_with("xn--") || (label.chars().count() >= 2 && label.chars().all(char::is_alphabetic))
    });
    if has_domain && rules::email(email).is_ok() { email } else { NOT_AN_EMAIL }
}

/// Starts a session of the account of `email` if the password is right. Sets `actor` to the owner of the account.
async fn authenticate(
    auth: &AuthState,
    actor: &mut Actor,
    user_agent: &UserAgent,
    email: &str,
    password: Password,
) -> Result<Option<Refresh>, ApiError> {
    // Repeated once if another sign-in has replaced the hash meanwhile.
    for _ in 0..2 {
        let credentials = sessions::credentials(&auth.db, email).await?;
        let hash = credentials.as_ref().and_then(|credentials| credentials.password_hash.clone());
        let outcome = auth.passwords.verify(password.clone(), hash).await?;
        actor.id = credentials.as_ref().map(|credentials| credentials.id);
        // Resignation is checked only now, so that the response takes as long in both cases.
        let Some(credentials) = credentials.filter(|user| outcome != Match::Wrong && !user.is_deleted) else {
            return Ok(None);
        };
        let new_hash = match outcome {
            Match::Outdated => Some(auth.passwords.hash(password.clone()).await?),
            _ => None,
        };
        let password =
            credentials.password_hash.as_deref().map(|hash| Verified { hash, new_hash: new_hash.as_deref() });
        let mut tx = auth.db.begin().await?;
        let (address, expires_at) = (&actor.address, auth.refresh_expiry());
        let refresh = sessions::start(&mut tx, address, user_agent, credentials.id, password, expires_at).await?;
        if refresh.is_some() {
            actor.log_success(&mut *tx, Action::SignIn, email).await?;
            tx.commit().await?;
            return Ok(refresh);
        }
    }
    Ok(None)
}

/// Refresh token.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"refresh": "eyJ0eXAi..."}))]
pub struct RefreshToken {
    #[schema(required, min_length = 1)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    refresh: String,
}

/// Exchanges a refresh token for a new pair.
///
/// Each refresh token can be used once. Used again within `REFRESH_TOKEN_GRACE` it gets another pair, up to five times; later the
/// whole session ends. With rotation off it stays valid, and the response has an access token only.
#[utoipa::path(post, path = "/auth/token/refresh", tag = AUTH, request_body = RefreshToken,
    responses((status = 200, body = Tokens)))]
pub async fn refresh_tokens(
    State(auth): State<Arc<AuthState>>,
    ip: ClientIp,
    user_agent: UserAgent,
    Json(body): Json<RefreshToken>,
) -> Result<Json<Tokens>, ApiError> {
    let claims = auth.keys.verify(&body.refresh, TokenType::Refresh)?;
    if auth.refresh_token_rotation {
        let grace = Duration::from_std(auth.refresh_token_grace).map_err(ApiError::internal)?;
        let refresh = sessions::refresh(&auth.db, ip, &user_agent, claims.jti, grace, auth.refresh_expiry()).await?;
        return auth.tokens(&refresh).map(Json);
    }
    let session = sessions::touch(&auth.db, ip, &user_agent, claims.jti).await?.ok_or(Code::InvalidToken)?;
    Ok(Json(Tokens { access: auth.keys.access(&session)?, refresh: None }))
}

/// Signs out. The refresh tokens of this session become invalid.
#[utoipa::path(post, path = "/auth/logout", tag = AUTH, request_body = RefreshToken, responses((status = 204)))]
pub async fn sign_out(
    State(auth): State<Arc<AuthState>>,
    Json(body): Json<RefreshToken>,
) -> Result<StatusCode, ApiError> {
    if let Ok(claims) = auth.keys.verify(&body.refresh, TokenType::Refresh) {
        sessions::end(&auth.db, claims.jti).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Current and new password.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"current_password": "korea-snack-9", "new_password": "korea-snack-10"}))]
pub struct PasswordChange {
    #[schema(required, format = Password, min_length = 1)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    current_password: String,
    #[schema(required, format = Password, min_length = 8, max_length = 128)]
    #[validate(custom(function = rules::new_password))]
    #[serde(default)]
    new_password: String,
}

/// Changes the password and ends all sessions.
///
/// The new password must not be a common one, or made of the email or the name.
#[utoipa::path(put, path = "/auth/users/password", tag = AUTH, request_body = PasswordChange, responses((status = 204)))]
pub async fn change_password(
    State(auth): State<Arc<AuthState>>,
    user: CurrentUser,
    Json(body): Json<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let (actor, subject) = (user.actor(), user.id.to_string());
    let mut own = sessions::own_credentials(&auth.db, user.id).await?;
    let attempt = auth.limits.sign_in(Some(&own.email_key), user.ip).inspect_err(|error| {
        actor.log_rate_limited(Action::PasswordChange, &subject, error.code);
    })?;
    let current = Password::new(body.current_password);
    // Repeated once if a sign-in or another change has replaced the hash meanwhile.
    for _ in 0..2 {
        let outcome = match &current {
            Some(current) => auth.passwords.verify(current.clone(), own.password_hash.clone()).await?,
            None => Match::Wrong,
        };
        if outcome == Match::Wrong {
            break;
        }
        if is_personal(&body.new_password, &own.email, &own.name) {
            return Err(ApiError::invalid("new_password", "too_personal"));
        }
        let new = Password::new(body.new_password.clone()).ok_or(Code::ValidationFailed)?;
        let new = auth.passwords.hash(new).await?;
        if sessions::change_password(&auth.db, &actor, user.id, own.password_hash.as_deref(), &new).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        own = sessions::own_credentials(&auth.db, user.id).await?;
    }
    attempt.fail();
    actor.log_denied(&auth.db, Action::PasswordChange, &subject, "wrong_password").await?;
    Err(ApiError::invalid("current_password", "wrong_password"))
}

/// Resigns. The account is marked as deleted, and all its tokens become invalid.
#[utoipa::path(delete, path = "/auth/users/resign", tag = AUTH, responses((status = 204)))]
pub async fn resign(State(auth): State<Arc<AuthState>>, user: CurrentUser) -> Result<StatusCode, ApiError> {
    users::resign(&auth.db, &user.actor(), user.id).await?;
    auth.user_cache.invalidate(user.id);
    Ok(StatusCode::NO_CONTENT)
}
