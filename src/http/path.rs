//! Path parameters. A parameter that does not parse is a 404, but only after the request is found valid. That is why the
//! extractors never fail, and `get` does.

use std::{convert::Infallible, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use uuid::Uuid;

use crate::error::{ApiError, Code};

/// Extractor of the only path parameter as a uid.
pub struct Uid(Option<Uuid>);

/// Extractor of the only path parameter as a number.
pub struct Id(Option<i64>);

impl Uid {
    /// # Errors
    /// `not_found` when the parameter is no uid.
    pub fn get(&self) -> Result<Uuid, ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

impl Id {
    /// # Errors
    /// `not_found` when the parameter is no number.
    pub fn get(&self) -> Result<i64, ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

async fn only_parameter<S: Send + Sync, T: FromStr>(parts: &mut Parts, state: &S) -> Option<T> {
    // Fails for invalid UTF-8 (`%FF`).
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, value) = parameters.iter().next()?;
    value.parse().ok()
}

impl<S: Send + Sync> FromRequestParts<S> for Uid {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(only_parameter(parts, state).await))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(only_parameter(parts, state).await))
    }
}
