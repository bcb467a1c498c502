//! Rules for fields of bodies that several nouns use, for `#[validate(custom(function = ...))]`. An absent field arrives as an empty
//! string (`#[serde(default)]`), so that it is reported together with the other invalid fields.

use std::borrow::Cow;

use validator::ValidationError;

use crate::domain::text::{has_bad_character, has_bad_character_in_line, tidy};

/// Violation of a rule with a limit.
pub fn violated_limit(code: &'static str, bound: &'static str, limit: usize) -> ValidationError {
    let mut error = ValidationError::new(code);
    error.add_param(Cow::Borrowed(bound), &limit);
    error
}

/// One line of 1 to `max` characters, some of them visible.
pub fn line(text: &str, max: usize) -> Result<(), ValidationError> {
    if text.is_empty() {
        return Err(ValidationError::new("required"));
    }
    let tidied = tidy(text);
    if has_bad_character_in_line(text) {
        Err(ValidationError::new("invalid_character"))
    } else if tidied.is_empty() {
        Err(ValidationError::new("blank"))
    } else if tidied.chars().count() > max {
        Err(violated_limit("too_long", "max", max))
    } else {
        Ok(())
    }
}

/// Lines of at most `max` characters.
pub fn lines(text: &str, max: usize) -> Result<(), ValidationError> {
    if text.chars().count() > max {
        Err(violated_limit("too_long", "max", max))
    } else if has_bad_character(text) {
        Err(ValidationError::new("invalid_character"))
    } else {
        Ok(())
    }
}

/// Any text but an empty one.
pub fn filled(text: &str) -> Result<(), ValidationError> {
    if text.is_empty() { Err(ValidationError::new("required")) } else { Ok(()) }
}
