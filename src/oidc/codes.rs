//! Codes that the web app exchanges for tokens. A code is 256 random bits; only its SHA-256 is kept.

use sqlx::{PgConnection, PgExecutor};

use crate::{
    auth::links::{NewToken, hash},
    error::ApiError,
};

/// Stores a new code for the user, which is good for a minute.
pub async fn create(db: impl PgExecutor<'_>, user_id: i64) -> Result<String, ApiError> {
    let code = NewToken::new()?;
    sqlx::query!(
        "INSERT INTO sign_in_codes (hash, user_id, expires_at) VALUES ($1, $2, now() + interval '1 minute')",
        code.hash,
        user_id
    )
    .execute(db)
    .await?;
    Ok(code.text)
}

/// User of a code.
pub struct CodeUser {
    pub id: i64,
    pub email: String,
}

/// Removes the code and returns its user. None for an unknown, used or expired one.
pub async fn redeem(tx: &mut PgConnection, code: &str) -> Result<Option<CodeUser>, ApiError> {
    let user = sqlx::query_as!(
        CodeUser,
        "DELETE FROM sign_in_codes AS code USING users
         WHERE code.hash = $1 AND code.expires_at > now() AND users.id = code.user_id RETURNING users.id, users.email",
        hash(code)
    );
    Ok(user.fetch_optional(tx).await?)
}

/// Removes expired codes, and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    Ok(sqlx::query!("DELETE FROM sign_in_codes WHERE expires_at < now()").execute(db).await?.rows_affected())
}
