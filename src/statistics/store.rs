//! Statistics in Postgres.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;

use crate::{
    domain::{
        money::{Currency, Money, add},
        period::{DateRange, MAX_PERIODS, Period, TooManyPeriods, Unit, day_of, start_of},
    },
    error::ApiError,
    http::pagination::{List, Ordering, Page, Sorted, push_filter},
    snack::summary::{SUMMARY_COLUMNS, SnackSummary},
};

/// Orders that count.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Earliest time of creation.
    pub from: Option<DateTime<Utc>>,
    /// Time before which the order was created.
    pub until: Option<DateTime<Utc>>,
    pub include_canceled: bool,
}

/// Statistics of a snack.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnackStatistics {
    pub snack: SnackSummary,
    /// Number of orders with the snack.
    pub order_count: i64,
    /// Ordered quantity.
    pub quantity: i64,
    /// Total for each currency.
    pub amounts: Vec<Money>,
    /// The same by currency, for the CSV.
    #[serde(skip)]
    pub by_currency: Vec<CurrencyStatistics>,
    #[serde(skip)]
    id: i64,
}

/// Statistics of a snack in one currency.
#[derive(Debug)]
pub struct CurrencyStatistics {
    pub order_count: i64,
    pub quantity: i64,
    pub money: Money,
}

impl<'r> FromRow<'r, PgRow> for SnackStatistics {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            snack: SnackSummary::from_row(row)?,
            order_count: row.try_get("order_count")?,
            quantity: row.try_get("quantity")?,
            amounts: Vec::new(),
            by_currency: Vec::new(),
            id: row.try_get("id")?,
        })
    }
}

pub const LIST: &List = &List {
    name: "snack statistics",
    orderings: &[
        Ordering { name: "quantity", keys: &[("t.quantity", "bigint"), ("t.snack_id", "bigint")] },
        Ordering { name: "order_count", keys: &[("t.order_count", "bigint"), ("t.snack_id", "bigint")] },
        Ordering { name: "name", keys: &[("(SELECT name_key FROM snacks WHERE id = t.snack_id)", "text")] },
    ],
    default: "-quantity",
};

/// Page of the snacks that were ordered in `scope`.
///
/// Counts the orders that existed when the walk began (`horizon`), so that new orders do not move a snack to another page.
pub async fn snacks(db: &PgPool, scope: &Scope, sorted: &mut Sorted) -> Result<Page<SnackStatistics>, ApiError> {
    let mut connection = db.acquire().await?;
    let horizon = match sorted.horizon {
        Some(horizon) => horizon,
        None => {
            sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) AS "id!" FROM orders"#)
                .fetch_one(&mut *connection)
                .await?
        }
    };
    sorted.horizon = Some(horizon);
    // The page is cut before the snacks are looked up, because a month may have a hundred thousand of them.
    let mut sql = QueryBuilder::<Postgres>::new("SELECT s.id, t.order_count, t.quantity, t.cursor_key, ");
    sql.push(SUMMARY_COLUMNS).push(" FROM (SELECT t.*");
    sorted.push_key(&mut sql);
    sql.push(
        " FROM (SELECT p.snack_id, count(*) AS order_count, sum(p.quantity)::bigint AS quantity
                FROM orders AS o JOIN purchases AS p ON p.order_id = o.id WHERE o.id <= ",
    );
    sql.push_bind(horizon);
    push_scope(&mut sql, scope);
    sql.push(" GROUP BY p.snack_id) AS t");
    sorted.push_after(&mut sql, "WHERE");
    sorted.push_order(&mut sql);
    sql.push(") AS t JOIN snacks AS s ON s.id = t.snack_id");
    sorted.push_order(&mut sql);
    let mut page = sorted.page(sql.build_query_as().fetch_all(&mut *connection).await?);

    let ids: Vec<i64> = page.results.iter().map(|row: &SnackStatistics| row.id).collect();
    let mut by_snack: HashMap<i64, Vec<CurrencyStatistics>> = HashMap::new();
    let rows = sqlx::query!(
        r#"SELECT p.snack_id, p.currency AS "currency: Currency", count(*) AS "order_count!",
               sum(p.quantity)::bigint AS "quantity!", sum(p.quantity * p.unit_price) AS "amount!"
           FROM orders AS o JOIN purchases AS p ON p.order_id = o.id
           WHERE p.snack_id = ANY($1) AND o.id <= $2 AND ($3 OR o.status <> 'canceled')
             AND o.created_at >= coalesce($4::timestamptz, '-infinity') AND o.created_at < coalesce($5::timestamptz, 'infinity')
           GROUP BY p.snack_id, p.currency ORDER BY p.snack_id, p.currency"#,
        &ids,
        horizon,
        scope.include_canceled,
        scope.from,
        scope.until
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        by_snack.entry(row.snack_id).or_default().push(CurrencyStatistics {
            order_count: row.order_count,
            quantity: row.quantity,
            money: Money { currency: row.currency, amount: row.amount },
        });
    }
    for row in &mut page.results {
        row.by_currency = by_snack.remove(&row.id).unwrap_or_default();
        row.amounts = row.by_currency.iter().map(|sum| sum.money).collect();
    }
    Ok(page)
}

