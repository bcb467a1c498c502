//! Endpoints of the sign-in through the identity provider.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use url::Url;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::{
    codes, cookie, next,
    provider::OidcError,
    sign_in::{self, Denial},
    state::OidcState,
};
use crate::{
    audit::{Action, Actor},
    auth::{sessions, token::Tokens},
    error::{ApiError, Code, chain},
    http::{body::Json, client_ip::ClientIp, headers::UserAgent, openapi::AUTH, query::Query, rules::filled},
};

/// Subject in the audit log for a sign-in without an email.
const NO_EMAIL: &str = "(no email)";

/// Redirect to `location` that sets or clears the cookie of the sign-in.
fn redirect(location: &Url, cookie: Option<HeaderValue>) -> Result<Response, ApiError> {
    let location = HeaderValue::try_from(location.as_str()).map_err(ApiError::internal)?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignInStart {
    /// Page of the web app to lead to after the sign-in: a path that begins with one slash.
    #[param(max_length = 512, example = "/orders")]
    next: Option<String>,
}

/// Starts a sign-in through the identity provider. For browsers.
///
/// Leads to the sign-in page of the identity provider, or back to the web app's with `error=oidc_unavailable`.
#[utoipa::path(get, path = "/auth/oidc/login", tag = AUTH, params(SignInStart), responses(
    (status = 303, description = "See Other", headers(("Location", description = "Page to go to."),
        ("Set-Cookie", description = "Cookie of the sign-in, for 10 minutes.")))))]
pub async fn start_oidc_sign_in(
    State(oidc): State<Arc<OidcState>>,
    ip: ClientIp,
    Query(query): Query<SignInStart>,
) -> Result<Response, ApiError> {
    if query.next.as_deref().is_some_and(|next| !next::is_app_path(next)) {
        return Err(ApiError::bad_request(
            "next 는 / 하나로 시작하는 웹 앱의 경로여야 합니다.",
            "The parameter next must be a path of the web app that begins with one slash.",
        ));
    }
    let provider = oidc.provider()?;
    oidc.auth.limits.oidc_start_address.acquire(ip.rate_limit_key())?.spend();
    match provider.start(query.next).await {
        Ok((url, flow)) => redirect(&url, Some(oidc.cookie.set(&oidc.auth.keys, &flow)?)),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "sign-in not started");
            redirect(&oidc.denied_url(Denial::OidcUnavailable)?, None)
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Callback {
    /// Code of the identity provider.
    code: Option<String>,
    /// Repeats what the sign-in started with.
    state: Option<String>,
    /// Error of the identity provider, in place of a code.
    error: Option<String>,
    /// Issuer, if the identity provider names itself.
    iss: Option<String>,
}

/// Finishes a sign-in through the identity provider. For browsers.
///
/// Leads to `/app/` with a `code` for `POST /auth/oidc/token`, and with `next` if the sign-in started with it. Otherwise leads to
/// `/app/sign-in` with an `error`: `email_resigned`, `sign_up_closed`, `domain_not_allowed`, `email_not_verified`, `oidc_failed`,
/// `oidc_unavailable` or `oidc_denied`.
#[utoipa::path(get, path = "/auth/oidc/callback", tag = AUTH, params(Callback), responses(
    (status = 303, description = "See Other", headers(("Location", description = "Page of the web app."),
        ("Set-Cookie", description = "Removes the cookie of the sign-in.")))))]
