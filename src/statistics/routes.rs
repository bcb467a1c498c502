//! Endpoints of statistics.

use std::sync::Arc;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono_tz::Tz;
use futures_util::stream;
use serde::Deserialize;
use sqlx::PgPool;
use utoipa::{IntoParams, openapi::Object};

use super::store::{self, LIST, Scope, SnackStatistics, Summary};
use crate::{
    auth::extract::CurrentUser,
    domain::period::Unit,
    error::ApiError,
    http::{
        body::Json,
        csv,
        headers::wants_csv,
        openapi::STATISTICS,
        pagination::{Page, PageQuery, Sorted, ordering_schema},
        period_query::PeriodQuery,
        query::Query,
    },
    order::{
        routes::orders::OrdersQuery,
        store::{self as orders, Order},
    },
};

/// Orders that count.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountQuery {
    /// `true` includes canceled orders.
    #[serde(default)]
    #[param(required = false)]
    include_canceled: bool,
}

/// Lists the orders of a period.
///
/// With `Accept: text/csv` the response is a file of all orders with a line for each snack.
#[utoipa::path(get, path = "/statistics/orders", tag = STATISTICS, params(OrdersQuery, PeriodQuery, CountQuery, PageQuery),
    responses((status = 200, content((Page<Order> = "application/json"), (String = "text/csv")))))]
pub async fn list_period_orders(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    user: CurrentUser,
    headers: HeaderMap,
    Query(query): Query<OrdersQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (mut filter, sorted) = query.read(timezone, &user, &period, &page)?;
    filter.without_canceled = !count.include_canceled;
    if !wants_csv(&headers) {
        let mut page = orders::list(&db, &[user.id], &filter, &sorted).await?;
        for order in &mut page.results {
            order.followed_by_me = order.is_followed_by(user.id);
        }
        return Ok(Json(page).into_response());
    }
    let filter = Arc::new(filter);
    let pages = csv::walk(sorted, move |sorted| {
        let (db, filter) = (db.clone(), Arc::clone(&filter));
        async move {
            let page = orders::list(&db, &[], &filter, &sorted).await?;
            Ok((sorted, page))
        }
    });
    csv::file("orders", pages).await
}

fn orderings() -> Object {
    ordering_schema(LIST, "Sort order. A leading `-` reverses it.")
}

/// Sort order of snacks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeriodSnacksQuery {
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// Lists the snacks that were ordered in a period.
///
/// With `Accept: text/csv` the response is a file of all snacks with a line for each currency.
#[utoipa::path(get, path = "/statistics/snacks", tag = STATISTICS, params(PeriodSnacksQuery, PeriodQuery, CountQuery, PageQuery),
    responses((status = 200, content((Page<SnackStatistics> = "application/json"), (String = "text/csv")))))]
pub async fn list_period_snacks(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    _: CurrentUser,
    headers: HeaderMap,
    Query(query): Query<PeriodSnacksQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (from, until) = period.range()?.instants(timezone);
    let scope = Scope { from, until, include_canceled: count.include_canceled };
    let mut sorted = Sorted::new(LIST, query.ordering.as_deref(), &page)?;
    if !wants_csv(&headers) {
        return Ok(Json(store::snacks(&db, &scope, &mut sorted).await?).into_response());
    }
    let pages = csv::walk(sorted, move |mut sorted| {
        let db = db.clone();
        async move {
            let page = store::snacks(&db, &scope, &mut sorted).await?;
            Ok((sorted, page))
        }
    });
    csv::file("snacks", pages).await
}

/// Length of the periods.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    #[serde(default)]
    /// `month` by default.
    #[param(required = false)]
    unit: Unit,
}

/// Sums up orders by period, empty ones included. At most 1,000 periods.
///
/// An open start is the day of the first order, an open end is today. With `Accept: text/csv` the response is a file with a line for
/// each period.
#[utoipa::path(get, path = "/statistics/summary", tag = STATISTICS, params(SummaryQuery, PeriodQuery, CountQuery),
    responses((status = 200, content((Summary = "application/json"), (String = "text/csv")))))]
pub async fn summarize(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    _: CurrentUser,
    headers: HeaderMap,
    Query(query): Query<SummaryQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
) -> Result<Response, ApiError> {
    let range = period.range()?;
    let mut connection = db.acquire().await?;
    let summary = store::summary(&mut connection, range, query.unit, timezone, count.include_canceled).await?;
    if !wants_csv(&headers) {
        return Ok(Json(summary).into_response());
    }
    csv::file("summary", stream::iter([Ok(summary.results)])).await
}
