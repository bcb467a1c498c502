//! What was ordered and what it cost, by year, month, week and day in the office's own time zone. The calendar itself is in
//! [`crate::domain::period`]. Amounts of different currencies are never added up; canceled orders count nowhere unless asked for.

pub mod csv;
pub mod daily_rollup;
pub mod routes;
pub mod store;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::state::AppState, http::openapi::member};

/// Every route of this noun.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(member(routes!(routes::list_period_orders), &[]))
        .routes(member(routes!(routes::list_period_snacks), &[]))
        .routes(member(routes!(routes::summarize), &[]))
}
