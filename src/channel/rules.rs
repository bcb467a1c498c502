//! Rules for the fields of channels. Each returns the value as it is stored.

use url::Url;
use validator::ValidationError;

use crate::{
    domain::text,
    http::rules::{line, violated_limit},
    outbox::EventType,
};

/// Maximum length of a URL, in bytes.
const MAX_URL: usize = 2000;
/// Maximum length of a name, in characters.
const MAX_NAME: usize = 100;

/// Name of 1 to [`MAX_NAME`] characters.
pub fn name(text: &str) -> Result<String, ValidationError> {
    line(text, MAX_NAME).map(|()| text::tidy(text))
}

/// URL of at most [`MAX_URL`] bytes as typed and as stored, with a host and without user and password.
pub fn url(text: &str) -> Result<Url, ValidationError> {
    if text.is_empty() {
        return Err(ValidationError::new("required"));
    }
    if text.len() > MAX_URL {
        return Err(violated_limit("too_long", "max", MAX_URL));
    }
    let url = text::url(text).filter(|url| !url.is_empty()).and_then(|url| Url::parse(&url).ok());
    match url {
        None => Err(ValidationError::new("invalid_url")),
        Some(url) if url.as_str().len() > MAX_URL => Err(violated_limit("too_long", "max", MAX_URL)),
        Some(url) => Ok(url),
    }
}

/// At least one event. Repeated ones count once.
pub fn events(events: Option<Vec<EventType>>) -> Result<Vec<EventType>, ValidationError> {
    let events = events.ok_or_else(|| ValidationError::new("required"))?;
    if events.is_empty() {
        let mut error = violated_limit("item_count", "min", 1);
        error.add_param("max".into(), &EventType::ALL.len());
        return Err(error);
    }
    Ok(EventType::ALL.into_iter().filter(|event| events.contains(event)).collect())
}
