//! The page that people open. `/` leads to `/app/`, and whatever is below `/app/` and is no file is the page.

use axum::{
    Router,
    response::{Html, Redirect},
    routing::get,
};

use crate::state::AppState;

const PAGE: &str = include_str!("web.html");

/// `/` and everything below `/app/`.
pub fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/app/") }))
        .route("/app", get(|| async { Html(PAGE) }))
        .route("/app/{*path}", get(|| async { Html(PAGE) }))
}
