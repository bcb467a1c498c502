//! Tokens: HS256 JWTs, short-lived ones for access, long-lived ones to refresh them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::Config,
    error::{ApiError, Code},
};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Goes into the `Authorization` header.
    Access,
    /// Is exchanged for a new pair.
    Refresh,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// What it is good for.
    pub token_type: TokenType,
    /// Whose it is.
    pub user_id: i64,
    /// Its own name; a refresh token's row has the same.
    pub jti: Uuid,
    /// Issued at, in seconds of the epoch.
    pub iat: i64,
    /// Good until, in seconds of the epoch.
    pub exp: i64,
}

/// A pair of tokens as it is sent.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"access": "eyJ0eXAi...", "refresh": "eyJ0eXAi..."}))]
pub struct Tokens {
    /// For the `Authorization: Bearer` header.
    pub access: String,
    /// For the next refresh; left out where the one presented stays good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// Signs and verifies tokens.
pub struct Keys {
    sign: EncodingKey,
    /// The signing key's own, and the previous one while keys are being changed.
    verify: Vec<DecodingKey>,
    validation: Validation,
    access_ttl: Duration,
}

impl Keys {
    /// Keys from `JWT_SECRET` and `JWT_SECRET_PREVIOUS`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let decoding = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        // The default is a minute of mercy: an expired token is expired.
        validation.leeway = 0;
        Self {
            sign: EncodingKey::from_secret(config.jwt_secret.expose_secret().as_bytes()),
            verify: std::iter::once(&config.jwt_secret).chain(&config.jwt_secret_previous).map(decoding).collect(),
            validation,
            access_ttl: config.access_token_ttl,
        }
    }

    /// An access token for `user_id`.
    ///
    /// # Errors
    /// A failure of the signer.
    pub fn access(&self, user_id: i64) -> Result<String, ApiError> {
        let now = Utc::now();
        self.issue(TokenType::Access, user_id, Uuid::new_v4(), now, now + self.access_ttl)
    }

    /// The refresh token named `jti`, good until `expires_at`.
    ///
    /// # Errors
    /// A failure of the signer.
    pub fn refresh(&self, user_id: i64, jti: Uuid, expires_at: DateTime<Utc>) -> Result<String, ApiError> {
        self.issue(TokenType::Refresh, user_id, jti, Utc::now(), expires_at)
    }

    fn issue(
        &self,
        token_type: TokenType,
        user_id: i64,
        jti: Uuid,
        issued: DateTime<Utc>,
        expires: DateTime<Utc>,
    ) -> Result<String, ApiError> {
        let claims = Claims { token_type, user_id, jti, iat: issued.timestamp(), exp: expires.timestamp() };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign).map_err(ApiError::internal)
    }

    /// The claims of `token`, when it is one of ours, of this type and not expired.
    ///
    /// # Errors
    /// `invalid_token`.
    pub fn verify(&self, token: &str, token_type: TokenType) -> Result<Claims, ApiError> {
        self.verify
            .iter()
            .find_map(|key| decode::<Claims>(token, key, &self.validation).ok())
            .map(|token| token.claims)
            // `exp` is the first second in which it no longer holds; the library still takes it then.
            .filter(|claims| claims.token_type == token_type && claims.exp > Utc::now().timestamp())
            .ok_or_else(|| Code::InvalidToken.into())
    }
}
