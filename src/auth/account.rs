//! One's own account: signing up, in and out, the password, resigning.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use super::{
    guard::Member,
    password::is_personal,
    sign_ins::{self, Refresh},
    store::{self, User},
    token::{TokenType, Tokens},
};
use crate::{
    audit::{Action, Actor},
    error::{ApiError, Code},
    http::{Address, Json, rules},
    openapi::AUTH,
    state::AppState,
    text,
};

/// Who wants to join.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"email": "kim@example.com", "password": "korea-snack-9", "name": "김간식"}))]
pub struct SignUp {
    /// The login id. ASCII before the `@`; stored with the domain in its IDNA ASCII form (UTS 46). Invisible characters are
    /// refused.
    #[schema(required, format = Email, max_length = 254)]
    #[validate(custom(function = rules::email))]
    #[serde(default)]
    email: String,
    #[schema(required, format = Password, min_length = 8, max_length = 128)]
    #[validate(custom(function = rules::new_password))]
    #[serde(default)]
    password: String,
    /// As others see it.
    #[schema(required, min_length = 1, max_length = 50)]
    #[validate(custom(function = rules::user_name))]
    #[serde(default)]
    name: String,
}

/// Signs up as a member.
///
/// Not with a password that is well known, or made of the email or the name.
#[utoipa::path(post, path = "/auth/sign-up", tag = AUTH, request_body = SignUp, responses((status = 201, body = User)))]
pub async fn sign_up(
    State(state): State<AppState>,
    address: Address,
    Json(body): Json<SignUp>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    if is_personal(&body.password, &body.email, &body.name) {
        return Err(ApiError::invalid("password", "too_personal"));
    }
    state.limits.sign_up_address.take(address.subscriber())?;
    let hash = state.passwords.hash(SecretString::from(body.password)).await?;
    let user = store::create(&state.db, &body.email, &body.name, &hash).await?;
    Actor { id: Some(user.id), address: address.to_string() }.did(&state.db, Action::SignUp, &user.email).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Who wants to come in.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"username": "kim@example.com", "password": "korea-snack-9"}))]
pub struct SignIn {
    /// The email; the field may be called `email` as well.
    #[schema(required, min_length = 1)]
    #[serde(default, alias = "email")]
    #[validate(custom(function = rules::filled))]
    username: String,
    #[schema(required, format = Password, min_length = 1)]
    #[validate(custom(function = rules::filled))]
    #[serde(default)]
    password: String,
}

/// Signs in.
///
/// An unknown email, a wrong password and a resigned member are told alike and take alike.
#[utoipa::path(post, path = "/auth/token", tag = AUTH, request_body = SignIn, responses((status = 200, body = Tokens)))]
pub async fn sign_in(
    State(state): State<AppState>,
    address: Address,
    Json(body): Json<SignIn>,
) -> Result<Json<Tokens>, ApiError> {
    // Taken before and given back after a success, so that tries at once do not all pass.
    let (account, subscriber) = (text::email_key(&body.username), address.subscriber());
    let mut actor = Actor { id: None, address: address.to_string() };
    let limits = &state.limits;
    let taken = limits.sign_in_account.take(account.clone()).and_then(|()| {
        limits.sign_in_address.take(subscriber).inspect_err(|_| limits.sign_in_account.give_back(&account))
    });
    taken.inspect_err(|refusal| actor.was_not_heard(Action::SignIn, &body.username, refusal.code))?;

    let credentials = sign_ins::credentials(&state.db, &body.username).await?;
    let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let matches = state.passwords.verify(SecretString::from(body.password), hash).await?;
    actor.id = credentials.as_ref().map(|credentials| credentials.id);
    // Whether they resigned is looked at only now, so that the answer takes as long either way.
    let refresh = match credentials {
        Some(credentials) if matches && !credentials.is_deleted => {
            sign_ins::begin_sign_in(&state.db, &credentials, refresh_expiry(&state)).await?
        }
        _ => None,
    };
    let Some(refresh) = refresh else {
        actor.was_refused(&state.db, Action::SignIn, &body.username, Code::InvalidCredentials).await?;
        return Err(Code::InvalidCredentials.into());
    };
    actor.did(&state.db, Action::SignIn, &body.username).await?;
    state.limits.sign_in_account.give_back(&account);
    state.limits.sign_in_address.give_back(&subscriber);
    pair(&state, refresh).map(Json)
}

