//! Messages for Slack.

use chrono_tz::Tz;
use serde_json::json;
use url::Url;

use crate::{error::ApiError, http::headers::Language};

/// # Errors
/// The payload is invalid.
pub fn message(payload: &str, _language: Language, _public_url: &Url, _timezone: Tz) -> Result<String, ApiError> {
    Ok(json!({"text": payload}).to_string())
}
