//! The web app that people open. `/` leads to `/app/`; whatever is below `/app/` and is no file is its page, which finds
//! out for itself what the address means.

use std::path::Path;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, Uri, header},
    middleware::{map_request, map_response},
    response::{Html, Redirect, Response},
    routing::{get, get_service},
};
use tower_http::services::{ServeDir, ServeFile};

use super::state::AppState;

/// What `/app/` shows when the app is not built.
const NO_APP: &str = include_str!("web.html");

/// Everything from the server itself, nothing in the page; pictures also while they are still being chosen.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// For files that have a hash of what they hold in their names.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For all others: kept, but asked about each time.
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// In bytes. A longer path leads to no file; to ask the system for one would be an error.
const LONGEST_PATH: usize = 255;

/// `/`, and below `/app/` the app that is built into the folder `built`.
pub fn router(built: Option<&Path>) -> Router<AppState> {
    let app = match built {
        Some(folder) => files(folder),
        None => {
            Router::new().route("/", get(|| async { Html(NO_APP) })).route("/{*path}", get(|| async { Html(NO_APP) }))
        }
    };
    Router::new().route("/", get(|| async { Redirect::to("/app/") })).nest("/app", app)
}

/// The build's files, compressed as they lie there, and the page for every other path.
fn files(folder: &Path) -> Router<AppState> {
    let files = ServeDir::new(folder).append_index_html_on_directories(false).precompressed_br().precompressed_gzip();
    let page = ServeFile::new(folder.join("index.html")).precompressed_br().precompressed_gzip();
    // A file of an earlier build that is asked for by a page of that build is missing, and must not look like a page.
    let assets = Router::new()
        .route("/assets/{*path}", get_service(files.clone()))
        .layer(map_response(async |answer| with_headers(answer, FOR_EVER)));
    let others = Router::new()
        .route("/", get_service(page.clone()))
        .route("/{*path}", get_service(files.fallback(page)))
        .layer(map_response(async |answer| with_headers(answer, ASK_FIRST)));
    assets.merge(others).layer(map_request(async |request| shorten(request)))
}

/// Has an overlong path name the folder itself, in which no file is called nothing.
fn shorten(mut request: Request) -> Request {
    if request.uri().path().len() > LONGEST_PATH {
        *request.uri_mut() = Uri::from_static("/");
    }
    request
}

/// Refusals keep the headers that all of them have.
fn with_headers(mut answer: Response, caching: HeaderValue) -> Response {
    if answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED {
        answer.headers_mut().insert(header::CACHE_CONTROL, caching);
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    answer
}
