//! The web app at `/app/`. Every path below it that is no file shows the page, which has a router of its own.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{map_request, map_response},
    response::{Html, Redirect, Response},
    routing::{get, get_service},
};
use chrono_tz::Tz;
use tower_http::services::ServeDir;
use url::Url;

use super::{
    state::AppState,
    static_file::{StaticFile, escape},
};
use crate::{config::path_prefix, error::chain};

/// Page without a web app.
const NO_APP: &str = include_str!("web.html");

/// Time zone in index.html as it is built, which is replaced by that of the office.
const BUILT_TIMEZONE: &str = "data-timezone=\"Asia/Seoul\"";
/// Path prefix in index.html as it is built, which is replaced by that of `PUBLIC_URL`.
const BUILT_PREFIX: &str = "data-prefix=\"\"";
/// Beginning of the relative URLs in index.html. They become absolute, because the page is served at every path below `/app/`.
const RELATIVE: &str = "=\"./";

/// Content security policy: only resources of the server, no inline code. Pictures may be `blob:` and `data:` for previews.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// For files with a hash in their name.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For all other files.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Maximum length of a path in bytes. The file system reports an error for longer names.
const MAX_PATH: usize = 255;

/// `built` is the folder of the built web app, and `timezone` that of the times it shows.
pub fn router(built: Option<&Path>, timezone: Tz, public_url: &Url) -> Router<AppState> {
    let prefix = escape(path_prefix(public_url));
    let built = built.and_then(|folder| Some((folder, page(folder, timezone, &prefix)?)));
    let app = built.map_or_else(|| no_app(&prefix), |(folder, page)| files(folder, page));
    Router::new().route("/", get(|| async { Redirect::to("/app/") })).nest("/app", app)
}

/// The page without a web app, at every path.
fn no_app(prefix: &str) -> Router<AppState> {
    let html = Bytes::from(NO_APP.replace("href=\"/", &format!("href=\"{prefix}/")));
    let page = async || Html(html);
    Router::new().route("/", get(page.clone())).route("/{*path}", get(page))
}

/// index.html with the time zone of the office and the path prefix. None if it cannot be read.
fn page(folder: &Path, timezone: Tz, prefix: &str) -> Option<StaticFile> {
    let html = std::fs::read_to_string(folder.join("index.html"))
        .inspect_err(|error| tracing::error!(error = %chain(error), "index.html of the web app not readable"))
        .ok()?
        .replace(BUILT_TIMEZONE, &format!("data-timezone=\"{}\"", timezone.name()))
        .replace(BUILT_PREFIX, &format!("data-prefix=\"{prefix}\""))
        .replace(RELATIVE, &format!("=\"{prefix}/app/"));
    Some(StaticFile::new(html.into(), "text/html"))
}

fn files(folder: &Path, page: StaticFile) -> Router<AppState> {
    let files = ServeDir::new(folder).append_index_html_on_directories(false).precompressed_br().precompressed_gzip();
    let page = Arc::new(page);
    let page = async move |headers: HeaderMap| page.response(&headers);
    // A missing file of an earlier build must be a 404 and not the page.
    let assets = Router::new()
        .route("/assets/{*path}", get_service(files.clone()))
        .layer(map_response(async |response| with_headers(response, IMMUTABLE)));
    let others = Router::new()
        .route("/", get(page.clone()))
        .route("/index.html", get(page.clone()))
        .route("/{*path}", get_service(files.fallback(get(page).with_state(()))))
        .layer(map_response(async |response| with_headers(response, REVALIDATE)));
    assets.merge(others).layer(map_request(async |request| shorten(request)))
}

/// Replaces an overlong path, which names no file, by `/`.
fn shorten(mut request: Request) -> Request {
    if request.uri().path().len() > MAX_PATH {
        *request.uri_mut() = Uri::from_static("/");
    }
    request
}

/// Errors keep the headers of all responses.
fn with_headers(mut response: Response, caching: HeaderValue) -> Response {
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CACHE_CONTROL, caching);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    response
}
