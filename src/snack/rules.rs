//! Rules for the fields of snacks.

use validator::ValidationError;

use crate::{
    domain::text,
    http::rules::{line, lines, violated_limit},
};

/// Name of 1 to 128 characters.
pub fn name(text: &str) -> Result<(), ValidationError> {
    line(text, 128)
}

/// Empty, or an `http://` or `https://` URL of at most 2,000 characters.
pub fn url(text: &str) -> Result<(), ValidationError> {
    if text::url_length(text) > 2000 {
        Err(violated_limit("too_long", "max", 2000))
    } else if text::url(text).is_none() {
        Err(ValidationError::new("invalid_url"))
    } else {
        Ok(())
    }
}

/// Description of at most 5,000 characters.
pub fn description(text: &str) -> Result<(), ValidationError> {
    lines(text, 5000)
}
