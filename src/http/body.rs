//! JSON bodies.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use validator::Validate;

use super::body_budget::is_exhausted;
use crate::error::{ApiError, Code};

/// Maximum size of a JSON body, in bytes.
pub const LIMIT: usize = 64 * 1024;
/// Time limit for the arrival of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(12);

/// JSON: as extractor a valid body, as response any value.
pub struct Json<T>(pub T);

/// Response that is serialized already.
pub struct JsonText(pub Bytes);

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// Extractor of a valid JSON body together with its text.
pub struct JsonWithRaw<T> {
    pub body: T,
    /// Text of the body, with fields that `T` does not know.
    pub raw: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned + Validate> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body: T = parse(&read(request, state).await?)?;
        body.validate()?;
        Ok(Self(body))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Validate> FromRequest<S> for JsonWithRaw<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let raw = read(request, state).await?;
        let body: T = parse(&raw)?;
        body.validate()?;
        Ok(Self { body, raw })
    }
}

/// Awaits a body for at most [`READ_TIMEOUT`].
///
/// # Errors
/// `invalid_request` when the time is over. The connection is closed then, because the rest of the body may still arrive.
pub async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, ApiError> {
    timeout(READ_TIMEOUT, body).await.map_err(|_| {
        ApiError::bad_request("요청 본문이 제시간에 도착하지 않았습니다.", "The request body did not arrive in time.")
    })
}

/// Reads a body whose content type is JSON.
///
/// # Errors
/// `unsupported_media_type`, `payload_too_large`; `unavailable` when the bodies in memory use up their budget.
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    if !is_json(request.headers()) {
        return Err(Code::UnsupportedMediaType.into());
    }
    let bytes = in_time(Bytes::from_request(request, state)).await?.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Code::PayloadTooLarge.into()
        } else if is_exhausted(&rejection) {
            Code::Unavailable.into()
        } else {
            let (ko, en) = ("요청 본문을 읽을 수 없습니다.", format!("The request body cannot be read: {rejection}."));
            ApiError::bad_request(ko, en)
        }
    })?;
    // Endpoints that accept a picture allow larger bodies, but no larger JSON.
    if bytes.len() > LIMIT { Err(Code::PayloadTooLarge.into()) } else { Ok(bytes) }
}

/// Tells whether the content type of the request is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// Content type of the request in lower case, without parameters.
pub fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// Parses a JSON object, without validating its fields.
///
/// # Errors
/// `invalid_request`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde accepts an array of the field values in place of the object.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::bad_request(
            "요청 본문은 JSON 객체여야 합니다.",
            "The request body must be a JSON object.",
        ));
    }
    // serde ignores invalid UTF-8 in fields that it does not know.
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ApiError::bad_request("요청 본문은 UTF-8 이어야 합니다.", "The request body must be UTF-8."))?;
    serde_json::from_str(text).map_err(|error| ApiError::malformed_json(&error))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// For `#[serde(default, deserialize_with = "non_null")]`: a field that may be absent but not `null`.
///
/// # Errors
/// The value is not a `T`.
pub fn non_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
