//! Notifications and events about budgets of which 80% or 100% is committed.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, json};
use sqlx::PgConnection;

use super::store::{self, BudgetAmounts};
use crate::{
    domain::{money::Currency, period::Month},
    error::ApiError,
    outbox::{Details, EventType, Message, NotificationKind, Outbox, Readers},
};

/// Percentages that are told, each once a month.
const PERCENTAGES: [i16; 2] = [80, 100];

/// Writes what is told of the budgets of the month of `now` that have reached a percentage, in the transaction of `actor`'s change.
/// That must hold [`Lock::Budget`], so that of two approvals the second counts the first. Returns the users who are notified.
///
/// [`Lock::Budget`]: crate::db::locks::Lock::Budget
pub async fn write(
    tx: &mut PgConnection,
    outbox: &Outbox,
    now: DateTime<Utc>,
    actor: i64,
) -> Result<Vec<i64>, ApiError> {
    let month = Month::of(now, outbox.timezone);
    let mut notified = Vec::new();
    for budget in store::load(&mut *tx, month, now, outbox.timezone).await? {
        let Some(percent) = reached(&budget) else { continue };
        if !mark(&mut *tx, month, budget.currency, percent).await? {
            continue;
        }
        let data = [("budget".to_owned(), json!(budget.show(month))), ("percent".to_owned(), json!(percent))];
        let message = Message {
            readers: Readers::Admins,
            kind: Some(NotificationKind::BudgetReached),
            details: Details {
                month: Some(month),
                currency: Some(budget.currency),
                percent: Some(percent),
                ..Details::default()
            },
            order: None,
            actor: Some(actor),
            event: Some(EventType::BudgetReached),
            data: Map::from_iter(data),
        };
        notified.extend(outbox.write(&mut *tx, message).await?);
    }
    Ok(notified)
}

/// Highest percentage of the limit that is committed.
fn reached(budget: &BudgetAmounts) -> Option<i16> {
    let limit = budget.limit?;
    if budget.committed.is_zero() {
        return None;
    }
    PERCENTAGES.into_iter().rfind(|percent| budget.committed * Decimal::ONE_HUNDRED >= limit * Decimal::from(*percent))
}

/// Marks `percent` and the lower ones as told. Returns whether `percent` was not told before.
async fn mark(tx: &mut PgConnection, month: Month, currency: Currency, percent: i16) -> Result<bool, ApiError> {
    let percentages: Vec<i16> = PERCENTAGES.into_iter().filter(|lower| *lower <= percent).collect();
    let marked = sqlx::query_scalar!(
        "INSERT INTO budget_alerts (month, currency, percent) SELECT $1, $2, unnest($3::smallint[])
         ON CONFLICT DO NOTHING RETURNING percent",
        month.first_day(),
        currency as Currency,
        &percentages
    );
    Ok(marked.fetch_all(tx).await?.contains(&percent))
}
