//! Headers of requests for preferences and conditions.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::Text;

/// Language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum Language {
    /// Default.
    #[serde(rename = "ko")]
    #[sqlx(rename = "ko")]
    Korean,
    #[serde(rename = "en")]
    #[sqlx(rename = "en")]
    English,
}

impl Language {
    /// Code of ISO 639.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    pub fn choose(self, text: Text) -> String {
        match self {
            Self::Korean => text.ko.into_owned(),
            Self::English => text.en.into_owned(),
        }
    }
}

/// Longest `User-Agent` that is kept, in characters.
const MAX_USER_AGENT: usize = 300;

/// `User-Agent` of the client, cut after [`MAX_USER_AGENT`] characters. Empty without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent(pub String);

impl<S: Sync> FromRequestParts<S> for UserAgent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(text.chars().take(MAX_USER_AGENT).collect()))
    }
}

/// Language that the client prefers. Korean without a preference.
pub fn language(headers: &HeaderMap) -> Language {
    let weight = |language: &str| {
        weight(headers, &header::ACCEPT_LANGUAGE, |range| {
            range.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case(language))
        })
    };
    if weight("en") > weight("ko") { Language::English } else { Language::Korean }
}

/// Tells whether the client prefers CSV to JSON.
pub fn wants_csv(headers: &HeaderMap) -> bool {
    let weight = |media_type: &str| weight(headers, &header::ACCEPT, |range| range.eq_ignore_ascii_case(media_type));
    let csv = weight("text/csv");
    csv > 0.0 && csv >= weight("application/json")
}

/// Highest weight of the ranges in a preference header that `matches` accepts. 0 without any.
fn weight(headers: &HeaderMap, name: &HeaderName, matches: impl Fn(&str) -> bool) -> f32 {
    weights(headers, name).filter(|(range, _)| matches(range)).map(|(_, weight)| weight).fold(0.0, f32::max)
}

/// Ranges of a preference header with their weights from 0 to 1.
fn weights<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(
        |item| {
            let mut parts = item.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            (range, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
        },
    )
}

/// Tells whether `If-Match` is absent or names `current`, an entity tag with its quotes. Weak tags count as strong ones, because
/// the tag is a version number.
pub fn if_match(headers: &HeaderMap, current: &str) -> bool {
    !headers.contains_key(header::IF_MATCH) || names_tag(headers, &header::IF_MATCH, current)
}

/// Tells whether `If-None-Match` names `current`, an entity tag with its quotes.
pub fn is_cached(headers: &HeaderMap, current: &str) -> bool {
    names_tag(headers, &header::IF_NONE_MATCH, current)
}

fn names_tag(headers: &HeaderMap, condition: &HeaderName, current: &str) -> bool {
    headers.get_all(condition).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == current
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header value"))])
    }

    #[test]
    fn english_is_spoken_only_to_those_who_prefer_it() {
        let table = [
            ("en", Language::English),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Language::Korean),
            ("en;q=0.5, ko;q=0.7", Language::Korean),
            ("fr", Language::Korean),
            ("en;q=0", Language::Korean),
            ("en;q=x", Language::Korean),
            ("*", Language::Korean),
        ];
        for (value, expected) in table {
            assert_eq!(language(&with(header::ACCEPT_LANGUAGE, value)), expected, "{value}");
        }
        assert_eq!(language(&HeaderMap::new()), Language::Korean);
    }

    #[test]
    fn csv_is_sent_only_to_those_who_name_it() {
        for (value, expected) in [
            ("text/csv", true),
            ("text/csv, application/json;q=0.5", true),
            ("application/json, text/csv;q=0.5", false),
            ("*/*", false),
            ("text/csv;q=0", false),
        ] {
            assert_eq!(wants_csv(&with(header::ACCEPT, value)), expected, "{value}");
        }
    }

    #[test]
    fn a_condition_holds_when_any_of_its_tags_is_the_current_one() {
        for (value, expected) in [
            ("\"3\"", true),
            ("W/\"3\"", true),
            ("\"1\", \"3\"", true),
            ("*", true),
            ("\"2\"", false),
            ("3", false),
            ("", false),
        ] {
            assert_eq!(if_match(&with(header::IF_MATCH, value), "\"3\""), expected, "{value}");
        }
        assert!(if_match(&HeaderMap::new(), "\"3\""));
    }
}
