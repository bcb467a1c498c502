//! The form in which passwords are hashed and compared.

use unicode_normalization::UnicodeNormalization;

/// Maximum length of a password as typed, in bytes. Enough for 128 characters: NFKC combines at most four code points, each of four
/// bytes, into one character.
const MAX_PASSWORD_BYTES: usize = 4096;

/// Form in which passwords are hashed and compared (NFKC, as in NIST SP 800-63B). None for a text that is too long. The length is
/// checked first, because NFKC can multiply it by eleven.
pub fn password_form(typed: &str) -> Option<String> {
    (typed.len() <= MAX_PASSWORD_BYTES).then(|| typed.nfkc().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_password_is_the_same_however_it_was_typed() {
        for (left, right) in
            [("새우깡", "\u{1109}\u{1162}\u{110b}\u{116e}\u{1101}\u{1161}\u{11bc}"), ("ｓｎａｃｋ①", "snack1")]
        {
            assert_eq!(password_form(left), password_form(right));
        }
        for (left, right) in [("snack", "Snack"), ("snack", "snack ")] {
            assert_ne!(password_form(left), password_form(right));
        }
        assert!(password_form(&"a".repeat(MAX_PASSWORD_BYTES)).is_some());
        assert_eq!(password_form(&"a".repeat(MAX_PASSWORD_BYTES + 1)), None);
    }

    proptest! {
        #[test]
        fn no_password_that_could_be_short_enough_is_capped(text in "\\PC{128}") {
            prop_assert!(password_form(&text.nfd().collect::<String>()).is_some());
        }
    }
}
