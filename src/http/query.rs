//! Query strings. A parameter without a value counts as absent.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Extractor of the query string.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let filled = query
            .split('&')
            .filter(|pair| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty()))
            .collect::<Vec<_>>()
            .join("&");
        serde_html_form::from_str(&filled).map(Self).map_err(|error| {
            ApiError::bad_request(
                "쿼리 매개변수의 값이 올바르지 않습니다.",
                format!("The query string cannot be read: {error}."),
            )
        })
    }
}