fn push_scope(sql: &mut QueryBuilder<Postgres>, scope: &Scope) {
    if !scope.include_canceled {
        sql.push(" AND o.status <> 'canceled'");
    }
    push_filter(sql, " AND o.created_at >= ", scope.from);
    push_filter(sql, " AND o.created_at < ", scope.until);
}

/// Sums of a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeriodSummary {
    /// `2024`, `2024-01`, `2024-01-W1` or `2024-01-04`.
    #[schema(example = "2024-01")]
    pub period: String,
    /// First day, not before that of the range.
    pub from: NaiveDate,
    /// Last day, not after that of the range.
    pub to: NaiveDate,
    /// Number of orders.
    pub order_count: i64,
    /// Number of snacks in them.
    pub snack_quantity: i64,
    /// Total for each currency.
    pub amounts: Vec<Money>,
}

/// Sums of a series of periods.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// Time zone of the days.
    #[schema(example = "Asia/Seoul")]
    pub timezone: String,
    /// Length of the periods.
    pub unit: Unit,
    /// First day of the range.
    pub from: NaiveDate,
    /// Last day of the range.
    pub to: NaiveDate,
    /// All periods of the range, empty ones included.
    pub results: Vec<PeriodSummary>,
}

/// Sums of all periods of `range`. An open start is the day of the first order that counts, an open end is today.
///
/// # Errors
/// `invalid_request` for too many periods.
pub async fn summary(
    connection: &mut PgConnection,
    range: DateRange,
    unit: Unit,
    zone: Tz,
    include_canceled: bool,
) -> Result<Summary, ApiError> {
    let today = day_of(Utc::now(), zone);
    let from = match range.from {
        Some(from) => from,
        None => first_day(connection, zone, include_canceled).await?.unwrap_or(today).min(range.to.unwrap_or(today)),
    };
    let to = range.to.unwrap_or_else(|| today.max(from));
    let periods = unit.periods(from, to).map_err(too_many_periods)?;

    let mut bounds: Vec<DateTime<Utc>> = periods.iter().map(|period| start_of(period.from, zone)).collect();
    let (_, end) = DateRange { from: None, to: Some(to) }.instants(zone);
    bounds.extend(end);
    // The bounds of the periods are computed here, so that the statement needs no calendar. Days with a valid rollup are read from it, and
    // the gaps between them are counted. OFFSET 0 keeps Postgres from reading all purchases for the orders of today.
    let rows = sqlx::query!(
        r#"WITH day AS (
               SELECT starts_at, ends_at, order_count, canceled_count, width_bucket(starts_at, $1) AS period FROM daily_rollup
               WHERE starts_at >= ($1::timestamptz[])[1] AND ends_at <= ($1::timestamptz[])[cardinality($1::timestamptz[])]
                 AND width_bucket(starts_at, $1) = width_bucket(ends_at - interval '1 microsecond', $1)
                 AND NOT EXISTS (SELECT FROM order_dirty WHERE created_at >= starts_at AND created_at < ends_at)),
           gap AS (
               SELECT unnest(
                   tstzmultirange(tstzrange(($1::timestamptz[])[1], ($1::timestamptz[])[cardinality($1::timestamptz[])]))
                   - (SELECT coalesce(range_agg(tstzrange(starts_at, ends_at)), '{}') FROM day)) AS span),
           counted AS (
               SELECT id, width_bucket(created_at, $1) AS period
               FROM gap JOIN orders ON created_at >= lower(span) AND created_at < upper(span)
               WHERE $2 OR status <> 'canceled')
           SELECT period AS "period!", NULL::currency AS "currency: Currency",
               order_count + CASE WHEN $2 THEN canceled_count ELSE 0 END AS "count!", 0::numeric AS "amount!"
           FROM day
           UNION ALL
           SELECT day.period, sums.currency, sums.quantity, sums.amount
           FROM day JOIN daily_rollup_sums AS sums USING (starts_at) WHERE $2 OR NOT sums.is_canceled
           UNION ALL
           SELECT period, NULL, count(*), 0 FROM counted GROUP BY period
           UNION ALL
           SELECT period, p.currency, sum(p.quantity)::bigint, sum(p.quantity * p.unit_price)
           FROM counted,
           LATERAL (SELECT currency, quantity, unit_price FROM purchases WHERE order_id = counted.id OFFSET 0) AS p
           GROUP BY period, p.currency"#,
        &bounds,
        include_canceled
    )
    .fetch_all(connection)
    .await?;

    let mut results: Vec<PeriodSummary> = periods.into_iter().map(PeriodSummary::empty).collect();
    for row in rows {
        // Buckets are numbered from 1.
        let Some(sums) = usize::try_from(row.period).ok().and_then(|bucket| results.get_mut(bucket - 1)) else {
            continue;
        };
        match row.currency {
            None => sums.order_count += row.count,
            Some(currency) => {
                sums.snack_quantity += row.count;
                add(&mut sums.amounts, Money { currency, amount: row.amount });
            }
        }
    }
    Ok(Summary { timezone: zone.name().to_owned(), unit, from, to, results })
}

