//! Files that do not change while the server runs.

use std::hash::{DefaultHasher, Hasher};

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::headers::is_cached;

/// Path of a URL for an attribute of HTML. The parser of URLs has encoded all other characters that have a meaning there.
pub fn escape(path: &str) -> String {
    path.replace('&', "&amp;")
}

/// File in memory. Slow readers share its bytes.
pub struct StaticFile {
    bytes: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
    /// Content security policy of a page.
    policy: Option<HeaderValue>,
}

impl StaticFile {
    pub fn new(bytes: Bytes, content_type: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let etag = header(&format!("\"{:016x}\"", hasher.finish()));
        Self { bytes, content_type: header(content_type), etag, policy: None }
    }

    pub fn with_policy(self, policy: HeaderValue) -> Self {
        Self { policy: Some(policy), ..self }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file, or a 304 if the client has it.
    pub fn response(&self, request: &HeaderMap) -> Response {
        let mut response = if is_cached(request, self.etag.to_str().unwrap_or_default()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.bytes.clone().into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::ETAG, self.etag.clone());
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}
