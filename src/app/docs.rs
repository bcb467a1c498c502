//! `/openapi.json`, and Swagger UI at `/docs`. All files come from the binary.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use url::Url;
use utoipa::openapi::{Server, ServerBuilder};

use super::state::AppState;
use crate::http::headers::is_cached;

/// Server at `public_url`. For `localhost`, which is a different machine for each reader, only the path: it is relative to the URL of
/// the document.
fn server(public_url: &Url) -> Server {
    if public_url.host_str() == Some("localhost") {
        return own_server(public_url);
    }
    ServerBuilder::new().url(public_url.as_str().trim_end_matches('/')).build()
}

/// Server that sent the document, under any name.
fn own_server(public_url: &Url) -> Server {
    let path = public_url.path().trim_end_matches('/');
    ServerBuilder::new().url(if path.is_empty() { "/" } else { path }).build()
}

/// File that does not change while the server runs. Slow readers share its bytes.
struct File {
    bytes: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
    /// Content security policy of a page.
    policy: Option<HeaderValue>,
}

impl File {
    fn new(bytes: Bytes, content_type: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let etag = header(&format!("\"{:016x}\"", hasher.finish()));
        Self { bytes, content_type: header(content_type), etag, policy: None }
    }

    fn response(&self, request: &HeaderMap) -> Response {
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

/// Page of Swagger UI and the files that it loads.
static SWAGGER_UI: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    const NAMES: [&str; 8] = [
        "favicon-16x16.png",
        "favicon-32x32.png",
        "index.css",
        "index.html",
        "swagger-initializer.js",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-ui.css",
    ];
    let config = utoipa_swagger_ui::Config::from("/docs/openapi.json").persist_authorization(true);
    let config = Arc::new(config.validator_url("none"));
    let file = |name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        let bytes = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        Some((name, if name == "index.html" { page(&bytes) } else { File::new(bytes, &file.content_type) }))
    };
    NAMES.into_iter().filter_map(file).collect()
});

/// The page is served at /docs. Its relative links need the base /docs/.
fn page(html: &[u8]) -> File {
    let html = String::from_utf8_lossy(html).replacen("<head>", "<head><base href=\"/docs/\">", 1);
    // Swagger UI uses inline styles and data URLs for icons.
    let policy = HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    );
    File { policy: Some(policy), ..File::new(html.into(), "text/html; charset=utf-8") }
}

/// `public_url` becomes the server of the document.
pub fn router(mut document: utoipa::openapi::OpenApi, public_url: &Url) -> Router<AppState> {
    let mut with_server = |server: Server| {
        document.servers = Some(vec![server]);
        Arc::new(File::new(document.to_pretty_json().unwrap_or_default().into(), "application/json"))
    };
    let json = with_server(server(public_url));
    // The page may connect to its own server only, and may be opened under another name, such as 127.0.0.1.
    let json_for_ui = with_server(own_server(public_url));
    Router::new()
        .route("/openapi.json", get(async move |headers: HeaderMap| json.response(&headers)))
        .route("/docs/openapi.json", get(async move |headers: HeaderMap| json_for_ui.response(&headers)))
        .route("/docs", get(async |headers: HeaderMap| swagger_ui("index.html", &headers)))
        .route("/docs/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| swagger_ui(&path, &headers)))
}

fn swagger_ui(name: &str, headers: &HeaderMap) -> Response {
    SWAGGER_UI.get(name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.response(headers))
}
