//! Orders in Postgres. A page takes two statements, one for the orders and one for the lines of all of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::status::OrderStatus;
use crate::{
    domain::{
        money::{Currency, Money, add},
        user_summary::UserSummary,
    },
    error::{ApiError, Code},
    http::pagination::{List, Ordering, Page, Sorted, push_filter},
    snack::summary::{SUMMARY_COLUMNS, SnackSummary},
};

/// User of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Orderer)]
pub struct OrderUser {
    pub id: i64,
    #[schema(example = "김간식")]
    pub name: String,
    #[schema(example = "kim@example.com")]
    pub email: String,
}

/// Line of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Purchase {
    pub snack: SnackSummary,
    #[schema(minimum = 1, maximum = 1000)]
    pub quantity: i32,
    /// Price when the snack was added to the order.
    #[schema(example = "1500")]
    pub unit_price: String,
    pub currency: Currency,
    /// Quantity times unit price.
    #[schema(example = "3000")]
    pub amount: String,
}

impl Purchase {
    /// Returns the line and its amount.
    pub fn new(snack: SnackSummary, quantity: i32, unit_price: Decimal, currency: Currency) -> (Self, Money) {
        let amount = unit_price * Decimal::from(quantity);
        let purchase = Self {
            snack,
            quantity,
            unit_price: currency.format(unit_price),
            currency,
            amount: currency.format(amount),
        };
        (purchase, Money { currency, amount })
    }
}

/// Order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Order {
    pub uid: Uuid,
    pub status: OrderStatus,
    pub user: OrderUser,
    /// Lines, in the order of the request.
    pub purchases: Vec<Purchase>,
    /// Total for each currency.
    pub amounts: Vec<Money>,
    #[schema(required)]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    /// Possible next statuses.
    pub allowed_transitions: &'static [OrderStatus],
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[serde(skip)]
    id: i64,
    #[serde(skip)]
    version: i32,
}

impl Order {
    pub fn etag(&self) -> String {
        etag(self.version)
    }
}

/// Entity tag of a version of an order.
pub fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

impl<'r> FromRow<'r, PgRow> for Order {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let status: OrderStatus = row.try_get("status")?;
        Ok(Self {
            uid: row.try_get("uid")?,
            status,
            user: OrderUser {
                id: row.try_get("user_id")?,
                name: row.try_get("user_name")?,
                email: row.try_get("user_email")?,
            },
            purchases: Vec::new(),
            amounts: Vec::new(),
            estimated_arrival_time: row.try_get("estimated_arrival_time")?,
            allowed_transitions: status.allowed_transitions(),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            id: row.try_get("id")?,
            version: row.try_get("version")?,
        })
    }
}

/// Orders without an arrival time are sorted as if it were infinity.
pub const LIST: &List = &List {
    name: "orders",
    orderings: &[
        Ordering { name: "created_at", keys: &[("o.created_at", "timestamptz"), ("o.id", "bigint")] },
        Ordering {
            name: "status",
            keys: &[("o.status", "order_status"), ("o.created_at", "timestamptz"), ("o.id", "bigint")],
        },
        Ordering {
            name: "estimated_arrival_time",
            keys: &[("coalesce(o.estimated_arrival_time, 'infinity')", "timestamptz"), ("o.id", "bigint")],
        },
    ],
    default: "-created_at",
};

/// SELECT list of an [`Order`] without its lines.
pub(super) const ORDER: &str =
    "SELECT o.id, o.uid, o.status, o.estimated_arrival_time, o.version, o.created_at, o.updated_at,
    o.user_id, person.name AS user_name, person.email AS user_email";
const FROM: &str = " FROM orders AS o JOIN users AS person ON person.id = o.user_id WHERE true";

/// Filter of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Empty for all.
    pub statuses: Vec<OrderStatus>,
    pub user: Option<i64>,
    pub uid: Option<Uuid>,
    /// Earliest time of creation.
    pub from: Option<DateTime<Utc>>,
    /// Time before which it was created.
    pub until: Option<DateTime<Utc>>,
    pub without_canceled: bool,
}

pub async fn list(db: &PgPool, filter: &Filter, sorted: &Sorted) -> Result<Page<Order>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    sorted.push_key(&mut sql);
    sql.push(FROM);
    if !filter.statuses.is_empty() {
        sql.push(" AND o.status = ANY(").push_bind(filter.statuses.clone()).push(")");
    }
    if filter.without_canceled {
        sql.push(" AND o.status <> 'canceled'");
    }
    push_filter(&mut sql, " AND o.user_id = ", filter.user);
    push_filter(&mut sql, " AND o.uid = ", filter.uid);
    push_filter(&mut sql, " AND o.created_at >= ", filter.from);
    push_filter(&mut sql, " AND o.created_at < ", filter.until);
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    let mut connection = db.acquire().await?;
    let mut page = sorted.page(sql.build_query_as().fetch_all(&mut *connection).await?);
    load_purchases(&mut connection, &mut page.results).await?;
    Ok(page)
}

