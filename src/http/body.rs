//! JSON bodies: read, held against their rules, and refused with all that is wrong at once.

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

/// The most that a JSON body may weigh, in bytes.
pub const LIMIT: usize = 64 * 1024;
/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(12);

/// A JSON body that is readable and keeps its rules; as an answer, JSON.
pub struct Json<T>(pub T);

/// An answer that is JSON already.
pub struct JsonText(pub Bytes);

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// A JSON body as [`Json`] reads it, with its text.
pub struct JsonWithRaw<T> {
    /// The body, read and validated.
    pub body: T,
    /// The text as it was sent, unknown fields included.
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

/// Awaits a body, as long as one may take to arrive.
///
/// # Errors
/// `invalid_request` when it does not; the connection is then closed, since the rest of it is still to come.
pub async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, ApiError> {
    timeout(DEADLINE, body).await.map_err(|_| ApiError::unreadable("the body did not arrive in time"))
}

/// The bytes of a body that says it is JSON.
///
/// # Errors
/// `unsupported_media_type`, `payload_too_large`, `unavailable` when the server holds too many bytes of bodies.
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
            ApiError::unreadable(rejection)
        }
    })?;
    // Endpoints that take a picture as well allow larger bodies, but not larger JSON.
    if bytes.len() > LIMIT { Err(Code::PayloadTooLarge.into()) } else { Ok(bytes) }
}

/// Whether the request says that its body is JSON.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// The media type of the request's body in lower case, without parameters.
#[must_use]
pub fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// A JSON object as a `T`, not yet held against its rules.
///
/// # Errors
/// `invalid_request`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would take an array of the fields' values for the object.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::unreadable("the body must be a JSON object"));
    }
    // serde would pass over bytes that are no UTF-8 in fields that it ignores.
    let text = std::str::from_utf8(bytes).map_err(ApiError::unreadable)?;
    serde_json::from_str(text).map_err(ApiError::unreadable)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// For `#[serde(default, deserialize_with = "present")]`: a field that may be left out, but not be `null`.
///
/// # Errors
/// When the value is not a `T`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