impl PeriodSummary {
    fn empty(period: Period) -> Self {
        Self {
            period: period.label,
            from: period.from,
            to: period.to,
            order_count: 0,
            snack_quantity: 0,
            amounts: Vec::new(),
        }
    }

    /// Total in `currency`, 0 if there is none.
    pub fn amount(&self, currency: Currency) -> Money {
        let amount = self.amounts.iter().find(|sum| sum.currency == currency).map_or(Decimal::ZERO, |sum| sum.amount);
        Money { currency, amount }
    }
}

fn too_many_periods(_: TooManyPeriods) -> ApiError {
    ApiError::bad_request(
        format!("기간이 {MAX_PERIODS}개를 넘습니다. 범위를 줄이거나 더 큰 단위를 선택해 주세요."),
        format!("There are more than {MAX_PERIODS} periods. Choose a shorter range or a larger unit."),
    )
}

async fn first_day(
    connection: &mut PgConnection,
    zone: Tz,
    include_canceled: bool,
) -> Result<Option<NaiveDate>, ApiError> {
    let first = sqlx::query_scalar!(
        "SELECT created_at FROM orders WHERE $1 OR status <> 'canceled' ORDER BY created_at, id LIMIT 1",
        include_canceled
    );
    Ok(first.fetch_optional(connection).await?.map(|instant| day_of(instant, zone)))
}
