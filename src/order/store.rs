//! Orders in Postgres: reading them. A page takes two statements, one for the orders and one for what is in them all.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::status::OrderStatus;
use crate::{
    domain::{
        money::{Currency, Money},
        user_summary::Person,
    },
    error::{ApiError, Code},
    http::{Ordering, Page, Sorted, pagination::HasKey},
    snack::store::media_url,
};

/// Whose order it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Orderer {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    #[schema(example = "김간식")]
    pub name: String,
    /// The user's email.
    #[schema(example = "kim@example.com")]
    pub email: String,
}

/// A snack as orders and statistics show it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SnackSummary {
    /// Its name in URLs.
    pub uid: Uuid,
    /// Its name now.
    #[schema(example = "새우깡")]
    pub name: String,
    /// Where to buy it, or empty.
    pub url: String,
    /// A description, or empty.
    pub desc: String,
    /// The path of its picture.
    #[schema(required)]
    pub image: Option<String>,
    /// The path of the same picture, small.
    #[schema(required)]
    pub thumbnail: Option<String>,
}

/// One snack in an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Purchase {
    /// What.
    pub snack: SnackSummary,
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    pub quantity: i32,
    /// The price of one when the snack was put into the order.
    #[schema(example = "1500")]
    pub unit_price: String,
    /// The currency of the price.
    pub currency: Currency,
    /// What all of them cost.
    #[schema(example = "3000")]
    pub amount: String,
}

impl Purchase {
    /// `quantity` of `snack` at `unit_price`, and what they cost.
    #[must_use]
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

/// An order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Order {
    /// Its name in URLs.
    pub uid: Uuid,
    /// How far it has got.
    pub status: OrderStatus,
    /// Who asked for it.
    pub user: Orderer,
    /// What is in it, in the order in which it was put in.
    pub purchases: Vec<Purchase>,
    /// What it costs, one sum for each currency.
    pub amounts: Vec<Money>,
    /// When it is expected.
    #[schema(required)]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    /// Where it can go from here.
    pub allowed_transitions: &'static [OrderStatus],
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    #[serde(skip)]
    id: i64,
    #[serde(skip)]
    version: i32,
    #[serde(skip)]
    cursor_key: Vec<String>,
}

impl Order {
    /// The entity tag of the order as it stands.
    #[must_use]
    pub fn etag(&self) -> String {
        etag(self.version)
    }
}

/// The entity tag of an order's `version`.
#[must_use]
pub fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

impl HasKey for Order {
    const LIST: &str = "orders";

    fn cursor_key(&self) -> &[String] {
        &self.cursor_key
    }
}

impl<'r> sqlx::FromRow<'r, PgRow> for Order {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let status: OrderStatus = row.try_get("status")?;
        Ok(Self {
            uid: row.try_get("uid")?,
            status,
            user: Orderer {
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
            cursor_key: row.try_get("cursor_key").unwrap_or_default(),
        })
    }
}

/// How lists of orders can be sorted. Postgres has no last timestamp but infinity: orders without an arrival stand there.
pub const ORDERINGS: &[Ordering] = &[
    Ordering { name: "created_at", keys: &[("o.created_at", "timestamptz"), ("o.id", "bigint")] },
    Ordering {
        name: "status",
        keys: &[("o.status", "order_status"), ("o.created_at", "timestamptz"), ("o.id", "bigint")],
    },
    Ordering {
        name: "estimated_arrival_time",
        keys: &[("coalesce(o.estimated_arrival_time, 'infinity')", "timestamptz"), ("o.id", "bigint")],
    },
];

/// The one SELECT list for an [`Order`], purchases aside.
pub(super) const ORDER: &str =
    "SELECT o.id, o.uid, o.status, o.estimated_arrival_time, o.version, o.created_at, o.updated_at,
    o.user_id, person.name AS user_name, person.email AS user_email";
const FROM: &str = " FROM orders AS o JOIN users AS person ON person.id = o.user_id WHERE true";

/// Which orders to list.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only those of these statuses; all when empty.
    pub statuses: Vec<OrderStatus>,
    /// Only this user's.
    pub user: Option<i64>,
    /// Only this one.
    pub uid: Option<Uuid>,
    /// Only those created from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only those created before this instant.
    pub until: Option<DateTime<Utc>>,
    /// None of those that were canceled.
    pub without_canceled: bool,
}

