//! URLs of channels as admins see them. Who knows the URL of a Slack channel can post there.

use url::Url;

/// Number of characters at the end that are shown, so that channels can be told apart.
const SHOWN: usize = 4;

/// Scheme, host and port, and the last characters: `https://hooks.slack.com/…x9Qz`.
pub fn masked_url(url: &Url) -> String {
    let origin = url.origin().ascii_serialization();
    let rest: Vec<char> = url[url::Position::BeforePath..].chars().skip(1).collect();
    let shown = &rest[rest.len().saturating_sub(SHOWN)..];
    let ellipsis = if rest.is_empty() { "" } else { "…" };
    format!("{origin}/{ellipsis}{}", shown.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_path_is_shown() {
        for (url, masked) in [
            ("https://hooks.slack.com/services/T000/B000/abcdefx9Qz", "https://hooks.slack.com/…x9Qz"),
            ("https://office.example:8443/hook?token=secret", "https://office.example:8443/…cret"),
            ("https://office.example/hooks", "https://office.example/…ooks"),
            ("https://office.example/hook", "https://office.example/…hook"),
            ("https://office.example/?abcd#efgh", "https://office.example/…efgh"),
            ("https://office.example/a", "https://office.example/…a"),
            ("https://office.example/", "https://office.example/"),
            ("http://[::1]:8000/secret", "http://[::1]:8000/…cret"),
        ] {
            assert_eq!(masked_url(&Url::parse(url).expect("a URL")), masked);
        }
    }
}
