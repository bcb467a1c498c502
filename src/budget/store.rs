//! Budgets in Postgres.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, PgPool};
use utoipa::ToSchema;

use crate::{
    domain::{
        money::{Currency, Money},
        period::Month,
    },
    error::ApiError,
};

/// Budget of a month in a currency. The amounts are decimals with the digits of the currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Budget {
    #[schema(value_type = String, example = "2026-11")]
    pub month: Month,
    pub currency: Currency,
    /// Limit. `null` if there is none.
    #[schema(required, example = "500000")]
    pub amount: Option<String>,
    /// Sum of the orders that were approved in this month and not canceled.
    #[schema(example = "320000")]
    pub committed: String,
    /// Sum of the orders that wait for approval. 0 in other months than the current one.
    #[schema(example = "28000")]
    pub pending: String,
    /// Limit minus committed. Negative if more is committed. `null` without a limit.
    #[schema(required, example = "180000")]
    pub remaining: Option<String>,
}

/// Budgets of `month`, one for each currency that has a limit or amounts. `now` decides which month is the current one.
pub async fn list(db: &PgPool, month: Month, now: DateTime<Utc>, timezone: Tz) -> Result<Vec<Budget>, ApiError> {
    let mut budgets = load(&mut *db.acquire().await?, month, now, timezone).await?;
    let is_used =
        |budget: &BudgetAmounts| budget.limit.is_some() || !budget.committed.is_zero() || !budget.pending.is_zero();
    budgets.retain(is_used);
    Ok(budgets.iter().map(|budget| budget.show(month)).collect())
}

/// Amounts of a budget.
#[derive(Debug)]
pub struct BudgetAmounts {
    pub currency: Currency,
    pub limit: Option<Decimal>,
    pub committed: Decimal,
    pending: Decimal,
}

impl BudgetAmounts {
    pub fn show(&self, month: Month) -> Budget {
        let format = |amount| self.currency.format(amount);
        Budget {
            month,
            currency: self.currency,
            amount: self.limit.map(format),
            committed: format(self.committed),
            pending: format(self.pending),
            remaining: self.limit.map(|limit| format(limit - self.committed)),
        }
    }
}

/// Budgets of `month` in all currencies.
pub async fn load(
    connection: &mut PgConnection,
    month: Month,
    now: DateTime<Utc>,
    timezone: Tz,
) -> Result<Vec<BudgetAmounts>, ApiError> {
    let limits = limits(&mut *connection, month).await?;
    let committed = committed(&mut *connection, month, timezone).await?;
    let pending = if month == Month::of(now, timezone) { pending(connection).await? } else { Vec::new() };
    let sum = |amounts: &[Money], currency| {
        amounts.iter().find(|money| money.currency == currency).map_or(Decimal::ZERO, |money| money.amount)
    };
    let budget = |currency| BudgetAmounts {
        currency,
        limit: limits.iter().find(|limit| limit.currency == currency).map(|limit| limit.amount),
        committed: sum(&committed, currency),
        pending: sum(&pending, currency),
    };
    Ok(Currency::ALL.map(budget).into())
}

/// Limits of `month`, by currency.
pub async fn limits(db: impl PgExecutor<'_>, month: Month) -> Result<Vec<Money>, ApiError> {
    // The limit of the month alone comes first, then the latest of those that go on.
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (currency) currency AS "currency: Currency", amount FROM budget_limits
           WHERE month = $1 OR (is_onwards AND month < $1) ORDER BY currency, is_onwards, month DESC"#,
        month.first_day()
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some(Money { currency: row.currency, amount: row.amount? })).collect())
}

/// Sums of the orders that were approved in `month` and not canceled, by currency.
pub async fn committed(db: impl PgExecutor<'_>, month: Month, timezone: Tz) -> Result<Vec<Money>, ApiError> {
    let (start, end) = month.instants(timezone);
    // OFFSET 0 keeps Postgres from reading all purchases for those of a month.
    let sums = sqlx::query_as!(
        Money,
        r#"SELECT p.currency AS "currency: Currency", sum(p.quantity * p.unit_price) AS "amount!"
           FROM orders AS o,
           LATERAL (SELECT currency, quantity, unit_price FROM purchases WHERE order_id = o.id OFFSET 0) AS p
           WHERE o.approved_at >= $1 AND o.approved_at < $2 AND o.status <> 'canceled'
           GROUP BY p.currency"#,
        start,
        end
    );
    Ok(sums.fetch_all(db).await?)
}

/// Sums of the orders that wait for approval, by currency.
async fn pending(db: impl PgExecutor<'_>) -> Result<Vec<Money>, ApiError> {
    let sums = sqlx::query_as!(
        Money,
        r#"SELECT p.currency AS "currency: Currency", sum(p.quantity * p.unit_price) AS "amount!"
           FROM orders AS o,
           LATERAL (SELECT currency, quantity, unit_price FROM purchases WHERE order_id = o.id OFFSET 0) AS p
           WHERE o.status = 'created'
           GROUP BY p.currency"#
    );
    Ok(sums.fetch_all(db).await?)
}
