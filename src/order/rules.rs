//! Rules for the texts of orders.

use validator::ValidationError;

use crate::{domain::text::first_visible, http::rules::lines};

/// Note or reason of at most 500 characters.
pub fn note(text: &str) -> Result<(), ValidationError> {
    lines(text, 500)
}

/// Text with a visible character, or None.
pub fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| first_visible(text).is_some())
}