/// One page of orders.
///
/// # Errors
/// Postgres out of reach.
pub async fn list(db: &PgPool, filter: &Filter, sorted: &Sorted<Order>) -> Result<Page<Order>, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    sorted.push_key(&mut sql);
    sql.push(FROM);
    if !filter.statuses.is_empty() {
        sql.push(" AND o.status = ANY(").push_bind(filter.statuses.clone()).push(")");
    }
    if filter.without_canceled {
        sql.push(" AND o.status <> 'canceled'");
    }
    if let Some(user) = filter.user {
        sql.push(" AND o.user_id = ").push_bind(user);
    }
    if let Some(uid) = filter.uid {
        sql.push(" AND o.uid = ").push_bind(uid);
    }
    if let Some(from) = filter.from {
        sql.push(" AND o.created_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        sql.push(" AND o.created_at < ").push_bind(until);
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    let mut connection = db.acquire().await?;
    let mut page = sorted.page(sql.build_query_as().fetch_all(&mut *connection).await?);
    fill(&mut connection, &mut page.results).await?;
    Ok(page)
}

/// The order `uid`, as the connection sees it: inside a transaction with what that has changed.
///
/// # Errors
/// `not_found`.
pub async fn get(connection: &mut PgConnection, uid: Uuid) -> Result<Order, ApiError> {
    let mut sql = QueryBuilder::<Postgres>::new(ORDER);
    sql.push(FROM).push(" AND o.uid = ").push_bind(uid);
    let order: Order = sql.build_query_as().fetch_optional(&mut *connection).await?.ok_or(Code::NotFound)?;
    let mut orders = [order];
    fill(connection, &mut orders).await?;
    let [order] = orders;
    Ok(order)
}

/// Puts their purchases and sums into `orders`, with one statement for all of them.
async fn fill(connection: &mut PgConnection, orders: &mut [Order]) -> Result<(), ApiError> {
    if orders.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    // Without unnest Postgres sees how many there are, and plans anew each time.
    let rows = sqlx::query!(
        r#"SELECT p.order_id, p.quantity, p.unit_price, p.currency AS "currency: Currency",
               s.uid, s.name, s.url, s."desc", s.image, s.thumbnail
           FROM purchases AS p JOIN snacks AS s ON s.id = p.snack_id
           WHERE p.order_id = ANY(ARRAY(SELECT unnest($1::bigint[]))) ORDER BY p.order_id, p.position"#,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let mut by_order: HashMap<i64, (Vec<Purchase>, Vec<Money>)> = HashMap::new();
    for row in rows {
        let (purchases, amounts) = by_order.entry(row.order_id).or_default();
        let snack = SnackSummary {
            uid: row.uid,
            name: row.name,
            url: row.url,
            desc: row.desc,
            image: media_url(row.image),
            thumbnail: media_url(row.thumbnail),
        };
        let (purchase, money) = Purchase::new(snack, row.quantity, row.unit_price, row.currency);
        purchases.push(purchase);
        add(amounts, money);
    }
    for order in orders {
        (order.purchases, order.amounts) = by_order.remove(&order.id).unwrap_or_default();
    }
    Ok(())
}

/// Adds `money` to the sum of its currency. Sums stand in the order KRW, USD, JPY.
pub fn add(amounts: &mut Vec<Money>, money: Money) {
    if let Some(sum) = amounts.iter_mut().find(|sum| sum.currency == money.currency) {
        sum.amount += money.amount;
    } else {
        amounts.push(money);
        amounts.sort_by_key(|sum| sum.currency);
    }
}

/// One step of an order's way.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// The status before; `null` for the creation.
    #[schema(required)]
    pub from: Option<OrderStatus>,
    /// The status after.
    pub to: OrderStatus,
    /// Who did it.
    pub actor: Person,
    /// When the order was expected, as it then stood.
    #[schema(required)]
    pub estimated_arrival_time: Option<DateTime<Utc>>,
    /// When it was done.
    pub at: DateTime<Utc>,
}

/// The way of the order `uid`, oldest first.
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
        // Every order has at least the entry of its creation.
        return Err(Code::NotFound.into());
    }
    Ok(rows
        .into_iter()
        .map(|row| HistoryEntry {
            from: row.from_status,
            to: row.to_status,
            actor: Person { id: row.id, name: row.name },
            estimated_arrival_time: row.estimated_arrival_time,
            at: row.at,
        })
        .collect())
}

/// An order under the lock of its row, for whoever is about to change it.
#[derive(Debug)]
pub struct Locked {
    /// The row's number.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// How far it has got.
    pub status: OrderStatus,
    /// The version that the change makes old.
    pub version: i32,
    /// When it is expected.
    pub estimated_arrival_time: Option<DateTime<Utc>>,
}

/// Locks the order `uid` until the transaction ends.
///
/// # Errors
/// `not_found`.
pub async fn lock(tx: &mut PgConnection, uid: Uuid) -> Result<Locked, ApiError> {
    let order = sqlx::query_as!(
        Locked,
        r#"SELECT id, user_id, status AS "status: OrderStatus", version, estimated_arrival_time
           FROM orders WHERE uid = $1 FOR UPDATE"#,
        uid
    );
    order.fetch_optional(tx).await?.ok_or_else(|| Code::NotFound.into())
}

/// Writes a step of the order's way.
///
/// # Errors
/// Postgres out of reach.
pub async fn record(
    tx: &mut PgConnection,
    order: i64,
    from: OrderStatus,
    to: OrderStatus,
    actor: i64,
    arrival: Option<DateTime<Utc>>,
) -> Result<(), ApiError> {
    // clock_timestamp, not the transaction's beginning: a step that waited for another's lock came after it.
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
