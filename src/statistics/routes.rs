//! The calls about statistics.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    csv,
    store::{self, ORDERINGS, Scope, SnackStatistics, Summary},
};
use crate::{
    app::state::AppState,
    auth::Member,
    domain::period::{PeriodQuery, Unit},
    error::ApiError,
    http::{
        Json, Page, PageQuery, Query, Sorted, headers::wants_csv, openapi::STATISTICS, ordering_schema,
        pagination::HasKey,
    },
    order::{
        routes::OrdersQuery,
        store::{self as orders, Order},
    },
};

/// How many rows of a CSV file are read at once.
const CSV_PAGE: usize = 500;

/// Whether canceled orders count.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountQuery {
    /// `true` counts canceled orders too.
    #[serde(default)]
    #[param(required = false)]
    include_canceled: bool,
}

/// Every page of a list from `sorted` on.
fn walk<T, F>(
    sorted: Sorted<T>,
    read: impl Fn(Sorted<T>) -> F + Send + 'static,
) -> impl futures_util::Stream<Item = Result<Vec<T>, ApiError>> + Send + 'static
where
    T: HasKey + Send + 'static,
    F: Future<Output = Result<(Sorted<T>, Page<T>), ApiError>> + Send,
{
    stream::try_unfold((Some(sorted.with_limit(CSV_PAGE)), read), |(sorted, read)| async move {
        let Some(sorted) = sorted else { return Ok(None) };
        let (mut sorted, page) = read(sorted).await?;
        let next = match &page.next_cursor {
            Some(cursor) => {
                sorted.resume(cursor)?;
                Some(sorted)
            }
            None => None,
        };
        Ok(Some((page.results, (next, read))))
    })
}

/// The orders of a period. `Accept: text/csv` sends all of them as a file, one line for each snack.
#[utoipa::path(get, path = "/statistics/orders", tag = STATISTICS, params(OrdersQuery, PeriodQuery, CountQuery, PageQuery),
    responses((status = 200, content((Page<Order> = "application/json"), (String = "text/csv")))))]
pub async fn list_period_orders(
    State(state): State<AppState>,
    member: Member,
    headers: HeaderMap,
    Query(query): Query<OrdersQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (mut filter, sorted) = query.read(&state, &member, &period, &page)?;
    filter.without_canceled = !count.include_canceled;
    if !wants_csv(&headers) {
        return Ok(Json(orders::list(&state.db, &filter, &sorted).await?).into_response());
    }
    let filter = std::sync::Arc::new(filter);
    let pages = walk(sorted, move |sorted| {
        let (state, filter) = (state.clone(), filter.clone());
        async move {
            let page = orders::list(&state.db, &filter, &sorted).await?;
            Ok((sorted, page))
        }
    });
    csv::file("orders", pages).await
}

/// How the list is sorted unless told otherwise.
const DEFAULT_ORDERING: &str = "-quantity";

fn orderings() -> utoipa::openapi::Object {
    ordering_schema(ORDERINGS, DEFAULT_ORDERING, "How to sort; `-` in front reverses.")
}

/// How to sort the snacks of a period.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeriodSnacksQuery {
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// What was ordered of each snack in a period. `Accept: text/csv` sends all of it as a file, one line for each currency.
#[utoipa::path(get, path = "/statistics/snacks", tag = STATISTICS, params(PeriodSnacksQuery, PeriodQuery, CountQuery, PageQuery),
    responses((status = 200, content((Page<SnackStatistics> = "application/json"), (String = "text/csv")))))]
pub async fn list_period_snacks(
    State(state): State<AppState>,
    _: Member,
    headers: HeaderMap,
    Query(query): Query<PeriodSnacksQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let (from, until) = period.range()?.instants(state.config.timezone);
    let scope = Scope { from, until, include_canceled: count.include_canceled };
    let mut sorted = Sorted::new(ORDERINGS, DEFAULT_ORDERING, query.ordering.as_deref(), &page)?;
    if !wants_csv(&headers) {
        return Ok(Json(store::snacks(&state.db, &scope, &mut sorted).await?).into_response());
    }
    let pages = walk(sorted, move |mut sorted| {
        let state = state.clone();
        async move {
            let page = store::snacks(&state.db, &scope, &mut sorted).await?;
            Ok((sorted, page))
        }
    });
    csv::file("snacks", pages).await
}

/// How long the periods of a series are.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    #[serde(default)]
    /// `month` unless told otherwise.
    #[param(required = false)]
    unit: Unit,
}

/// What was ordered and what it cost, period by period, the empty ones too. At most 1,000 periods.
///
/// An open end is the day of the first order, or today. `Accept: text/csv` sends a file, one line for each period.
#[utoipa::path(get, path = "/statistics/summary", tag = STATISTICS, params(SummaryQuery, PeriodQuery, CountQuery),
    responses((status = 200, content((Summary = "application/json"), (String = "text/csv")))))]
pub async fn summarize(
    State(state): State<AppState>,
    _: Member,
    headers: HeaderMap,
    Query(query): Query<SummaryQuery>,
    Query(period): Query<PeriodQuery>,
    Query(count): Query<CountQuery>,
) -> Result<Response, ApiError> {
    let zone = state.config.timezone;
    let range = period.range()?;
    let mut connection = state.db.acquire().await?;
    let summary = store::summary(&mut connection, range, query.unit, zone, count.include_canceled).await?;
    if !wants_csv(&headers) {
        return Ok(Json(summary).into_response());
    }
    csv::file("summary", stream::iter([Ok(summary.results)])).await
}
