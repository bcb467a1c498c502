//! A response as tests read it, checked against the OpenAPI document.

use std::sync::LazyLock;

use axum::body::Bytes;
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use snack_server::app;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(app::router::document()).expect("a document"));

/// A response with its whole body.
#[derive(Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// The body as JSON, or null.
    pub body: Value,
    endpoint: String,
}

impl Response {
    /// Reads a response to the end, unless it is a stream, and checks it against the document.
    pub async fn read(method: &Method, path: &str, response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        // A stream of events has no end.
        let is_stream = headers.get("content-type").is_some_and(|value| value == "text/event-stream");
        let bytes = if is_stream { Bytes::new() } else { response.bytes().await.expect("a body") };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let response = Self { status, headers, text, body, endpoint: format!("{method} {path}") };
        response.assert_documented(method, path);
        response
    }

    /// The body of a response with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Body {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.endpoint, self.text);
        Body(self.body)
    }

    /// The body of an error with this status and code, which is a complete problem document.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Body {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{}: {}",
            self.endpoint,
            self.text
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(self.body["errors"].is_array());
        if status == 401 {
            assert_eq!(self.header("www-authenticate"), "Bearer");
        }
        Body(self.body)
    }

    /// Fails unless the status is one of `statuses`.
    #[track_caller]
    pub fn assert_status_in(&self, statuses: &[u16], request: &str) {
        assert!(statuses.contains(&self.status.as_u16()), "{request}: {} {}", self.status, self.text);
    }

    /// A header as text, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails when the OpenAPI document lacks this response for an endpoint that it has.
    fn assert_documented(&self, method: &Method, path: &str) {
        let trimmed = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        let matches = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), trimmed.split('/').collect());
            template.len() == path.len()
                && template.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
        };
        let paths = DOCUMENT["paths"].as_object().expect("paths");
        // A literal path matches before one with a parameter: /auth/users/profile before /auth/users/{id}.
        let Some((_, item)) = paths.get_key_value(trimmed).or_else(|| paths.iter().find(|(path, _)| matches(path)))
        else {
            return;
        };
        let operation = &item[method.as_str().to_ascii_lowercase()];
        if operation.is_null() {
            return;
        }
        let response = &operation["responses"][self.status.as_str()];
        assert!(
            !response.is_null(),
            "{} responds with {}, which the document lacks: {}",
            self.endpoint,
            self.status,
            self.text
        );
        if let Some(code) = self.body["code"].as_str().filter(|_| self.status.as_u16() >= 400) {
            let examples = &response["content"]["application/problem+json"]["examples"];
            assert!(!examples[code].is_null(), "{} responds with {code}, which the document lacks", self.endpoint);
        }
    }
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Body(pub Value);

impl std::ops::Deref for Body {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Body {
    #[track_caller]
    pub fn uid(&self) -> String {
        self["uid"].as_str().expect("a uid").to_owned()
    }

    /// The rows of a list.
    #[track_caller]
    pub fn rows(&self) -> &Vec<Value> {
        self["results"].as_array().expect("results")
    }

    /// The values of `key` in all rows of a list.
    #[track_caller]
    pub fn column(&self, key: &str) -> Vec<Value> {
        self.rows().iter().map(|row| row[key].clone()).collect()
    }

    /// The fields that a `validation_failed` names, sorted.
    #[track_caller]
    pub fn error_fields(&self) -> Vec<&str> {
        let mut fields: Vec<_> =
            self["errors"].as_array().expect("errors").iter().filter_map(|error| error["field"].as_str()).collect();
        fields.sort_unstable();
        fields
    }
}
