//! Rules for the fields of accounts.

use std::{collections::HashSet, sync::LazyLock};

use validator::ValidationError;

use crate::{
    domain::text::{self, fold, password_form, tidy},
    http::rules::{line, violated_limit},
};

/// Maximum number of characters in an email.
pub const MAX_EMAIL: usize = 254;

/// Common passwords of eight and more characters, from public lists of leaked ones.
static COMMON_PASSWORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Email of at most [`MAX_EMAIL`] characters as typed, surrounding space aside, and as stored.
pub fn email(text: &str) -> Result<(), ValidationError> {
    let tidied = tidy(text);
    match text::email(text) {
        _ if text.is_empty() => Err(ValidationError::new("required")),
        _ if tidied.is_empty() => Err(ValidationError::new("blank")),
        _ if tidied.chars().count() > MAX_EMAIL => Err(violated_limit("too_long", "max", MAX_EMAIL)),
        Some(email) if email.len() > MAX_EMAIL => Err(violated_limit("too_long", "max", MAX_EMAIL)),
        Some(_) => Ok(()),
        None => Err(ValidationError::new("invalid_email")),
    }
}

/// Name of 1 to 50 characters.
pub fn user_name(text: &str) -> Result<(), ValidationError> {
    line(text, 50)
}

/// New password: 8 to 128 characters in the form in which passwords are compared, and not a common one.
pub fn new_password(text: &str) -> Result<(), ValidationError> {
    let Some(text) = password_form(text) else {
        return Err(violated_limit("too_long", "max", 128));
    };
    match text.chars().count() {
        0 => Err(ValidationError::new("required")),
        1..8 => Err(violated_limit("too_short", "min", 8)),
        8..=128 if COMMON_PASSWORDS.contains(fold(&text).as_str()) => Err(ValidationError::new("too_common")),
        8..=128 => Ok(()),
        _ => Err(violated_limit("too_long", "max", 128)),
    }
}
