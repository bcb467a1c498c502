//! Endpoints of budgets.

use axum::extract::State;
use chrono::Utc;
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::store::{self, Applies, Budget, NewLimit};
use crate::{
    auth::extract::{AdminUser, CurrentUser},
    domain::{
        money::{Currency, PriceInput},
        period::Month,
    },
    error::ApiError,
    http::{
        body::{Json, non_null},
        openapi::BUDGETS,
        path::Parameter,
        query::Query,
    },
};

/// Month of budgets.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BudgetsQuery {
    /// `YYYY-MM`. The current month by default.
    #[param(value_type = Option<String>, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", example = "2026-11")]
    month: Option<Month>,
}

/// Budgets of a month.
#[derive(Serialize, ToSchema)]
pub struct Budgets {
    results: Vec<Budget>,
}

/// Lists the budgets of a month, one for each currency that has a limit or amounts.
#[utoipa::path(get, path = "/budgets", tag = BUDGETS, params(BudgetsQuery), responses((status = 200, body = Budgets)))]
pub async fn list_budgets(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    _: CurrentUser,
    Query(query): Query<BudgetsQuery>,
) -> Result<Json<Budgets>, ApiError> {
    let now = Utc::now();
    let month = query.month.unwrap_or_else(|| Month::of(now, timezone));
    let results = store::list(&db, month, now, timezone).await?;
    Ok(Json(Budgets { results }))
}

/// Limit of a month.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"currency": "KRW", "amount": "500000", "applies": "onwards"}))]
pub struct BudgetChange {
    #[schema(required, value_type = Currency)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    currency: Option<Currency>,
    /// `null` takes the limit away.
    #[schema(required, value_type = Option<PriceInput>)]
    #[serde(default, deserialize_with = "present")]
    amount: Option<Option<PriceInput>>,
    /// `month` by default.
    #[schema(required = false)]
    #[serde(default)]
    applies: Applies,
}

/// A field that may be `null`, told apart from an absent one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<PriceInput>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Sets the limit of a month and currency, or takes it away. An amount that is committed already stays.
#[utoipa::path(put, path = "/budgets/{month}", tag = BUDGETS, request_body = BudgetChange,
    params(("month" = String, Path, description = "`YYYY-MM`.", example = "2026-11")), responses((status = 200, body = Budget)))]
pub async fn set_budget(
    State(db): State<PgPool>,
    State(timezone): State<Tz>,
    AdminUser(admin): AdminUser,
    month: Parameter<Month>,
    Json(body): Json<BudgetChange>,
) -> Result<Json<Budget>, ApiError> {
    let currency = body.currency.ok_or_else(|| ApiError::invalid("currency", "required"))?;
    let amount = body.amount.ok_or_else(|| ApiError::invalid("amount", "required"))?;
    let amount = amount.map(|amount| amount.within(currency)).transpose();
    let amount = amount.map_err(|code| ApiError::invalid("amount", code))?;
    let limit = NewLimit { month: month.get()?, currency, amount, applies: body.applies };
    store::set(&db, &admin, limit, timezone).await.map(Json)
}