pub async fn finish_oidc_sign_in(
    State(oidc): State<Arc<OidcState>>,
    ip: ClientIp,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Result<Response, ApiError> {
    oidc.provider()?;
    let attempt = oidc.auth.limits.oidc_callback_address.acquire(ip.rate_limit_key())?;
    let mut actor = Actor { id: None, address: ip.to_string() };
    let clear = Some(oidc.cookie.clear()?);
    match sign_in(&oidc, &mut actor, &headers, callback).await? {
        Ok(location) => redirect(&location, clear),
        Err((denial, email)) => {
            attempt.spend();
            if denial != Denial::OidcUnavailable {
                let subject = email.as_deref().unwrap_or(NO_EMAIL);
                actor.log_denied(&oidc.auth.db, Action::OidcSignIn, subject, denial.as_str()).await?;
            }
            redirect(&oidc.denied_url(denial)?, clear)
        }
    }
}

/// Page of the web app for a callback, or the reason of a denial with the email if it is known.
async fn sign_in(
    oidc: &OidcState,
    actor: &mut Actor,
    headers: &HeaderMap,
    callback: Callback,
) -> Result<Result<Url, (Denial, Option<String>)>, ApiError> {
    let provider = oidc.provider()?;
    let flow = cookie::read(&oidc.auth.keys, headers);
    // The comparison takes the same time for any text.
    let flow =
        flow.filter(|flow| callback.state.is_some_and(|state| flow.state == openidconnect::CsrfToken::new(state)));
    let Some(flow) = flow else {
        tracing::warn!("callback without the cookie of its sign-in");
        return Ok(Err((Denial::OidcFailed, None)));
    };
    if callback.iss.is_some_and(|issuer| issuer != provider.issuer()) {
        tracing::warn!("callback of another issuer");
        return Ok(Err((Denial::OidcFailed, None)));
    }
    let Some(code) = callback.code.filter(|_| callback.error.is_none()) else {
        let denial = Denial::of_error(callback.error.as_deref().unwrap_or_default());
        tracing::info!(denial = denial.as_str(), "callback with an error");
        return Ok(Err((denial, None)));
    };
    let identity = match provider.identity(code, flow.pkce_verifier, &flow.nonce).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "sign-in not finished");
            let is_unavailable = matches!(error, OidcError::Unavailable(_));
            let denial = if is_unavailable { Denial::OidcUnavailable } else { Denial::OidcFailed };
            return Ok(Err((denial, None)));
        }
    };
    match sign_in::user_of(&oidc.auth, actor, &identity).await? {
        Ok(user) => {
            let code = codes::create(&oidc.auth.db, user).await?;
            Ok(Ok(oidc.signed_in_url(&code, flow.next.as_deref())?))
        }
        Err(denial) => Ok(Err((denial, identity.email))),
    }
}

/// Code of the callback.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"code": "2hF0..."}))]
pub struct SignInCode {
    #[schema(required, min_length = 1)]
    #[validate(custom(function = filled))]
    #[serde(default)]
    code: String,
}

/// Exchanges the code of a sign-in through the identity provider for tokens.
///
/// The code is good once and for a minute.
#[utoipa::path(post, path = "/auth/oidc/token", tag = AUTH, request_body = SignInCode,
    responses((status = 200, body = Tokens)))]
pub async fn exchange_sign_in_code(
    State(oidc): State<Arc<OidcState>>,
    ip: ClientIp,
    user_agent: UserAgent,
    Json(body): Json<SignInCode>,
) -> Result<Json<Tokens>, ApiError> {
    let auth = &oidc.auth;
    let mut tx = auth.db.begin().await?;
    let user = codes::redeem(&mut tx, &body.code).await?.ok_or(Code::InvalidToken)?;
    let actor = Actor { id: Some(user.id), address: ip.to_string() };
    let expires_at = auth.refresh_expiry();
    let refresh = sessions::start(&mut tx, &actor.address, &user_agent, user.id, None, expires_at).await?;
    if refresh.is_some() {
        actor.log_success(&mut *tx, Action::OidcSignIn, &user.email).await?;
    } else {
        actor.log_denied(&mut *tx, Action::OidcSignIn, &user.email, Denial::EmailResigned.as_str()).await?;
    }
    tx.commit().await?;
    auth.tokens(&refresh.ok_or(Code::InvalidToken)?).map(Json)
}
