//! Endpoint of the buying list.

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use sqlx::PgPool;
use utoipa::IntoParams;

use super::super::{
    buying_list::{self, BuyingList},
    status::OrderStatus,
};
use crate::{
    auth::extract::AdminUser,
    error::ApiError,
    http::{body::Json, csv, headers::wants_csv, openapi::ORDERS, query::Query},
};

/// Orders to buy for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BuyingListQuery {
    /// `approved` by default. May be repeated.
    #[serde(default)]
    status: Vec<OrderStatus>,
}

/// Sums up the snacks to be bought, grouped by the shop of the snack's URL, with a line for each snack and price.
///
/// With `Accept: text/csv` the response is a file with these lines. At most 10,000 lines of orders are summed up.
#[utoipa::path(get, path = "/orders/buying-list", tag = ORDERS, params(BuyingListQuery),
    responses((status = 200, content((BuyingList = "application/json"), (String = "text/csv")))))]
pub async fn get_buying_list(
    State(db): State<PgPool>,
    _: AdminUser,
    headers: HeaderMap,
    Query(query): Query<BuyingListQuery>,
) -> Result<Response, ApiError> {
    let statuses = if query.status.is_empty() { vec![OrderStatus::Approved] } else { query.status };
    let list = buying_list::load(&db, &statuses).await?;
    if wants_csv(&headers) {
        return csv::file("buying-list", stream::iter([Ok(list.results)])).await;
    }
    Ok(Json(list).into_response())
}
