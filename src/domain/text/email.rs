//! Emails: the form in which they are stored, and their comparison form.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;
use validator::ValidateEmail;

use super::{
    fold::{case_fold, like_pattern_of},
    invisible,
};

/// Maximum length of a domain in bytes, in any form.
const MAX_DOMAIN: usize = 4096;

fn ascii_domain(domain: &str, length: DnsLength) -> Option<String> {
    if domain.len() > MAX_DOMAIN {
        return None;
    }
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, length);
    ascii.ok().map(std::borrow::Cow::into_owned)
}

/// Form in which an email is stored: as typed, with the domain in its IDNA ASCII form (UTS 46). None for an invalid email. The part
/// before the `@` must be ASCII, because other characters look alike, and invisible characters are invalid.
pub fn email(text: &str) -> Option<String> {
    let text = text.trim();
    if text.chars().any(|c| c.is_control() || invisible::is_invisible(c)) {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let ascii = ascii_domain(domain, DnsLength::Verify)?;
    // A domain in ASCII keeps its case.
    let domain = if ascii.eq_ignore_ascii_case(domain) { domain } else { &ascii };
    let email = format!("{local}@{domain}");
    email.validate_email().then_some(email)
}

/// Comparison form of an email. Invisible characters, which people paste, are ignored.
pub fn email_key(text: &str) -> String {
    let visible: String = text.chars().filter(|&c| !invisible::is_invisible(c)).collect();
    let stored = email(&visible).unwrap_or_else(|| text.trim().nfc().collect());
    case_fold(&stored)
}

/// LIKE pattern that finds a part of an email with an international domain. None if [`super::like_pattern`] finds it.
pub fn email_pattern(search: &str) -> Option<String> {
    let search = search.trim();
    if search.is_ascii() {
        return None;
    }
    let (local, domain) = search.rfind('@').map_or(("", search), |at| search.split_at(at + 1));
    let domain = ascii_domain(domain, DnsLength::Ignore)?;
    Some(like_pattern_of(&case_fold(&format!("{local}{domain}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_stored_with_the_ascii_form_of_its_domain() {
        for (typed, stored) in [
            ("Kim@한국.kr", "Kim@xn--3e0b707e.kr"),
            ("kim@XN--3E0B707E.KR", "kim@XN--3E0B707E.KR"),
            (" kim@Example.com\n", "kim@Example.com"),
            ("kim@ＥＸＡＭＰＬＥ.com", "kim@example.com"),
            ("kim@example。com", "kim@example.com"),
            // Not the same as fass.de.
            ("kim@faß.de", "kim@xn--fa-hia.de"),
            ("kim@localhost", "kim@localhost"),
        ] {
            assert_eq!(email(typed).as_deref(), Some(stored));
            assert_eq!(email_key(typed), stored.to_lowercase());
        }
    }

    #[test]
    fn what_is_no_email_is_none() {
        for text in [
            "",
            "kim",
            "@한국.kr",
            "kim@",
            "kim@한국..kr",
            "kim@example.com.",
            "kim@-example.com",
            "kim@xn--a.com",
            "kim@exa mple.com",
            "kim@exa\u{3000}mple.com",
            "kim@[127.0.0.1]",
            "kim＠example.com",
            "ｋim@example.com",
            "\u{212a}im@example.com",
            "김@example.com",
            "kim@example.com\u{200b}",
            "k\u{ad}im@example.com",
            "kim@exam\u{200d}ple.com",
            "kim@exam\u{202e}ple.com",
            "kim\u{1b}@example.com",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn characters_that_are_not_seen_make_no_other_email() {
        assert_eq!(email_key("kim@example.com\u{200b}"), "kim@example.com");
        assert_eq!(email_key("k\u{ad}im@한\u{2060}국.kr"), "kim@xn--3e0b707e.kr");
        assert_eq!(email_key("KIM@[127.0.0.1]"), "kim@[127.0.0.1]");
    }

    #[test]
    fn a_domain_is_found_as_it_is_read() {
        assert_eq!(email_pattern("kim@한국.kr").as_deref(), Some("%kim@xn--3e0b707e.kr%"));
        assert_eq!(email_pattern("한국").as_deref(), Some("%xn--3e0b707e%"));
        assert_eq!(email_pattern("kim"), None);
    }
}
