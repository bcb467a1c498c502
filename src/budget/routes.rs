//! Endpoints of budgets.

use std::sync::Arc;

use axum::extract::State;
use chrono::Utc;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::{
    limit::{self, Applies, NewLimit},
    store::{self, Budget},
};
use crate::{
    auth::extract::{AdminUser, CurrentUser},
    domain::{
        money::{Currency, PriceInput},
        period::Month,
    },
    error::{ApiError, Code, FieldError},
    http::{
        body::{Json, non_null},
        openapi::BUDGETS,
        path::Parameter,
        query::Query,
    },
    outbox::Outbox,
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
    currency: Option<Currency>,
    /// `null` takes the limit away.
    #[schema(required, value_type = Option<PriceInput>)]
    #[serde(default, deserialize_with = "non_null")]
    amount: Option<LimitInput>,
    /// `month` by default.
    #[schema(required = false)]
    #[serde(default)]
    applies: Applies,
}

/// Amount, or `null` for no limit. An absent field is neither.
struct LimitInput(Option<PriceInput>);

impl<'de> Deserialize<'de> for LimitInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

impl BudgetChange {
    /// Currency and limit.
    ///
    /// # Errors
    /// `validation_failed` with all invalid and missing fields.
    fn read(self) -> Result<(Currency, Option<Decimal>), ApiError> {
        let mut errors = Vec::new();
        if self.currency.is_none() {
            errors.push(FieldError::new("currency", "required"));
        }
        let currency = self.currency.unwrap_or(Currency::FINEST);
        let amount = match self.amount {
            None => Err("required"),
            Some(LimitInput(None)) => Ok(None),
            Some(LimitInput(Some(amount))) => amount.within(currency).map(Some),
        };
        match amount {
            Ok(amount) if errors.is_empty() => return Ok((currency, amount)),
            Ok(_) => {}
            Err(code) => errors.push(FieldError::new("amount", code)),
        }
        Err(Code::ValidationFailed.with_fields(errors))
    }
}

/// Sets the limit of a month and currency, or takes it away. An amount that is committed already stays.
#[utoipa::path(put, path = "/budgets/{month}", tag = BUDGETS, request_body = BudgetChange,
    params(("month" = String, Path, description = "`YYYY-MM`.", example = "2026-11")), responses((status = 200, body = Budget)))]
pub async fn set_budget(
    State(db): State<PgPool>,
    State(outbox): State<Arc<Outbox>>,
    AdminUser(admin): AdminUser,
    month: Parameter<Month>,
    Json(body): Json<BudgetChange>,
) -> Result<Json<Budget>, ApiError> {
    let applies = body.applies;
    let (currency, amount) = body.read()?;
    let new = NewLimit { month: month.get()?, currency, amount, applies };
    limit::set(&db, &outbox, &admin, new).await.map(Json)
}
