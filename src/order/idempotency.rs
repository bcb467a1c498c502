//! Idempotency keys: the same request sent again gets the first answer again.
//!
//! The key is written in the order's own transaction. That alone gives the rules: one that arrives while the first is under
//! way waits at the primary key; a refusal rolls the key back with the order; what was answered survives a restart.

use axum::{extract::FromRequestParts, http::request::Parts};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::store::Order;
use crate::{
    error::{ApiError, Code},
    http::json_digest::JsonDigest,
};

/// The request's `Idempotency-Key`, if it has one.
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let visible = |text: &&str| (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x21..=0x7e).contains(&b));
        match value.to_str().ok().filter(visible) {
            Some(key) if values.next().is_none() => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::unreadable("Idempotency-Key is 1 to 255 visible ASCII characters, once")),
        }
    }
}

/// An answer that was given before.
#[derive(Debug)]
pub struct Answer {
    /// The order it speaks of.
    pub order: Uuid,
    /// The body, to the letter.
    pub body: String,
}

impl Answer {
    /// The answer that speaks of `order`.
    ///
    /// # Errors
    /// None that anybody can cause.
    pub fn to(order: &Order) -> Result<Self, ApiError> {
        Ok(Self { order: order.uid, body: serde_json::to_string(order).map_err(ApiError::internal)? })
    }
}

/// Takes `key` for this transaction, or finds the answer that it stands for. Waits for a transaction that holds it.
///
/// # Errors
/// `idempotency_key_reused` when it stands for a request with another body.
pub async fn claim(
    tx: &mut PgConnection,
    user: i64,
    key: &str,
    request: JsonDigest,
) -> Result<Option<Answer>, ApiError> {
    let claimed = sqlx::query!(
        "INSERT INTO idempotency_keys AS old (user_id, key, request_digest) VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
         SET request = NULL, request_digest = excluded.request_digest, created_at = now(), order_uid = NULL,
             response = NULL
         WHERE old.created_at < now() - interval '24 hours'",
        user,
        key,
        &request.0
    )
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let first = sqlx::query!(
        "SELECT request_digest, request::text, order_uid, response FROM idempotency_keys
         WHERE user_id = $1 AND key = $2",
        user,
        key
    )
    .fetch_one(tx)
    .await?;
    let is_same = match (first.request_digest, first.request) {
        (Some(digest), _) => digest == request.0,
        // A key of the release before.
        (None, Some(text)) => serde_json::from_str::<JsonDigest>(&text).is_ok_and(|digest| digest == request),
        (None, None) => false,
    };
    match (first.order_uid, first.response) {
        (Some(order), Some(body)) if is_same => Ok(Some(Answer { order, body })),
        _ => Err(Code::IdempotencyKeyReused.into()),
    }
}

/// Keeps the answer that `key`, taken by this transaction, stands for from now on.
///
/// # Errors
/// Postgres out of reach.
pub async fn keep(tx: &mut PgConnection, user: i64, key: &str, answer: &Answer) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE idempotency_keys SET order_uid = $3, response = $4 WHERE user_id = $1 AND key = $2",
        user,
        key,
        answer.order,
        answer.body
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes keys that have lost their meaning.
///
/// # Errors
/// Postgres out of reach.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'");
    Ok(removed.execute(db).await?.rows_affected())
}
