//! Endpoints for sign-up.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::{
    audit::Actor,
    auth::{
        invitations,
        password::{Password, is_personal},
        rules,
        sign_up::{self, NewUser},
        state::AuthState,
        users::{MemberType, User},
    },
    config::SignUpMode,
    domain::text,
    error::{ApiError, Code, FieldError},
    http::{
        body::{self, Json},
        client_ip::ClientIp,
        openapi::AUTH,
    },
};

/// Ways to join.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"mode": "open", "email_domains": ["example.com"], "oidc": {"name": "Google"}}))]
pub struct SignUpOptions {
    mode: SignUpMode,
    /// Domains of emails that may sign up without an invitation, in their IDNA ASCII form. Empty for any.
    email_domains: Vec<String>,
    /// `null` without an identity provider.
    #[schema(required)]
    oidc: Option<IdentityProvider>,
}

/// Identity provider that users sign in with.
#[derive(Serialize, ToSchema)]
struct IdentityProvider {
    name: String,
}

/// Tells who may sign up, and how.
#[utoipa::path(get, path = "/auth/sign-up", tag = AUTH, responses((status = 200, body = SignUpOptions)))]
pub async fn get_sign_up_options(State(auth): State<Arc<AuthState>>) -> Json<SignUpOptions> {
    Json(SignUpOptions {
        mode: auth.sign_up,
        email_domains: auth.sign_up_email_domains.clone(),
        oidc: auth.oidc_name.clone().map(|name| IdentityProvider { name }),
    })
}

/// Sign-up request.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"email": "kim@example.com", "password": "korea-snack-9", "name": "김간식"}))]
pub struct SignUp {
    /// Login id. Must be ASCII before the `@`. The domain is stored in its IDNA ASCII form (UTS 46). Must not contain invisible
    /// characters. With an invitation, the email that was invited.
    #[schema(required, format = Email, max_length = 254)]
    #[validate(custom(function = rules::email))]
    #[serde(default)]
    email: String,
    #[schema(required, format = Password, min_length = 8, max_length = 128)]
    #[validate(custom(function = rules::new_password))]
    #[serde(default)]
    password: String,
    /// Name that other users see.
    #[schema(required, min_length = 1, max_length = 50)]
    #[validate(custom(function = rules::user_name))]
    #[serde(default)]
    name: String,
    /// Token of the link of an invitation.
    #[serde(default)]
    invitation: Option<String>,
}

impl SignUp {
    fn invitation(&self) -> Option<&str> {
        self.invitation.as_deref().filter(|token| !token.is_empty())
    }

    /// # Errors
    /// `validation_failed` with all invalid fields.
    fn check(&self, auth: &AuthState) -> Result<(), ApiError> {
        let rules = self.validate();
        let mut errors = rules.map_err(ApiError::from).err().map(|error| error.errors).unwrap_or_default();
        let is_outside = |email: String| self.invitation().is_none() && !auth.allows_domain(&email);
        let has_valid_email = errors.iter().all(|error| error.field != "email");
        if has_valid_email && text::email(&self.email).is_some_and(is_outside) {
            errors.insert(0, FieldError::new("email", "domain_not_allowed"));
        }
        let has_valid_password = errors.iter().all(|error| error.field != "password");
        if has_valid_password && is_personal(&self.password, &self.email, &self.name) {
            errors.push(FieldError::new("password", "too_personal"));
        }
        if errors.is_empty() { Ok(()) } else { Err(Code::ValidationFailed.with_fields(errors)) }
    }
}

/// Signs up.
///
/// The password must not be a common one, or made of the email or the name. With the token of an invitation, a person may sign up who
/// could not otherwise, and gets the role of the invitation. It is used up by this.
#[utoipa::path(post, path = "/auth/sign-up", tag = AUTH, request_body = SignUp, responses((status = 201, body = User)))]
pub async fn sign_up(
    State(auth): State<Arc<AuthState>>,
    ip: ClientIp,
    request: Request,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let body: SignUp = body::parse(&body::read(request, &()).await?)?;
    // Before the rules of the fields, because no other text would help.
    if auth.sign_up == SignUpMode::Invited && body.invitation().is_none() {
        return Err(Code::SignUpClosed.into());
    }
    body.check(&auth)?;
    auth.limits.sign_up_address.acquire(ip.rate_limit_key())?.spend();
    // Before the password is hashed, which takes long.
    if let Some(token) = body.invitation() {
        invitations::of_token(&auth.db, token, &body.email).await?;
    }
    let password = Password::new(body.password.clone()).ok_or(Code::ValidationFailed)?;
    let hash = auth.passwords.hash(password).await?;
    let mut tx = auth.db.begin().await?;
    let member_type = match body.invitation() {
        Some(token) => invitations::of_token(&mut *tx, token, &body.email).await?.member_type,
        None => MemberType::Member,
    };
    let new = NewUser { email: &body.email, name: &body.name, password_hash: Some(&hash), member_type };
    let actor = Actor { id: None, address: ip.to_string() };
    let user = sign_up::create(&mut tx, &actor, &new).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(user)))
}
