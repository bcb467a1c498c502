//! `/openapi.json`, and Swagger UI at `/docs`. All files come from the binary.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use url::Url;
use utoipa::openapi::{Server, ServerBuilder};

use super::{
    state::AppState,
    static_file::{StaticFile, escape},
};
use crate::config::path_prefix;

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
    let prefix = path_prefix(public_url);
    ServerBuilder::new().url(if prefix.is_empty() { "/" } else { prefix }).build()
}

/// Files of Swagger UI.
static SWAGGER_UI: LazyLock<HashMap<&str, StaticFile>> = LazyLock::new(|| {
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
    // Relative to the base of the page.
    let config = utoipa_swagger_ui::Config::from("openapi.json").persist_authorization(true);
    let config = Arc::new(config.validator_url("none"));
    let file = |name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        let bytes = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        Some((name, StaticFile::new(bytes, &file.content_type)))
    };
    NAMES.into_iter().filter_map(file).collect()
});

/// Page of Swagger UI. It is served at /docs, and its relative links need the base /docs/.
fn page(prefix: &str) -> StaticFile {
    let html = SWAGGER_UI.get("index.html").map(|file| String::from_utf8_lossy(file.bytes())).unwrap_or_default();
    let html = html.replacen("<head>", &format!("<head><base href=\"{}/docs/\">", escape(prefix)), 1);
    // Swagger UI uses inline styles and data URLs for icons.
    let policy = HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    );
    StaticFile::new(html.into(), "text/html; charset=utf-8").with_policy(policy)
}

/// `public_url` becomes the server of the document.
pub fn router(mut document: utoipa::openapi::OpenApi, public_url: &Url) -> Router<AppState> {
    let mut with_server = |server: Server| {
        document.servers = Some(vec![server]);
        Arc::new(StaticFile::new(document.to_pretty_json().unwrap_or_default().into(), "application/json"))
    };
    let json = with_server(server(public_url));
    // The page may connect to its own server only, and may be opened under another name, such as 127.0.0.1.
    let json_for_ui = with_server(own_server(public_url));
    let page = Arc::new(page(path_prefix(public_url)));
    let show_page = async move |headers: HeaderMap| page.response(&headers);
    Router::new()
        .route("/openapi.json", get(async move |headers: HeaderMap| json.response(&headers)))
        .route("/docs/openapi.json", get(async move |headers: HeaderMap| json_for_ui.response(&headers)))
        .route("/docs", get(show_page.clone()))
        .route("/docs/index.html", get(show_page))
        .route("/docs/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| swagger_ui(&path, &headers)))
}

fn swagger_ui(name: &str, headers: &HeaderMap) -> Response {
    SWAGGER_UI.get(name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.response(headers))
}
