//! Path parameters. A parameter that does not parse is a 404, but only after the request is found valid. That is why the
//! extractors never fail, and `get` does.

use std::{convert::Infallible, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use uuid::Uuid;

use crate::error::{ApiError, Code};

/// Extractor of the only path parameter.
pub struct Parameter<T>(Option<T>);

/// Extractor of two path parameters.
pub struct Parameters<A, B>(Option<(A, B)>);

impl<A: Copy, B: Copy> Parameters<A, B> {
    /// # Errors
    /// `not_found` when one of the parameters does not parse.
    pub fn get(&self) -> Result<(A, B), ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for Parameters<A, B> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        Ok(Self(parameters.and_then(|parameters| {
            let mut texts = parameters.iter().map(|(_, text)| text);
            Some((texts.next()?.parse().ok()?, texts.next()?.parse().ok()?))
        })))
    }
}

pub type Uid = Parameter<Uuid>;
pub type Id = Parameter<i64>;

impl<T: Copy> Parameter<T> {
    /// # Errors
    /// `not_found` when the parameter does not parse.
    pub fn get(&self) -> Result<T, ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Parameter<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        // Fails for invalid UTF-8 (`%FF`).
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        Ok(Self(parameters.and_then(|parameters| parameters.iter().next()?.1.parse().ok())))
    }
}
