//! URLs of shops.

use url::Url;

use super::invisible;

/// URL in the form of the parser, empty for an empty text. None for other text than an `http://` or `https://` URL with a host, and for
/// white space and control characters. A user name or password is invalid too: everybody would see it, and
/// `https://www.shop.example@evil.example` looks like another shop.
pub fn url(text: &str) -> Option<String> {
    let text = invisible::trim(text);
    if text.is_empty() {
        return Some(text);
    }
    // The parser accepts white space, which it removes or encodes, and URLs without slashes.
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || rest.starts_with(['/', '\\']) {
        return None;
    }
    let url = Url::parse(&text).ok()?;
    (url.has_host() && url.username().is_empty() && url.password().is_none()).then(|| url.into())
}

/// Number of characters. A percent-encoded one counts once, so that the limit is the same for a URL as typed and as stored.
pub fn url_length(text: &str) -> usize {
    percent_encoding::percent_decode_str(invisible::trim(text).as_str()).decode_utf8_lossy().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_is_stored_as_the_parser_writes_it() {
        for (typed, stored) in [
            ("", ""),
            (" \u{200b}", ""),
            ("https://coupang.com", "https://coupang.com/"),
            (" HTTPS://Link.Coupang.com/a/bAbC\n", "https://link.coupang.com/a/bAbC"),
            (
                "https://한국.kr/새우깡?맛=1#위",
                "https://xn--3e0b707e.kr/%EC%83%88%EC%9A%B0%EA%B9%A1?%EB%A7%9B=1#%EC%9C%84",
            ),
            ("http://x.example:80/a/../b", "http://x.example/b"),
            ("http://[::1]:8000/", "http://[::1]:8000/"),
        ] {
            assert_eq!(url(typed).as_deref(), Some(stored));
        }
    }

    #[test]
    fn what_is_no_address_of_a_shop_is_none() {
        for text in [
            "https:coupang.com/x",
            "https:/coupang.com/x",
            "https:\\\\coupang.com/x",
            "https:///coupang.com/x",
            "https://",
            "https://?x",
            "https://link.coupang.com/a/bAbC 이거요",
            "https://a.example/\nhttps://b.example/",
            "https://a.example/\u{3000}x",
            "https://a.example/\tx",
            "https://a.example/\u{1b}",
            "https://a.example/\u{0}",
            "https://a b.example",
            "https://kim:secret@a.example/",
            "https://www.coupang.com@evil.example/",
            "ftp://a.example",
            "//a.example",
            "a.example",
            "javascript://a.example/%0aalert(1)",
            "data:text/html,x",
        ] {
            assert_eq!(url(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_stored_url_is_stored_as_it_is_and_no_longer(path in "[^\\s\\pC]{0,40}") {
            let typed = format!("https://shop.example/{path}");
            let stored = url(&typed).expect("a URL");
            prop_assert_eq!(url(&stored), Some(stored.clone()));
            prop_assert!(url_length(&stored) <= typed.chars().count());
        }
    }
}
