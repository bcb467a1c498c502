//! Limits of budgets.

use chrono::Utc;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use super::{
    alert,
    store::{Budget, load},
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    db::locks::{Lock, wait_for_lock},
    domain::{money::Currency, period::Month},
    error::ApiError,
    outbox::Outbox,
};

/// Months that a limit is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applies {
    /// This month alone.
    #[default]
    Month,
    /// This month and the later ones, until another such limit. Limits of single later months stay.
    Onwards,
}

/// Limit to be set.
#[derive(Clone, Copy, Debug)]
pub struct NewLimit {
    pub month: Month,
    pub currency: Currency,
    /// None takes the limit away.
    pub amount: Option<Decimal>,
    pub applies: Applies,
}

/// Sets a limit and returns the budget that results. Nothing is undone if more is committed.
pub async fn set(db: &PgPool, outbox: &Outbox, admin: &CurrentUser, limit: NewLimit) -> Result<Budget, ApiError> {
    let NewLimit { month, currency, amount, applies } = limit;
    let is_onwards = applies == Applies::Onwards;
    let mut tx = db.begin().await?;
    // As approvals do, so that of an approval and a limit at once the second finds the first.
    wait_for_lock(&mut tx, Lock::Budget).await?;
    sqlx::query!(
        "INSERT INTO budget_limits (month, currency, is_onwards, amount) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT budget_limits_pkey DO UPDATE SET amount = excluded.amount",
        month.first_day(),
        currency as Currency,
        is_onwards,
        amount
    )
    .execute(&mut *tx)
    .await?;
    if is_onwards {
        // A limit of this month alone would hide the new one.
        sqlx::query!(
            "DELETE FROM budget_limits WHERE month = $1 AND currency = $2 AND NOT is_onwards",
            month.first_day(),
            currency as Currency
        )
        .execute(&mut *tx)
        .await?;
    }
    let shown = amount.map_or_else(|| "none".to_owned(), |amount| currency.format(amount));
    let scope = if is_onwards { "onwards" } else { "month" };
    let subject = format!("{month} {} {shown} {scope}", currency.code());
    admin.actor().log_success(&mut *tx, Action::BudgetChange, &subject).await?;
    let now = Utc::now();
    let budgets = load(&mut tx, month, now, outbox.timezone).await?;
    let notified = alert::write(&mut tx, outbox, now, admin.id).await?;
    tx.commit().await?;
    outbox.changes.budget(month);
    if is_onwards {
        outbox.changes.budget(Month::of(now, outbox.timezone));
    }
    outbox.committed(notified);
    let budget = budgets.iter().find(|budget| budget.currency == currency).map(|budget| budget.show(month));
    budget.ok_or_else(|| ApiError::internal("a currency has no budget"))
}
