//! One's own account: signing up, in and out, the password, resigning.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::auth::{
    extract::Member,
    password::{Match, Password, is_personal},
    sessions::{self, Refresh},
    token::{TokenType, Tokens},
    users::{self, User},
};
use crate::{
    app::state::AppState,
    audit::log::{Action, Actor},
    domain::text,
    error::{ApiError, Code},
    http::{Address, Json, openapi::AUTH, rules},
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
    state.limits.sign_up_address.acquire(address.subscriber())?.spend();
    let password = Password::new(body.password).ok_or(Code::ValidationFailed)?;
    let hash = state.passwords.hash(password).await?;
    let actor = Actor { id: None, address: address.to_string() };
    let user = users::create(&state.db, &actor, &body.email, &body.name, &hash).await?;
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

/// The longest email that an account can have.
const MAX_EMAIL: usize = 254;

/// Stands in the audit log for a user name that is none.
const NOT_AN_EMAIL: &str = "(not an email)";

/// Signs in.
///
/// An unknown email, a wrong password and a resigned member are told alike and take alike.
#[utoipa::path(post, path = "/auth/token", tag = AUTH, request_body = SignIn, responses((status = 200, body = Tokens)))]
pub async fn sign_in(
    State(state): State<AppState>,
    address: Address,
    Json(body): Json<SignIn>,
) -> Result<Json<Tokens>, ApiError> {
    let email = text::tidy(&body.username);
    let mut actor = Actor { id: None, address: address.to_string() };
    let could_be_known = email.chars().count() <= MAX_EMAIL;
    let account = could_be_known.then(|| text::email_key(&email));
    // Taken before and given back after a success, so that tries at once do not all pass.
    let attempt = state.limits.sign_in(account.as_deref(), address).inspect_err(|refusal| {
        actor.was_not_heard(Action::SignIn, unknown_subject(&email), refusal.code);
    })?;
    let refresh = match Password::new(body.password) {
        Some(password) if could_be_known => authenticate(&state, &mut actor, &email, password).await?,
        _ => None,
    };
    let Some(refresh) = refresh else {
        attempt.fail();
        let subject = if actor.id.is_some() { &email } else { unknown_subject(&email) };
        actor.was_refused(&state.db, Action::SignIn, subject, Code::InvalidCredentials.name()).await?;
        return Err(Code::InvalidCredentials.into());
    };
    pair(&state, refresh).map(Json)
}

/// The user name as the audit log shows it when no account has it. People type their password into the wrong field, so only
/// what looks like an email is kept, with a domain such as `example.com`: `P@ssw0rd` is an address on a local network as well.
fn unknown_subject(email: &str) -> &str {
    let top_level = email.rsplit_once('@').and_then(|(_, domain)| domain.rsplit_once('.')).map(|(_, label)| label);
    let has_domain = top_level.is_some_and(|label| {
        label.starts_with("xn--") || (label.chars().count() >= 2 && label.chars().all(char::is_alphabetic))
    });
    if has_domain && rules::email(email).is_ok() { email } else { NOT_AN_EMAIL }
}

/// Begins a sign-in of the account of `email`, if this is its password. `actor` becomes its owner, if there is one.
async fn authenticate(
    state: &AppState,
    actor: &mut Actor,
    email: &str,
    password: Password,
) -> Result<Option<Refresh>, ApiError> {
    // A second time where another sign-in has replaced the hash meanwhile.
    for _ in 0..2 {
        let credentials = sessions::credentials(&state.db, email).await?;
        let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
        let outcome = state.passwords.verify(password.clone(), hash).await?;
        actor.id = credentials.as_ref().map(|credentials| credentials.id);
        // Whether they resigned is looked at only now, so that the answer takes as long either way.
        let Some(credentials) = credentials.filter(|user| outcome != Match::Wrong && !user.is_deleted) else {
            return Ok(None);
        };
        let new_hash = match outcome {
            Match::Outdated => Some(state.passwords.hash(password.clone()).await?),
            _ => None,
        };
        let expires_at = refresh_expiry(state);
        let begun =
            sessions::begin_sign_in(&state.db, actor, email, &credentials, new_hash.as_deref(), expires_at).await?;
        if begun.is_some() {
            return Ok(begun);
        }
    }
    Ok(None)
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
/// The token presented is spent. Presented again within `REFRESH_TOKEN_GRACE` it gets another pair, five times; later it ends the
/// whole sign-in. Where rotation is switched off it stays good, and only an access token comes back.
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
        let refresh = sessions::refresh(&state.db, address, claims.jti, grace, refresh_expiry(&state)).await?;
        return pair(&state, refresh).map(Json);
    }
    if !sessions::is_live(&state.db, claims.jti).await? {
        return Err(Code::InvalidToken.into());
    }
    Ok(Json(Tokens { access: state.keys.access(claims.user_id)?, refresh: None }))
}

/// Signs out: the refresh tokens of this sign-in no longer work.
#[utoipa::path(post, path = "/auth/logout", tag = AUTH, request_body = RefreshToken, responses((status = 204)))]
pub async fn sign_out(State(state): State<AppState>, Json(body): Json<RefreshToken>) -> Result<StatusCode, ApiError> {
    if let Ok(claims) = state.keys.verify(&body.refresh, TokenType::Refresh) {
        sessions::end_sign_in(&state.db, claims.jti).await?;
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
    let (actor, subject) = (member.actor(), member.id.to_string());
    let mut own = sessions::own(&state.db, member.id).await?;
    let attempt = state.limits.sign_in(Some(&own.email_key), member.address).inspect_err(|refusal| {
        actor.was_not_heard(Action::PasswordChange, &subject, refusal.code);
    })?;
    let current = Password::new(body.current_password);
    // A second time where a sign-in or another change has replaced the hash meanwhile.
    for _ in 0..2 {
        let outcome = match &current {
            Some(current) => state.passwords.verify(current.clone(), Some(own.password_hash.clone())).await?,
            None => Match::Wrong,
        };
        if outcome == Match::Wrong {
            break;
        }
        if is_personal(&body.new_password, &own.email, &own.name) {
            return Err(ApiError::invalid("new_password", "too_personal"));
        }
        let new = Password::new(body.new_password.clone()).ok_or(Code::ValidationFailed)?;
        let new = state.passwords.hash(new).await?;
        if sessions::change_password(&state.db, &actor, member.id, &own.password_hash, &new).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
        own = sessions::own(&state.db, member.id).await?;
    }
    attempt.fail();
    actor.was_refused(&state.db, Action::PasswordChange, &subject, "wrong_password").await?;
    Err(ApiError::invalid("current_password", "wrong_password"))
}

/// Resigns. The account is marked, not removed; every token of it is refused from now on.
#[utoipa::path(delete, path = "/auth/users/resign", tag = AUTH, responses((status = 204)))]
pub async fn resign(State(state): State<AppState>, member: Member) -> Result<StatusCode, ApiError> {
    users::resign(&state.db, &member.actor(), member.id).await?;
    state.standings.forget(member.id);
    Ok(StatusCode::NO_CONTENT)
}
