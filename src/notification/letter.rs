//! Mails: subject, plain text and HTML.

use std::error::Error;

use chrono::{DateTime, Utc};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{self, HeaderName, HeaderValue},
    },
};
use url::Url;
use uuid::Uuid;

use crate::{
    error::{ApiError, Text},
    http::headers::Language,
};

/// Maximum length of a subject, in characters.
const MAX_SUBJECT: usize = 150;

/// Mail with one link.
#[derive(Debug)]
pub struct Letter {
    /// Same for all attempts, so that a mail server can tell a repetition.
    pub uid: Uuid,
    pub created_at: DateTime<Utc>,
    pub to: String,
    pub language: Language,
    /// May contain text of users, like the next field.
    pub subject: String,
    pub text: String,
    pub link: Link,
    pub footer: Footer,
}

#[derive(Debug)]
pub struct Link {
    pub text: String,
    pub url: String,
    /// Part of the URL that must not be stored or logged.
    pub token: Option<String>,
}

#[derive(Debug)]
pub struct Footer {
    pub text: String,
    pub url: Option<String>,
}

/// Reason for a delivery without a letter.
#[derive(Debug)]
pub enum NoLetter {
    /// Nobody wants it any more.
    Unwanted(&'static str),
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for NoLetter {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Letter {
    /// # Errors
    /// The address cannot be written in a mail.
    pub fn message(&self, from: &Mailbox) -> Result<Message, Box<dyn Error + Send + Sync>> {
        let to = Mailbox::new(None, self.to.parse()?);
        let id = format!("<{}@{}>", self.uid, from.email.domain());
        let message = Message::builder()
            .from(from.clone())
            .to(to)
            .subject(self.subject())
            .date(self.created_at.into())
            .message_id(Some(id))
            // Answering machines do not answer it.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .header(header::MIME_VERSION_1_0)
            .multipart(MultiPart::alternative_plain_html(self.plain(), self.html()))?;
        Ok(message)
    }

    /// Subject on one line.
    fn subject(&self) -> String {
        let line: String = self.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut subject: String = line.chars().take(MAX_SUBJECT).collect();
        if subject.len() < line.len() {
            subject.push('…');
        }
        format!("[{}] {subject}", self.language.choose(Text::new("간식", "Snack")))
    }

    fn plain(&self) -> String {
        let Self { text, link, footer, .. } = self;
        let footer_url = footer.url.as_ref().map(|url| format!(": {url}")).unwrap_or_default();
        format!("{text}\n\n{}: {}\n\n--\n{}{footer_url}\n", link.text, link.url, footer.text)
    }

    fn html(&self) -> String {
        let text = escape(&self.text).replace('\n', "<br>");
        let (link, footer) = (&self.link, escape(&self.footer.text));
        let footer = match &self.footer.url {
            Some(url) => format!("<a href=\"{}\" style=\"color:#666\">{footer}</a>", escape(url)),
            None => footer,
        };
        format!(
            "<!doctype html><html lang=\"{}\"><body style=\"font-family:sans-serif;line-height:1.6\">\
             <p>{text}</p><p><a href=\"{}\">{}</a></p>\
             <p style=\"color:#666;font-size:0.85em\">{footer}</p></body></html>",
            self.language.code(),
            escape(&link.url),
            escape(&link.text),
        )
    }
}

/// Page of the web app.
pub fn page(public_url: &Url, path: &str) -> String {
    format!("{}/app/{path}", public_url.as_str().trim_end_matches('/'))
}

/// Text as HTML, also within quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(text: &str) -> Letter {
        Letter {
            uid: Uuid::nil(),
            created_at: DateTime::UNIX_EPOCH,
            to: "kim@office.example".to_owned(),
            language: Language::English,
            subject: text.to_owned(),
            text: text.to_owned(),
            link: Link { text: "Show".to_owned(), url: "https://office.example/?a=1&b=2".to_owned(), token: None },
            footer: Footer { text: "Ignore <it>".to_owned(), url: None },
        }
    }

    fn from() -> Mailbox {
        "Snack <snack@office.example>".parse().expect("a mailbox")
    }

    #[test]
    fn text_of_users_is_neither_markup_nor_a_header() {
        let letter = letter("Order canceled: <script>alert(1)</script> (reason: \"no\"\r\nBcc: all@office.example)");
        let html = letter.html();
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !html.contains("<script"), "{html}");
        let message = letter.message(&from()).expect("a message").formatted();
        let message = String::from_utf8(message).expect("text");
        let head = message.split("\r\n\r\n").next().expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("Message-ID: <00000000-0000-0000-0000-000000000000@office.example>"), "{head}");
    }

    #[test]
    fn links_lead_to_the_web_app_below_the_path_of_the_server() {
        let url = "https://office.example/snack".parse().expect("a URL");
        assert_eq!(page(&url, "profile"), "https://office.example/snack/app/profile");
        assert_eq!(page(&"http://localhost:8000".parse().expect("a URL"), ""), "http://localhost:8000/app/");
    }

    #[test]
    fn a_footer_is_a_text_or_a_link() {
        let mut letter = letter("x");
        assert!(letter.plain().ends_with("\nShow: https://office.example/?a=1&b=2\n\n--\nIgnore <it>\n"));
        assert!(letter.html().contains("<a href=\"https://office.example/?a=1&amp;b=2\">Show</a>"));
        assert!(letter.html().contains(">Ignore &lt;it&gt;</p>"));
        letter.footer.url = Some("https://office.example/\"".to_owned());
        assert!(letter.plain().ends_with("\nIgnore <it>: https://office.example/\"\n"));
        assert!(
            letter
                .html()
                .contains("<a href=\"https://office.example/&quot;\" style=\"color:#666\">Ignore &lt;it&gt;</a></p>")
        );
    }

    #[test]
    fn a_long_subject_is_cut() {
        let subject = letter(&"가".repeat(200)).subject();
        assert_eq!(subject.chars().count(), "[Snack] ".len() + MAX_SUBJECT + 1);
        assert!(subject.ends_with('…'));
        assert_eq!(letter("x").subject(), "[Snack] x");
    }

    #[test]
    fn a_mailbox_that_is_none_is_an_error() {
        let letter = Letter { to: "kim@@office.example".to_owned(), ..letter("x") };
        assert!(letter.message(&from()).is_err());
    }
}
