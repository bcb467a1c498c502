//! Mails about notifications: subject, plain text and HTML.

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

use crate::{error::Text, http::headers::Language};

/// Maximum length of a subject, in characters.
const MAX_SUBJECT: usize = 150;

/// Mail about a notification.
#[derive(Debug)]
pub struct Letter {
    /// Same for all attempts, so that a mail server can tell a repetition.
    pub uid: Uuid,
    pub created_at: DateTime<Utc>,
    /// Text of the notification. May contain text of users.
    pub text: String,
    pub language: Language,
    pub order: Option<Uuid>,
}

impl Letter {
    /// # Errors
    /// The address cannot be written in a mail.
    pub fn message(
        &self,
        from: &Mailbox,
        email: &str,
        public_url: &Url,
    ) -> Result<Message, Box<dyn Error + Send + Sync>> {
        let to = Mailbox::new(None, email.parse()?);
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
            .multipart(MultiPart::alternative_plain_html(self.plain(public_url), self.html(public_url)))?;
        Ok(message)
    }

    /// Text on one line.
    fn subject(&self) -> String {
        let line: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut subject: String = line.chars().take(MAX_SUBJECT).collect();
        if subject.len() < line.len() {
            subject.push('…');
        }
        format!("[{}] {subject}", self.choose("간식", "Snack"))
    }

    fn plain(&self, public_url: &Url) -> String {
        let (link, settings) = (self.link(public_url), settings(public_url));
        format!("{}\n\n{}: {link}\n\n--\n{}: {settings}\n", self.text, self.link_text(), self.settings_text())
    }

    fn html(&self, public_url: &Url) -> String {
        let text = escape(&self.text).replace('\n', "<br>");
        let (link, settings) = (escape(&self.link(public_url)), escape(&settings(public_url)));
        format!(
            "<!doctype html><html lang=\"{}\"><body style=\"font-family:sans-serif;line-height:1.6\">\
             <p>{text}</p><p><a href=\"{link}\">{}</a></p>\
             <p style=\"color:#666;font-size:0.85em\"><a href=\"{settings}\" style=\"color:#666\">{}</a></p></body></html>",
            self.language.code(),
            self.link_text(),
            self.settings_text()
        )
    }

    fn link(&self, public_url: &Url) -> String {
        match self.order {
            Some(order) => page(public_url, &format!("orders/{order}")),
            None => page(public_url, ""),
        }
    }

    fn link_text(&self) -> String {
        if self.order.is_some() {
            self.choose("주문 보기", "Show the order")
        } else {
            self.choose("간식 주문 열기", "Open Snack Server")
        }
    }

    fn settings_text(&self) -> String {
        self.choose("메일 알림 설정", "Mail preferences")
    }

    fn choose(&self, ko: &'static str, en: &'static str) -> String {
        self.language.choose(Text::new(ko, en))
    }
}

/// Page of the web app.
fn page(public_url: &Url, path: &str) -> String {
    format!("{}/app/{path}", public_url.as_str().trim_end_matches('/'))
}

/// Page with the preferences.
fn settings(public_url: &Url) -> String {
    page(public_url, "profile")
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
            text: text.to_owned(),
            language: Language::English,
            order: Some(Uuid::nil()),
        }
    }

    fn url() -> Url {
        "https://office.example/snack".parse().expect("a URL")
    }

    #[test]
    fn text_of_users_is_neither_markup_nor_a_header() {
        let letter = letter("Order canceled: <script>alert(1)</script> (reason: \"no\"\r\nBcc: all@office.example)");
        let html = letter.html(&url());
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !html.contains("<script"), "{html}");
        let from: Mailbox = "Snack <snack@office.example>".parse().expect("a mailbox");
        let message = letter.message(&from, "kim@office.example", &url()).expect("a message").formatted();
        let message = String::from_utf8(message).expect("text");
        let head = message.split("\r\n\r\n").next().expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("Message-ID: <00000000-0000-0000-0000-000000000000@office.example>"), "{head}");
    }

    #[test]
    fn links_lead_to_the_web_app_below_the_path_of_the_server() {
        let letter = letter("x");
        let uid = Uuid::nil();
        assert!(letter.plain(&url()).contains(&format!("https://office.example/snack/app/orders/{uid}")));
        assert!(letter.plain(&url()).contains("https://office.example/snack/app/profile"));
        assert_eq!(page(&"http://localhost:8000".parse().expect("a URL"), ""), "http://localhost:8000/app/");
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
        let from: Mailbox = "snack@office.example".parse().expect("a mailbox");
        assert!(letter("x").message(&from, "kim@@office.example", &url()).is_err());
    }
}
