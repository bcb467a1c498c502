//! Text of people: comparison of names and emails, allowed characters, patterns for search.

pub mod email;
pub mod fold;
pub mod invisible;
pub mod letters;
pub mod password;
pub mod url;

pub use self::{
    email::{email, email_key, email_pattern},
    fold::{fold, has_bad_character, has_bad_character_in_line, like_pattern, tidy},
    invisible::first_visible,
    letters::{SearchWord, search_key, search_words},
    password::password_form,
    url::{url, url_length},
};
