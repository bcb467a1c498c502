//! The check of the budget when an order is approved.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::store;
use crate::{
    db::locks::{Lock, wait_for_lock},
    domain::{
        money::{Currency, Money},
        period::Month,
    },
    error::{ApiError, Code, ErrorDetails, ExceededBudget, FieldError, Text},
};

/// Approval that the budget allows.
#[derive(Clone, Copy, Debug)]
pub struct Commitment {
    /// Time of the approval.
    pub at: DateTime<Utc>,
    pub is_over_budget: bool,
}

/// Checks that the order fits into the budget of this month, for an approval in the same transaction.
///
/// The lock is held until the transaction ends, so that of two approvals the second counts the first.
///
/// # Errors
/// `budget_exceeded` with each exceeded currency, unless `may_exceed`.
pub async fn check(tx: &mut PgConnection, order: i64, timezone: Tz, may_exceed: bool) -> Result<Commitment, ApiError> {
    wait_for_lock(tx, Lock::Budget).await?;
    // After the wait, so that the month is that of the approval.
    let at = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "at!""#).fetch_one(&mut *tx).await?;
    let month = Month::of(at, timezone);
    let amounts = sqlx::query_as!(
        Money,
        r#"SELECT currency AS "currency: Currency", sum(quantity * unit_price) AS "amount!"
           FROM purchases WHERE order_id = $1 GROUP BY currency ORDER BY currency"#,
        order
    )
    .fetch_all(&mut *tx)
    .await?;
    let limits = store::limits(&mut *tx, month).await?;
    let committed = store::committed(&mut *tx, month, timezone).await?;
    let exceeded: Vec<FieldError> =
        amounts.iter().filter_map(|amount| exceeded_budget(month, *amount, &limits, &committed)).collect();
    let is_over_budget = !exceeded.is_empty();
    if is_over_budget && !may_exceed {
        return Err(Code::BudgetExceeded.with_fields(exceeded));
    }
    Ok(Commitment { at, is_over_budget })
}

/// Error if `amount` would carry what is committed over the limit.
fn exceeded_budget(month: Month, amount: Money, limits: &[Money], committed: &[Money]) -> Option<FieldError> {
    let currency = amount.currency;
    let find = |amounts: &[Money]| amounts.iter().find(|money| money.currency == currency).map(|money| money.amount);
    let limit = find(limits)?;
    let committed = find(committed).unwrap_or_default();
    // A free order spends nothing, also when the limit was lowered below what is committed.
    if amount.amount == Decimal::ZERO || committed + amount.amount <= limit {
        return None;
    }
    let (limit, committed, amount) =
        (currency.format(limit), currency.format(committed), currency.format(amount.amount));
    let code = currency.code();
    let message = Text::new(
        format!(
            "{month} 예산을 넘습니다. 한도 {limit} {code}, 승인된 금액 {committed} {code}, 이 주문 {amount} {code}."
        ),
        format!(
            "Over the budget for {month}: limit {limit} {code}, committed {committed} {code}, this order {amount} {code}."
        ),
    );
    let error = FieldError { message, ..FieldError::new("budget", "budget_exceeded") };
    let budget = ExceededBudget { currency: code, limit, committed, amount };
    Some(error.with_details(ErrorDetails::Budget(budget)))
}
