//! The rules that fields of bodies keep, for `#[validate(custom(function = ...))]`. A field that is missing arrives as an
//! empty string (`#[serde(default)]`), so that it is reported together with the others.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use validator::ValidationError;

use crate::domain::text::{self, fold, password_form, tidy};

/// Passwords of eight and more characters that everybody has thought of before, as public lists of leaked ones count them.
static COMMON_PASSWORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

fn broken(code: &'static str) -> ValidationError {
    ValidationError::new(code)
}

fn bounded(code: &'static str, bound: &'static str, figure: usize) -> ValidationError {
    let mut error = broken(code);
    error.add_param(Cow::Borrowed(bound), &figure);
    error
}

/// A line of text with 1 to `max` characters, of which something is seen.
fn line(text: &str, max: usize) -> Result<(), ValidationError> {
    if text.is_empty() {
        return Err(broken("required"));
    }
    let tidied = tidy(text);
    if text::has_bad_character_in_line(text) {
        Err(broken("invalid_character"))
    } else if tidied.is_empty() {
        Err(broken("blank"))
    } else if tidied.chars().count() > max {
        Err(bounded("too_long", "max", max))
    } else {
        Ok(())
    }
}

/// Text of several lines, at most `max` characters.
fn lines(text: &str, max: usize) -> Result<(), ValidationError> {
    if text.chars().count() > max {
        Err(bounded("too_long", "max", max))
    } else if text::has_bad_character(text) {
        Err(broken("invalid_character"))
    } else {
        Ok(())
    }
}

/// An email of at most 254 characters, surrounding space aside, as typed and as stored.
///
/// # Errors
/// The broken rule.
pub fn email(text: &str) -> Result<(), ValidationError> {
    let tidied = tidy(text);
    match text::email(text) {
        _ if text.is_empty() => Err(broken("required")),
        _ if tidied.is_empty() => Err(broken("blank")),
        _ if tidied.chars().count() > 254 => Err(bounded("too_long", "max", 254)),
        Some(email) if email.len() > 254 => Err(bounded("too_long", "max", 254)),
        Some(_) => Ok(()),
        None => Err(broken("invalid_email")),
    }
}

/// A user's name: 1 to 50 characters.
///
/// # Errors
/// The broken rule.
pub fn user_name(text: &str) -> Result<(), ValidationError> {
    line(text, 50)
}

/// A snack's name: 1 to 128 characters.
///
/// # Errors
/// The broken rule.
pub fn snack_name(text: &str) -> Result<(), ValidationError> {
    line(text, 128)
}

/// A password to be: 8 to 128 characters in the form in which passwords are compared, and none of the common ones.
///
/// # Errors
/// The broken rule.
pub fn new_password(text: &str) -> Result<(), ValidationError> {
    let Some(text) = password_form(text) else {
        return Err(bounded("too_long", "max", 128));
    };
    match text.chars().count() {
        0 => Err(broken("required")),
        1..8 => Err(bounded("too_short", "min", 8)),
        8..=128 if COMMON_PASSWORDS.contains(fold(&text).as_str()) => Err(broken("too_common")),
        8..=128 => Ok(()),
        _ => Err(bounded("too_long", "max", 128)),
    }
}

/// Anything that has been filled in.
///
/// # Errors
/// The broken rule.
pub fn filled(text: &str) -> Result<(), ValidationError> {
    if text.is_empty() { Err(broken("required")) } else { Ok(()) }
}

/// Empty, or an `http://` or `https://` address of at most 2,000 characters.
///
/// # Errors
/// The broken rule.
pub fn link(text: &str) -> Result<(), ValidationError> {
    if text::url_length(text) > 2000 {
        Err(bounded("too_long", "max", 2000))
    } else if text::url(text).is_none() {
        Err(broken("invalid_url"))
    } else {
        Ok(())
    }
}

/// A description of at most 5,000 characters.
///
/// # Errors
/// The broken rule.
pub fn description(text: &str) -> Result<(), ValidationError> {
    lines(text, 5000)
}