/// Inside of a transaction the order has the changes of that.
///
/// # Errors
/// `not_found`.
pub async fn get(connection: &mut PgConnection, uid: Uuid) -> Result<Order, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    sql.push(FROM).push(" AND o.uid = ").push_bind(uid);
    let order: Order = sql.build_query_as().fetch_optional(&mut *connection).await?.ok_or(Code::NotFound)?;
    let mut orders = [order];
    load_purchases(connection, &mut orders).await?;
    let [order] = orders;
    Ok(order)
}

/// Loads the lines of `orders` with one statement, and computes their totals.
async fn load_purchases(connection: &mut PgConnection, orders: &mut [Order]) -> Result<(), ApiError> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    // unnest hides the number of orders from Postgres, which would plan again for each number.
    let sql = format!(
        "SELECT p.order_id, p.quantity, p.unit_price, p.currency, {SUMMARY_COLUMNS}
         FROM purchases AS p JOIN snacks AS s ON s.id = p.snack_id
         WHERE p.order_id = ANY(ARRAY(SELECT unnest($1::bigint[]))) ORDER BY p.order_id, p.position"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch_all(connection).await?;
    let mut by_order: HashMap<i64, (Vec<Purchase>, Vec<Money>)> = HashMap::new();
    for row in rows {
        let (purchases, amounts) = by_order.entry(row.try_get("order_id")?).or_default();
        let (purchase, money) = Purchase::new(
            SnackSummary::from_row(&row)?,
            row.try_get("quantity")?,
            row.try_get("unit_price")?,
            row.try_get("currency")?,
        );
        purchases.push(purchase);
        add(amounts, money);
    }
    for order in orders {
        (order.purchases, order.amounts) = by_order.remove(&order.id).unwrap_or_default();
    }
    Ok(())
}

/// Entry of the history of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// Previous status. `null` for the creation.
    #[schema(required)]
    pub from: Option<OrderStatus>,
    pub to: OrderStatus,
    pub actor: UserSummary,
    /// Estimated arrival time after the change.
    #[schema(required)]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    pub at: DateTime<Utc>,
}

/// History of an order, oldest first.
///
/// # Errors
/// `not_found`.
pub async fn history(db: &PgPool, uid: Uuid) -> Result<Vec<HistoryEntry>, ApiError> {
    let rows = sqlx::query!(
        r#"SELECT history.from_status AS "from_status: OrderStatus", history.to_status AS "to_status: OrderStatus",
               history.estimated_arrival_time, history.at, person.id, person.name
           FROM orders JOIN order_history AS history ON history.order_id = orders.id
           JOIN users AS person ON person.id = history.actor_id
           WHERE orders.uid = $1 ORDER BY history.id"#,
        uid
    )
    .fetch_all(db)
    .await?;
    if rows.is_empty() {
        // Every order has the entry of its creation.
        return Err(Code::NotFound.into());
    }
    Ok(rows
        .into_iter()
        .map(|row| HistoryEntry {
            from: row.from_status,
            to: row.to_status,
            actor: UserSummary { id: row.id, name: row.name },
            estimated_arrival_time: row.estimated_arrival_time,
            at: row.at,
        })
        .collect())
}

/// Order whose row is locked.
#[derive(Debug)]
pub struct LockedOrder {
    pub id: i64,
    pub user_id: i64,
    pub status: OrderStatus,
    pub version: i32,
    pub estimated_arrival_time: Option<DateTime<Utc>>,
}

/// Locks the order `uid` until the transaction ends.
///
/// # Errors
/// `not_found`.
pub async fn lock(tx: &mut PgConnection, uid: Uuid) -> Result<LockedOrder, ApiError> {
    let order = sqlx::query_as!(
        LockedOrder,
        r#"SELECT id, user_id, status AS "status: OrderStatus", version, estimated_arrival_time
           FROM orders WHERE uid = $1 FOR UPDATE"#,
        uid
    );
    order.fetch_optional(tx).await?.ok_or_else(|| Code::NotFound.into())
}

/// Writes an entry of the history.
pub async fn insert_history(
    tx: &mut PgConnection,
    order: i64,
    from: OrderStatus,
    to: OrderStatus,
    actor: i64,
    arrival: Option<DateTime<Utc>>,
) -> Result<(), ApiError> {
    // clock_timestamp instead of the start of the transaction: a change that waited for the lock of another came after it.
    sqlx::query!(
        "INSERT INTO order_history (order_id, from_status, to_status, actor_id, estimated_arrival_time, at)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp())",
        order,
        from as OrderStatus,
        to as OrderStatus,
        actor,
        arrival
    )
    .execute(tx)
    .await?;
    Ok(())
}
