//! Query strings: an empty value counts as absent, a value that cannot be read is a 400.

use std::str::FromStr;

use axum::{extract::FromRequestParts, http::request::Parts};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::error::ApiError;

/// The query string as a `T`.
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
        serde_html_form::from_str(&filled).map(Self).map_err(ApiError::unreadable)
    }
}

/// A calendar date, `YYYY-MM-DD` and nothing shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub NaiveDate);

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
        if !shaped {
            return Err("a date is YYYY-MM-DD");
        }
        // There is no year 0.
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.year() > 0);
        date.map(Self).ok_or("there is no such date")
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Date {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(openapi::KnownFormat::Date)))
            .examples([serde_json::json!("2024-01-04")])
            .into()
    }
}

impl ToSchema for Date {}
