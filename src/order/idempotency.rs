//! Idempotency keys. A request that is repeated with its key gets the first response again.
//!
//! The key is written in the transaction of the order. Therefore a request that arrives while the first is in progress waits at the
//! primary key, an error rolls the key back together with the order, and the response survives a restart.

use axum::{extract::FromRequestParts, http::request::Parts};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::store::Order;
use crate::{
    error::{ApiError, Code},
    http::json_digest::JsonDigest,
};

/// Extractor of the header `Idempotency-Key`.
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
            _ => Err(ApiError::bad_request(
                "Idempotency-Key 헤더는 하나여야 하고 공백 없는 ASCII 문자 1~255자여야 합니다.",
                "Idempotency-Key must be sent once and have 1 to 255 visible ASCII characters.",
            )),
        }
    }
}

/// Response to a request that created an order.
#[derive(Debug)]
pub struct StoredResponse {
    /// Uid of the order.
    pub order: Uuid,
    pub body: String,
}

impl StoredResponse {
    /// # Errors
    /// Serialization failed.
    pub fn of(order: &Order) -> Result<Self, ApiError> {
        Ok(Self { order: order.uid, body: serde_json::to_string(order).map_err(ApiError::internal)? })
    }
}

/// Claims `key` for this transaction, or returns the response that is stored under it. Waits for another transaction that has claimed
/// it.
///
/// # Errors
/// `idempotency_key_reused` when the key was used with another body.
pub async fn claim(
    tx: &mut PgConnection,
    user: i64,
    key: &str,
    request: JsonDigest,
) -> Result<Option<StoredResponse>, ApiError> {
    let claimed = sqlx::query!(
        "INSERT INTO idempotency_keys AS old (user_id, key, request_digest) VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
         SET request_digest = excluded.request_digest, created_at = now(), order_uid = NULL, response = NULL
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
        "SELECT request_digest, order_uid, response FROM idempotency_keys WHERE user_id = $1 AND key = $2",
        user,
        key
    )
    .fetch_one(tx)
    .await?;
    match (first.order_uid, first.response) {
        (Some(order), Some(body)) if first.request_digest == request.0 => Ok(Some(StoredResponse { order, body })),
        _ => Err(Code::IdempotencyKeyReused.into()),
    }
}

/// Stores the response under `key`, which this transaction has claimed.
pub async fn store_response(
    tx: &mut PgConnection,
    user: i64,
    key: &str,
    response: &StoredResponse,
) -> Result<(), ApiError> {
    sqlx::query!(
        "UPDATE idempotency_keys SET order_uid = $3, response = $4 WHERE user_id = $1 AND key = $2",
        user,
        key,
        response.order,
        response.body
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes expired keys and returns their number.
pub async fn remove_expired(db: impl PgExecutor<'_>) -> Result<u64, ApiError> {
    let removed = sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'");
    Ok(removed.execute(db).await?.rows_affected())
}
