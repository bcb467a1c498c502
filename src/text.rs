//! Text as people see it: when two names are the same name, and what a search has to look for.
//!
//! Pure: nothing here does I/O.

use unicode_normalization::UnicodeNormalization;

/// The form in which names are stored and shown: composed (NFC), without white space around it.
///
/// "새우깡" typed on a Mac arrives decomposed (NFD); stored as it came, it would never equal the one typed elsewhere.
#[must_use]
pub fn tidy(text: &str) -> String {
    text.trim().nfc().collect()
}

/// The comparison form: composed, trimmed, inner runs of white space folded to one space, case folded. Two texts are the
/// same to people exactly when their comparison forms are equal.
#[must_use]
pub fn fold(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Case folding may decompose ("İ"), hence the second composition.
    let composed: String = spaced.nfc().collect();
    caseless::default_case_fold_str(&composed).nfc().collect()
}

/// A LIKE pattern that finds `text` anywhere in a comparison form.
#[must_use]
pub fn like_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in fold(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The most bytes that a password may have as it is typed. 128 characters never need more: the longest sequence that NFKC makes
/// one character of has four code points, of four bytes at most.
const MAX_PASSWORD_BYTES: usize = 4096;

/// The form in which passwords are compared (NFKC, as NIST SP 800-63B has it); none for one that is too long for any account.
/// The cap comes first, because NFKC can make eleven bytes of one.
#[must_use]
pub fn password_form(typed: &str) -> Option<String> {
    (typed.len() <= MAX_PASSWORD_BYTES).then(|| typed.nfkc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_name_in_another_spelling_folds_to_the_same_form() {
        let same = [
            ("새우깡", "\u{1109}\u{1162}\u{110b}\u{116e}\u{1101}\u{1161}\u{11bc}"),
            ("Choco Pie", "  choco \t\u{3000} PIE "),
            ("Straße", "STRASSE"),
            ("Ἀθῆναι Σ", "ἀθῆναι ς"),
            ("Café", "CAFE\u{301}"),
        ];
        for (left, right) in same {
            assert_eq!(fold(left), fold(right), "{left} and {right}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (left, right) in [("새우깡", "새우 깡"), ("a", "á"), ("Oreo", "Ore0")] {
            assert_ne!(fold(left), fold(right));
        }
    }

    #[test]
    fn a_pattern_takes_wildcards_literally() {
        assert_eq!(like_pattern("100%_\\"), "%100\\%\\_\\\\%");
    }

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

        #[test]
        fn folding_twice_changes_nothing_more(text in "\\PC{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }

        #[test]
        fn unicode_form_white_space_and_tidying_do_not_matter(text in "\\PC{0,40}") {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&decomposed), fold(&text));
            let padded = format!(" \u{3000}{text}\n");
            prop_assert_eq!(fold(&padded), fold(&text));
            prop_assert_eq!(fold(&tidy(&text)), fold(&text));
        }

        #[test]
        fn whatever_the_text_its_forms_are_final(text: String, marks in "[aιαΙΣſßİıŉǰΐK가ᄀ ᅡ\u{345}\u{301}\u{308}\u{307}\u{3099}\u{200d}\u{ad}\u{feff}\t ]{0,12}") {
            for text in [text, marks] {
                prop_assert_eq!(tidy(&tidy(&text)), tidy(&text));
                prop_assert_eq!(fold(&fold(&text)), fold(&text));
                prop_assert_eq!(fold(&text.nfd().collect::<String>()), fold(&text));
                let pattern = like_pattern(&text);
                prop_assert!(pattern.len() >= 2 && pattern.starts_with('%') && pattern.ends_with('%'));
            }
        }

        #[test]
        fn case_does_not_matter(text in "[a-zA-Zà-öø-þḀ-ẕА-яΑ-Ωα-ωά-ώ가-힣一-龥 ]{0,40}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text));
            prop_assert_eq!(fold(&text.to_lowercase()), fold(&text));
        }
    }
}
