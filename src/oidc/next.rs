//! The page that a sign-in leads to.

use percent_encoding::percent_decode_str;

/// Maximum length, in characters.
const MAX_LENGTH: usize = 512;

/// Tells whether `next` is a path within the web app. Browsers read a backslash as a slash and skip tabs and line breaks, and two slashes
/// at the beginning are followed by a host.
pub fn is_app_path(next: &str) -> bool {
    let decoded = percent_decode_str(next).decode_utf8_lossy();
    let is_safe = |path: &str| {
        path.starts_with('/') && !path.starts_with("//") && !path.contains(|c: char| c == '\\' || c.is_control())
    };
    next.chars().count() <= MAX_LENGTH && !next.contains("//") && is_safe(next) && is_safe(&decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_web_app_are_accepted() {
        for path in ["/", "/orders", "/orders/7?tab=a%2Fb#notes", "/snacks?search=새우깡", "/snacks?search=%20%26"] {
            assert!(is_app_path(path), "{path}");
        }
        let longest = format!("/{}", "a".repeat(MAX_LENGTH - 1));
        assert!(is_app_path(&longest));
        let too_long = format!("{longest}a");
        let table = [
            "",
            "orders",
            "//evil.example",
            "///evil.example",
            "/a//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/%2fevil.example",
            "%2F%2Fevil.example",
            "https:evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\tevil",
            "\t//evil.example",
            "/%09/evil.example",
            "/%0d%0aLocation:x",
            "/\n/evil.example",
            "/a\u{0}",
            "/a\u{85}",
            " /orders",
            too_long.as_str(),
        ];
        for path in table {
            assert!(!is_app_path(path), "{path:?}");
        }
    }
}
