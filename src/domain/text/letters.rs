//! Letters of names, for search while somebody types. The function `search_key_of` in migrations/ writes the same letters into rows.

use unicode_normalization::UnicodeNormalization;

use super::fold::{fold, like_pattern_of};

const INITIALS: [char; 19] =
    ['ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ'];
const VOWELS: [char; 21] = [
    'ㅏ', 'ㅐ', 'ㅑ', 'ㅒ', 'ㅓ', 'ㅔ', 'ㅕ', 'ㅖ', 'ㅗ', 'ㅘ', 'ㅙ', 'ㅚ', 'ㅛ', 'ㅜ', 'ㅝ', 'ㅞ', 'ㅟ', 'ㅠ', 'ㅡ',
    'ㅢ', 'ㅣ',
];
const FINALS: [char; 27] = [
    'ㄱ', 'ㄲ', 'ㄳ', 'ㄴ', 'ㄵ', 'ㄶ', 'ㄷ', 'ㄹ', 'ㄺ', 'ㄻ', 'ㄼ', 'ㄽ', 'ㄾ', 'ㄿ', 'ㅀ', 'ㅁ', 'ㅂ', 'ㅄ', 'ㅅ',
    'ㅆ', 'ㅇ', 'ㅈ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ',
];
/// First syllable, and first of each kind of conjoining letters.
const SYLLABLES: char = '가';
const INITIAL_JAMO: char = '\u{1100}';
const VOWEL_JAMO: char = '\u{1161}';
const FINAL_JAMO: char = '\u{11a8}';

/// Maximum number of words that are looked for one by one. The rest of a longer text is one word.
const MAX_WORDS: usize = 16;

/// Condition of a search: a part of the search key of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchWord {
    /// One or two letters: a `tsquery` for `search_pairs`.
    Pairs(String),
    /// A LIKE pattern for `search_key`.
    Pattern(String),
}

/// Conditions of a search for `text`. A name has to fulfil all of them.
pub fn search_words(text: &str) -> Vec<SearchWord> {
    let folded = fold(text);
    folded.splitn(MAX_WORDS, ' ').filter(|word| !word.is_empty()).map(search_word).collect()
}

fn search_word(word: &str) -> SearchWord {
    let letters = letters(word);
    let is_initials = letters.chars().all(|letter| ('ㄱ'..='ㅎ').contains(&letter));
    let part = if is_initials { initials(&letters) } else { letters };
    let quoted = || part.replace('\\', r"\\").replace('\'', "''");
    match part.chars().count() {
        1 => SearchWord::Pairs(format!("'{}':*", quoted())),
        2 => SearchWord::Pairs(format!("'{}'", quoted())),
        _ => SearchWord::Pattern(like_pattern_of(&part)),
    }
}

/// Search key of a comparison form: its letters, a space, its initial consonants.
pub fn search_key(folded: &str) -> String {
    format!("{} {}", letters(folded), initials(folded))
}

/// Letters of a comparison form as they are typed, without white space. ㄲ is one key, ㅘ and ㄳ are two.
fn letters(folded: &str) -> String {
    let mut letters = String::new();
    for c in folded.chars().filter(|&c| c != ' ') {
        if let Some(at) = offset(c, SYLLABLES, 11_172) {
            push_keys(INITIALS[at / 588], &mut letters);
            push_keys(VOWELS[at % 588 / 28], &mut letters);
            if let Some(last) = (at % 28).checked_sub(1) {
                push_keys(FINALS[last], &mut letters);
            }
        } else if let Some(at) = offset(c, INITIAL_JAMO, INITIALS.len()) {
            push_keys(INITIALS[at], &mut letters);
        } else if let Some(at) = offset(c, VOWEL_JAMO, VOWELS.len()) {
            push_keys(VOWELS[at], &mut letters);
        } else if let Some(at) = offset(c, FINAL_JAMO, FINALS.len()) {
            push_keys(FINALS[at], &mut letters);
        } else {
            push_keys(c, &mut letters);
        }
    }
    composed(&letters)
}

/// Initial consonants of the syllables of a comparison form as conjoining letters, and its other characters, without white space.
fn initials(folded: &str) -> String {
    let mut initials = String::new();
    let mut keys = String::new();
    for c in folded.chars().filter(|&c| c != ' ') {
        if let Some(at) = offset(c, SYLLABLES, 11_172) {
            initials.extend(nth(INITIAL_JAMO, at / 588));
        } else if offset(c, VOWEL_JAMO, VOWELS.len()).or(offset(c, FINAL_JAMO, FINALS.len())).is_none() {
            keys.clear();
            push_keys(c, &mut keys);
            let jamo = |key| INITIALS.iter().position(|&initial| initial == key).and_then(|at| nth(INITIAL_JAMO, at));
            initials.extend(keys.chars().map(|key| jamo(key).unwrap_or(key)));
        }
    }
    composed(&initials)
}

