//! State of authentication.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    limits::Limits,
    links::Links,
    password::Passwords,
    sessions::Refresh,
    token::{TokenKeys, Tokens},
    user_cache::UserStatusCache,
};
use crate::{
    config::{Config, SignUpMode},
    error::ApiError,
    outbox::Outbox,
};

pub struct AuthState {
    pub db: PgPool,
    pub keys: TokenKeys,
    pub limits: Limits,
    pub passwords: Passwords,
    pub user_cache: UserStatusCache,
    pub refresh_token_ttl: Duration,
    pub refresh_token_rotation: bool,
    pub refresh_token_grace: Duration,
    pub sign_up: SignUpMode,
    /// Domains of emails that may sign up without an invitation. Empty for any.
    pub sign_up_email_domains: Vec<String>,
    /// Name of the identity provider, if there is one.
    pub oidc_name: Option<String>,
    pub links: Links,
    pub outbox: Arc<Outbox>,
}

impl AuthState {
    /// # Errors
    /// The system has no randomness to offer.
    pub fn new(config: &Config, db: PgPool, outbox: Arc<Outbox>) -> Result<Self, ApiError> {
        Ok(Self {
            db,
            keys: TokenKeys::new(config),
            limits: Limits::new(config),
            passwords: Passwords::new()?,
            user_cache: UserStatusCache::default(),
            refresh_token_ttl: config.refresh_token_ttl,
            refresh_token_rotation: config.refresh_token_rotation,
            refresh_token_grace: config.refresh_token_grace,
            sign_up: config.sign_up,
            sign_up_email_domains: config.sign_up_email_domains.clone(),
            oidc_name: config.oidc.as_ref().map(|oidc| oidc.name.clone()),
            links: Links::new(&config.public_url),
            outbox,
        })
    }

    /// Tells whether the owner of `email`, in the form in which emails are stored, may sign up without an invitation while sign-up is open.
    pub fn allows_domain(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.sign_up_email_domains.is_empty()
            || self.sign_up_email_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
    }

    /// Time at which a refresh token of this moment expires.
    pub fn refresh_expiry(&self) -> DateTime<Utc> {
        Utc::now() + self.refresh_token_ttl
    }

    /// Pair of tokens for a session.
    ///
    /// # Errors
    /// Signing failed.
    pub fn tokens(&self, refresh: &Refresh) -> Result<Tokens, ApiError> {
        Ok(Tokens {
            access: self.keys.access(&refresh.session)?,
            refresh: Some(self.keys.refresh(refresh.session.user_id, refresh.jti, refresh.expires_at)?),
        })
    }
}
