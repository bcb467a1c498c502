//! Orders in Postgres. A page takes two statements, one for the orders and one for the lines of all of them.

use std::collections::HashMap;

use axum::http::HeaderMap;
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
    http::{
        headers::if_match,
        pagination::{List, Ordering, Page, Sorted, push_filter},
    },
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
    /// Of the owner, for the admins. May be empty.
    pub note: String,
    /// Reason of the last transition.
    #[schema(required)]
    pub reason: Option<String>,
    /// Time of the approval, also of an order that was canceled later.
    #[schema(required)]
    pub approved_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    /// Number of users who follow the order.
    pub follower_count: i64,
    /// `true` if the caller follows the order.
    pub followed_by_me: bool,
    /// Possible next statuses.
    pub allowed_transitions: &'static [OrderStatus],
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[serde(skip)]
    id: i64,
    #[serde(skip)]
    version: i32,
    /// Followers among the viewers of the page.
    #[serde(skip)]
    followers: Vec<i64>,
}

impl Order {
    pub fn id(&self) -> i64 {
        self.id
    }

    pub fn version(&self) -> i32 {
        self.version
    }

    pub fn etag(&self) -> String {
        etag(self.version)
    }

    /// Tells whether `viewer`, one of the viewers that the order was loaded for, follows it.
    pub fn is_followed_by(&self, viewer: i64) -> bool {
        self.followers.contains(&viewer)
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
            note: row.try_get("note")?,
            reason: row.try_get("reason")?,
            approved_at: row.try_get("approved_at")?,
            estimated_arrival_time: row.try_get("estimated_arrival_time")?,
            follower_count: row.try_get("follower_count")?,
            followed_by_me: false,
            allowed_transitions: status.allowed_transitions(),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            id: row.try_get("id")?,
            version: row.try_get("version")?,
            followers: row.try_get("followers")?,
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

/// SELECT list of an [`Order`] without its lines and followers.
pub(super) const ORDER: &str =
    "SELECT o.id, o.uid, o.status, o.note, o.reason, o.approved_at, o.estimated_arrival_time, o.version, o.created_at, o.updated_at,
    o.user_id, person.name AS user_name, person.email AS user_email";
/// The rest of the SELECT list for an order that nobody follows.
pub(super) const NO_FOLLOWERS: &str = ", 0::bigint AS follower_count, ARRAY[]::bigint[] AS followers";
const FROM: &str = " FROM orders AS o JOIN users AS person ON person.id = o.user_id WHERE true";

/// Filter of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Empty for all.
    pub statuses: Vec<OrderStatus>,
    pub user: Option<i64>,
    pub followed_by: Option<i64>,
    pub uid: Option<Uuid>,
    /// Earliest time of creation.
    pub from: Option<DateTime<Utc>>,
    /// Time before which it was created.
    pub until: Option<DateTime<Utc>>,
    pub without_canceled: bool,
}

/// Pushes the rest of the SELECT list.
fn push_followers(sql: &mut QueryBuilder<Postgres>, viewers: &[i64]) {
    sql.push(
        ", (SELECT count(*) FROM order_follows WHERE order_id = o.id) AS follower_count,
        ARRAY(SELECT user_id FROM order_follows WHERE order_id = o.id AND user_id = ANY(ARRAY(SELECT unnest(",
    );
    // unnest hides the number of viewers from Postgres, which would plan again for each number.
    sql.push_bind(viewers.to_vec()).push("::bigint[])))) AS followers");
}

/// Page of orders with the followers among `viewers`.
pub async fn list(db: &PgPool, viewers: &[i64], filter: &Filter, sorted: &Sorted) -> Result<Page<Order>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    push_followers(&mut sql, viewers);
    sorted.push_key(&mut sql);
    sql.push(FROM);
    if !filter.statuses.is_empty() {
        sql.push(" AND o.status = ANY(").push_bind(filter.statuses.clone()).push(")");
    }
    if filter.without_canceled {
        sql.push(" AND o.status <> 'canceled'");
    }
    push_filter(&mut sql, " AND o.user_id = ", filter.user);
    if let Some(follower) = filter.followed_by {
        sql.push(" AND o.id IN (SELECT order_id FROM order_follows WHERE user_id = ").push_bind(follower).push(")");
    }
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

/// Order as `viewer` sees it. Inside of a transaction it has the changes of that.
///
/// # Errors
/// `not_found`.
pub async fn get(connection: &mut PgConnection, viewer: i64, uid: Uuid) -> Result<Order, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    push_followers(&mut sql, &[viewer]);
    sql.push(FROM).push(" AND o.uid = ").push_bind(uid);
    let mut order: Order = sql.build_query_as().fetch_optional(&mut *connection).await?.ok_or(Code::NotFound)?;
    order.followed_by_me = order.is_followed_by(viewer);
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
    /// New status. The previous one if the arrival time was corrected.
    pub to: OrderStatus,
    pub actor: UserSummary,
    #[schema(required)]
    pub reason: Option<String>,
    /// `true` if the approval exceeded the budget of the month.
    pub over_budget: bool,
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
               history.estimated_arrival_time, history.reason, history.is_over_budget, history.at, person.id, person.name
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
            reason: row.reason,
            over_budget: row.is_over_budget,
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

impl LockedOrder {
    /// # Errors
    /// `precondition_failed` when `If-Match` does not name the version.
    pub fn check_if_match(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if if_match(headers, &etag(self.version)) { Ok(()) } else { Err(Code::PreconditionFailed.into()) }
    }
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

/// New entry of the history.
#[derive(Debug)]
pub struct NewHistoryEntry<'a> {
    pub order: i64,
    pub from: OrderStatus,
    pub to: OrderStatus,
    pub actor: i64,
    pub arrival: Option<DateTime<Utc>>,
    pub reason: Option<&'a str>,
    pub is_over_budget: bool,
}

/// Writes an entry of the history.
pub async fn insert_history(tx: &mut PgConnection, entry: &NewHistoryEntry<'_>) -> Result<(), ApiError> {
    // clock_timestamp instead of the start of the transaction: a change that waited for the lock of another came after it.
    sqlx::query!(
        "INSERT INTO order_history (order_id, from_status, to_status, actor_id, estimated_arrival_time, reason, is_over_budget, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())",
        entry.order,
        entry.from as OrderStatus,
        entry.to as OrderStatus,
        entry.actor,
        entry.arrival,
        entry.reason,
        entry.is_over_budget
    )
    .execute(tx)
    .await?;
    Ok(())
}