/// Marks and letters between which something was left out may compose now.
fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// Position of `c` among the `count` characters from `first` on.
fn offset(c: char, first: char, count: usize) -> Option<usize> {
    let at = usize::try_from(u32::from(c).checked_sub(u32::from(first))?).ok()?;
    (at < count).then_some(at)
}

fn nth(first: char, at: usize) -> Option<char> {
    char::from_u32(u32::from(first) + u32::try_from(at).ok()?)
}

/// Appends the keys of a letter that stands alone.
fn push_keys(letter: char, into: &mut String) {
    into.push_str(match letter {
        'ㄳ' => "ㄱㅅ",
        'ㄵ' => "ㄴㅈ",
        'ㄶ' => "ㄴㅎ",
        'ㄺ' => "ㄹㄱ",
        'ㄻ' => "ㄹㅁ",
        'ㄼ' => "ㄹㅂ",
        'ㄽ' => "ㄹㅅ",
        'ㄾ' => "ㄹㅌ",
        'ㄿ' => "ㄹㅍ",
        'ㅀ' => "ㄹㅎ",
        'ㅄ' => "ㅂㅅ",
        'ㅘ' => "ㅗㅏ",
        'ㅙ' => "ㅗㅐ",
        'ㅚ' => "ㅗㅣ",
        'ㅝ' => "ㅜㅓ",
        'ㅞ' => "ㅜㅔ",
        'ㅟ' => "ㅜㅣ",
        'ㅢ' => "ㅡㅣ",
        _ => return into.push(letter),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_search_key_has_the_letters_as_they_are_typed_and_the_initials() {
        for (name, key) in [
            ("새우깡 값", "ㅅㅐㅇㅜㄲㅏㅇㄱㅏㅂㅅ \u{1109}\u{110b}\u{1101}\u{1100}"),
            ("과자 뷁", "ㄱㅗㅏㅈㅏㅂㅜㅔㄹㄱ \u{1100}\u{110c}\u{1107}"),
            ("a 1 ㅋㅋ ㄳ ㅢ", "a1ㅋㅋㄱㅅㅡㅣ a1\u{110f}\u{110f}\u{1100}\u{1109}ㅡㅣ"),
            ("e \u{301}", "é é"),
            ("힣 café", "ㅎㅣㅎcafé \u{1112}café"),
            // Conjoining letters that are no syllable.
            ("\u{1101} \u{116a} \u{11b9}", "ㄲㅗㅏㅂㅅ \u{1101}"),
            ("", " "),
        ] {
            assert_eq!(search_key(name), key, "{name}");
        }
    }

    #[test]
    fn words_of_consonants_are_initials_and_short_words_are_pairs() {
        let pairs = |query: &str| SearchWord::Pairs(query.to_owned());
        let pattern = |part: &str| SearchWord::Pattern(part.to_owned());
        for (text, words) in [
            (" ", vec![]),
            ("생", vec![pattern("%ㅅㅐㅇ%")]),
            ("고", vec![pairs("'ㄱㅗ'")]),
            ("ㅅ", vec![pairs("'\u{1109}':*")]),
            ("ㄳ", vec![pairs("'\u{1100}\u{1109}'")]),
            ("ㅅㅇㄲ 90G", vec![pattern("%\u{1109}\u{110b}\u{1101}%"), pattern("%90g%")]),
            ("ㅏ '\\ _%x", vec![pairs("'ㅏ':*"), pairs(r"'''\\'"), pattern(r"%\_\%x%")]),
        ] {
            assert_eq!(search_words(text), words, "{text}");
        }
    }

    #[test]
    fn the_rest_of_a_text_of_many_words_is_one_word() {
        let words = search_words(&"abc ".repeat(20));
        assert_eq!(words.len(), MAX_WORDS);
        assert_eq!(words[15], SearchWord::Pattern(format!("%{}%", "abc".repeat(5))));
    }

    proptest! {
        #[test]
        fn a_name_is_found_at_every_key_that_is_pressed(name in "[가-힣a-z0-9ㄱ-ㅣ ]{1,20}") {
            let folded = fold(&name);
            let (key, letters) = (search_key(&folded), letters(&folded));
            let at: Vec<_> = letters.char_indices().map(|(at, _)| at).collect();
            for end in at.into_iter().chain([letters.len()]) {
                prop_assert!(key.contains(&letters[..end]));
            }
            // Letters that were typed one by one are the letters of the syllables.
            prop_assert_eq!(super::letters(&letters), letters);
        }
    }
}
