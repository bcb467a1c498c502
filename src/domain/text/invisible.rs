//! Invisible characters. Comparison forms have none, and a text of nothing else is blank.

use icu_properties::props::{
    BinaryProperty, DefaultIgnorableCodePoint, Emoji, EmojiModifier, EmojiPresentation, EnumeratedProperty,
    ExtendedPictographic, GeneralCategory, PrependedConcatenationMark,
};

const JOINER: char = '\u{200d}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const END_OF_TAGS: char = '\u{e007f}';
/// Maximum number of tags in a flag. Without a limit the time for many tags would be quadratic.
const MAX_TAGS: usize = 32;

/// Tells whether `c` draws nothing and is no white space.
pub fn is_invisible(c: char) -> bool {
    // Braille without dots and the null notehead are symbols in Unicode, but empty in all fonts.
    !c.is_ascii()
        && (matches!(c, '\u{2800}' | '\u{1d159}')
            || DefaultIgnorableCodePoint::for_char(c)
            // These marks are the visible format characters, such as the Arabic number sign.
            || (GeneralCategory::for_char(c) == GeneralCategory::Format && !PrependedConcatenationMark::for_char(c)))
}

/// First visible character of `text`.
pub fn first_visible(text: &str) -> Option<char> {
    text.chars().find(|&c| !c.is_whitespace() && !is_invisible(c))
}

/// Tells whether `c` is a bidirectional override or isolate, which can make text look like another one.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Removes white space and invisible characters from the ends of `text`, except for parts of emojis.
pub fn trim(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let counts =
        |at: &usize| !chars[*at].is_whitespace() && (!is_invisible(chars[*at]) || belongs_to_emoji(&chars, *at));
    let (first, last) = ((0..chars.len()).find(counts), (0..chars.len()).rev().find(counts));
    first.zip(last).map(|(first, last)| chars[first..=last].iter().collect()).unwrap_or_default()
}

/// Removes the invisible characters of `text`, except for those that distinguish emojis.
pub fn strip(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let stays = |at: usize| {
        !is_invisible(chars[at])
            || (belongs_to_emoji(&chars, at)
                // ☕ is drawn in colour in both cases.
                && !(chars[at] == EMOJI_STYLE && EmojiPresentation::for_char(chars[at - 1])))
    };
    (0..chars.len()).filter(|&at| stays(at)).map(|at| chars[at]).collect()
}

/// Tells whether the invisible character at `at` is part of an emoji.
fn belongs_to_emoji(chars: &[char], at: usize) -> bool {
    let (before, after) = (&chars[..at], &chars[at + 1..]);
    match chars[at] {
        EMOJI_STYLE => match before.last() {
            Some('0'..='9' | '#' | '*') => after.first() == Some(&KEYCAP),
            Some(&c) => is_emoji(c),
            None => false,
        },
        JOINER => {
            let joined = before.iter().rfind(|&&c| c != EMOJI_STYLE && !EmojiModifier::for_char(c));
            let is_pictographic =
                |c: Option<&char>| c.is_some_and(|&c| is_emoji(c) && ExtendedPictographic::for_char(c));
            is_pictographic(joined) && is_pictographic(after.first())
        }
        // The flags of England, Scotland and Wales.
        c if c == END_OF_TAGS || is_tag(c) => {
            let tags_before = before.iter().rev().take(MAX_TAGS + 1).take_while(|&&c| is_tag(c)).count();
            let tags_after = after.iter().take(MAX_TAGS + 1).take_while(|&&c| is_tag(c)).count();
            let is_flag = before.len().checked_sub(tags_before + 1).is_some_and(|at| before[at] == BLACK_FLAG);
            let is_ended = if c == END_OF_TAGS {
                (1..=MAX_TAGS).contains(&tags_before)
            } else {
                tags_before + tags_after < MAX_TAGS && after.get(tags_after) == Some(&END_OF_TAGS)
            };
            is_flag && is_ended
        }
        _ => false,
    }
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007e}')
}

fn is_emoji(c: char) -> bool {
    // Case folding turns this one into a letter.
    c != 'Ⓜ' && !c.is_ascii() && Emoji::for_char(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen() {
        for c in "\u{200b}\u{ad}\u{2060}\u{feff}\u{180e}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{200c}\u{200d}\u{200e}\u{200f}\
                  \u{61c}\u{34f}\u{fe0e}\u{fe0f}\u{e0100}\u{e0001}\u{fff9}\u{17b4}\u{1d173}\u{2065}"
            .chars()
        {
            assert!(is_invisible(c), "{c:?}");
        }
        // Spaces are white space; an Arabic number sign is drawn.
        for c in "a ㄱ가\u{3000}\t\u{301}\u{600}🍪".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn what_belongs_to_an_emoji_stays() {
        for emoji in [
            "👨‍👩‍👧",
            "❤️",
            "❤️‍🔥",
            "🏳️‍🌈",
            "👩🏽‍🚀",
            "👁️‍🗨️",
            "1️⃣",
            "#️⃣",
            "🏃‍➡️",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ] {
            assert_eq!(strip(emoji), emoji);
            assert_eq!(trim(&format!("\u{200d}\u{fe0f} {emoji}\u{200d}")), emoji);
        }
    }

    #[test]
    fn what_belongs_to_none_goes() {
        for (text, rest) in [
            ("새\u{200d}우\u{fe0f}깡", "새우깡"),
            ("🍪\u{200d}깡", "🍪깡"),
            ("깡\u{200d}🍪", "깡🍪"),
            ("🍪\u{200c}🍪", "🍪🍪"),
            ("1\u{fe0f}", "1"),
            ("☕\u{fe0f}", "☕"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}"),
            ("👨\u{200d}\u{200d}👩", "👨👩"),
            ("🏴\u{e0067}", "🏴"),
            ("🍪\u{e0067}\u{e007f}", "🍪"),
            ("🏴\u{e007f}", "🏴"),
        ] {
            assert_eq!(strip(text), rest);
        }
        let flag = |tags| format!("🏴{}\u{e007f}", "\u{e0067}".repeat(tags));
        assert_eq!(strip(&flag(32)), flag(32));
        // Nor does a text of many take long.
        for tags in [33, 40, 100_000] {
            assert_eq!((strip(&flag(tags)).as_str(), trim(&flag(tags)).as_str()), ("🏴", "🏴"));
        }
    }
}
