//! Messages as channels get them.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use uuid::Uuid;

use crate::error::ApiError;

/// Prefix of secrets in Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";

/// New secret of a webhook: 32 random bytes.
///
/// # Errors
/// The operating system has no random bytes.
pub fn new_secret() -> Result<String, ApiError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(ApiError::internal)?;
    Ok(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
}

/// Headers of Standard Webhooks. `uid` is the same for all attempts, the time is that of the attempt.
///
/// # Errors
/// The secret is invalid.
pub fn signed_headers(secret: &str, uid: Uuid, at: DateTime<Utc>, body: &str) -> Result<HeaderMap, ApiError> {
    let (id, timestamp) = (format!("msg_{uid}"), at.timestamp());
    let signature = Webhook::new(secret).and_then(|webhook| webhook.sign(&id, timestamp, body.as_bytes()));
    let signature = signature.map_err(ApiError::internal)?;
    let header = |name: &'static str, value: &str| -> Result<(HeaderName, HeaderValue), ApiError> {
        Ok((HeaderName::from_static(name), HeaderValue::from_str(value).map_err(ApiError::internal)?))
    };
    [
        header(HEADER_WEBHOOK_ID, &id),
        header(HEADER_WEBHOOK_TIMESTAMP, &timestamp.to_string()),
        header(HEADER_WEBHOOK_SIGNATURE, &signature),
    ]
    .into_iter()
    .collect()
}
