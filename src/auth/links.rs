//! Links that are good once: for a new password, and for invitations. A token is 256 random bits; only its SHA-256 is kept.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgExecutor};
use url::Url;

use crate::error::ApiError;

/// New random token, and what is stored of it.
pub struct NewToken {
    pub text: String,
    pub hash: Vec<u8>,
}

impl NewToken {
    /// # Errors
    /// The system has no randomness to offer.
    pub fn new() -> Result<Self, ApiError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self { hash: hash(&text), text })
    }
}

/// SHA-256 of a token as it is in the link.
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// Subject of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new password of this user.
    PasswordReset(i64),
    /// This invitation.
    Invitation(i64),
}

/// Stores a new token and returns its text.
pub async fn create(db: impl PgExecutor<'_>, purpose: Purpose, expires_at: DateTime<Utc>) -> Result<String, ApiError> {
    let token = NewToken::new()?;
    let (user, invitation) = match purpose {
        Purpose::PasswordReset(user) => (Some(user), None),
        Purpose::Invitation(invitation) => (None, Some(invitation)),
    };
    sqlx::query!(
        "INSERT INTO link_tokens (hash, user_id, invitation_id, expires_at) VALUES ($1, $2, $3, $4)",
        token.hash,
        user,
        invitation,
        expires_at
    )
    .execute(db)
    .await?;
    Ok(token.text)
}

/// Removes the tokens for a new password of the user.
pub async fn remove_password_resets(tx: &mut PgConnection, user: i64) -> Result<(), ApiError> {
    sqlx::query!("DELETE FROM link_tokens WHERE user_id = $1", user).execute(tx).await?;
    Ok(())
}

/// Removes expired tokens, and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    Ok(sqlx::query!("DELETE FROM link_tokens WHERE expires_at < now()").execute(db).await?.rows_affected())
}

/// URLs of links.
pub struct Links {
    /// Without a slash at the end.
    public_url: String,
}

impl Links {
    pub fn new(public_url: &Url) -> Self {
        Self { public_url: public_url.as_str().trim_end_matches('/').to_owned() }
    }

    /// Page that sets a new password.
    pub fn password_reset(&self, token: &str) -> String {
        format!("{}/app/reset-password?token={token}", self.public_url)
    }

    /// Page that accepts an invitation.
    pub fn invitation(&self, token: &str) -> String {
        format!("{}/app/sign-up?invitation={token}", self.public_url)
    }
}
