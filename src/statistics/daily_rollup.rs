//! Sums of the days that are over, so that a year is read from a few hundred rows.
//!
//! They are never trusted blindly, and so are never wrong: every change of an order leaves a dirty row in its own transaction
//! (triggers), and whoever reads counts the days that have one, or have no sums yet, from the orders themselves, in the same
//! statement. [`settle`] takes the dirty rows of days that are over first and counts afterwards, as the flush of reactions
//! does: what commits in between keeps its dirty row.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    app::state::AppState,
    domain::period::{day_of, start_of},
    error::ApiError,
};

/// Names the lock that elects who counts; any number that nothing else uses.
const LOCK: i64 = 0x0064_6179_7300;
/// How often the days that are over are looked after. Nobody waits for it.
const INTERVAL: Duration = Duration::from_mins(5);
/// How many days one transaction counts at the most.
const BATCH: u64 = 31;
/// How many days are counted anew each time though nothing is known against them, the ones first that were counted longest
/// ago: whatever has got into the sums by other ways goes out again.
const DOUBTED: i64 = 31;

/// Keeps the sums until `stop`.
pub async fn run(state: AppState, stop: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let zone = state.config.timezone;
        let settling = async {
            doubt(&state.db).await?;
            settle(&state.db, zone, day_of(Utc::now(), zone)).await
        };
        match state.pulse.guard(settling).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "the sums of past days were not counted; the next round tries again")
            }
            None => tracing::warn!("Postgres fell silent while past days were counted; the next round tries again"),
        }
    }
}

/// Lets the days that were counted longest ago be counted again by the next [`settle`].
///
/// # Errors
/// Postgres out of reach.
pub async fn doubt(db: &PgPool) -> Result<(), ApiError> {
    // Both ends, because a day of another time zone lies in two of this one's.
    sqlx::query!(
        "WITH oldest AS (SELECT starts_at, ends_at FROM order_days ORDER BY counted_at LIMIT $1)
         INSERT INTO order_dirty SELECT starts_at FROM oldest UNION ALL SELECT ends_at - interval '1 microsecond' FROM oldest",
        DOUBTED
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Counts the days before `today` that have changed, or were never counted. Returns how many there were; none when another
/// server is at it.
///
/// # Errors
/// Postgres out of reach.
pub async fn settle(db: &PgPool, zone: Tz, today: NaiveDate) -> Result<usize, ApiError> {
    let mut settled = 0;
    while let Some(first) = first_dirty(db, start_of(today, zone)).await? {
        let until = start_of(today.min(day_of(first, zone) + Days::new(BATCH)), zone);
        let mut tx = db.begin().await?;
        let elected = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "elected!""#, LOCK);
        if !elected.fetch_one(&mut *tx).await? {
            break;
        }
        let changed = sqlx::query_scalar!("DELETE FROM order_dirty WHERE created_at < $1 RETURNING created_at", until);
        let days: BTreeSet<NaiveDate> =
            changed.fetch_all(&mut *tx).await?.into_iter().map(|instant| day_of(instant, zone)).collect();
        let starts: Vec<DateTime<Utc>> = days.iter().map(|day| start_of(*day, zone)).collect();
        let ends: Vec<DateTime<Utc>> = days.iter().map(|day| start_of(*day + Days::new(1), zone)).collect();
        sqlx::query!(
            "DELETE FROM order_days USING unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at)
             WHERE order_days.starts_at < day.ends_at AND order_days.ends_at > day.starts_at",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO order_days (starts_at, ends_at, order_count, canceled_count)
             SELECT day.starts_at, day.ends_at, counted.good, counted.canceled
             FROM unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at),
             LATERAL (
                 SELECT count(*) FILTER (WHERE status <> 'canceled') AS good, count(*) FILTER (WHERE status = 'canceled') AS canceled
                 FROM orders WHERE created_at >= day.starts_at AND created_at < day.ends_at) AS counted",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        // OFFSET 0 keeps Postgres from reading all purchases there are for the few of a day.
        sqlx::query!(
            "INSERT INTO order_day_sums (starts_at, currency, is_canceled, quantity, amount)
             SELECT day.starts_at, sums.currency, sums.is_canceled, sums.quantity, sums.amount
             FROM unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at),
             LATERAL (
                 SELECT p.currency, o.status = 'canceled' AS is_canceled, sum(p.quantity) AS quantity,
                     sum(p.quantity * p.unit_price) AS amount
                 FROM orders AS o,
                 LATERAL (SELECT currency, quantity, unit_price FROM purchases WHERE order_id = o.id OFFSET 0) AS p
                 WHERE o.created_at >= day.starts_at AND o.created_at < day.ends_at
                 GROUP BY p.currency, o.status = 'canceled') AS sums",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        settled += days.len();
    }
    Ok(settled)
}

/// The earliest change before `until` that the sums do not show.
async fn first_dirty(db: &PgPool, until: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let first = sqlx::query_scalar!(
        "SELECT created_at FROM order_dirty WHERE created_at < $1 ORDER BY created_at LIMIT 1",
        until
    );
    Ok(first.fetch_optional(db).await?)
}
