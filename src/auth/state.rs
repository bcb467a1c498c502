//! State of authentication.

use std::time::Duration;

use sqlx::PgPool;

use super::{limits::Limits, password::Passwords, token::TokenKeys, user_cache::UserStatusCache};
use crate::{config::Config, error::ApiError};

pub struct AuthState {
    pub db: PgPool,
    pub keys: TokenKeys,
    pub limits: Limits,
    pub passwords: Passwords,
    pub user_cache: UserStatusCache,
    pub refresh_token_ttl: Duration,
    pub refresh_token_rotation: bool,
    pub refresh_token_grace: Duration,
}

impl AuthState {
    /// # Errors
    /// The system has no randomness to offer.
    pub fn new(config: &Config, db: PgPool) -> Result<Self, ApiError> {
        Ok(Self {
            db,
            keys: TokenKeys::new(config),
            limits: Limits::new(config),
            passwords: Passwords::new()?,
            user_cache: UserStatusCache::default(),
            refresh_token_ttl: config.refresh_token_ttl,
            refresh_token_rotation: config.refresh_token_rotation,
            refresh_token_grace: config.refresh_token_grace,
        })
    }
}
