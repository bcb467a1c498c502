//! New passwords through links: making the links, and setting the password.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::{
    links::{self, Links, Purpose},
    sessions,
};
use crate::{
    audit::{Action, Actor},
    domain::text::email_key,
    error::{ApiError, Code},
};

/// Time for which a link in a mail is good.
pub const MAILED_LINK_TTL: Duration = Duration::from_mins(30);
/// Time for which a link that somebody hands over is good.
const LINK_TTL: Duration = Duration::from_hours(24);

/// Link for a new password.
#[derive(Debug, Serialize, ToSchema)]
pub struct PasswordResetLink {
    /// Page that sets a new password. Works once. It is not shown again.
    #[schema(example = "https://office.example/app/reset-password?token=5JVk0cXb0q4yT7cW1l8mS2n9rA3dE6fG0hI1jK2lM3n")]
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

/// Creates a link for an admin to hand over. It takes the place of the user's earlier links.
///
/// # Errors
/// `not_found`; `user_resigned`.
pub async fn create_link(db: &PgPool, urls: &Links, actor: &Actor, user: i64) -> Result<PasswordResetLink, ApiError> {
    let mut tx = db.begin().await?;
    // Locked, so that the user does not leave in the meantime, and only one link of several at once stays.
    let is_deleted = sqlx::query_scalar!("SELECT is_deleted FROM users WHERE id = $1 FOR NO KEY UPDATE", user)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Code::NotFound)?;
    if is_deleted {
        return Err(Code::UserResigned.into());
    }
    links::remove_password_resets(&mut tx, user).await?;
    let expires_at = Utc::now() + LINK_TTL;
    let token = links::create(&mut *tx, Purpose::PasswordReset(user), expires_at).await?;
    actor.log_success(&mut *tx, Action::PasswordResetLink, &user.to_string()).await?;
    tx.commit().await?;
    Ok(PasswordResetLink { url: urls.password_reset(&token), expires_at })
}

/// Token for a mail, and the user whom the mail goes to.
pub struct MailedToken {
    pub token: String,
    /// Email of the account, which may be written differently from the one that was typed.
    pub email: String,
    pub name: String,
}

/// Creates a token for a mail that was requested from `address`. None when no active user has the email.
///
/// Earlier tokens stay, because a mail that was requested twice arrives twice, in any order. Their number is bounded: they expire after
/// [`MAILED_LINK_TTL`], and the requests of an account are limited.
pub async fn create_mailed_token(db: &PgPool, email: &str, address: &str) -> Result<Option<MailedToken>, ApiError> {
    let mut tx = db.begin().await?;
    let user = sqlx::query!(
        "SELECT id, email, name FROM users WHERE email_key = $1 AND NOT is_deleted FOR NO KEY UPDATE",
        email_key(email)
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(user) = user else { return Ok(None) };
    let expires_at = Utc::now() + MAILED_LINK_TTL;
    let token = links::create(&mut *tx, Purpose::PasswordReset(user.id), expires_at).await?;
    let actor = Actor { id: None, address: address.to_owned() };
    actor.log_success(&mut *tx, Action::PasswordResetLink, &user.id.to_string()).await?;
    tx.commit().await?;
    Ok(Some(MailedToken { token, email: user.email, name: user.name }))
}

/// Active user whom a token is for.
pub struct Owner {
    pub id: i64,
    pub email: String,
    pub name: String,
}

/// # Errors
/// `invalid_reset_token`.
pub async fn owner(db: &PgPool, token: &str) -> Result<Owner, ApiError> {
    let owner = sqlx::query_as!(
        Owner,
        "SELECT users.id, users.email, users.name FROM link_tokens AS token JOIN users ON users.id = token.user_id
         WHERE token.hash = $1 AND token.expires_at > now() AND NOT users.is_deleted",
        links::hash(token)
    );
    owner.fetch_optional(db).await?.ok_or_else(|| Code::InvalidResetToken.into())
}

/// Uses up the token, sets the password of its owner and ends all their sessions.
///
/// # Errors
/// `invalid_reset_token` when the token was used or the owner left in the meantime.
pub async fn reset_password(
    db: &PgPool,
    actor: &Actor,
    owner: i64,
    token: &str,
    password_hash: &str,
) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    // The user first: resets with two tokens of one user would otherwise wait for each other. Of resets with the same token, those that
    // waited find it deleted.
    let updated =
        sqlx::query!("UPDATE users SET password_hash = $2 WHERE id = $1 AND NOT is_deleted", owner, password_hash)
            .execute(&mut *tx)
            .await?;
    let used = sqlx::query!(
        "DELETE FROM link_tokens WHERE hash = $1 AND user_id = $2 AND expires_at > now()",
        links::hash(token),
        owner
    )
    .execute(&mut *tx)
    .await?;
    if updated.rows_affected() == 0 || used.rows_affected() == 0 {
        return Err(Code::InvalidResetToken.into());
    }
    links::remove_password_resets(&mut tx, owner).await?;
    sessions::end_all(&mut *tx, owner).await?;
    actor.log_success(&mut *tx, Action::PasswordReset, &owner.to_string()).await?;
    tx.commit().await?;
    Ok(())
}