fn refresh_expiry(state: &AppState) -> DateTime<Utc> {
    Utc::now() + state.config.refresh_token_ttl
}

fn pair(state: &AppState, refresh: Refresh) -> Result<Tokens, ApiError> {
    Ok(Tokens {
        access: state.keys.access(refresh.user_id)?,
        refresh: Some(state.keys.refresh(refresh.user_id, refresh.jti, refresh.expires_at)?),
    })
}

/// A refresh token.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"refresh": "eyJ0eXAi..."}))]
pub struct RefreshToken {
    #[schema(required, min_length = 1)]
    #[validate(custom(function = rules::filled))]
    #[serde(default)]
    refresh: String,
}

/// Exchanges a refresh token for a new pair.
///
/// The token presented is spent. Presented again within `REFRESH_TOKEN_GRACE` it gets another pair; later it ends the whole
/// sign-in. Where rotation is switched off it stays good, and only an access token comes back.
#[utoipa::path(post, path = "/auth/token/refresh", tag = AUTH, request_body = RefreshToken,
    responses((status = 200, body = Tokens)))]
pub async fn refresh_tokens(
    State(state): State<AppState>,
    address: Address,
    Json(body): Json<RefreshToken>,
) -> Result<Json<Tokens>, ApiError> {
    let claims = state.keys.verify(&body.refresh, TokenType::Refresh)?;
    if state.config.refresh_token_rotation {
        let grace = Duration::from_std(state.config.refresh_token_grace).map_err(ApiError::internal)?;
        let refresh = sign_ins::refresh(&state.db, address, claims.jti, grace, refresh_expiry(&state)).await?;
        return pair(&state, refresh).map(Json);
    }
    if !sign_ins::is_live(&state.db, claims.jti).await? {
        return Err(Code::InvalidToken.into());
    }
    Ok(Json(Tokens { access: state.keys.access(claims.user_id)?, refresh: None }))
}

/// Signs out: the refresh tokens of this sign-in no longer work.
#[utoipa::path(post, path = "/auth/logout", tag = AUTH, request_body = RefreshToken, responses((status = 204)))]
pub async fn sign_out(State(state): State<AppState>, Json(body): Json<RefreshToken>) -> Result<StatusCode, ApiError> {
    if let Ok(claims) = state.keys.verify(&body.refresh, TokenType::Refresh) {
        sign_ins::end_sign_in(&state.db, claims.jti).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The password one has and the one to be.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"current_password": "korea-snack-9", "new_password": "korea-snack-10"}))]
pub struct PasswordChange {
    #[schema(required, format = Password, min_length = 1)]
    #[validate(custom(function = rules::filled))]
    #[serde(default)]
    current_password: String,
    #[schema(required, format = Password, min_length = 8, max_length = 128)]
    #[validate(custom(function = rules::new_password))]
    #[serde(default)]
    new_password: String,
}

/// Changes the password and ends every sign-in.
///
/// The new one must not be well known, or made of the email or the name.
#[utoipa::path(put, path = "/auth/users/password", tag = AUTH, request_body = PasswordChange, responses((status = 204)))]
pub async fn change_password(
    State(state): State<AppState>,
    member: Member,
    Json(body): Json<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let own = sign_ins::own(&state.db, member.id).await?;
    let old = own.password_hash;
    let right = state.passwords.verify(SecretString::from(body.current_password), Some(old.clone())).await?;
    if !right {
        return Err(ApiError::invalid("current_password", "wrong_password"));
    }
    if is_personal(&body.new_password, &own.email, &own.name) {
        return Err(ApiError::invalid("new_password", "too_personal"));
    }
    let new = state.passwords.hash(SecretString::from(body.new_password)).await?;
    if !sign_ins::change_password(&state.db, &member.actor(), member.id, &old, &new).await? {
        return Err(ApiError::invalid("current_password", "wrong_password"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Resigns. The account is marked, not removed; every token of it is refused from now on.
#[utoipa::path(delete, path = "/auth/users/resign", tag = AUTH, responses((status = 204)))]
pub async fn resign(State(state): State<AppState>, member: Member) -> Result<StatusCode, ApiError> {
    store::resign(&state.db, &member.actor(), member.id).await?;
    state.standings.forget(member.id);
    Ok(StatusCode::NO_CONTENT)
}
