//! What a path names. A uid that does not parse names nothing, which is a 404, but only once the request itself has been
//! found right: reading the path never fails, asking for the value does.

use std::{convert::Infallible, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use uuid::Uuid;

use crate::error::{ApiError, Code};

/// The path's only parameter as a uid.
pub struct Uid(Option<Uuid>);

/// The path's only parameter as a number.
pub struct Id(Option<i64>);

impl Uid {
    /// The uid.
    ///
    /// # Errors
    /// `not_found` when the path holds none.
    pub fn get(&self) -> Result<Uuid, ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

impl Id {
    /// The number.
    ///
    /// # Errors
    /// `not_found` when the path holds none.
    pub fn get(&self) -> Result<i64, ApiError> {
        self.0.ok_or_else(|| Code::NotFound.into())
    }
}

async fn only_parameter<S: Send + Sync, T: FromStr>(parts: &mut Parts, state: &S) -> Option<T> {
    // Fails for bytes that are no UTF-8 (`%FF`).
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
