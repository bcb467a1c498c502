//! Comparison forms of names, allowed characters, and patterns for search.

use unicode_normalization::UnicodeNormalization;

use super::invisible;

/// Form in which names are stored: composed (NFC), without white space and invisible characters around it. Macs send Hangul decomposed
/// (NFD).
pub fn tidy(text: &str) -> String {
    invisible::trim(text).nfc().collect()
}

/// Comparison form: composed, without invisible characters and surrounding white space, with single spaces and folded case. Two texts
/// look equal to people exactly when their comparison forms are equal. Rows store them: after a change of the rules they need an update.
pub fn fold(text: &str) -> String {
    let spaced = invisible::strip(text).split_whitespace().collect::<Vec<_>>().join(" ");
    case_fold(&spaced.nfc().collect::<String>())
}

/// Folds the case of composed text.
pub(super) fn case_fold(composed: &str) -> String {
    // Composed again, because case folding may decompose ("İ").
    caseless::default_case_fold_str(composed).nfc().collect()
}

/// Tells whether a line of text has a forbidden character: a control character, a line break, or a bidirectional control. Tabs are
/// allowed, and white space at the ends is ignored.
pub fn has_bad_character_in_line(text: &str) -> bool {
    let is_line_break =
        |c: char| c.is_whitespace() && (c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}'));
    text.contains(|c: char| invisible::is_bidi_control(c) || c.is_control() && !c.is_whitespace())
        || invisible::trim(text).contains(is_line_break)
}

/// [`has_bad_character_in_line`] for text with several lines.
pub fn has_bad_character(text: &str) -> bool {
    text.contains(|c: char| invisible::is_bidi_control(c) || c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// LIKE pattern that finds `text` in a comparison form.
pub fn like_pattern(text: &str) -> String {
    like_pattern_of(&fold(text))
}

/// LIKE pattern that finds a comparison form.
pub(super) fn like_pattern_of(folded: &str) -> String {
    let mut pattern = String::from("%");
    for c in folded.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use icu_properties::props::{BinaryProperty, Emoji};
    use proptest::prelude::*;

    #[test]
    fn the_same_name_in_another_spelling_folds_to_the_same_form() {
        let same = [
            ("새우깡", "\u{1109}\u{1162}\u{110b}\u{116e}\u{1101}\u{1161}\u{11bc}"),
            ("Choco Pie", "  choco \t\u{3000} PIE "),
            ("Straße", "STRASSE"),
            ("Ἀθῆναι Σ", "ἀθῆναι ς"),
            ("Café", "CAFE\u{301}"),
            ("새우깡", "새우\u{ad}깡"),
            ("새우깡", "\u{feff}새\u{200b}우\u{2060}깡\u{200b}"),
            ("새우 깡", "새우 \u{3164} 깡"),
            // Fillers of Hangul, between letters that NFC composes without them.
            ("가", "\u{1100}\u{1160}\u{1161}"),
            ("Ⓜ\u{fe0f}", "ⓜ"),
        ];
        for (left, right) in same {
            assert_eq!(fold(left), fold(right), "{left} and {right}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (left, right) in [("새우깡", "새우 깡"), ("a", "á"), ("Oreo", "Ore0"), ("👨‍👩‍👧", "👨👩👧"), ("❤", "❤\u{fe0f}")]
        {
            assert_ne!(fold(left), fold(right));
        }
    }

    #[test]
    fn a_name_is_stored_without_what_is_not_seen_around_it() {
        for (typed, stored) in [
            (" \u{200b}\u{3164}새우깡\u{ad} \n\u{feff}", "새우깡"),
            ("새우\u{ad}깡", "새우\u{ad}깡"),
            ("\u{3164}", ""),
            ("\u{200b}\u{200b}", ""),
            ("\u{2800}\u{115f}\u{1160}\u{ffa0}\u{180e}\u{2060}", ""),
            ("사랑 ❤\u{fe0f}", "사랑 ❤\u{fe0f}"),
            ("커피 ☕\u{fe0f}\u{200d}", "커피 ☕\u{fe0f}"),
        ] {
            assert_eq!(tidy(typed), stored);
        }
    }

    #[test]
    fn a_line_holds_no_control_character_and_no_override() {
        for text in [
            "새우\n깡",
            "새우\r깡",
            "\u{1b}[31m",
            "\u{0}",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{202e}깡",
            "깡\u{2069}",
            "a\u{7f}",
        ] {
            assert!(has_bad_character_in_line(text), "{text:?}");
        }
        for text in ["", "새우\t깡", " 새우깡\r\n", "새우\u{200b}깡", "👨‍👩‍👧"] {
            assert!(!has_bad_character_in_line(text), "{text:?}");
        }
        assert!(!has_bad_character("손이 가요\r\n\t손이 가"));
        for text in ["a\u{b}", "\u{0}", "\u{1b}", "\u{85}", "\u{202a}", "\u{2066}"] {
            assert!(has_bad_character(text), "{text:?}");
        }
    }

    #[test]
    fn every_emoji_and_letter_with_an_emoji_style_or_a_joiner_behind_it_has_one_form() {
        for c in ('\0'..=char::MAX).filter(|c| Emoji::for_char(*c) || !c.to_lowercase().eq([*c])) {
            for text in [format!("{c}\u{fe0f}"), format!("{c}\u{200d}{c}"), format!("{c}\u{fe0f}\u{20e3}")] {
                let folded = fold(&text);
                assert_eq!(fold(&folded), folded, "{text:?}");
                assert_eq!(fold(&tidy(&text)), folded, "{text:?}");
            }
        }
    }

    #[test]
    fn a_pattern_takes_wildcards_literally() {
        assert_eq!(like_pattern("100%_\\"), "%100\\%\\_\\\\%");
    }

    proptest! {
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
        fn whatever_the_text_its_forms_are_final(text: String, marks in "[aιαΙΣſßİıŉǰΐK가ᄀ ᅡᆨ\u{115f}\u{1160}\u{3164}\u{2800}\u{200b}\u{fe0f}\u{20e3}\u{1f3f4}\u{e0067}\u{e007f}\u{34f}\u{338}↔❤☕👨👩🏽Ⓜ1\u{345}\u{301}\u{308}\u{307}\u{3099}\u{200d}\u{ad}\u{feff}\t ]{0,16}") {
            for text in [text, marks] {
                prop_assert_eq!(tidy(&tidy(&text)), tidy(&text));
                prop_assert_eq!(fold(&fold(&text)), fold(&text));
                prop_assert_eq!(fold(&text.nfd().collect::<String>()), fold(&text));
                prop_assert_eq!(fold(&tidy(&text)), fold(&text));
                prop_assert_eq!(tidy(&text).is_empty(), fold(&text).is_empty());
                prop_assert_eq!(fold(&format!("\u{200b}\u{3164}{text}\u{feff}\u{200d}")), fold(&text));
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
